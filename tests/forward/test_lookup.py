"""Questions to a real DNS server."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from corsgate.balance.discovered import Service
from corsgate.forward.lookup import Lookup, LookupFailed
from tests.dnsmasq import TTL_S, Dnsmasq
from tests.peers import reactor

HOSTS = {
    "two.test": ["10.0.0.2", "10.0.0.1"],
    "both.test": ["10.0.0.3", "fd00::3"],
    "six.test": ["fd00::6"],
}


class LookupTests(TestCase):
    """What is asked, and what comes of each answer."""

    timeout = 30

    async def lookup(self, *more: str) -> Lookup:
        """Answer what asks a DNS server of its own."""
        server = Dnsmasq(Path(self.mktemp()), *more)
        self.addCleanup(server.stop)
        await server.start(HOSTS)
        return Lookup(reactor, ("127.0.0.1", server.port))

    async def test_addresses(self) -> None:
        """All addresses, in order, for as long as the answer says."""
        found = await (await self.lookup()).addresses("two.test")
        self.assertEqual((found.values, found.ttl_s), (("10.0.0.1", "10.0.0.2"), TTL_S))

    async def test_families(self) -> None:
        """IPv4 where there is any, so that no machine is there twice; else IPv6."""
        lookup = await self.lookup()
        self.assertEqual((await lookup.addresses("both.test")).values, ("10.0.0.3",))
        self.assertEqual((await lookup.addresses("six.test")).values, ("fd00::6",))

    async def test_alias(self) -> None:
        """The addresses of what a name is an alias of."""
        lookup = await self.lookup("--cname=alias.test,two.test")
        self.assertEqual((await lookup.addresses("alias.test")).values, ("10.0.0.1", "10.0.0.2"))

    async def test_services(self) -> None:
        """All records of a service."""
        lookup = await self.lookup(
            "--srv-host=_api._tcp.test,two.test,8001,10,5",
            "--srv-host=_api._tcp.test,six.test,8002,20,0",
        )
        found = await lookup.services("_api._tcp.test")
        self.assertCountEqual(
            found.values,
            [
                Service(priority=10, weight=5, port=8001, target="two.test"),
                Service(priority=20, weight=0, port=8002, target="six.test"),
            ],
        )
        self.assertEqual(found.ttl_s, TTL_S)

    async def test_unknown(self) -> None:
        """A name that isn't there fails, in words."""
        lookup = await self.lookup()
        for asked in (lookup.addresses("no.test"), lookup.services("no.test")):
            self.assertEqual(await self.failure(asked), "no.test: there is no such name")

    async def test_no_service(self) -> None:
        """A name that is there, but no service, fails too."""
        lookup = await self.lookup()
        failed = await self.failure(lookup.services("two.test"))
        self.assertEqual(failed, "two.test: there is no such service")

    async def failure(self, asked: Coroutine[Any, Any, object]) -> str:
        """Answer in what words a question fails."""
        task: Deferred[object] = Deferred.fromCoroutine(asked)
        return str(await self.assertFailure(task, LookupFailed))
