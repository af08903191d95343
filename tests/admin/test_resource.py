"""Who may ask the admin listener, and what every response of it has."""

from __future__ import annotations

from corsgate.admin.resource import TEXT, AdminResource, AdminRoot, respond, stream
from corsgate.server.request import GateRequest
from tests.admin.support import ADMIN, AdminTestCase, port_of
from tests.support import Gate

ALWAYS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}


class Plain(AdminResource):
    """Responds with its name."""

    def __init__(self, name: bytes) -> None:
        super().__init__()
        self._name = name

    def serve(self, request: GateRequest) -> None:
        """Respond."""
        respond(request, TEXT, self._name)


class Streaming(AdminResource):
    """Responds in pieces."""

    def serve(self, request: GateRequest) -> None:
        """Respond."""
        stream(request, b"text/event-stream")
        request.write(b"one ")
        request.write(b"two")
        request.finish()


def populate(root: AdminRoot) -> None:
    """Add the addresses of these tests."""
    root.add(b"", Plain(b"the page"))
    root.add(b"api/status", Plain(b"status"))
    root.add(b"api/events", Streaming())


class AdminResourceTests(AdminTestCase):
    """`AdminRoot` and `AdminResource`."""

    async def start(self) -> None:
        """Start a gate with an admin listener."""
        gate: Gate = self.front(await self.upstream(), rest=ADMIN)
        self.service = self.admin(gate, populate)

    async def test_addresses(self) -> None:
        """Each address is found, whatever query it has; nothing else is."""
        await self.start()
        for target, status, body in (
            (b"/", 200, b"the page"),
            (b"/?a=b", 200, b"the page"),
            (b"/api/status?x", 200, b"status"),
            (b"/api/events", 200, b"one two"),
            (b"/api", 404, b"Nothing is served at this path.\n"),
            (b"/api/", 404, b"Nothing is served at this path.\n"),
            (b"/api/statuses", 404, b"Nothing is served at this path.\n"),
            (b"/v1/x", 404, b"Nothing is served at this path.\n"),
        ):
            answer = await self.get(self.service, target)
            self.assertEqual((answer.status, answer.body), (status, body), target)

    async def test_fields(self) -> None:
        """Each response has the fields that confine it, and none that CORS knows."""
        await self.start()
        origin = (b"Origin", b"http://localhost:9901")
        for target, headers, status in (
            (b"/", [origin], 200),
            (b"/api/events", [origin], 200),
            (b"/none", [origin], 404),
            (b"/", [(b"Origin", b"http://evil.example")], 403),
        ):
            answer = await self.get(self.service, target, headers)
            self.assertEqual(answer.status, status)
            found = {name.lower(): value for name, value in answer.headers}
            self.assertEqual({name: found.get(name) for name in ALWAYS}, ALWAYS)
            self.assertEqual([name for name in found if name.startswith(b"access-control")], [])

    async def test_methods(self) -> None:
        """GET and HEAD only: preflights get nothing that a browser would accept."""
        await self.start()
        head = await self.get(self.service, method=b"HEAD")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.one(b"content-length"), b"8")
        for method in (b"POST", b"PUT", b"DELETE", b"OPTIONS"):
            answer = await self.get(self.service, method=method)
            self.assertEqual((answer.status, answer.one(b"allow")), (405, b"GET, HEAD"), method)
            names = [name.lower() for name, _ in answer.headers]
            self.assertNotIn(b"access-control-allow-origin", names)

    async def test_dns_rebinding(self) -> None:
        """A site whose name resolves to this machine gets nothing: only loopback names do."""
        await self.start()
        for host, status in (
            (b"localhost:9901", 200),
            (b"127.0.0.1:9901", 200),
            (b"[::1]:9901", 200),
            (b"evil.example:9901", 421),
            (b"localhost.evil.example", 421),
            (b"127.0.0.1.evil.example", 421),
            (b"10.0.0.1:9901", 421),
        ):
            same = (b"Origin", b"http://" + host)
            for headers in ([], [same], [(b"Sec-Fetch-Site", b"same-origin"), same]):
                answer = await self.get(self.service, b"/api/status", headers, host=host)
                self.assertEqual(answer.status, status, host)

    async def test_other_origins(self) -> None:
        """Pages of other origins are refused, whatever way they take."""
        await self.start()
        for headers in (
            [(b"Origin", b"http://evil.example")],
            [(b"Origin", b"http://localhost:4200")],
            [(b"Origin", b"null")],
            [(b"Origin", b"chrome-extension://localhost:9901")],
            [(b"Origin", b"http://localhost:9901"), (b"Origin", b"http://evil.example")],
            [(b"Sec-Fetch-Site", b"cross-site")],
            [(b"Sec-Fetch-Site", b"same-site")],
            [(b"Sec-Fetch-Site", b"cross-site"), (b"Sec-Fetch-Mode", b"navigate")],
        ):
            answer = await self.get(self.service, b"/", headers)
            self.assertEqual(answer.status, 403, headers)

    async def test_links(self) -> None:
        """A link on another page may lead to the status page, and nowhere else."""
        await self.start()
        link = [
            (b"Sec-Fetch-Site", b"same-site"),
            (b"Sec-Fetch-Mode", b"navigate"),
            (b"Sec-Fetch-Dest", b"document"),
        ]
        self.assertEqual((await self.get(self.service, b"/", link)).status, 200)
        self.assertEqual((await self.get(self.service, b"/api/status", link)).status, 403)
        self.assertEqual((await self.get(self.service, b"/", link, method=b"POST")).status, 403)
        framed = [*link[:2], (b"Sec-Fetch-Dest", b"iframe")]
        self.assertEqual((await self.get(self.service, b"/", framed)).status, 403)

    async def test_own_page(self) -> None:
        """The status page and a user who types the address are served."""
        await self.start()
        for site in (b"same-origin", b"none"):
            headers = [(b"Sec-Fetch-Site", site), (b"Sec-Fetch-Mode", b"cors")]
            answer = await self.get(self.service, b"/api/status", headers)
            self.assertEqual(answer.status, 200)

    async def test_malformed(self) -> None:
        """What the gate would refuse is refused here too."""
        await self.start()
        cases = (
            (b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", (400, 421)),
            (b"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", (400, 404)),
            (b"GET / HTTP/1.1\r\n\r\n", (400, 421)),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", (400, 421)),
            (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", (404, 405)),
            (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", (414, 431)),
        )
        for data, statuses in cases:
            answer = await self.send_to(port_of(self.service), data)
            self.assertIn(answer.status, statuses, (data[:40], answer.status))
