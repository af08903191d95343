"""Which of a server's paths have accepted or rejected the credentials.

A 200 from a public path says nothing about a password. So a server is trusted as a whole only after
it has checked the credentials, or has accepted them in many places. Until then, what a response
says holds for the requests beside it: those with a path in the same directory.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import attrs

from corsgate.credentials.servers import remember

ENOUGH_AREAS: Final = 8
"""After requests to this number of areas were accepted, and none rejected since, others are
expected to be accepted, too."""

ENOUGH_REQUESTS: Final = 100
"""The same for a number of requests, to any areas, while none was rejected. Without it, an app that
only ever polls a few paths would never be sent without asking the guard."""

MAX_SPOTS: Final = 256
"""How many areas and paths of a server are remembered at most, each for accepted and rejected."""

MAX_PATH_BYTES: Final = 256
"""A longer path is remembered as a hash, so that clients can't fill the memory with paths."""

_READING: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PROPFIND", b"REPORT", b"SEARCH"))
"""Methods that a box may allow everybody, but others of the same path only to users."""

_OPEN: Final = b"open"
_MIXED: Final = b"mixed"
"""What is known of an area if it isn't its only accepted path, which begins with `r` or `w`: that
several were accepted, or that one was rejected, so that none says anything about another."""


@attrs.frozen
class Spot:
    """Where a request goes, as far as it matters whether the server checks credentials there.

    Attributes:
        path: Its path without the query, behind a letter for whether it reads or writes. Of a long
            path, it is a hash.
        area: The path's directory, or the path itself directly below the root; with that letter. It
            is empty for a probe: its path is often public, so that nothing follows from it.
    """

    path: bytes
    area: bytes


def spot_of(method: bytes, target: bytes, *, is_probe: bool = False) -> Spot:
    """Return where a request goes.

    Args:
        method: Its method.
        target: Its target, with or without a query.
        is_probe: Whether it is the gate's own, to see how the server is.
    """
    path = (b"r" if method in _READING else b"w") + target.partition(b"?")[0]
    if is_probe:
        return Spot(_short(path), b"")
    directory, _, name = path.rpartition(b"/")
    # Directly below the root, a public page is beside everything else, such as /api. But a page's
    # files are alike.
    is_alone = len(directory) < 2 and b"." not in name
    return Spot(_short(path), _short(path if is_alone else directory))


def _short(path: bytes) -> bytes:
    """Return a path, or the hash of a long one, behind the same letter."""
    if len(path) <= MAX_PATH_BYTES:
        return path
    return path[:1] + blake2b(path, digest_size=32).digest()


@attrs.define(eq=False)
class Spots:
    """What is known of one server's paths.

    Attributes:
        is_any_rejected: Whether a request without a spot was rejected, such as a login.
    """

    is_any_rejected: bool = False
    # The latest are last.
    _paths: dict[bytes, bytes] = attrs.Factory(dict)
    _rejected_paths: dict[bytes, bytes] = attrs.Factory(dict)
    # Each area with its only accepted path, `_OPEN` or `_MIXED`.
    _areas: dict[bytes, bytes] = attrs.Factory(dict)
    # How many areas, or paths of a mixed area, were accepted for the first time since the last
    # rejection that was not a repetition; and how many requests since the last rejection.
    _news: int = 0
    _requests: int = 0

    def __bool__(self) -> bool:
        """Return whether anything is known."""
        return bool(self._paths or self._has_rejected)

    def accepts(self, spot: Spot | None) -> bool:
        """Return whether a request is expected to be accepted.

        Args:
            spot: Where it goes; None if unknown.
        """
        if spot is None:
            return False
        if spot.path in self._paths or self._areas.get(spot.area) == _OPEN:
            return True
        return self._news >= ENOUGH_AREAS and self.is_apart(spot)

    def rejects(self, spot: Spot | None) -> bool:
        """Return whether exactly such a request was rejected.

        Args:
            spot: As for `accepts`.
        """
        return spot is None or spot.path in self._rejected_paths

    def is_apart(self, spot: Spot | None) -> bool:
        """Return whether the rejections of other requests say nothing about one.

        Since the last of them, the server has accepted something that it was not asked for before.
        So it may be only the rejected paths that are closed to the user.

        Args:
            spot: As for `accepts`.
        """
        return self._news > 0 and not (self.is_any_rejected or self.rejects(spot))

    def accepted(self, spot: Spot, *, is_served: bool) -> None:
        """Record that a request was accepted.

        Args:
            spot: Where it went.
            is_served: Whether the response has what was asked for. A 404 or 500 may come before
                the credentials are checked, so it says nothing about other requests.
        """
        known = self._areas.get(spot.area)
        if is_served and spot.area:
            self._requests += 1
            self._news += spot.path not in self._paths if known == _MIXED else known is None
            if known is None:
                # It may be the area's public one, such as /api/health.
                known = spot.path
            elif known not in (spot.path, _MIXED):
                known = _OPEN
            remember(self._areas, spot.area, known, MAX_SPOTS)
        remember(self._paths, spot.path, b"", MAX_SPOTS)

    def rejected(self, spot: Spot | None) -> None:
        """Record that a request was rejected.

        Args:
            spot: As for `accepts`.
        """
        if not self.rejects(spot):
            self._news = 0
        self._requests = 0
        if spot is None:
            self.is_any_rejected = True
            return
        self._paths.pop(spot.path, None)
        remember(self._rejected_paths, spot.path, b"", MAX_SPOTS)
        remember(self._areas, spot.area, _MIXED, MAX_SPOTS)

    def is_enough(self) -> bool:
        """Return whether so much was accepted, and nothing rejected, that all will be accepted."""
        if self._has_rejected:
            return False
        return self._news >= ENOUGH_AREAS or self._requests >= ENOUGH_REQUESTS

    @property
    def _has_rejected(self) -> bool:
        return self.is_any_rejected or bool(self._rejected_paths)

    def clear(self) -> None:
        """Forget everything."""
        for each in (self._paths, self._areas, self._rejected_paths):
            each.clear()
        self._news = self._requests = 0
        self.is_any_rejected = False
