"""Servers that come and go: when DNS is asked, what is kept, and what a file says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.discovered import Service
from corsgate.config.model.values import Discovered, Server
from corsgate.upstream.discovery import (
    LEAST_TTL_S,
    RETRY_S,
    WATCH_S,
    Asks,
    Discovery,
    ServersFile,
)
from corsgate.upstream.dns import Found, LookupFailed, system_servers


def server(host: str) -> Server:
    """Return a server."""
    return Server(scheme="http", host=host, port=80)


HOST = Discovered(template=server("api.internal"))
SERVICE = Discovered(template=server("_api._tcp.internal"), is_service=True)


class FakeLookup:
    """DNS as a test writes it.

    Attributes:
        hosts: The addresses of each name; a name that isn't there has none.
        records: The records of the only service.
        ttl_s: How long all of it holds.
        asked: The names that were asked for.
        hangs: Fires when questions are to be answered, where they are to wait.
    """

    def __init__(self, **hosts: Sequence[str]) -> None:
        self.hosts = {name.replace("_", "."): each for name, each in hosts.items()}
        self.records: tuple[Service, ...] = ()
        self.ttl_s = 30.0
        self.asked: list[str] = []
        self.hangs: Deferred[None] | None = None

    async def addresses(self, name: str) -> Found[str]:
        """Return a host's addresses."""
        self.asked.append(name)
        if self.hangs is not None:
            await self.hangs
        if not self.hosts.get(name):
            raise LookupFailed(f"{name}: there is no such name")
        return Found(values=tuple(self.hosts[name]), ttl_s=self.ttl_s)

    async def services(self, name: str) -> Found[Service]:
        """Return a service's records."""
        self.asked.append(name)
        return Found(values=self.records, ttl_s=self.ttl_s)


class DiscoveryTestCase(SynchronousTestCase):
    """Something that is watched."""

    def setUp(self) -> None:
        """Have a clock and no news."""
        self.clock = Clock()
        self.seen: list[list[str]] = []
        self.said: list[str] = []

    def changed(self, servers: Sequence[Server]) -> None:
        """Take servers."""
        self.seen.append([each.origin.removeprefix("http://") for each in servers])

    def discovery(
        self,
        lookup: Asks,
        *discovered: Discovered,
        known: Sequence[Server] = (),
        named: bool = False,
    ) -> Discovery:
        """Return what asks, and has begun to."""
        made = Discovery(
            self.clock,
            known,
            discovered or (HOST,),
            lookup,
            self.changed,
            self.said.append,
            named=named,
        )
        made.start()
        return made


