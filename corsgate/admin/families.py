"""All metrics of the gate, as metric families of prometheus-client.

The values of labels are bounded: they are current routes and servers, or words of fixed lists.
Removed routes and servers no longer have metrics.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

import twisted
from corsgate.admin.status import bounds, package_version
from corsgate.admin.turns import batches
from corsgate.admin.view import View, is_usable, not_after_s, pool_of, unready
from corsgate.balance.circuit import CircuitState
from corsgate.balance.health import Standing
from corsgate.balance.state import ServerState
from corsgate.gate.counters import BUCKETS_S, CODES, VERDICTS, RouteCounters
from corsgate.gate.credential_refusals import REFUSED
from corsgate.gate.upstream_runtime import UpstreamRuntime

NO_ROUTE: Final = "none"
"""The label of requests without a route. The labels of routes contain a ``/``."""

_HITS: Final = (
    ("max_connections", "connections_refused"),
    ("max_connections_per_client", "connections_refused_per_client"),
    ("idle_connections_closed", "idle_connections_closed"),
    ("descriptors", "descriptors_short"),
    ("memory", "memory_cuts"),
    ("stalled_requests", "revoked"),
    ("log_lines", "log_lines_lost"),
)
"""The values of the label ``bound``, and their names in `bounds`."""

_BOUNDS: Final = tuple(f"{bound:g}" for bound in BUCKETS_S)
_ROUTE: Final = ("route",)
_UPSTREAM: Final = ("upstream",)
_SERVER: Final = ("upstream", "server")

Route = tuple[str, RouteCounters]
Server = tuple[UpstreamRuntime, str, ServerState]


def families(view: View) -> Iterator[Metric]:
    """Return all families. One with many samples is returned in several consecutive pieces.

    A piece has the samples of at most a few dozen routes or servers.
    """
    yield from _process()
    yield from _gate(view)
    routes = [NO_ROUTE, *(each.label for each in view.gate.runtime.table.routes)]
    for of_routes in (_requests, _durations, _in_flight, _received, _sent, _refusals, _own):
        for labels in batches(dict.fromkeys(routes)):
            yield of_routes([(label, _counters(view, label)) for label in labels])
    upstreams = list(view.gate.upstreams.values())
    yield from _upstreams(view, upstreams)
    servers: list[Server] = [
        (upstream, origin, state)
        for upstream in upstreams
        for origin, state in upstream.balancer.states.items()
    ]
    for family in (
        _responses,
        _failures,
        _waits,
        _retries,
        _ejections,
        _running,
        _up,
        _ejected,
        _refused_credentials,
        _blocked_credentials,
        _connections,
        _idle_connections,
        _queue,
        _tunnels,
    ):
        for batch in batches(servers):
            yield family(batch)


def _process() -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "corsgate_build_info",
        "The versions of the software; always 1.",
        labels=("version", "python", "twisted"),
    )
    versions = (package_version("corsgate"), platform.python_version(), twisted.__version__)
    info.add_metric(versions, 1)
    yield info
    registry = CollectorRegistry()
    yield from ProcessCollector(registry=registry).collect()
    yield from GCCollector(registry=registry).collect()


def _gate(view: View) -> Iterator[Metric]:
    gate, reloads, found = view.gate, view.reloads, bounds(view)
    for name, words, value in (
        ("ready", "1 if /readyz responds with 200, else 0.", not unready(gate)),
        ("draining", "1 while the gate drains, else 0.", gate.draining),
        ("connections", "Current connections of clients.", found["connections"]),
        ("connections_max", "Maximum of corsgate_connections.", found["max_connections"]),
        ("clients", "Clients with at least one connection.", found["clients"]),
        ("buffered_bytes", "Buffered bytes in memory.", found["buffered_bytes"]),
        ("buffered_bytes_max", "Maximum of corsgate_buffered_bytes.", found["max_buffered_bytes"]),
        (
            "config_timestamp_seconds",
            "When the configuration came into force.",
            gate.config_since_s,
        ),
        (
            "config_last_reload_successful",
            "0 if the last reload kept the old configuration, else 1.",
            reloads.last is None or not reloads.last.faults,
        ),
    ):
        yield GaugeMetricFamily(f"corsgate_{name}", words, value=float(value))
    reloaded = _counter("config_reloads", "Reloads of the configuration.", ("result",))
    reloaded.add_metric(("succeeded",), reloads.succeeded)
    reloaded.add_metric(("failed",), reloads.failed)
    yield reloaded
    hit = _counter("bounds_hit", "How often a limit refused or cut something.", ("bound",))
    for bound, name in _HITS:
        hit.add_metric((bound,), found[name])
    yield hit
    expiry = _gauge(
        "certificate_expiry_timestamp_seconds", "When a certificate expires.", ("where", "file")
    )
    ends = {(where, each.chain_file): not_after_s(each) for where, each in view.certificates()}
    for labels, end_s in ends.items():
        expiry.add_metric(labels, end_s)
    yield expiry


# Routes. A counter or histogram without events has no sample.


def _counters(view: View, label: str) -> RouteCounters:
    counters = view.gate.counters
    if label == NO_ROUTE:
        return counters.unrouted
    return counters.routes.get(label) or RouteCounters(label)


def _requests(routes: Sequence[Route]) -> Metric:
    family = _counter("requests", "Finished requests.", ("route", "code", "verdict"))
    for label, counters in routes:
        for at, count in enumerate(counters.requests):
            if count:
                code, verdict = divmod(at, len(VERDICTS))
                family.add_metric((label, CODES[code], VERDICTS[verdict]), count)
    return family


def _durations(routes: Sequence[Route]) -> Metric:
    family = HistogramMetricFamily(
        "corsgate_request_duration_seconds",
        "Duration of requests, from the head to the end of the response.",
        labels=_ROUTE,
    )
    for label, counters in routes:
        if any(counters.buckets):
            family.add_metric((label,), _cumulative(counters.buckets), counters.sum_s)
    return family


def _in_flight(routes: Sequence[Route]) -> Metric:
    family = _gauge("requests_in_flight", "Requests in progress.", _ROUTE)
    for label, counters in routes:
        family.add_metric((label,), counters.in_flight)
    return family


def _received(routes: Sequence[Route]) -> Metric:
    family = _counter("request_body_bytes", "Bytes of request bodies from clients.", _ROUTE)
    for label, counters in routes:
        if counters.received_bytes:
            family.add_metric((label,), counters.received_bytes)
    return family


def _sent(routes: Sequence[Route]) -> Metric:
    family = _counter("response_body_bytes", "Bytes of response bodies to clients.", _ROUTE)
    for label, counters in routes:
        if counters.sent_bytes:
            family.add_metric((label,), counters.sent_bytes)
    return family


def _refusals(routes: Sequence[Route]) -> Metric:
    family = _counter(
        "refusals", "Requests that the CORS policy refused, by reason.", ("route", "reason")
    )
    for label, counters in routes:
        for reason, count in counters.refusals.items():
            family.add_metric((label, reason), count)
    return family


def _own(routes: Sequence[Route]) -> Metric:
    family = _counter(
        "gate_responses",
        "Error responses of the gate itself, by status.",
        ("route", "status"),
    )
    for label, counters in routes:
        for status, count in counters.own.items():
            family.add_metric((label, str(status)), count)
    return family


# Upstreams and their servers.


def _upstreams(view: View, upstreams: Sequence[UpstreamRuntime]) -> Iterator[Metric]:
    configured = view.gate.config.upstreams
    running = _gauge(
        "upstream_requests", "Requests in progress, including those that wait.", _UPSTREAM
    )
    most = _gauge("upstream_requests_max", "Maximum of corsgate_upstream_requests.", _UPSTREAM)
    usable = _gauge("upstream_servers_usable", "Servers that may receive requests.", _UPSTREAM)
    pool = _gauge(
        "upstream_connections_max", "Maximum of corsgate_upstream_connections.", _UPSTREAM
    )
    queue = _gauge("upstream_queue_max", "Maximum of corsgate_upstream_queue.", _UPSTREAM)
    tunnels = _gauge("upstream_tunnels_max", "Maximum of corsgate_upstream_tunnels.", _UPSTREAM)
    for each in upstreams:
        name, states = (each.name,), each.balancer.states.values()
        running.add_metric(name, each.balancer.running)
        if each.rules.max_requests is not None:
            most.add_metric(name, each.rules.max_requests)
        usable.add_metric(name, sum(is_usable(state) for state in states))
        if each.name in configured:
            limits = configured[each.name].pool
            pool.add_metric(name, limits.max_connections)
            queue.add_metric(name, limits.max_queue)
            tunnels.add_metric(name, limits.max_tunnels)
    yield from (running, most, usable, pool, queue, tunnels)


def _responses(servers: Sequence[Server]) -> Metric:
    family = _counter("upstream_responses", "Responses from servers.", (*_SERVER, "code"))
    for upstream, origin, state in servers:
        for code, count in enumerate(state.counters.responses if state.counters else ()):
            if count:
                family.add_metric((upstream.name, origin, CODES[code]), count)
    return family


def _failures(servers: Sequence[Server]) -> Metric:
    family = _counter(
        "upstream_failures",
        "Attempts without a complete response, by cause.",
        (*_SERVER, "cause"),
    )
    for upstream, origin, state in servers:
        for cause, count in state.counters.failures.items() if state.counters else ():
            family.add_metric((upstream.name, origin, cause), count)
    return family


def _waits(servers: Sequence[Server]) -> Metric:
    family = HistogramMetricFamily(
        "corsgate_upstream_response_duration_seconds",
        "Time until the head of a server's response arrived.",
        labels=_SERVER,
    )
    for upstream, origin, state in servers:
        counters = state.counters
        if counters is not None and any(counters.buckets):
            buckets = _cumulative(counters.buckets)
            family.add_metric((upstream.name, origin), buckets, counters.sum_s)
    return family


def _retries(servers: Sequence[Server]) -> Metric:
    family = _counter("upstream_retries", "Requests that were retried on this server.", _SERVER)
    for upstream, origin, state in servers:
        family.add_metric((upstream.name, origin), state.counters.retries if state.counters else 0)
    return family


def _ejections(servers: Sequence[Server]) -> Metric:
    family = _counter("upstream_ejections", "How often a server was ejected.", _SERVER)
    for upstream, origin, state in servers:
        family.add_metric((upstream.name, origin), state.ejections)
    return family


def _running(servers: Sequence[Server]) -> Metric:
    family = _gauge("upstream_requests_in_flight", "Requests in progress on a server.", _SERVER)
    for upstream, origin, state in servers:
        family.add_metric((upstream.name, origin), state.running)
    return family


def _up(servers: Sequence[Server]) -> Metric:
    family = _gauge("upstream_server_up", "0 if its probes fail, else 1.", _SERVER)
    for upstream, origin, state in servers:
        is_down = state.health.standing is Standing.DOWN
        family.add_metric((upstream.name, origin), not is_down)
    return family


def _ejected(servers: Sequence[Server]) -> Metric:
    family = _gauge("upstream_server_ejected", "1 while a server is ejected, else 0.", _SERVER)
    for upstream, origin, state in servers:
        is_out = state.circuit.state is not CircuitState.CLOSED
        family.add_metric((upstream.name, origin), is_out)
    return family


def _refused_credentials(servers: Sequence[Server]) -> Metric:
    # Not the count of `CredentialRefusals`, which restarts when the server accepts a request.
    family = _counter(
        "upstream_credentials_refused",
        "Responses that refused the gate's credentials, by status.",
        (*_SERVER, "status"),
    )
    for upstream, origin, state in servers:
        if upstream.config.all_credentials and state.counters is not None:
            for status in sorted(REFUSED):
                count = state.counters.credentials_refused[status]
                family.add_metric((upstream.name, origin, str(status)), count)
    return family


def _blocked_credentials(servers: Sequence[Server]) -> Metric:
    family = _gauge(
        "upstream_credentials_blocked",
        "1 while requests are stopped because the server rejected the credentials, else 0.",
        _SERVER,
    )
    for upstream, origin, _ in servers:
        if upstream.config.all_credentials:
            family.add_metric((upstream.name, origin), upstream.block(origin) is not None)
    return family


def _connections(servers: Sequence[Server]) -> Metric:
    family = _gauge(
        "upstream_connections", "Connections to a server, including idle ones.", _SERVER
    )
    for upstream, origin, pool in _pools(servers):
        family.add_metric((upstream, origin), pool.connections)
    return family


def _idle_connections(servers: Sequence[Server]) -> Metric:
    family = _gauge("upstream_idle_connections", "Idle connections to a server.", _SERVER)
    for upstream, origin, pool in _pools(servers):
        family.add_metric((upstream, origin), pool.slots.idle)
    return family


def _queue(servers: Sequence[Server]) -> Metric:
    family = _gauge("upstream_queue", "Requests that wait for a connection.", _SERVER)
    for upstream, origin, pool in _pools(servers):
        family.add_metric((upstream, origin), pool.waiting)
    return family


def _tunnels(servers: Sequence[Server]) -> Metric:
    family = _gauge("upstream_tunnels", "Tunnels to a server, such as WebSockets.", _SERVER)
    for upstream, origin, pool in _pools(servers):
        family.add_metric((upstream, origin), pool.tunnels)
    return family


def _pools(servers: Sequence[Server]) -> Iterator[tuple[str, str, Any]]:
    for upstream, origin, _ in servers:
        pool = pool_of(upstream, origin)
        if pool is not None:
            yield upstream.name, origin, pool


def _counter(name: str, words: str, labels: Sequence[str]) -> CounterMetricFamily:
    return CounterMetricFamily(f"corsgate_{name}", words, labels=labels)


def _gauge(name: str, words: str, labels: Sequence[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"corsgate_{name}", words, labels=labels)


def _cumulative(buckets: Sequence[int]) -> list[tuple[str, float]]:
    return list(zip((*_BOUNDS, "+Inf"), accumulate(buckets), strict=True))
