"""X-Forwarded-Host and Forwarded of a trusted proxy obey ``hosts`` as Host does."""

from __future__ import annotations

import json
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

from twisted.logger import formatEvent

from corsgate.gate.proxied_host import ProxiedHost
from corsgate.message.headers import Header
from corsgate.message.host import HostRules
from corsgate.server.fields_memo import FieldsMemo
from corsgate.server.request_log import RequestLog
from tests.gate.test_access_log import observed
from tests.peers import Upstream
from tests.support import Gate, GateTestCase

FOR = b"for=192.0.2.1"
XFF = (b"X-Forwarded-For", b"192.0.2.1")


def x_host(*values: bytes) -> list[Header]:
    """Return X-Forwarded-Host fields."""
    return [(b"X-Forwarded-Host", value) for value in values]


def standard(*values: bytes) -> list[Header]:
    """Return Forwarded fields."""
    return [(b"Forwarded", value) for value in values]


class ProxiedHosts(GateTestCase):
    """What a trusted proxy was asked for."""

    def gate(self, upstream: Upstream, hosts: str = "", proxies: str = "127.0.0.1") -> Gate:
        """Return a gate behind proxies that are trusted.

        Args:
            upstream: What its route leads to.
            hosts: The line of the file, perhaps none.
            proxies: The network that is trusted.
        """
        return self.serve(
            f'{hosts}\n[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
            f'trusted_proxies = ["{proxies}"]\n'
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/v1"]\nupstream = "a"\n'
        )

    async def test_hosts(self) -> None:
        """Each host that is believed or passed on has to be listed, wherever it stands."""
        upstream = await self.upstream()
        gate = self.gate(upstream, 'hosts = ["localhost", "api.example", "*.apps.example"]')
        good: tuple[list[Header], ...] = (
            [],
            x_host(b"api.example"),
            x_host(b"API.example:8443"),
            x_host(b"a.apps.example, api.example"),
            x_host(b"api.example", b"a.apps.example"),
            x_host(b""),
            x_host(b" , "),
            standard(FOR + b";host=api.example"),
            standard(FOR + b';host="api.example:8443"', b"for=192.0.2.2;host=localhost"),
            standard(FOR + b';host=""'),
            x_host(b"api.example") + standard(FOR + b";host=a.apps.example"),
            # Forwarded is made anew where it is none, or tells of other nodes: it may be the
            # client's own, which the proxy doesn't know.
            standard(FOR + b";host=evil.example;;=", b"x"),
            [XFF, *standard(b"for=192.0.2.9;host=evil.example")],
        )
        for headers in good:
            answer = await self.ask(gate, headers=headers)
            self.assertEqual(answer.status, 200, headers)
            self.assertNotIn(b"evil.example", upstream.requests[-1].raw)
        served = len(upstream.requests)
        bad: tuple[list[Header], ...] = (
            x_host(b"evil.example"),
            x_host(b"127.0.0.1"),
            x_host(b"evil.example, api.example"),
            x_host(b"api.example, evil.example"),
            x_host(b"api.example", b"evil.example"),
            x_host(b"", b"evil.example"),
            x_host(b", evil.example"),
            x_host(b"api.example@evil.example"),
            x_host(b"api.example/"),
            x_host(b"api.example evil.example"),
            x_host(b'"api.example"'),
            standard(FOR + b";host=evil.example"),
            standard(FOR + b";HOST=evil.example"),
            standard(b"for=192.0.2.2;host=api.example, for=192.0.2.1;host=evil.example"),
            standard(FOR + b";host=api.example", b"for=192.0.2.1;host=evil.example"),
            standard(FOR + b";host=api.example;host=evil.example"),
            standard(FOR + b';host="api.example/"'),
            standard(b"host=evil.example"),
            [XFF, *standard(FOR + b";host=evil.example")],
            x_host(b"api.example") + standard(FOR + b";host=evil.example"),
            x_host(b"evil.example") + standard(FOR + b";host=api.example"),
        )
        for headers in bad:
            answer = await self.ask(gate, headers=headers)
            self.assertEqual(answer.status, 421, headers)
        self.assertEqual(len(upstream.requests), served)

    async def test_default_on_loopback(self) -> None:
        """Without ``hosts`` a loopback listener serves loopback names only, by a proxy too."""
        upstream = await self.upstream()
        gate = self.gate(upstream)
        for headers, status in (
            (x_host(b"localhost:4200"), 200),
            (x_host(b"app.localhost"), 200),
            (standard(FOR + b';host="[::1]:5555"'), 200),
            (x_host(b"api.example"), 421),
            (standard(FOR + b";host=api.example"), 421),
        ):
            self.assertEqual((await self.ask(gate, headers=headers)).status, status, headers)

    async def test_untrusted(self) -> None:
        """What another peer says counts for nothing, and so harms nobody."""
        upstream = await self.upstream()
        gate = self.gate(upstream, proxies="10.0.0.0/8")
        headers = x_host(b"evil.example") + standard(FOR + b";host=evil.example")
        self.assertEqual((await self.ask(gate, headers=headers)).status, 200)
        self.assertNotIn(b"evil.example", upstream.requests[0].raw)

    async def test_host_still_counts(self) -> None:
        """A host that is served does not make up for a Host that is not."""
        upstream = await self.upstream()
        gate = self.gate(upstream)
        answer = await self.ask(gate, headers=x_host(b"localhost"), host=b"evil.example")
        self.assertEqual(answer.status, 421)

    async def test_remembered(self) -> None:
        """On one connection each request is judged by its own fields."""
        upstream = await self.upstream()
        gate = self.gate(upstream, 'hosts = ["localhost", "api.example"]')
        client = await self.connect(gate)
        for host, status in (
            (b"api.example", 200),
            (b"evil.example", 421),
            (b"evil.example", 421),
            (b"api.example", 200),
        ):
            client.send(
                b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: %b\r\n\r\n" % host
            )
            self.assertEqual((await client.response()).status, status)
        self.assertEqual(len(upstream.requests), 2)

    async def test_logged(self) -> None:
        """The access log says why."""
        gate = self.gate(await self.upstream())
        await self.ask(gate, headers=x_host(b"evil\x80.example"))
        line = json.loads(gate.lines[0])
        self.assertEqual(line["status"], 421)
        self.assertEqual(
            line["outcome"],
            "the proxy was asked for the host evil\\x80.example, which is not served",
        )


