"""The table that a terminal shows when a gate has started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from textwrap import wrap

import attrs

from corsgate.config.model.values import Config, Cors, Route, Upstream
from corsgate.gate.log_style import Place
from corsgate.gate.log_text import printable
from corsgate.gate.start_lines import MAX_LISTED, MAX_SHOWN, kinds, listed

_LABEL = 13
"""The width of the first column, with its margins."""

_GAP = 2
"""The blanks between columns."""

_ALWAYS = ("GET", "HEAD", "POST")
"""The methods that a policy can't forbid (Fetch ``#cors-safelisted-method``)."""

UNKNOWN = "no connection yet"
"""The state of a server to which no connection was tried yet."""


@attrs.frozen(kw_only=True)
class Started:
    """A gate that has started.

    Attributes:
        version: The version of corsgate.
        config: Its configuration.
        file: The configuration's name; None without a file.
        urls: The URLs that it listens on.
        status_url: The URL of its status page; None if there is none.
        problems: Why a server can't be reached, by the server's URL; empty if it can be reached.
            Servers in an unknown state are missing.
        warnings: The warnings, one line each.
        pid: The process id.
        is_stopped_by_ctrl_c: Whether it runs in the foreground of this terminal.
    """

    version: str
    config: Config
    file: str | None
    urls: Sequence[str]
    status_url: str | None
    problems: Mapping[str, str]
    warnings: Sequence[str]
    pid: int
    is_stopped_by_ctrl_c: bool


@attrs.frozen
class Cell:
    """A part of a line.

    Attributes:
        text: The text.
        color: A key of `log_style.ESCAPES`, or empty.
    """

    text: str
    color: str = ""


def start_summary(started: Started, place: Place, width: int) -> Iterator[str]:
    """Return the lines for a terminal.

    Args:
        started: The gate.
        place: The terminal, which may have colours.
        width: The terminal's width in characters.
    """
    config = started.config
    source = f" serves {started.file}" if started.file is not None else ""
    yield place.paint("bold", f"corsgate {started.version}") + printable(source)
    yield ""
    yield from _rows("Gate", [[Cell(url, "cyan")] for url in started.urls], place, width)
    if started.status_url is not None:
        yield from _rows("Status", [[Cell(started.status_url, "cyan")]], place, width)
    routes = [_route(each) for each in config.routes[:MAX_SHOWN]]
    yield from _rows("Routes", [*routes, *_more(len(config.routes) - MAX_SHOWN)], place, width)
    upstreams = list(config.upstreams.values())
    servers = [row for each in upstreams[:MAX_SHOWN] for row in _upstream(each, started)]
    yield from _rows("Upstreams", [*servers, *_more(len(upstreams) - MAX_SHOWN)], place, width)
    yield ""
    for warning in started.warnings:
        yield from _paragraph("Warning", warning, "yellow", place, width)
    if started.warnings:
        yield ""
    if started.file is None:
        server = ", ".join(each.origin + each.base_path for each in upstreams[0].servers)
        yield f"  In your app, call {place.paint('cyan', started.urls[0])} instead of {server}."
    elif not config.watch:
        yield place.paint("dim", f"  corsgate reload --pid {started.pid} reads the file again.")
    if started.is_stopped_by_ctrl_c:
        yield place.paint("dim", "  Ctrl-C stops the gate.")
    yield ""


def _route(route: Route) -> list[Cell]:
    to = ", ".join(each.name for each in route.by_url) if route.by_url else route.upstream.name
    may = [Cell(_callers(route.cors)), Cell(_methods(route), "dim")]
    return [Cell(f"{route.host or ''}{route.prefix}"), Cell("->", "dim"), Cell(to), *may]


def _callers(cors: Cors | None) -> str:
    if cors is None:
        return "no cross-origin access"
    return "any origin" if "*" in cors.allow_origins else listed(cors.allow_origins)


def _methods(route: Route) -> str:
    """Return the methods that other origins may use; without a policy, those of the route."""
    allowed: Sequence[str] | None = None
    if route.cors is not None and "*" not in route.cors.allow_methods:
        allowed = list(dict.fromkeys((*_ALWAYS, *route.cors.allow_methods)))
    if route.methods is not None:
        allowed = [each for each in route.methods if allowed is None or each in allowed]
    if allowed is not None:
        return listed(allowed)
    return "any method"


def _upstream(upstream: Upstream, started: Started) -> Iterator[list[Cell]]:
    """Return a row for each server."""
    servers = [server.origin + server.base_path for server in upstream.servers]
    others = [str(each) for each in upstream.discovered]
    name, credentials = upstream.name, ", ".join(kinds(upstream))
    for number, server in enumerate([*servers[:MAX_LISTED], *others[:MAX_LISTED]]):
        state = _state(server, started) if number < len(servers) else Cell("")
        yield [Cell(name), Cell(server), Cell(credentials, "dim"), state]
        name = credentials = ""
    for row in _more(len(servers) - MAX_LISTED):
        yield [Cell(""), *row]


def _state(server: str, started: Started) -> Cell:
    problem = started.problems.get(server)
    if problem is None:
        return Cell(UNKNOWN, "dim")
    return Cell(problem, "red") if problem else Cell("reachable", "green")


def _more(count: int) -> Iterator[list[Cell]]:
    """Return a row with the number of omitted items; no row for none."""
    if count > 0:
        yield [Cell(f"and {count:,} more", "dim")]


def _rows(label: str, rows: Sequence[Sequence[Cell]], place: Place, width: int) -> Iterator[str]:
    """Return aligned rows with a label before the first.

    If a row is wider than the terminal, its last cell gets a line to itself.
    """
    columns = zip_longest(*([len(cell.text) for cell in row] for row in rows), fillvalue=0)
    widths = [max(column) for column in columns]
    margin = " " * _LABEL
    for number, row in enumerate(rows):
        start = place.paint("dim", f"  {label:<{_LABEL - 2}}") if number == 0 else margin
        *first, last = (Cell(printable(cell.text), cell.color) for cell in row)
        before = sum(size + _GAP for size in widths[: len(first)])
        if first and _LABEL + before + len(last.text) > width:
            yield start + _joined(first, widths, place)
            indent = before - widths[len(first) - 1] - _GAP
            indent = max(0, min(indent, width - _LABEL - len(last.text)))
            yield margin + " " * indent + place.paint(last.color, last.text)
        else:
            yield start + _joined([*first, last], widths, place)


def _joined(row: Sequence[Cell], widths: Sequence[int], place: Place) -> str:
    """Return the cells in columns, without trailing blanks."""
    text = ""
    padding = 0
    for cell, width in zip(row, widths, strict=False):
        if cell.text:
            text += " " * padding + place.paint(cell.color, cell.text)
            padding = 0
        padding += width - len(cell.text) + _GAP
    return text


def _paragraph(label: str, text: str, color: str, place: Place, width: int) -> Iterator[str]:
    """Return a text with a label, wrapped at the width of the terminal."""
    lines = wrap(printable(text), max(width - _LABEL, 40), break_on_hyphens=False)
    for number, line in enumerate(lines):
        start = f"  {label if number == 0 else '':<{_LABEL - 2}}"
        yield place.paint(color, start) + line