class HostTests(DiscoveryTestCase):
    def test_asks_again(self) -> None:
        """When an answer has had its time, the question is put again."""
        lookup = FakeLookup(api_internal=["10.0.0.1"])
        self.discovery(lookup)
        self.clock.advance(29.9)
        self.assertEqual(len(lookup.asked), 1)
        lookup.hosts["api.internal"] = ["10.0.0.1", "10.0.0.2"]
        self.clock.advance(0.1)
        self.assertEqual(self.seen, [["10.0.0.1"], ["10.0.0.1", "10.0.0.2"]])

    def test_nothing_new(self) -> None:
        """The same answer is no news, in whatever order."""
        lookup = FakeLookup(api_internal=["10.0.0.1", "10.0.0.2"])
        self.discovery(lookup)
        lookup.hosts["api.internal"] = ["10.0.0.2", "10.0.0.1"]
        self.clock.advance(30)
        self.assertEqual((len(lookup.asked), len(self.seen)), (2, 1))

    def test_failure(self) -> None:
        """A name that can't be resolved keeps its servers, is told once, and asked for again."""
        lookup = FakeLookup(api_internal=["10.0.0.1"])
        self.discovery(lookup)
        lookup.hosts["api.internal"] = []
        self.clock.advance(30)
        self.clock.advance(RETRY_S)
        self.assertEqual(self.seen, [["10.0.0.1"]])
        self.assertEqual(
            self.said, ["api.internal: there is no such name; the servers it had are kept"]
        )
        lookup.hosts["api.internal"] = ["10.0.0.2"]
        self.clock.advance(RETRY_S)
        self.assertEqual(self.seen[1:], [["10.0.0.2"]])

    def test_failure_at_first(self) -> None:
        """One that never could be resolved has none, and a fault of our own is logged."""
        self.discovery(FakeLookup())
        self.assertEqual(self.said, ["api.internal: there is no such name; it has no servers yet"])

    def test_no_time(self) -> None:
        """An answer that holds for no time isn't asked for all the time."""
        lookup = FakeLookup(api_internal=["10.0.0.1"])
        lookup.ttl_s = 0.0
        self.discovery(lookup)
        self.clock.advance(LEAST_TTL_S * 0.99)
        self.assertEqual(len(lookup.asked), 1)
        self.clock.advance(LEAST_TTL_S * 0.01)
        self.assertEqual(len(lookup.asked), 2)

    def test_known_too(self) -> None:
        """Servers that need no asking stay among the others, and none is listed twice."""
        known = [server("10.0.0.9"), server("10.0.0.1")]
        self.discovery(FakeLookup(api_internal=["10.0.0.1", "10.0.0.2"]), known=known)
        self.assertEqual(self.seen, [["10.0.0.9", "10.0.0.1", "10.0.0.2"]])

    def test_stops(self) -> None:
        """Then nothing is asked, nor is an answer awaited."""
        lookup = FakeLookup(api_internal=["10.0.0.1"])
        self.discovery(lookup).stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        lookup.hangs = Deferred()
        discovery = self.discovery(lookup)
        discovery.stop()
        self.assertEqual((self.clock.getDelayedCalls(), self.said), ([], []))

    def test_refresh(self) -> None:
        """Asking now takes the place of asking later; who is asking already isn't hurried."""
        lookup = FakeLookup(api_internal=["10.0.0.1"])
        discovery = self.discovery(lookup)
        self.successResultOf(discovery.refresh())
        self.assertEqual(len(lookup.asked), 2)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        lookup.hangs = Deferred()
        self.clock.advance(30)
        waiting = discovery.refresh()
        self.assertNoResult(waiting)
        lookup.hangs.callback(None)
        self.successResultOf(waiting)
        self.assertEqual(len(lookup.asked), 3)

    def test_asked(self) -> None:
        """Who waits for the first answer is told once it is there, and of a failure too."""
        for addresses in (["10.0.0.1"], []):
            lookup = FakeLookup(api_internal=addresses)
            lookup.hangs = Deferred()
            discovery = self.discovery(lookup)
            waiting, gone = discovery.when_asked(), discovery.when_asked()
            self.assertNoResult(waiting)
            gone.cancel()
            self.failureResultOf(gone)
            lookup.hangs.callback(None)
            self.successResultOf(waiting)
            self.successResultOf(discovery.when_asked())

    def test_own_fault(self) -> None:
        """What nobody foresaw is logged, and asked for again."""
        lookup = FakeLookup(api_internal=["no address"])
        self.discovery(lookup)
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        lookup.hosts["api.internal"] = ["10.0.0.1"]
        self.clock.advance(RETRY_S)
        self.assertEqual(self.seen, [["10.0.0.1"]])


class ServiceTests(DiscoveryTestCase):
    def test_targets(self) -> None:
        """The hosts that a service names are resolved in turn."""
        lookup = FakeLookup(a_internal=["10.0.0.1"], b_internal=["10.0.0.2"])
        lookup.records = (
            Service(priority=1, weight=1, port=8001, target="b.internal"),
            Service(priority=1, weight=1, port=8000, target="a.internal"),
        )
        self.discovery(lookup, SERVICE)
        self.assertEqual(lookup.asked, ["_api._tcp.internal", "a.internal", "b.internal"])
        self.assertEqual(self.seen, [["10.0.0.2:8001", "10.0.0.1:8000"]])

    def test_a_target_is_missing(self) -> None:
        """The others serve, and it is asked for again soon."""
        lookup = FakeLookup(a_internal=["10.0.0.1"])
        lookup.records = tuple(
            Service(priority=1, weight=1, port=8000, target=target)
            for target in ("a.internal", "b.internal")
        )
        self.discovery(lookup, SERVICE)
        self.assertEqual(self.seen, [["10.0.0.1:8000"]])
        lookup.hosts["b.internal"] = ["10.0.0.2"]
        self.clock.advance(RETRY_S)
        self.assertEqual(self.seen[1:], [["10.0.0.1:8000", "10.0.0.2:8000"]])

    def test_a_target_fails_later(self) -> None:
        """It keeps the addresses that it had; what is no record any more doesn't."""
        lookup = FakeLookup(a_internal=["10.0.0.1"], b_internal=["10.0.0.2"])
        lookup.records = tuple(
            Service(priority=priority, weight=1, port=8000, target=target)
            for priority, target in enumerate(("a.internal", "b.internal"))
        )
        self.discovery(lookup, SERVICE)
        lookup.hosts["a.internal"] = []
        self.clock.advance(30)
        self.clock.advance(RETRY_S)
        self.assertEqual(self.seen, [["10.0.0.1:8000", "10.0.0.2:8000"]])
        lookup.records = lookup.records[1:]
        self.clock.advance(RETRY_S)
        self.assertEqual(self.seen[1:], [["10.0.0.2:8000"]])

    def test_foreign_target(self) -> None:
        """Over TLS nobody gets in by a record that names a host of their own."""
        service = attrs.evolve(SERVICE.template, scheme="https", port=443)
        lookup = FakeLookup(a_internal=["10.0.0.1"], evil_example=["10.6.6.6"])
        good, evil = (
            Service(priority=1, weight=1, port=8000, target=target)
            for target in ("a.internal", "evil.example")
        )
        for records, named, seen in (
            ((good, evil), False, [["https://10.0.0.1:8000"]]),
            ((evil,), False, []),
            ((evil,), True, [["https://10.6.6.6:8000"]]),
        ):
            self.seen.clear()
            self.said.clear()
            lookup.records = records
            self.discovery(lookup, attrs.evolve(SERVICE, template=service), named=named)
            self.assertEqual(self.seen, seen)
            self.assertEqual(["evil.example" in each for each in self.said], [] if seen else [True])

    def test_no_target(self) -> None:
        """Where none has an address, what there was is kept."""
        lookup = FakeLookup()
        lookup.records = (Service(priority=1, weight=1, port=8000, target="a.internal"),)
        self.discovery(lookup, SERVICE)
        self.assertEqual(self.seen, [])
        self.assertEqual(self.said, ["a.internal: there is no such name; it has no servers yet"])


