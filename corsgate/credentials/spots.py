"""Which of a server's paths have accepted or rejected the credentials.

A 200 from a public path says nothing about a password. So a server is trusted as a whole only after
it has checked the credentials, or has accepted them in many places. Until then, what a response
says holds for the requests beside it: those with a path in the same directory.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

import attrs

ENOUGH_AREAS: Final = 8
"""After requests to this number of areas were accepted, and none rejected since, others are
expected to be accepted, too."""

ENOUGH_REQUESTS: Final = 100
"""The same for a number of requests, to any areas, while none was rejected."""

MAX_SPOTS: Final = 256
"""How many areas and paths of a server are remembered at most, each for accepted and rejected."""

MAX_PATH_BYTES: Final = 256
"""A longer path is remembered as a hash, so that clients can't fill the memory with paths."""

_READING: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PROPFIND", b"REPORT", b"SEARCH"))
"""Methods that a box may allow everybody, but others of the same path only to users."""


@attrs.frozen
class Spot:
    """Where a request goes, as far as it matters whether the server checks credentials there.

    Attributes:
        path: Its path without the query, and whether it reads or writes; a hash if it is long.
        area: The path's directory, or the path itself directly below the root; also with that.
        is_typical: Whether others follow from it. False for a probe, whose path is often public.
    """

    path: bytes
    area: bytes
    is_typical: bool = True


def spot_of(method: bytes, target: bytes, *, is_probe: bool = False) -> Spot:
    """Return where a request goes.

    Args:
        method: Its method.
        target: Its target, with or without a query.
        is_probe: Whether it is the gate's own, to see how the server is.
    """
    path = (b"r" if method in _READING else b"w") + target.partition(b"?")[0]
    directory, _, name = path.rpartition(b"/")
    # Directly below the root, a public page is beside everything else, such as /api. But a page's
    # files are alike.
    is_alone = is_probe or (len(directory) < 2 and b"." not in name)
    area = path if is_alone else directory
    return Spot(_short(path), _short(area), is_typical=not is_probe)


def _short(path: bytes) -> bytes:
    """Return a path, or the hash of a long one."""
    return path if len(path) <= MAX_PATH_BYTES else blake2b(path, digest_size=32).digest()


@attrs.define(eq=False)
class Spots:
    """What is known of one server's paths.

    Attributes:
        is_any_rejected: Whether a request without a spot was rejected, such as a login.
    """

    is_any_rejected: bool = False
    # The latest are last.
    _paths: dict[bytes, None] = attrs.Factory(dict)
    # The accepted areas, each with its accepted path, or None if there are several.
    _areas: dict[bytes, bytes | None] = attrs.Factory(dict)
    _rejected_paths: dict[bytes, None] = attrs.Factory(dict)
    _rejected_areas: dict[bytes, None] = attrs.Factory(dict)
    # Since the last rejection that was not a repetition.
    _new_areas: int = 0
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
        # One path of an area may be the public one, such as /api/health.
        if spot.path in self._paths or self._areas.get(spot.area, spot.path) is None:
            return True
        return self._new_areas >= ENOUGH_AREAS and self.is_apart(spot)

    def rejects(self, spot: Spot | None) -> bool:
        """Return whether exactly such a request was rejected.

        Args:
            spot: As for `accepts`.
        """
        return spot is None or spot.path in self._rejected_paths

    def is_apart(self, spot: Spot | None) -> bool:
        """Return whether the rejections of other requests say nothing about one.

        Since the last of them, the server has accepted a request elsewhere.

        Args:
            spot: As for `accepts`.
        """
        if spot is None or self.is_any_rejected or not self._new_areas:
            return False
        return spot.path not in self._rejected_paths and spot.area not in self._rejected_areas

    def accepted(self, spot: Spot, *, is_served: bool) -> None:
        """Record that a request was accepted.

        Args:
            spot: Where it went.
            is_served: Whether the response has what was asked for. A 404 or 500 may come before
                the credentials are checked.
        """
        is_mixed, is_new = spot.area in self._rejected_areas, spot.area not in self._areas
        if is_served and spot.is_typical:
            self._requests += 1
            self._new_areas += spot.path not in self._paths if is_mixed else is_new
        if not is_mixed:
            is_other = self._areas.get(spot.area, spot.path) != spot.path
            _remember(self._areas, spot.area, None if is_other else spot.path)
        _remember(self._paths, spot.path, None)

    def rejected(self, spot: Spot | None) -> None:
        """Record that a request was rejected.

        Args:
            spot: As for `accepts`.
        """
        if spot is None:
            self.is_any_rejected = True
        if not self.rejects(spot):
            self._new_areas = 0
        self._requests = 0
        if spot is not None:
            self._paths.pop(spot.path, None)
            self._areas.pop(spot.area, None)
            _remember(self._rejected_paths, spot.path, None)
            _remember(self._rejected_areas, spot.area, None)

    def is_enough(self) -> bool:
        """Return whether so much was accepted, and nothing rejected, that all will be accepted."""
        if self._has_rejected:
            return False
        return self._new_areas >= ENOUGH_AREAS or self._requests >= ENOUGH_REQUESTS

    @property
    def _has_rejected(self) -> bool:
        return self.is_any_rejected or bool(self._rejected_paths)

    def clear(self) -> None:
        """Forget everything."""
        for each in (self._paths, self._areas, self._rejected_paths, self._rejected_areas):
            each.clear()
        self._new_areas = self._requests = 0
        self.is_any_rejected = False


def _remember(known: dict[bytes, Any], key: bytes, value: bytes | None) -> None:
    """Add a path or an area as the latest; drop the oldest if there are too many."""
    known.pop(key, None)
    known[key] = value
    if len(known) > MAX_SPOTS:
        del known[next(iter(known))]
