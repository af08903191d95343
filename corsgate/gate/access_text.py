"""A line of the access log for people: short, and coloured on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from corsgate.gate.log_style import Place
from corsgate.gate.log_text import cut, printable, sender
from corsgate.server.request import GateRequest

MAX_TARGET = 300
"""How many characters of a target are shown."""

MAX_REASON = 400
"""How many characters of a reason are shown."""

_MAX_TRIED = 8

_COLORS = {1: "cyan", 2: "green", 3: "cyan", 4: "yellow", 5: "red"}


class TextLines:
    """Makes the lines.

    A line has the status, the method and target, how long it took, the route and the server, and
    why the gate refused or ended the request. On a terminal it begins with the time of day.
    Elsewhere it also has the client and the request's id, by which other lines name it.

    Args:
        place: Where they go.
        wall_clock: Returns the seconds since 1970, for the time of day.
    """

    def __init__(self, place: Place, wall_clock: Callable[[], float]) -> None:
        self._place = place
        self._wall_clock = wall_clock

    def line(self, request: GateRequest, status: int, stamp: str, took_s: float) -> str:
        """Return the line of a request, without its end.

        Args:
            request: The request, which was responded to, or whose client left.
            status: The status that is logged.
            stamp: The time, as ISO 8601 has it.
            took_s: How long it took, in seconds.
        """
        place, log = self._place, request.log
        paint = place.paint
        method = cut(_ascii(request.method), 40)
        target = cut(_ascii(request.uri), MAX_TARGET)
        asked = request.index.get(b"access-control-request-method")
        if asked is not None and request.method == b"OPTIONS":
            target += f" (for {cut(_ascii(b', '.join(asked)), 40)})"
        said = f"{paint(_COLORS.get(status // 100, ''), str(status))} {method} {target}"
        parts = [said, paint("dim", _duration(took_s))]
        if log.route is not None:
            parts.append(paint("dim", _where(log.route, log.tried or (), log.server)))
        if not place.is_terminal:
            parts.append(f"client {cut(printable(log.client), 100)}, id {log.id}")
        line = "  ".join(parts)
        if log.refused is not None:
            whom = sender(request.index.get(b"origin"), log.refused)
            reason = cut(printable(log.refused), MAX_REASON)
            line += f"  {paint('yellow', f'refused: {reason}{whom}')}"
        elif log.outcome is not None:
            line += f"  {paint('yellow', cut(printable(log.outcome), MAX_REASON))}"
        if place.is_terminal:
            return f"{paint('dim', time_of_day(self._wall_clock()))} {line}"
        return line if place is Place.JOURNAL else f"{stamp} {line}"


def time_of_day(time_s: float) -> str:
    """Return the local time of day, such as ``17:49:30``.

    Args:
        time_s: Seconds since 1970.
    """
    return time.strftime("%H:%M:%S", time.localtime(time_s))


def _where(route: str, tried: Sequence[str], server: str | None) -> str:
    """Return the route, and the servers that had the request."""
    servers = list(tried[:_MAX_TRIED])
    if len(tried) > _MAX_TRIED:
        servers.append("...")
    if server is not None:
        servers.append(server)
    shown = [cut(printable(each), 200) for each in (route, *servers)]
    return " -> ".join(shown)


def _duration(took_s: float) -> str:
    if took_s < 0.01:
        return f"{took_s * 1000:.1f} ms"
    return f"{took_s * 1000:.0f} ms" if took_s < 10 else f"{took_s:.1f} s"


def _ascii(value: bytes) -> str:
    return printable(value.decode("latin-1"), ascii_only=True)