def asked(host: bytes, at: float = 0.0) -> Any:
    """Return as much of a trusted proxy's request as is looked at."""
    return SimpleNamespace(
        client=SimpleNamespace(host="10.0.0.1"),
        index={b"x-forwarded-host": [host]},
        memo=FieldsMemo(),
        log=RequestLog(),
        arrived_s=at,
    )


class Deciding(GateTestCase):
    """`ProxiedHost` alone."""

    def test_default_elsewhere(self) -> None:
        """Off loopback every host is served by default, and nothing that is none."""
        proxied = ProxiedHost(HostRules.build(None, loopback=False), (ip_network("10.0.0.1"),))
        self.assertFalse(proxied.is_refused(asked(b"api.example")))
        self.assertTrue(proxied.is_refused(asked(b"api example")))

    def test_pace(self) -> None:
        """The daemon's log has a line per second at most, which counts the others."""
        events = observed(self)
        proxied = ProxiedHost(HostRules.build(None, loopback=True), (ip_network("10.0.0.1"),))
        for at in (0.0, 0.1, 0.2, 5.0):
            self.assertTrue(proxied.is_refused(asked(b"evil.example", at)))
        first, last = (str(formatEvent(event)) for event in events)
        self.assertIn("asked for the host evil.example, which is not served; list it", first)
        self.assertTrue(last.endswith("(2 more since the last such line)"), last)
