"""Which upstreams use the same credentials, for log lines about one of their servers."""

from __future__ import annotations

from typing import Final, Protocol
from weakref import ReferenceType, ref

MAX_NAMES: Final = 3
"""How many upstreams a line of the log names at most."""


class HasServers(Protocol):
    """An upstream."""

    def has_server(self, origin: str) -> bool:
        """Return whether a server belongs to the upstream now."""


class UpstreamNames:
    """The names of the upstreams that use the same credentials.

    Args:
        default: The name if no upstream is left.
    """

    def __init__(self, default: str) -> None:
        self._default = default
        self._known: tuple[tuple[ReferenceType[HasServers], str], ...] = ()

    def add(self, upstream: HasServers, name: str) -> None:
        """Add an upstream, or change its name; safe to call in any thread.

        Args:
            upstream: Which is only referenced weakly.
            name: Its name.
        """
        # The reactor's thread may be reading, so replace the tuple instead of changing a list.
        known = (each for each in self._known if each[0]() not in (None, upstream))
        self._known = (*known, (ref(upstream), name))

    def of(self, server: str) -> str:
        """Return the names of the upstreams that have a server, or of all if none has it.

        Args:
            server: The server's origin, or the URL of another place of login.
        """
        used = [(each, name) for reference, name in self._known if (each := reference())]
        found = [name for each, name in used if each.has_server(server)]
        names = found or [name for _, name in used] or [self._default]
        more = len(names) - MAX_NAMES
        return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
