"""``/api/status``: all values of the status page, as JSON.

Times are in seconds since 1970, durations in seconds.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from typing import Any

import twisted
from corsgate.admin.resource import JSON
from corsgate.admin.turns import json_pieces
from corsgate.admin.view import View, not_after_s, pool_of, server_state
from corsgate.balance.state import ServerState
from corsgate.config.warning_lines import warning_lines
from corsgate.credentials.logins import login_failure_of
from corsgate.gate.compiled_route import CompiledRoute
from corsgate.gate.counters import BUCKETS_S, CODES, VERDICTS, RouteCounters
from corsgate.gate.listener import ListenerSite
from corsgate.gate.upstream_runtime import UpstreamRuntime
from corsgate.transport.address_text import address_text

_NOTHING = RouteCounters("")
Object = dict[str, Any]


def begin(view: View) -> tuple[bytes, Iterator[bytes]]:
    """Return the content type and the pieces of the status."""
    view.keep_counters()
    return JSON, json_pieces(parts(view))


def parts(view: View, routes: Iterable[CompiledRoute] | None = None) -> Object:
    """Return the content of `/api/status`, with iterators of routes and of upstreams.

    The iterators may be used in later turns of the reactor. A reload in between does not change
    which routes and upstreams they return.

    Args:
        view: The source.
        routes: The routes to show; None for all.
    """
    gate, config = view.gate, view.gate.config
    last = view.reloads.last
    if routes is None:
        routes = gate.runtime.table.routes
    return {
        "gate": {
            "version": package_version("corsgate"),
            "python": platform.python_version(),
            "twisted": twisted.__version__,
            "pid": os.getpid(),
            "started_s": view.started_s,
            "now_s": view.wall_clock(),
            "state": "draining" if gate.draining else "serving",
        },
        "config": {
            "file": view.file or None,
            "since_s": gate.config_since_s,
            "warnings": warning_lines(config.warnings),
            "watch": config.watch,
            "last_reload": None
            if last is None
            else {
                "time_s": last.time_s,
                "trigger": last.trigger,
                "faults": list(last.faults),
                "changes": list(last.changes),
            },
            "reloads": {"succeeded": view.reloads.succeeded, "failed": view.reloads.failed},
        },
        "listeners": [_listener(view, each) for each in gate.listeners],
        "certificates": [
            {
                "where": where,
                "names": list(certified.names),
                "file": certified.chain_file,
                "not_after_s": not_after_s(certified),
            }
            for where, certified in view.certificates()
        ],
        "routes": (_route(each) for each in routes),
        "upstreams": (_upstream(view, each) for each in gate.upstreams.values()),
        "refusals": _refusals(view),
        "bounds": bounds(view),
    }


def package_version(name: str) -> str:
    """Return a package's installed version; empty if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def bounds(view: View) -> dict[str, int]:
    """Return the limits of the whole gate: the use, the maximum, and how often it was hit."""
    gate = view.gate
    limits, hits = gate.config.limits, gate.admission.hits
    return {
        "connections": gate.admission.connections,
        "max_connections": limits.max_connections,
        "clients": gate.admission.clients,
        "buffered_bytes": gate.memory.held,
        "max_buffered_bytes": limits.max_buffered_total,
        "memory_cuts": gate.memory.cuts,
        "connections_refused": hits["max_connections"],
        "connections_refused_per_client": hits["max_connections_per_client"],
        "idle_connections_closed": hits["idle_connections_closed"],
        "descriptors_short": hits["descriptors"],
        "revoked": gate.counters.revoked,
        "log_lines_lost": gate.log_lines_lost,
    }


def _listener(view: View, listener: ListenerSite) -> Object:
    gate, configured = view.gate, listener.listener
    at = gate.listeners.index(listener)
    port = gate.ports[at] if at < len(gate.ports) else None
    return {
        "endpoint": configured.endpoint,
        "addresses": [] if port is None else [address_text(port.getHost())],
        "tls": listener.certificates is not None,
        "http2": configured.http2,
        "connections": len(listener.site.connections.channels),
    }


def duration(buckets: Sequence[int], sum_s: float) -> Object:
    """Return a histogram: its count, sum, and cumulative buckets without ``+Inf``."""
    *cumulative, total = accumulate(buckets)
    return {
        "count": total,
        "sum_s": sum_s,
        "buckets": list(zip(BUCKETS_S, cumulative, strict=True)),
    }