class FileTests(DiscoveryTestCase):
    def setUp(self) -> None:
        """Have a file."""
        super().setUp()
        self.path = Path(self.mktemp())
        self.time_s = 1_000_000_000
        self.write('servers = ["http://10.0.0.1"]')

    def write(self, text: str) -> None:
        """Write the file, later than before."""
        self.path.write_text(text, encoding="utf-8")
        self.time_s += 1
        os.utime(self.path, (self.time_s, self.time_s))

    def watch(self) -> ServersFile:
        """Return what watches the file, and has begun to."""
        made = ServersFile(self.clock, str(self.path), self.changed, self.said.append)
        made.start()
        return made

    def test_changes(self) -> None:
        """A file that has changed is read, and one that hasn't isn't."""
        self.watch()
        self.clock.advance(WATCH_S)
        self.write('servers = ["http://10.0.0.1", { url = "http://10.0.0.2", weight = 2 }]')
        self.clock.advance(WATCH_S)
        self.assertEqual(self.seen, [["10.0.0.1"], ["10.0.0.1", "10.0.0.2"]])

    def test_faults(self) -> None:
        """What is wrong is told once, all of it, and what was right stays."""
        self.watch()
        self.write('servers = ["10.0.0.1", "ftp://b"]')
        self.clock.advance(WATCH_S)
        self.clock.advance(WATCH_S)
        self.assertEqual(len(self.seen), 1)
        (said,) = self.said
        for part in ('"10.0.0.1" has no scheme', "ftp", "the servers it had are kept"):
            self.assertIn(part, said)

    def test_missing(self) -> None:
        """A file that is gone for a moment, as editors have it, changes nothing."""
        self.watch()
        self.path.unlink()
        self.clock.advance(WATCH_S)
        self.clock.advance(WATCH_S)
        self.assertEqual(len(self.said), 1)
        self.write('servers = ["http://10.0.0.2"]')
        self.clock.advance(WATCH_S)
        self.assertEqual(self.seen, [["10.0.0.1"], ["10.0.0.2"]])

    def test_no_file(self) -> None:
        """What takes its place and is no file is told once, and never waited for."""
        self.watch()
        self.path.unlink()
        os.mkfifo(self.path)
        self.clock.advance(WATCH_S)
        self.clock.advance(WATCH_S)
        (said,) = self.said
        self.assertIn("it is a FIFO, not a file; its servers are kept", said)
        self.path.unlink()
        self.path.symlink_to("/dev/zero")
        self.clock.advance(WATCH_S)
        self.path.unlink()
        self.write('servers = ["http://10.0.0.2"]')
        self.clock.advance(WATCH_S)
        self.assertEqual(self.seen, [["10.0.0.1"], ["10.0.0.2"]])

    def test_stops(self) -> None:
        """Then it isn't looked at any more."""
        self.watch().stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SystemTests(SynchronousTestCase):
    def test_servers(self) -> None:
        """resolv.conf says who is asked; without it, this machine is."""
        path = Path(self.mktemp())
        path.write_text(
            "# x\nnameserver 10.0.0.2\nsearch internal\nnameserver fd00::2\nnameserver\n"
        )
        self.assertEqual(system_servers(str(path)), [("10.0.0.2", 53), ("fd00::2", 53)])
        self.assertEqual(system_servers(str(path) + "-none"), [("127.0.0.1", 53)])
