"""The gate's state in one line, for ``systemctl status``."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

_MAX_NAMED = 3
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


@attrs.frozen(kw_only=True)
class Figures:
    """The load and state of the gate.

    Attributes:
        requests: The number of requests in flight.
        connections: The number of clients' connections.
        servers: The number of upstream servers.
        down: The origins of servers that get no requests now.
        config_age_s: How long the configuration has been in force, in seconds.
    """

    requests: int
    connections: int
    servers: int
    down: Sequence[str]
    config_age_s: float


@attrs.frozen(kw_only=True)
class LastReload:
    """The outcome of the last reload.

    Attributes:
        trigger: Its cause.
        age_s: How long ago it ended, in seconds.
        faults: The faults that keep the old configuration in force; empty if there are none.
    """

    trigger: str
    age_s: float
    faults: Sequence[str]


def serving(figures: Figures, last: LastReload | None) -> str:
    """Return the line for a gate that serves.

    Args:
        figures: The gate's load and state.
        last: The outcome of the last reload; None before the first one.
    """
    parts = [f"serving {_load(figures)}", _servers(figures)]
    parts.append(f"configuration in force for {_duration(figures.config_age_s)}")
    if last is not None:
        parts.append(_reload(last))
    return "; ".join(parts)


def draining(figures: Figures, left_s: float) -> str:
    """Return the line for a gate that stops.

    Args:
        figures: The gate's load and state.
        left_s: The seconds until remaining requests are cut.
    """
    return f"draining {_load(figures)}; cut in {max(left_s, 0):.0f} s at the latest"


def _load(figures: Figures) -> str:
    return f"{_count(figures.requests, 'request')} on {_count(figures.connections, 'connection')}"


def _servers(figures: Figures) -> str:
    if not figures.down:
        return f"{_count(figures.servers, 'server')} up"
    named = ", ".join(figures.down[:_MAX_NAMED])
    more = len(figures.down) - _MAX_NAMED
    up = figures.servers - len(figures.down)
    return f"{up} of {_count(figures.servers, 'server')} up, down: {named}" + (
        f" and {more} more" if more > 0 else ""
    )


def _reload(last: LastReload) -> str:
    text = f"last reload ({last.trigger}) {_duration(last.age_s)} ago"
    if not last.faults:
        return f"{text} succeeded"
    more = len(last.faults) - 1
    others = f" (and {_count(more, 'more fault')})" if more else ""
    return f"{text} failed, the old configuration is kept: {last.faults[0]}{others}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    for unit_s, name in _UNITS:
        if seconds >= unit_s:
            return f"{int(seconds // unit_s)} {name}"
    return f"{int(max(seconds, 0))} s"
