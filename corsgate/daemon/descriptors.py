"""How many file descriptors the process may open, and limits that fit into that number."""

from __future__ import annotations

import resource
from collections.abc import Sequence

import attrs
from twisted.application.service import Service
from twisted.logger import Logger

from corsgate.admin.listener import ADMIN_LIMITS
from corsgate.config.model.values import Config, PoolLimits, Upstream
from corsgate.transport.listening import ACCEPTS_PER_TURN

RESERVE = 48
"""Descriptors for other uses than connections: reactor, logs, files, DNS queries."""


@attrs.frozen(kw_only=True)
class Fitted:
    """A configuration whose limits fit into the available descriptors.

    Attributes:
        config: The configuration, with limits that may be lower than those in the file.
        lines: Lines for the log about the lowered limits.
    """

    config: Config
    lines: Sequence[str]


def needed(config: Config) -> int:
    """Return how many descriptors a configuration can use at most.

    Each client's connection may be a tunnel, whose upstream connection is not one of those in the
    pools.
    """
    return _reserve(config) + 2 * config.limits.max_connections + _in_pools(config)


def fit(config: Config, limit: int) -> Fitted:
    """Lower a configuration's limits until they fit into a number of descriptors.

    After the reserve, clients and upstreams each get at least half, or as much as their limits
    allow, because each request needs one of both. Then no client may have more than half of the
    connections, so that one address can't have all.

    Args:
        config: The configuration to be served.
        limit: How many descriptors may be open.

    Returns:
        The same configuration if all of it fits.
    """
    limits, in_pools = config.limits, _in_pools(config)
    spare = max(limit - min(_reserve(config), limit // 4), 2)
    for_upstreams = min(in_pools, max(spare // 2, spare - limits.max_connections))
    clients = min(limits.max_connections, spare - for_upstreams)
    changes: list[str] = []
    upstreams = dict(config.upstreams)
    if clients < limits.max_connections:
        per_client = min(limits.max_connections_per_client, max(clients // 2, 1))
        changes += [f"max_connections = {clients}", f"max_connections_per_client = {per_client}"]
        limits = attrs.evolve(
            limits, max_connections=clients, max_connections_per_client=per_client
        )
    if any(each.pool.max_connections > for_upstreams for each in upstreams.values()):
        changes.append(f"{for_upstreams} connections to each server")
        upstreams = {name: _lowered(each, for_upstreams) for name, each in upstreams.items()}
    if not changes:
        return Fitted(config=config, lines=())
    line = (
        f"the process may open only {limit} file descriptors, so these limits are lower than"
        f" configured: {', '.join(changes)}; raise the hard limit (LimitNOFILE= of systemd,"
        " ulimit -Hn), or lower the limits in the file"
    )
    return Fitted(
        config=attrs.evolve(config, limits=limits, upstreams=upstreams),
        lines=(line,),
    )


def raise_limit(wanted: int) -> int:
    """Raise the process's limit on open descriptors as far as it may.

    Args:
        wanted: The number that the process needs.

    Returns:
        The number that it can open now.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    reached = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reached, hard))
    except (OSError, ValueError):
        # The system has another limit besides the hard limit.
        return soft
    return reached


class FittedBounds(Service):
    """Logs which limits are lower than configured.

    Args:
        lines: The lines to log.
    """

    _log = Logger()

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines

    def startService(self) -> None:
        """Log the lines, now that there is a log."""
        super().startService()
        for line in self._lines:
            self._log.warn("{line}", line=line)


def _reserve(config: Config) -> int:
    own = RESERVE + (1 + ACCEPTS_PER_TURN) * len(config.listeners)
    if config.admin is None:
        return own
    # The operator can connect even if the gate has all its clients.
    return own + 1 + ACCEPTS_PER_TURN + ADMIN_LIMITS.max_connections


def _in_pools(config: Config) -> int:
    """Return how many connections the pools of all upstreams may have in total."""
    return sum(
        each.pool.max_connections * max(len(each.servers) + len(each.discovered), 1)
        for each in config.upstreams.values()
    )


def _lowered(upstream: Upstream, most: int) -> Upstream:
    pool: PoolLimits = upstream.pool
    lowered = attrs.evolve(pool, max_connections=min(pool.max_connections, most))
    return attrs.evolve(upstream, pool=lowered)
