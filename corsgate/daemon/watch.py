"""Reloads when the configuration file, or a file that it names, has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from corsgate.daemon.loading import Loader, Signature, look
from corsgate.daemon.reload import Reloader

INTERVAL_S = 1.0
"""How often the files are checked. They are loaded once they look the same twice in a row, since an
editor or a copy may write them in several steps."""


class Watcher(Service):
    """Watches the files of the configuration while it has ``watch = true``.

    A fault is reported once. The files are loaded again after they have changed again.

    Args:
        clock: Calls back.
        loader: Has the files that were read, and their signatures at that time.
        reloader: Reloads.
        is_wanted: Returns whether the configuration in force has ``watch = true``.
        look: Returns the signature of a file.
    """

    def __init__(
        self,
        clock: IReactorTime,
        loader: Loader,
        reloader: Reloader,
        is_wanted: Callable[[], bool],
        look: Callable[[str], Signature] = look,
    ) -> None:
        self._clock = clock
        self._loader = loader
        self._reloader = reloader
        self._is_wanted = is_wanted
        self._look = look
        self._call: IDelayedCall | None = None
        self._reloading = False
        # The signatures at the last check, if the files have changed.
        self._seen: Mapping[str, Signature] | None = None

    def startService(self) -> None:
        """Start to watch."""
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
        if self._reloading or not self._is_wanted():
            self._seen = None
            return
        known = self._loader.files
        now = {path: self._look(path) for path in known}
        if now == known:
            self._seen = None
        elif now != self._seen:
            self._seen = now
        else:
            self._seen = None
            self._reloading = True
            self._reloader.reload("a file has changed").addBoth(self._reloaded)

    def _reloaded(self, _: object) -> None:
        self._reloading = False
