"""Servers that change at run time: from DNS, or from a watched file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from corsgate.balance.discovered import Service, host_servers, is_within, service_servers
from corsgate.config.model.values import Discovered, Server
from corsgate.config.sections.server_list import parse_servers
from corsgate.errors import ConfigError
from corsgate.transport.files import read_file
from corsgate.upstream.dns import Found, LookupFailed

LEAST_TTL_S = 1.0
MOST_TTL_S = 3600.0

RETRY_S = 5.0
"""How many seconds after a failed query DNS is asked again."""

WATCH_S = 2.0
"""How many seconds pass between two checks of a file."""

_log = Logger()


class Asks(Protocol):
    """The interface of `corsgate.upstream.dns.Lookup`."""

    async def addresses(self, name: str) -> Found[str]:
        """Return a host's addresses."""

    async def services(self, name: str) -> Found[Service]:
        """Return a service's records."""


@attrs.define(eq=False)
class _Entry:
    """One name, and the last answers about it.

    Attributes:
        discovered: The name, and the settings of its servers.
        servers: The servers in the last good answer.
        addresses: The last known addresses of each target of a service.
        call: The delayed call of the next query.
        task: The running query.
        failing: Whether the last query failed.
    """

    discovered: Discovered
    servers: Sequence[Server] = ()
    addresses: Mapping[str, Sequence[str]] = attrs.Factory(dict)
    call: IDelayedCall | None = None
    task: Deferred[Any] | None = None
    failing: bool = False


class Discovery:
    """Asks DNS for servers, and again when the records have expired.

    If a name can't be resolved, its servers are kept. This also applies to each target of a
    service.

    DNS answers can be forged. A target name from a forged answer could be anybody's, with a valid
    certificate (RFC 9525 6.1). So over TLS a service's targets must be in its own domain, unless
    the name in their certificates is configured.

    Args:
        clock: Schedules the queries.
        known: Servers that are not discovered.
        discovered: The names to resolve.
        lookup: Sends the queries.
        changed: Called with all servers when they have changed.
        tell: Called with a message when a query fails.
        named: Whether the name in certificates is configured.
    """

    def __init__(
        self,
        clock: IReactorTime,
        known: Sequence[Server],
        discovered: Sequence[Discovered],
        lookup: Asks,
        changed: Callable[[Sequence[Server]], None],
        tell: Callable[[str], None],
        *,
        named: bool = False,
    ) -> None:
        self._clock = clock
        self._known = known
        self._entries = [_Entry(each) for each in discovered]
        self._lookup = lookup
        self._changed = changed
        self._tell = tell
        self._named = named
        self._servers = tuple(known)
        # Waiters until each name was asked for once; None after that.
        self._waiting: list[Deferred[None]] | None = []

    @property
    def servers(self) -> Sequence[Server]:
        """The servers known now."""
        return self._servers

    def inherit(self, before: Discovery) -> None:
        """Use the servers found before a reload until DNS is asked again."""
        found = {_question(each): each for each in before._entries}
        for entry in self._entries:
            old = found.get(_question(entry))
            if old is not None:
                entry.addresses, entry.failing = old.addresses, old.failing
                entry.servers = [_like(entry.discovered, server) for server in old.servers]
        self._servers = self._combined()
        if before._waiting is None and all(_question(each) in found for each in self._entries):
            self._waiting = None

    def start(self) -> None:
        """Start asking."""
        self.refresh().addBoth(self._asked)

    def when_asked(self) -> Deferred[None]:
        """Return a Deferred that fires once each name was asked for, even without success."""
        if self._waiting is None:
            return succeed(None)
        waiter: Deferred[None] = Deferred()
        self._waiting.append(waiter)
        return waiter

    def _asked(self, _: object) -> None:
        waiting, self._waiting = self._waiting or (), None
        for waiter in waiting:
            # A cancelled one has already been called.
            if not waiter.called:
                waiter.callback(None)

    def refresh(self) -> Deferred[Any]:
        """Ask for all names now; return a Deferred that fires when that is done."""
        return gatherResults([self._ask(entry) for entry in self._entries])

    def stop(self) -> None:
        """Stop asking."""
        for entry in self._entries:
            if entry.call is not None:
                entry.call.cancel()
                entry.call = None
            if entry.task is not None:
                entry.task.cancel()

    def _ask(self, entry: _Entry) -> Deferred[Any]:
        if entry.task is not None:
            return _after(entry.task)  # The running query is recent enough.
        if entry.call is not None and entry.call.active():
            entry.call.cancel()
        entry.call = None
        task: Deferred[Any] = Deferred.fromCoroutine(self._found(entry))
        entry.task = task
        task.addCallbacks(self._answered, self._failed, callbackArgs=(entry,), errbackArgs=(entry,))
        return task

    async def _found(self, entry: _Entry) -> tuple[Sequence[Server], float]:
        """Return the servers that DNS has now, and for how many seconds the answer is valid."""
        template = entry.discovered.template
        if not entry.discovered.is_service:
            hosts = await self._lookup.addresses(template.host)
            return host_servers(template, hosts.values), hosts.ttl_s
        services = await self._lookup.services(template.host)
        ttl_s, problem = services.ttl_s, "none of its records is usable"
        addresses: dict[str, Sequence[str]] = {}
        for target in sorted({service.target for service in services.values}):
            if template.scheme == "https" and not (self._named or is_within(target, template.host)):
                problem = f"{target} is not in its domain, so set server_name to the name to verify"
                continue
            try:
                hosts = await self._lookup.addresses(target)
            except LookupFailed as error:
                # The other targets may be enough. Ask for this one again soon.
                problem, ttl_s = str(error), min(ttl_s, RETRY_S)
                addresses[target] = entry.addresses.get(target, ())
                continue
            addresses[target] = hosts.values
            ttl_s = min(ttl_s, hosts.ttl_s)
        servers = service_servers(template, services.values, addresses)
        if not servers:
            raise LookupFailed(problem)
        entry.addresses = addresses
        return servers, ttl_s

    def _answered(self, answer: tuple[Sequence[Server], float], entry: _Entry) -> None:
        servers, ttl_s = answer
        entry.task = None
        entry.servers, entry.failing = servers, False
        self._again_in(entry, min(max(ttl_s, LEAST_TTL_S), MOST_TTL_S))
        self._publish()

    def _failed(self, failure: Failure, entry: _Entry) -> None:
        entry.task = None
        if failure.check(CancelledError):
            return
        if not failure.check(LookupFailed):
            _log.failure("a name could not be looked up", failure)
        if not entry.failing:
            kept = "the servers it had are kept" if entry.servers else "it has no servers yet"
            self._tell(f"{failure.getErrorMessage()}; {kept}")
        entry.failing = True
        self._again_in(entry, RETRY_S)

    def _again_in(self, entry: _Entry, delay_s: float) -> None:
        entry.call = self._clock.callLater(delay_s, self._ask, entry)

    def _publish(self) -> None:
        found = self._combined()
        if set(found) != set(self._servers):
            self._servers = found
            self._changed(found)

    def _combined(self) -> tuple[Server, ...]:
        """Return the servers that are not discovered, and the discovered ones."""
        servers: dict[str, Server] = {server.origin: server for server in self._known}
        for entry in self._entries:
            for server in entry.servers:
                servers.setdefault(server.origin, server)
        return tuple(servers.values())


