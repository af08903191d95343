"""The top of the service tree: a fault at startup ends the process with an exit status."""

from __future__ import annotations

import os
import sys
from typing import Any

import attrs
from twisted.application.service import MultiService
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from corsgate.daemon.log_observer import LogObserver
from corsgate.daemon.log_place import marked
from corsgate.daemon.notify import Notifier
from corsgate.errors import ConfigError, ListenError
from corsgate.gate.log_text import printable


class Top(MultiService):
    """The top service under twistd or twist; a fault at startup ends the process.

    Args:
        daemonized: Whether twistd has left the terminal by the time of the start.
        observer: Writes twistd's log; None for the log in twistd's options.
        notifier: Also reports the fault to systemd.
    """

    _log = Logger()

    def __init__(
        self, *, daemonized: bool, notifier: Notifier, observer: LogObserver | None = None
    ) -> None:
        super().__init__()
        self._observer = observer
        self._daemonized = daemonized
        self._notifier = notifier
        self._listens = False

    def setServiceParent(self, parent: Any) -> None:
        """Join the application, from which twistd gets the observer of its log."""
        super().setServiceParent(parent)
        if self._observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)

    def startService(self) -> None:
        """Start all services."""
        if not self._listens:
            # twist does not call privilegedStartService, as twistd does; nothing would listen.
            self.privilegedStartService()
        super().startService()

    def privilegedStartService(self) -> None:
        """Listen, or end the process with the faults."""
        self._listens = True
        try:
            super().privilegedStartService()
        except ConfigError as error:
            if not self._daemonized:
                raise exit_for(error, self._notifier) from None
            report(error, self._notifier)
            for fault in error.faults:
                self._log.critical("{fault}", fault=str(fault))
            # twistd reports only an Exception to its parent, which waits on the terminal. After a
            # SystemExit the parent would wait forever. Only 100 bytes of the text arrive,
            # including the exception's name, so the name should be short.
            raise RuntimeError("; ".join(fault.problem for fault in error.faults)) from None


def exit_for(error: ConfigError, notifier: Notifier) -> SystemExit:
    """Print faults where the user sees them, even if twistd has redirected stderr.

    Args:
        error: The faults.
        notifier: Sends the first fault to systemd, for ``systemctl status``.

    Returns:
        An exception that ends the process. The status is 78 (EX_CONFIG of sysexits.h) if the
        configuration must be changed, so that systemd does not restart the gate. It is 1 if a port
        is in use, so that systemd does.
    """
    # A newline in a name would start another record in the journal.
    lines = "\n".join(
        [
            printable(line)
            for fault in error.faults
            # An excerpt has several lines, but a file's name must not.
            for line in (str(attrs.evolve(fault, excerpt="")), *fault.excerpt.splitlines())
        ]
    )
    print(marked(lines, 2, os.environ), file=sys.__stderr__)
    report(error, notifier)
    return SystemExit(1 if isinstance(error, ListenError) else os.EX_CONFIG)


def report(error: ConfigError, notifier: Notifier) -> None:
    """Report to systemd why the gate does not start.

    Args:
        error: The faults. Only the first one is sent, with the number of others.
        notifier: Sends it.
    """
    more = len(error.faults) - 1
    others = f" (and {more} more fault{'' if more == 1 else 's'})" if more else ""
    number = getattr(error, "errno", None)
    reason = {} if number is None else {"ERRNO": number}
    # A status has one line.
    first = attrs.evolve(error.faults[0], excerpt="")
    notifier.send(STATUS=f"did not start: {first}{others}", **reason)
