"""The access log of a new configuration, opened early so that a failure changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from errno import EAGAIN
from typing import Any

from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from corsgate.config.model.values import Config
from corsgate.errors import Fault
from corsgate.gate.access_log import AccessLog, open_log, place_of_log
from corsgate.gate.log_style import OutputLines
from corsgate.gate.log_writer import LogFile, open_log_file

_log = Logger()


def log_fault(config: Config, file: str, error: OSError) -> Fault:
    """Return the fault of an access log that can't be opened.

    Args:
        config: Names the access log.
        file: The configuration's name.
        error: Why it can't be opened.
    """
    return Fault(
        file=file,
        key="access_log",
        problem=f"{config.access_log!r} can't be opened: {error.strerror}",
        fix="name a file that the daemon may write",
    )


class LogChange:
    """A change of the access log, prepared in a thread and applied in the reactor.

    A file is reopened even if its name is the same, because logrotate may have renamed the old one.

    Args:
        access_log: The access log.
        config: The configuration with the log's new place and format.
        output: Standard output; None if there is none.
        reactor: The gate's reactor.

    Raises:
        OSError: The file can't be opened, or its thread can't be started. Nothing has changed.
    """

    def __init__(
        self, access_log: AccessLog, config: Config, output: OutputLines | None, reactor: Any
    ) -> None:
        self._access_log = access_log
        self._config = config
        self._reactor = reactor
        self._descriptor: int | None = None
        self._place = place_of_log(config.access_log, output)
        self._sink: Callable[[str], None] | LogFile | None = None
        if isinstance(access_log.sink, LogFile) and config.access_log not in (None, "-", "off"):
            self._descriptor = open_log_file(config.access_log)
        else:
            max_bytes = config.limits.max_buffered_log_bytes
            in_reactor = reactor.callFromThread
            self._sink = open_log(config.access_log, output, max_bytes, in_reactor)
            if isinstance(self._sink, LogFile):
                self._start(self._sink)

    @staticmethod
    def _start(sink: LogFile) -> None:
        """Start the thread that writes, at a time when a failure can still be reported."""
        try:
            sink.start()
        except RuntimeError as error:
            sink.close()
            raise OSError(EAGAIN, f"no thread can be started: {error}") from error

    def discard(self) -> None:
        """Close the new file or descriptor; the access log stays as it is."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        elif isinstance(self._sink, LogFile):
            self._sink.close()

    def apply(self) -> None:
        """Write all further lines to the new place."""
        before, config = self._access_log.sink, self._config
        if self._descriptor is None:
            self._access_log.change(config.log_format, self._sink, self._place)
            if isinstance(before, LogFile):
                self._close(before)
            return
        assert isinstance(before, LogFile)
        assert config.access_log is not None
        before.switch(config.access_log, self._descriptor)
        before.bound(config.limits.max_buffered_log_bytes)
        self._access_log.change(config.log_format, before, self._place)
        _log.info("the access log was reopened")

    def _close(self, before: LogFile) -> None:
        counted = before.lost_lines

        def closed(unlogged: int) -> None:
            self._access_log.closed(unlogged, before.lost_lines - counted)

        # In a thread, because it waits for the disk.
        closing = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), before.close)
        closing.addCallback(closed)
        closing.addErrback(lambda failure: _log.failure("the old access log", failure))