def _question(entry: _Entry) -> tuple[bool, str, str, int]:
    """Return what an entry asks DNS for, with the scheme and port of the servers."""
    discovered = entry.discovered
    template = discovered.template
    return discovered.is_service, template.scheme, template.host, template.port


def _like(discovered: Discovered, server: Server) -> Server:
    """Return a discovered server with the current settings of its template."""
    template = discovered.template
    return attrs.evolve(
        server,
        base_path=template.base_path,
        drain=template.drain,
        backup=server.backup if discovered.is_service else template.backup,
        weight=server.weight if discovered.is_service else template.weight,
    )


def _after(task: Deferred[Any]) -> Deferred[None]:
    """Return a Deferred that fires when a task has ended, even if it failed."""
    ended: Deferred[None] = Deferred()

    def tell(result: Any) -> Any:
        ended.callback(None)
        return result

    task.addBoth(tell)
    return ended


class ServersFile:
    """Watches a file of servers.

    Args:
        clock: Schedules the checks.
        path: The file.
        changed: Called with its servers when it has changed.
        tell: Called with a message when the file can't be used.
    """

    def __init__(
        self,
        clock: IReactorTime,
        path: str,
        changed: Callable[[Sequence[Server]], None],
        tell: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._path = path
        self._changed = changed
        self._tell = tell
        self._call: IDelayedCall | None = None
        self._seen: object = None

    def start(self) -> None:
        """Start watching, and read the file at once: it may have changed since the start."""
        self._look()

    def when_asked(self) -> Deferred[None]:
        """Return a fired Deferred, since the file was read with the configuration."""
        return succeed(None)

    def refresh(self) -> Deferred[Any]:
        """Check the file now; return a fired Deferred."""
        self.stop()
        self._look()
        return succeed(None)

    def stop(self) -> None:
        """Stop watching."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        self._call = self._clock.callLater(WATCH_S, self._look)
        try:
            status = os.stat(self._path)
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen == self._seen:
                return
            content = read_file(self._path)
        except OSError as error:
            if self._seen != error.errno:
                self._tell(f"{self._path} can't be read: {error.strerror}; its servers are kept")
            self._seen = error.errno
            return
        self._seen = seen
        try:
            servers = parse_servers(content, self._path)
        except ConfigError as error:
            self._tell(f"{error}; the servers it had are kept")
            return
        self._changed(servers)
