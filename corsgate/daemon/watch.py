"""Reloads after a change of the configuration file, or of a file that it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from corsgate.daemon.loading import Loader, Signature, look
from corsgate.daemon.reload import Reloader

INTERVAL_S = 1.0
"""How often the files are checked, in seconds. They are loaded when two checks in a row find the
same, since an editor or a copy may write them in several steps."""

PATIENCE = 5
"""In how many checks in a row a secret's file may be missing or empty before that is a fault."""

Signatures: TypeAlias = Mapping[str, Signature]

_SIZE = 2

_log = Logger()


class Watcher(Service):
    """Watches the files of secrets, and with ``watch = true`` all files of the configuration.

    After a change of secrets, only their files are read again; see `Loader.load_secrets`. A fault
    is reported once. The files are loaded again after their next change.

    Args:
        clock: Schedules the checks.
        loader: Has the files that were read, and their signatures at that time.
        reloader: The gate's reloader.
        is_wanted: Returns whether the current configuration has ``watch = true``.
        in_thread: Calls a function in a thread, since a file system may not respond.
        look: Returns the signature of a file.
    """

    def __init__(
        self,
        clock: IReactorTime,
        loader: Loader,
        reloader: Reloader,
        is_wanted: Callable[[], bool],
        in_thread: Callable[[Callable[[], Signatures]], Deferred[Signatures]],
        look: Callable[[str], Signature] = look,
    ) -> None:
        self._clock = clock
        self._loader = loader
        self._reloader = reloader
        self._is_wanted = is_wanted
        self._in_thread = in_thread
        self._look = look
        self._call: IDelayedCall | None = None
        self._busy = False
        self._files = _Change()
        self._secrets = _Change()
        # The files of secrets with which a reload has failed.
        self._tried: Signatures | None = None

    def startService(self) -> None:
        """Start watching."""
        super().startService()
        self._call = self._clock.callLater(INTERVAL_S, self._check)

    def stopService(self) -> None:
        """Stop watching."""
        super().stopService()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _check(self) -> None:
        self._call = self._clock.callLater(INTERVAL_S, self._check)
        if self._busy:
            return
        paths = dict.fromkeys(self._reloader.secret_files)
        if self._is_wanted():
            paths.update(dict.fromkeys(self._loader.files))
        if not paths:
            return
        self._busy = True
        look = self._look
        looking = self._in_thread(lambda: {path: look(path) for path in paths})
        looking.addCallback(self._looked).addErrback(self._failed).addBoth(self._ended)

    def _looked(self, now: Signatures) -> Deferred[object] | None:
        """Reload after a change; return a Deferred that fires after the reload, or None."""
        if not self.running:
            return None
        files = self._loader.files if self._is_wanted() else {}
        if self._files.is_due(files, now):
            return self._reloader.reload("a file has changed").addCallback(lambda _: None)
        known = self._reloader.secret_files
        found = {path: now.get(path) for path in known}
        if found == known:
            self._tried = None
        if found == self._tried or not self._secrets.is_due(known, now, PATIENCE):
            return None
        self._tried = found
        asked = self._reloader.reload("a secret has changed", secrets_only=True)
        return asked.addCallback(lambda _: None)

    def _failed(self, failure: Failure) -> None:
        _log.failure("the files of the configuration can't be checked", failure)

    def _ended(self, _: object) -> None:
        self._busy = False


class _Change:
    """Decides when to load changed files again."""

    def __init__(self) -> None:
        # The result of the last check, and how many times in a row; None if nothing had changed.
        self._seen: Signatures | None = None
        self._times = 0

    def is_due(self, known: Signatures, now: Signatures, patience: int = 2) -> bool:
        """Record a check; return whether to load the files.

        Args:
            known: The files as they were when they were loaded.
            now: The files as they are, and perhaps others.
            patience: In how many checks in a row a file must be missing or empty.
        """
        found = {path: now.get(path) for path in known}
        if found == known:
            self._seen = None
            return False
        self._times = self._times + 1 if found == self._seen else 1
        self._seen = found
        is_ready = all(each is not None and each[_SIZE] for each in found.values())
        if self._times < (2 if is_ready else patience):
            return False
        self._seen = None
        return True
