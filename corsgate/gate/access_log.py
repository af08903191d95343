"""The access log: one line for each request, however it ended."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quote

from twisted.logger import Logger

from corsgate.gate.access_text import TextLines
from corsgate.gate.log_style import OutputLines, Place, line_format
from corsgate.gate.log_writer import LogFile
from corsgate.gate.refusals import Refusals
from corsgate.learn.record import CUT
from corsgate.message.trace_context import trace_id
from corsgate.server.request import GateRequest

ABORTED_STATUS = 499
"""The status that is logged if the client left before there was a response, as nginx does."""

MAX_VALUE_BYTES = 512
"""The maximum size of a value in a line, as it is written there. Escapes count in full: one byte
from a client can become six. A longer value is cut and ends in `CUT`."""

MAX_LINE_BYTES = 4096
"""The maximum size of a line with its end. A pipe accepts that much whole or not at all."""

_MAX_TRIED = 8
# If all values are long, each is cut at this size, so that all members fit into a line.
_SHORT_VALUE_BYTES = 128

# The longest start of a JSON string, opening quote included, that ends before any cut escape.
_WHOLE_ESCAPES = re.compile(r"(?:[^\\]|\\u[0-9a-f]{4}|\\[^u])*")

_PRIORITY = "<6>"
"""The journal's priority "informational" (sd-daemon(3)). A failed request is not a fault
of the daemon; for such faults the daemon logs warnings."""

_log = Logger(namespace="corsgate.access")
_NONE: Sequence[bytes | None] = (None,)
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class AccessLog:
    """Writes a line for each request.

    Args:
        log_format: As in the configuration.
        write: Accepts each line, without its line end, and doesn't block; or the file for the
            lines; or None for no lines.
        clock: Returns the reactor's seconds, with which requests are timed.
        wall_clock: Returns the seconds since 1970.
        place: Where the lines go.

    Attributes:
        sink: The destination of the lines: the argument `write`.
        refusals: The calls that the CORS decision refused.
    """

    def __init__(
        self,
        log_format: str,
        write: Callable[[str], None] | LogFile | None,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        place: Place = Place.FILE,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._file: LogFile | None = None
        # Lines that the files of earlier places lost.
        self._lost_before = 0
        self.change(log_format, write, place)
        # The last logged second, and its ISO 8601 form.
        self._second, self._second_text = -1, ""
        self.refusals = Refusals(wall_clock)

    def change(
        self,
        log_format: str,
        write: Callable[[str], None] | LogFile | None,
        place: Place = Place.FILE,
    ) -> None:
        """Write further lines in another format or to another place.

        Args:
            log_format: As for the class.
            write: As for the class.
            place: As for the class.
        """
        before, self.sink = self._file, write
        if before is not None and before is not write:
            self._lost_before += before.lost_lines
        self._format = _formatter(line_format(log_format, place), place, self._wall_clock)
        self._file = write if isinstance(write, LogFile) else None
        self._write = write.put if isinstance(write, LogFile) else write

    def start(self) -> None:
        """Start writing. Call this in the process that serves, after any fork."""
        if self._file is not None:
            self._file.start()

    def stop(self) -> None:
        """Write the waiting lines, and log how many could not be written."""
        _log_lost(0 if self._file is None else self._file.stop())

    @property
    def has_file(self) -> bool:
        """Whether it writes to a file instead of standard output or the daemon's log."""
        return self._file is not None

    @property
    def lost_lines(self) -> int:
        """How many lines its files lost since the start."""
        return self._lost_before + (0 if self._file is None else self._file.lost_lines)

    def closed(self, unlogged: int, more: int) -> None:
        """Count and log the lines that a file of an earlier place has lost.

        Args:
            unlogged: How many lost lines were not logged.
            more: How many were lost since the place changed.
        """
        self._lost_before += more
        _log_lost(unlogged)

    def reopen(self) -> None:
        """If the log is a file, reopen it, since it may have been renamed; log that."""
        if self._file is None:
            return
        try:
            self._file.reopen()
        except OSError as error:
            _log.error(
                "the access log can't be reopened ({reason}); lines still go to the old file",
                reason=error.strerror or str(error),
            )
        else:
            _log.info("the access log was reopened")

    def record(self, request: GateRequest) -> None:
        """Write the line of a request whose response has ended, or whose client has left."""
        now = self._clock()
        if request.log.refused is not None:
            self.refusals.record(request, now)
        if self._write is None:
            return
        took_s, wall_s = now - request.arrived_s, self._wall_clock()
        second = int(wall_s)
        if second != self._second:
            self._second = second
            self._second_text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        stamp = f"{self._second_text}.{int((wall_s - second) * 1000):03d}Z"
        self._write(self._format(request, stamp, took_s if took_s > 0.0 else 0.0))


