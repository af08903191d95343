"""Lines of the access log for people: short, and in colour on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

from corsgate.gate.log_style import Place
from corsgate.gate.log_text import cut, printable, sender
from corsgate.server.request import GateRequest

MAX_TARGET = 300
"""The maximum number of characters of a target in a line."""

MAX_REASON = 400
"""The maximum number of characters of a reason in a line."""

_MAX_TRIED = 8

_COLORS = {1: "cyan", 2: "green", 3: "cyan", 4: "yellow", 5: "red"}


class TextLines:
    """Formats the lines.

    A line has the status, method, target, duration, route and server, and why the gate refused or
    ended the request. On a terminal it begins with the time of day, and may end with the settings
    that would allow a refused call. Elsewhere it also has the client, and the request's id, which
    other lines of the log refer to.

    Args:
        place: Where the lines go.
        wall_clock: Returns the seconds since 1970, for the time of day.
    """

    def __init__(self, place: Place, wall_clock: Callable[[], float]) -> None:
        self._place = place
        self._wall_clock = wall_clock

    def line(self, request: GateRequest, status: int, stamp: str, took_s: float) -> str:
        """Return the line of a request, without its end.

        Args:
            request: A request whose response has ended, or whose client has left.
            status: The status to log.
            stamp: The time in ISO 8601 format.
            took_s: How long it took, in seconds.
        """
        place, log = self._place, request.log
        asked = f"{_ascii(request.method, 40)} {_ascii(request.uri, MAX_TARGET)}"
        if request.method == b"OPTIONS" and b"access-control-request-method" in request.index:
            wanted = b", ".join(request.index[b"access-control-request-method"])
            asked += f" (for {_ascii(wanted, 40)})"
        took = f"{took_s * 1000:.1f} ms" if took_s < 0.01 else _long(took_s)
        tried = () if log.tried is None else tuple(log.tried)
        where = "" if log.route is None else "  " + _where(log.route, tried, log.server)
        why = "" if log.refused is None and log.outcome is None else "  " + _why(request)
        if place is Place.JOURNAL:
            who = f"  client {cut(printable(log.client), 100)}, id {log.id}"
            return f"{status} {asked}  {took}{where}{who}{why}"
        if place is Place.FILE:
            who = f"  client {cut(printable(log.client), 100)}, id {log.id}"
            return f"{stamp} {status} {asked}  {took}{where}{who}{why}"
        paint = place.paint
        code = paint(_COLORS.get(status // 100, ""), str(status))
        when = paint("dim", time_of_day(self._wall_clock()))
        # In other places this is in the refusal's warning, which a terminal doesn't show.
        fix = f"; {log.remedy}" if log.remedy else ""
        shown = f"{paint('dim', took + where)}{paint('yellow', why)}{paint('cyan', fix)}"
        return f"{when} {code} {asked}  {shown}"


def time_of_day(time_s: float) -> str:
    """Return the local time of day, such as ``17:49:30``.

    Args:
        time_s: Seconds since 1970.
    """
    return time.strftime("%H:%M:%S", time.localtime(time_s))


@lru_cache(maxsize=1024)
def _where(route: str, tried: tuple[str, ...], server: str | None) -> str:
    """Return the route, and the servers that the request was sent to."""
    servers = list(tried[:_MAX_TRIED])
    if len(tried) > _MAX_TRIED:
        servers.append("...")
    if server is not None:
        servers.append(server)
    shown = [cut(printable(each), 200) for each in (route, *servers)]
    return " -> ".join(shown)


def _why(request: GateRequest) -> str:
    """Return why the gate refused or ended a request."""
    refused = request.log.refused
    if refused is None:
        return cut(printable(request.log.outcome or ""), MAX_REASON)
    whom = sender(request.index.get(b"origin"), refused)
    return f"refused: {cut(printable(refused), MAX_REASON)}{whom}"


def _long(took_s: float) -> str:
    return f"{took_s * 1000:.0f} ms" if took_s < 10 else f"{took_s:.1f} s"


def _ascii(value: bytes, most: int) -> str:
    text = value.decode("latin-1")
    if len(text) <= most and text.isascii() and text.isprintable():
        return text
    return cut(printable(text, ascii_only=True), most)