def _route(route: CompiledRoute) -> Object:
    counters = route.counters or _NOTHING
    width = len(VERDICTS)
    by_code = [sum(counters.requests[at * width : (at + 1) * width]) for at in range(len(CODES))]
    by_verdict = [sum(counters.requests[at::width]) for at in range(width)]
    upstreams = route.route.by_url or (route.route.upstream,)
    cors = route.route.cors
    return {
        "label": route.label,
        "upstreams": [each.name for each in upstreams],
        "origins": None if cors is None else list(cors.allow_origins),
        "in_flight": counters.in_flight,
        "requests": dict(zip(CODES, by_code, strict=True)),
        "verdicts": dict(zip(VERDICTS, by_verdict, strict=True)),
        "refusals": dict(counters.refusals),
        "own_responses": {str(status): n for status, n in counters.own.items()},
        "received_bytes": counters.received_bytes,
        "sent_bytes": counters.sent_bytes,
        "duration": duration(counters.buckets, counters.sum_s),
    }


def _upstream(view: View, upstream: UpstreamRuntime) -> Object:
    config = upstream.config
    return {
        "name": upstream.name,
        "credentials": None if config.credentials is None else config.credentials.kind,
        "credentials_by_origin": {
            each.origin: each.credentials.kind for each in config.credentials_by_origin
        },
        "login_failure": _login_failure(upstream),
        "running": upstream.balancer.running,
        "max_requests": upstream.rules.max_requests,
        "servers": [
            _server(view, upstream, origin, state)
            for origin, state in upstream.balancer.states.items()
        ],
    }


def _login_failure(upstream: UpstreamRuntime) -> Object | None:
    """Return the failure of an upstream's last login; None if it succeeded."""
    failure = login_failure_of([each.credentials for each in upstream.all_accounts])
    if failure is None:
        return None
    return {"time_s": failure.time_s, "words": failure.words, "count": failure.count}


def _server(view: View, upstream: UpstreamRuntime, origin: str, state: ServerState) -> Object:
    counters, word = state.counters, server_state(state)
    limits = upstream.config.pool
    pool = pool_of(upstream, origin)
    ends_in_s = state.circuit.until_s - view.clock()
    return {
        "origin": origin,
        "state": word,
        "reason": state.reason.removeprefix(f"{origin}: ")
        if word in ("down", "ejected", "half_open")
        else None,
        "until_s": view.wall_clock() + ends_in_s if word == "ejected" else None,
        "weight": state.server.weight,
        "backup": state.server.backup,
        "in_flight": state.running,
        "requests": {}
        if counters is None
        else dict(zip(CODES[1:], counters.responses[1:], strict=True)),
        "failures": {} if counters is None else dict(counters.failures),
        "retries": 0 if counters is None else counters.retries,
        "ejections": state.ejections,
        "duration": duration(_NOTHING.buckets, 0.0)
        if counters is None
        else duration(counters.buckets, counters.sum_s),
        "pool": None
        if pool is None
        else {
            "connections": pool.connections,
            "idle": pool.slots.idle,
            "max": limits.max_connections,
            "waiting": pool.waiting,
            "max_waiting": limits.max_queue,
            "tunnels": pool.tunnels,
            "max_tunnels": limits.max_tunnels,
        },
        "credentials_refused": _credentials_refused(upstream, origin),
        "credentials_blocked": _credentials_blocked(view, upstream, origin),
    }


def _credentials_refused(upstream: UpstreamRuntime, origin: str) -> Mapping[str, Any] | None:
    """Return a server's last refusal of the gate's credentials; None if it has accepted them since.

    If several accounts were refused, the latest refusal counts.
    """
    found = [
        (last, pages)
        for account, pages in upstream.pages_of_accounts()
        if (last := account.credential_refusals.last(origin)) is not None
    ]
    if not found:
        return None
    last, pages = max(found, key=lambda each: each[0].time_s)
    return {
        "origins": pages,
        "time_s": last.time_s,
        "words": last.words,
        "count": last.count,
        "status": last.status,
    }


def _credentials_blocked(
    view: View, upstream: UpstreamRuntime, origin: str
) -> Mapping[str, Any] | None:
    """Return until when requests to a server are not signed; None if they are signed.

    If several accounts are blocked, the latest end counts.
    """
    found = [
        (block, pages)
        for account, pages in upstream.pages_of_accounts()
        if account.guard is not None and (block := account.guard.block(origin)) is not None
    ]
    if not found:
        return None
    block, pages = max(found, key=lambda each: each[0].left_s)
    until_s = view.wall_clock() + block.left_s
    return {"origins": pages, "until_s": until_s, "rejections": block.rejections}


def refused_calls(view: View) -> Object:
    """Return the values for ``corsgate refusals``: the last refused calls, and the process."""
    return {"pid": os.getpid(), "file": view.file or None, "refusals": _refusals(view)}


def _refusals(view: View) -> list[Object]:
    gate = view.gate
    labels: Iterable[str] = ["", *(route.label for route in gate.runtime.table.routes)]
    found = [(label, each) for label in labels for each in gate.refusals.last(label)]
    return view.refused.shown(gate.config, found)