def place_of_log(access_log: str | None, output: OutputLines | None) -> Place:
    """Return where the lines of an access log go, in the terms that decide their format.

    Args:
        access_log: As for `open_log`.
        output: As for `open_log`.
    """
    if access_log in (None, "-") and output is not None:
        return output.place
    return Place.FILE


def open_log(
    access_log: str | None,
    output: OutputLines | None,
    max_bytes: int,
    call_in_reactor: Callable[..., None],
) -> Callable[[str], None] | LogFile | None:
    """Open an access log for writing.

    Args:
        access_log: A path, ``off``, or ``-`` or None for standard output.
        output: Standard output; None if there is none, as in a process that has left its
            terminal. Lines then go to the daemon's log.
        max_bytes: The maximum size in bytes of the lines that wait for a file.
        call_in_reactor: Calls a function with arguments in the reactor's thread.

    Returns:
        A function of one line, a file, or None for ``off``.

    Raises:
        OSError: The file can't be opened.
    """
    if access_log == "off":
        return None
    if access_log in (None, "-"):
        if output is None:
            return lambda line: _log.info("{line}", line=line)
        if output.place is Place.JOURNAL:
            put = output.put
            return lambda line: put(_PRIORITY + line)
        return output.put

    def report(what: str) -> None:
        call_in_reactor(_log.warn, "the access log {what}", what=what)

    return LogFile(access_log, max_bytes, report)


def _formatter(
    log_format: str, place: Place, wall_clock: Callable[[], float]
) -> Callable[[GateRequest, str, float], str]:
    """Return the function that formats a request, its time, and its duration in seconds."""
    if log_format == "json":
        return _json_line
    if log_format == "combined":
        return _combined_line
    text = TextLines(place, wall_clock)
    return lambda request, stamp, took_s: text.line(request, _status(request), stamp, took_s)


def _status(request: GateRequest) -> int:
    return int(request.code) if request.startedWriting else ABORTED_STATUS


def _field(request: GateRequest, name: bytes) -> str | None:
    values = request.index.get(name)
    return None if values is None else values[0].decode("latin-1")


def _json_line(request: GateRequest, stamp: str, took_s: float) -> str:
    """Return the line as a JSON object, without empty members.

    The members that depend only on the client's fields are made once for all requests with the
    same fields.
    """
    memo = request.memo
    asked: _Asked | None = memo.log_members
    if asked is None or asked.method != request.method:
        asked = memo.log_members = _Asked(request, MAX_VALUE_BYTES)
    log, most = request.log, MAX_VALUE_BYTES
    target = request.uri.decode("latin-1")
    status = request.code if request.startedWriting else ABORTED_STATUS
    while True:
        where, ended = _where(log.route, log.server, most), asked.wanted
        if log.tried:
            where += f', "tried": [{_tried(log.tried, most)}]'
        if log.ungranted:
            ended = _member("ungranted", log.ungranted, most) + ended
        if log.outcome is not None:
            ended = _member("outcome", log.outcome, most) + ended
        # An escape has six bytes at most.
        shown = _quote(target) if len(target) * 6 <= most else _value(target, most)
        line = (
            f'{{"time": "{stamp}", "id": "{log.id}"{asked.first}{shown}, "status": {status}'
            f', "bytes": {request.sentLength}, "duration_ms": {took_s * 1000:.1f}'
            f"{where}{asked.fields}{ended}}}"
        )
        if len(line) < MAX_LINE_BYTES or most == _SHORT_VALUE_BYTES:
            return line
        most = _SHORT_VALUE_BYTES
        asked = _Asked(request, most)


