"""What the servers of a route with ``by_url`` can't do to its pages, and to each other."""

from __future__ import annotations

from tests.gate.test_reach_by_url import ByUrlTestCase, encoded
from tests.peers import response
from tests.support import FROM_APP


class Servers(ByUrlTestCase):
    """A server that is reached by URL."""

    async def test_pages_are_not_the_gates_own(self) -> None:
        """A page from a URL can't run scripts that call the gate's other routes as its own."""
        gate = await self.begin()
        theirs = (b"Content-Security-Policy", b"default-src 'self'")
        self.maps.script(response(200, [theirs, (b"Content-Type", b"text/html")]))
        answer = await self.ask(gate, target=encoded(f"{self.maps.url}/page"))
        policies = answer.fields[b"content-security-policy"]
        self.assertEqual(policies, [theirs[1], b"sandbox"])
        # It is not the server's, or another rule's, to remove.
        gate = await self.begin(route='response_headers.remove = ["Content-Security-Policy"]')
        for headers in ([(b"Connection", b"close, Content-Security-Policy")], [theirs]):
            self.maps.script(response(200, headers))
            answer = await self.ask(gate, target=encoded(f"{self.maps.url}/page"))
            self.assertEqual(answer.fields[b"content-security-policy"], [b"sandbox"])

    async def test_fields_of_the_whole_gate(self) -> None:
        """A server can't clear, watch or pin what the browser has of the gate's other routes."""
        gate = await self.begin()
        names = (b"Clear-Site-Data", b"NEL", b"Report-To", b"Set-Cookie")
        self.maps.script(response(200, [(b"X", b"1"), *((name, b"x") for name in names)]))
        answer = await self.ask(gate, target=encoded(f"{self.maps.url}/x"))
        self.assertIn(b"x", answer.fields)
        for name in names:
            self.assertNotIn(name.lower(), answer.fields)

    async def test_redirects(self) -> None:
        """No redirect is followed; one to a named server leads through the route again."""
        gate = await self.begin()
        for location, mapped in (
            ("/next?x#y", f"/proxy?{self.maps.url}/next?x#y"),
            (f"{self.maps.url}/z", f"/proxy?{self.maps.url}/z"),
            # The gate adds credentials there, which this server has no right to use.
            (f"{self.box.url}/z", f"{self.box.url}/z"),
            (f"{self.decoy.url}/z", f"{self.decoy.url}/z"),
            (f"//{self.decoy.authority.decode()}/z", f"{self.decoy.url}/z"),
        ):
            self.maps.script(response(302, [(b"Location", location.encode())]))
            answer = await self.ask(
                gate, target=encoded(f"{self.maps.url}/a/b"), headers=[FROM_APP]
            )
            self.assertEqual((answer.status, answer.one(b"location")), (302, mapped.encode()))
        self.assertEqual((self.box.connections, self.decoy.connections), ([], []))
        for server in (self.maps, self.box):
            self.box.script(response(302, [(b"Location", f"{server.url}/z".encode())]))
            answer = await self.ask(gate, target=encoded(f"{self.box.url}/a"))
            self.assertEqual(answer.one(b"location"), f"/proxy?{server.url}/z".encode())
        self.maps.script(response(302, [(b"Location", b"next")]), response(200))
        found = await self.ask(gate, target=encoded(f"{self.maps.url}/a/b"))
        followed = await self.ask(gate, target=found.one(b"location"))
        self.assertEqual((followed.status, self.maps.requests[-1].target), (200, b"/a/next"))

    async def test_redirects_and_secrets(self) -> None:
        """None leads to another upstream's secret, or takes a page's Authorization elsewhere."""
        one, other, keyed = [await self.upstream() for _ in range(3)]
        key = 'request_headers.set = { X-Api-Key = "k" }'
        upstreams = (("a", one, ""), ("b", other, ""), ("c", keyed, key))
        gate = self.serve(
            "".join(f'[upstreams.{n}]\nservers = ["{u.url}"]\n{more}\n' for n, u, more in upstreams)
            + '[routes."/proxy"]\nby_url = ["a", "b"]\n'
            + '[routes."/keyed"]\nby_url = ["a", "b", "c"]\n'
        )
        login = (b"Authorization", b"Basic mine")
        for prefix, fields, server, leads_back in (
            ("/proxy", [], other, True),
            ("/proxy", [login], one, True),
            ("/proxy", [login], other, False),
            ("/keyed", [], other, True),
            ("/keyed", [], keyed, False),
        ):
            one.script(response(302, [(b"Location", f"{server.url}/z".encode())]))
            target = f"{prefix}?{one.url}/x".encode()
            answer = await self.ask(gate, target=target, headers=fields)
            location = (f"{prefix}?" if leads_back else "") + f"{server.url}/z"
            self.assertEqual(answer.one(b"location"), location.encode(), (prefix, fields))
        self.assertEqual((other.connections, keyed.connections), ([], []))

    async def test_client_logs_in_itself(self) -> None:
        """Where no upstream of the route has credentials, the client's own Authorization passes."""
        upstream = await self.upstream()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/proxy"]\nby_url = ["a"]\n'
        )
        mine = [(b"Authorization", b"Bearer mine")]
        await self.ask(gate, target=encoded(f"{upstream.url}/x"), headers=mine)
        self.assertEqual(upstream.requests[0].one(b"authorization"), b"Bearer mine")
