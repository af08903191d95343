"""How many descriptors the process may open, and the bounds that fit into that."""

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
"""Descriptors for anything but connections: the reactor, logs, files that are read, DNS queries."""


@attrs.frozen(kw_only=True)
class Fitted:
    """A configuration whose bounds fit into the available descriptors.

    Attributes:
        config: The configuration, with bounds that may be lower than those in the file.
        lines: Lines for the log about the lower bounds.
    """

    config: Config
    lines: Sequence[str]


def needed(config: Config) -> int:
    """Return how many descriptors a configuration can use at most.

    Each client's connection may be a tunnel, which has an upstream connection of its own beside
    those in the pools.
    """
    return _reserve(config) + 2 * config.limits.max_connections + _in_pools(config)


def fit(config: Config, limit: int) -> Fitted:
    """Lower a configuration's bounds until they fit into a number of descriptors.

    Beyond the reserve, clients and upstreams each get at least half, or as much as their bounds
    allow: a request that is served needs one of each. Then no client may have more than half of the
    connections, so that one address can't have all.

    Args:
        config: The configuration to be served.
        limit: How many descriptors may be open.

    Returns:
        The configuration as it is where all of it fits.
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
        f"the process may open only {limit} file descriptors, so these bounds are lower than"
        f" configured: {', '.join(changes)}; raise the hard limit (LimitNOFILE= of systemd,"
        " ulimit -Hn), or lower them in the file"
    )
    return Fitted(
        config=attrs.evolve(config, limits=limits, upstreams=upstreams),
        lines=(line,),
    )


def raise_limit(wanted: int) -> int:
    """Raise the process's limit of open descriptors, as far as it may.

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
        # The system has another bound besides the hard limit.
        return soft
    return reached


class FittedBounds(Service):
    """Logs which bounds are lower than configured.

    Args:
        lines: The lines to log.
    """

    _log = Logger()

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines

    def startService(self) -> None:
        """Log them, now that there is a log."""
        super().startService()
        for line in self._lines:
            self._log.warn("{line}", line=line)


def _reserve(config: Config) -> int:
    own = RESERVE + (1 + ACCEPTS_PER_TURN) * len(config.listeners)
    if config.admin is None:
        return own
    # The operator can connect, however many clients the gate has.
    return own + 1 + ACCEPTS_PER_TURN + ADMIN_LIMITS.max_connections


def _in_pools(config: Config) -> int:
    """Return how many connections the pools of all upstreams may have together."""
    return sum(
        each.pool.max_connections * max(len(each.servers) + len(each.discovered), 1)
        for each in config.upstreams.values()
    )


def _lowered(upstream: Upstream, most: int) -> Upstream:
    pool: PoolLimits = upstream.pool
    lowered = attrs.evolve(pool, max_connections=min(pool.max_connections, most))
    return attrs.evolve(upstream, pool=lowered)
