"""Servers that come and go: those that DNS knows, and those in a file that is watched."""

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
"""How soon DNS is asked again that had no answer."""

WATCH_S = 2.0
"""How often a file is looked at."""

_log = Logger()


class Asks(Protocol):
    """What `corsgate.upstream.dns.Lookup` does."""

    async def addresses(self, name: str) -> Found[str]:
        """Return a host's addresses."""

    async def services(self, name: str) -> Found[Service]:
        """Return a service's records."""


@attrs.define(eq=False)
class _Entry:
    """One name, and what is known of it.

    Attributes:
        discovered: What is asked for.
        servers: The last good answer.
        addresses: The last good one for each target of a service.
        call: Asks again.
        task: Is asking.
        failing: Whether the last question had no answer.
    """

    discovered: Discovered
    servers: Sequence[Server] = ()
    addresses: Mapping[str, Sequence[str]] = attrs.Factory(dict)
    call: IDelayedCall | None = None
    task: Deferred[Any] | None = None
    failing: bool = False


class Discovery:
    """Asks DNS for servers, and again when the records have expired.

    A name that can't be resolved keeps the servers it had, and so does each target of a service.

    What DNS says can be forged: a certificate for a name that it made up would verify anybody
    (RFC 9525 6.1). So over TLS a service's targets must be in its own domain, but where their
    certificates are all for a name that is configured.

    Args:
        clock: Calls back.
        known: Servers that need no asking.
        discovered: What to ask for.
        lookup: Asks.
        changed: Called with all servers when they have changed.
        tell: Called with what goes wrong, in words.
        named: Whether the name that certificates are for is configured.
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
        # Those who wait until each name was asked for once; None since that is done.
        self._waiting: list[Deferred[None]] | None = []

    @property
    def servers(self) -> Sequence[Server]:
        """The servers that are known now."""
        return self._servers

    def inherit(self, before: Discovery) -> None:
        """Know the servers that were found before a reload, until DNS is asked again."""
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
        """Begin to ask."""
        self.refresh().addBoth(self._asked)

    def when_asked(self) -> Deferred[None]:
        """Return a Deferred that fires once each name was asked for, whatever came of it."""
        if self._waiting is None:
            return succeed(None)
        waiter: Deferred[None] = Deferred()
        self._waiting.append(waiter)
        return waiter

    def _asked(self, _: object) -> None:
        waiting, self._waiting = self._waiting or (), None
        for waiter in waiting:
            # One that is cancelled has been called, too.
            if not waiter.called:
                waiter.callback(None)

    def refresh(self) -> Deferred[Any]:
        """Ask for everything now; return a Deferred that fires when that is done."""
        return gatherResults([self._ask(entry) for entry in self._entries])

    def stop(self) -> None:
        """Ask no more."""
        for entry in self._entries:
            if entry.call is not None:
                entry.call.cancel()
                entry.call = None
            if entry.task is not None:
                entry.task.cancel()

    def _ask(self, entry: _Entry) -> Deferred[Any]:
        if entry.task is not None:
            return _after(entry.task)  # The lookup that is under way does as well.
        if entry.call is not None and entry.call.active():
            entry.call.cancel()
        entry.call = None
        task: Deferred[Any] = Deferred.fromCoroutine(self._found(entry))
        entry.task = task
        task.addCallbacks(self._answered, self._failed, callbackArgs=(entry,), errbackArgs=(entry,))
        return task

    async def _found(self, entry: _Entry) -> tuple[Sequence[Server], float]:
        """Return the servers that DNS knows now, and for how long that holds."""
        template = entry.discovered.template
        if not entry.discovered.is_service:
            hosts = await self._lookup.addresses(template.host)
            return host_servers(template, hosts.values), hosts.ttl_s
        services = await self._lookup.services(template.host)
        ttl_s, problem = services.ttl_s, "none of its records is of use"
        addresses: dict[str, Sequence[str]] = {}
        for target in sorted({service.target for service in services.values}):
            if template.scheme == "https" and not (self._named or is_within(target, template.host)):
                problem = f"{target} is not in its domain, so set server_name to what is verified"
                continue
            try:
                hosts = await self._lookup.addresses(target)
            except LookupFailed as error:
                # The others may do; this one is asked for again no later than they are.
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
        """Return the servers that need no asking, and those that were found."""
        servers: dict[str, Server] = {server.origin: server for server in self._known}
        for entry in self._entries:
            for server in entry.servers:
                servers.setdefault(server.origin, server)
        return tuple(servers.values())


def _question(entry: _Entry) -> tuple[bool, str, str, int]:
    """Return what an entry asks DNS for, and what the answer is for."""
    discovered = entry.discovered
    template = discovered.template
    return discovered.is_service, template.scheme, template.host, template.port


def _like(discovered: Discovered, server: Server) -> Server:
    """Return a server that was found, with what its template says of it by now."""
    template = discovered.template
    return attrs.evolve(
        server,
        base_path=template.base_path,
        drain=template.drain,
        backup=server.backup if discovered.is_service else template.backup,
        weight=server.weight if discovered.is_service else template.weight,
    )


def _after(task: Deferred[Any]) -> Deferred[None]:
    """Return a Deferred that fires when a task has ended, whatever came of it."""
    ended: Deferred[None] = Deferred()

    def tell(result: Any) -> Any:
        ended.callback(None)
        return result

    task.addBoth(tell)
    return ended


class ServersFile:
    """Watches a file of servers.

    Args:
        clock: Calls back.
        path: The file.
        changed: Called with its servers when it has changed.
        tell: Called with what goes wrong, in words.
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
        """Begin to watch; what has changed since the start is read at once."""
        self._look()

    def when_asked(self) -> Deferred[None]:
        """Return a Deferred that has fired: the file was read with the configuration."""
        return succeed(None)

    def refresh(self) -> Deferred[Any]:
        """Look now; return a Deferred that fires when that is done."""
        self.stop()
        self._look()
        return succeed(None)

    def stop(self) -> None:
        """Watch no more."""
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
