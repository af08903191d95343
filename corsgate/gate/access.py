"""The access log: one line for each request, whatever became of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quote

from twisted.logger import Logger

from corsgate.gate.refusals import Refusals
from corsgate.wire.request import GateRequest

ABORTED_STATUS = 499
"""Logged, as nginx does, where the client left before there was a response."""

_log = Logger(namespace="corsgate.access")
_NOT_REREAD = "the configuration is not read again before a restart"
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class AccessLog:
    """Writes a line for each request.

    Args:
        log_format: ``json`` or ``combined``.
        write: Takes each line, without its line end.
        clock: Answers the reactor's seconds, by which requests are timed.
        wall_clock: Answers the seconds since 1970.

    Attributes:
        refusals: What the CORS decision refused.
    """

    def __init__(
        self,
        log_format: str,
        write: Callable[[str], None] | None,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._format = _json_line if log_format == "json" else _combined_line
        self._write = write
        self._clock = clock
        self._wall_clock = wall_clock
        self._stamps = _Stamps()
        self._broken = False
        self.refusals = Refusals(wall_clock)

    def reopen(self) -> None:
        """Go on in a new file, where the log is one that was renamed; tell the daemon's."""
        if not isinstance(self._write, LogFile):
            _log.info("SIGHUP: there is no access log file to open again; " + _NOT_REREAD)
            return
        try:
            self._write.reopen()
        except OSError:
            _log.failure("SIGHUP: the access log can't be opened again; its old file is kept")
        else:
            _log.info("SIGHUP: the access log was opened again; " + _NOT_REREAD)

    def record(self, request: GateRequest) -> None:
        """Write a request's line, once it was answered or its client left.

        A full disk costs lines, never a response; the daemon's log is told when it begins.
        """
        self.refusals.record(request, self._clock())
        if self._write is None:
            return
        took_s = max(self._clock() - request.arrived_s, 0.0)
        stamp = self._stamps.of(self._wall_clock())
        try:
            self._write(self._format(request, stamp, took_s))
        except OSError:
            if not self._broken:
                _log.failure("the access log can't be written to; its lines are lost")
            self._broken = True
        else:
            self._broken = False


def open_log(access_log: str | None) -> Callable[[str], None] | None:
    """Answer what writes the lines of an access log.

    Args:
        access_log: A path, ``-`` for standard output, ``off``, or None for the daemon's log.

    Returns:
        A function of one line, or None for ``off``.

    Raises:
        OSError: The file can't be opened.
    """
    if access_log == "off":
        return None
    if access_log is None:
        return lambda line: _log.info("{line}", line=line)
    if access_log == "-":
        return lambda line: _write_line(1, line)
    return LogFile(access_log)


class LogFile:
    """A file that lines are appended to; each is in it once the call is done.

    Args:
        path: The file, which is made if need be, for its owner and group alone.

    Raises:
        OSError: It can't be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = self._open()

    def __call__(self, line: str) -> None:
        """Append a line."""
        _write_line(self._descriptor, line)

    def reopen(self) -> None:
        """Go on in the file that has the path now, after the old one was renamed.

        Raises:
            OSError: It can't be opened; the lines go on into the old one.
        """
        old, self._descriptor = self._descriptor, self._open()
        os.close(old)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.open(self._path, flags, 0o640)


def _write_line(descriptor: int, line: str) -> None:
    os.write(descriptor, line.encode("utf-8") + b"\n")


def _status(request: GateRequest) -> int:
    return int(request.code) if request.startedWriting else ABORTED_STATUS


def _field(request: GateRequest, name: bytes) -> str | None:
    values = request.index.get(name)
    return None if values is None else values[0].decode("latin-1")


class _Stamps:
    """Writes times of day as ISO 8601 has them; what a second has in common is made once."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def of(self, wall_s: float) -> str:
        """Answer seconds since 1970 in UTC, with milliseconds."""
        second = int(wall_s)
        if second != self._second:
            self._second = second
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._text}.{int((wall_s - second) * 1000):03d}Z"


def _json_line(request: GateRequest, stamp: str, took_s: float) -> str:
    """Answer the line as a JSON object, without members that have nothing to say.

    What the client's fields say of it is made once for all requests with the same ones.
    """
    notes = request.notes
    known: tuple[str, str] | None = request.ready.get(_json_line)
    if known is None:
        known = request.ready[_json_line] = (
            _members(client=notes.get("client")),
            _members(origin=_field(request, b"origin"), user_agent=_field(request, b"user-agent")),
        )
    client, asked = known
    host = request.authority.decode("latin-1")
    where = _where(notes.get("route"), notes.get("server"))
    if notes.get("tried"):
        where += f', "tried": [{", ".join(map(_quote, notes["tried"]))}]'
    ended = _members(outcome=notes["outcome"]) if "outcome" in notes else ""
    if "ungranted" in notes:
        ended += _members(ungranted=notes["ungranted"])
    if request.method == b"OPTIONS":
        ended += _wanted(request)
    return (
        f'{{"time": "{stamp}", "id": {_quote(notes["id"])}{client}'
        f', "method": {_quote(request.method.decode("latin-1"))}, "host": {_quote(host)}'
        f', "target": {_quote(request.uri.decode("latin-1"))}, "status": {_status(request)}'
        f', "bytes": {request.sentLength}, "duration_ms": {took_s * 1000:.1f}'
        f"{where}{asked}{ended}}}"
    )


def _wanted(request: GateRequest) -> str:
    """Answer the members that say what a preflight asks for, which `corsgate learn` reads."""
    names = request.index.get(b"access-control-request-headers")
    return _members(
        asked_method=_field(request, b"access-control-request-method"),
        asked_headers=None if names is None else b", ".join(names).decode("latin-1"),
    )


@lru_cache(maxsize=1024)
def _where(route: str | None, server: str | None) -> str:
    """Answer the members that say where a request went; there are as many as are configured."""
    return _members(route=route, server=server)


def _members(**texts: str | None) -> str:
    """Answer members of a JSON object, each behind a comma; None is left out."""
    return "".join(
        [f', "{name}": {_quote(text)}' for name, text in texts.items() if text is not None]
    )


def _combined_line(request: GateRequest, stamp: str, took_s: float) -> str:
    """Answer the line that Apache calls combined."""
    when = datetime.fromisoformat(stamp)
    stamp = f"{when.day:02d}/{_MONTHS[when.month - 1]}/{when:%Y:%H:%M:%S} +0000"
    line = f"{request.method.decode('latin-1')} {request.uri.decode('latin-1')} "
    line += request.clientproto.decode("latin-1")
    referer = _field(request, b"referer") or "-"
    agent = _field(request, b"user-agent") or "-"
    client = request.notes.get("client", "-")
    return (
        f'{client} - - [{stamp}] "{_quoted(line)}" {_status(request)} {request.sentLength} '
        f'"{_quoted(referer)}" "{_quoted(agent)}"'
    )


def _quoted(text: str) -> str:
    """Escape what would end a quoted part or a line, as Apache does."""
    return "".join(
        f"\\{char}" if char in '"\\' else char if " " <= char <= "~" else f"\\x{ord(char):02x}"
        for char in text
    )