class _Asked:
    """The members of a line that depend only on the client's method, fields and address.

    Args:
        request: The client's request.
        most: The maximum size of a value in bytes.

    Attributes:
        method: The method.
        first: The members before the target, and the target's name.
        fields: The members from the client's Origin, User-Agent and traceparent.
        wanted: The members for what a preflight asks for, which `corsgate learn` reads.
    """

    __slots__ = ("fields", "first", "method", "wanted")

    def __init__(self, request: GateRequest, most: int) -> None:
        index = request.index
        self.method = method = request.method
        host = request.authority
        is_short = len(host) + len(method) <= MAX_VALUE_BYTES
        first = _first if is_short else _first.__wrapped__
        self.first = first(request.log.client, method, host, most)
        origin, agent = index.get(b"origin", _NONE)[0], index.get(b"user-agent", _NONE)[0]
        is_short = len(origin or b"") + len(agent or b"") <= MAX_VALUE_BYTES
        fields = _fields if is_short else _fields.__wrapped__
        self.fields, self.wanted = fields(origin, agent, most), ""
        if b"traceparent" in index and (trace := trace_id(index[b"traceparent"])):
            self.fields += f', "trace": "{trace}"'
        if method == b"OPTIONS":
            if b"access-control-request-method" in index:
                wanted = index[b"access-control-request-method"][0].decode("latin-1")
                self.wanted = _member("asked_method", wanted, most)
            if b"access-control-request-headers" in index:
                names = b", ".join(index[b"access-control-request-headers"]).decode("latin-1")
                self.wanted += _member("asked_headers", names, most)


@lru_cache(maxsize=512)
def _first(client: str, method: bytes, host: bytes, most: int) -> str:
    """Return the members of a line before the target, and the target's name."""
    asked = _member("method", method.decode("latin-1"), most)
    at = _member("host", host.decode("latin-1"), most)
    return f'{_member("client", client, most)}{asked}{at}, "target": '


@lru_cache(maxsize=512)
def _fields(origin: bytes | None, agent: bytes | None, most: int) -> str:
    """Return the members for a client's Origin and User-Agent."""
    members = (("origin", origin), ("user_agent", agent))
    return "".join(
        [
            _member(name, value.decode("latin-1"), most)
            for name, value in members
            if value is not None
        ]
    )


def _tried(servers: Sequence[str], most: int) -> str:
    """Return the items of the array of servers that were tried before the last one."""
    shown = [_value(server, most) for server in servers[:_MAX_TRIED]]
    if len(servers) > _MAX_TRIED:
        shown.append(_quote(CUT))
    return ", ".join(shown)


@lru_cache(maxsize=1024)
def _where(route: str | None, server: str | None, most: int) -> str:
    """Return the members for where a request went. The configuration bounds their number."""
    members = (("route", route), ("server", server))
    return "".join([_member(name, text, most) for name, text in members if text is not None])


def _member(name: str, text: str, most: int) -> str:
    """Return a member of a JSON object, after a comma."""
    return f', "{name}": {_value(text, most)}'


def _value(text: str, most: int) -> str:
    """Return text as a JSON string of at most `most` bytes between its quotes."""
    # An escape has six bytes at most.
    if len(text) * 6 <= most:
        return _quote(text)
    quoted = _quote(text[:most])
    if len(quoted) <= most + 2 and len(text) <= most:
        return quoted
    mark = _quote(CUT)[1:]
    whole = _WHOLE_ESCAPES.match(quoted[:-1], 0, most + 2 - len(mark))
    assert whole is not None, "the pattern also matches an empty string"
    return whole[0] + mark


def _combined_line(request: GateRequest, stamp: str, took_s: float) -> str:
    """Return the line in Apache's combined format; a cut value ends in three dots."""
    when = datetime.fromisoformat(stamp)
    stamp = f"{when.day:02d}/{_MONTHS[when.month - 1]}/{when:%Y:%H:%M:%S} +0000"
    method = _quoted(request.method.decode("latin-1"))
    target = _quoted(request.uri.decode("latin-1"))
    protocol = request.clientproto.decode("latin-1")
    referer = _field(request, b"referer") or "-"
    agent = _field(request, b"user-agent") or "-"
    client = (request.log.client or "-")[:MAX_VALUE_BYTES]
    return (
        f'{client} - - [{stamp}] "{method} {target} {protocol}" {_status(request)} '
        f'{request.sentLength} "{_quoted(referer)}" "{_quoted(agent)}"'
    )


def _quoted(text: str) -> str:
    """Return text without characters that would end a quoted part or a line; escape as Apache."""
    escaped = [
        f"\\{char}" if char in '"\\' else char if " " <= char <= "~" else f"\\x{ord(char):02x}"
        for char in text[:MAX_VALUE_BYTES]
    ]
    quoted = "".join(escaped)
    if len(text) <= MAX_VALUE_BYTES and len(quoted) <= MAX_VALUE_BYTES:
        return quoted
    size = len(quoted)
    while size > MAX_VALUE_BYTES - 3:
        size -= len(escaped.pop())
    return "".join(escaped) + "..."


def _log_lost(lost: int) -> None:
    if lost:
        _log.warn("{lost} line(s) of the access log were lost", lost=lost)
