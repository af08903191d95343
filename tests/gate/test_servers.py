"""Several servers of one upstream, and the time that each may take."""

from __future__ import annotations

from tests.peers import hanging, request, response
from tests.support import DIGEST, GateTestCase

SHORT = '[limits]\nfirst_byte_timeout = "200ms"\nconnect_timeout = "200ms"\n'


class SeveralServers(GateTestCase):
    """Requests go to the servers in turn; one that can't be reached is passed over."""

    async def test_in_turn(self) -> None:
        """Each server gets its share."""
        servers = [await self.upstream(response(body=b"%d" % each)) for each in range(3)]
        gate = self.front(*servers)
        got = [(await self.ask(gate)).body for _ in range(6)]
        self.assertEqual(got, [b"0", b"1", b"2"] * 2)

    async def test_refused(self) -> None:
        """One that refuses connections is skipped, for a POST with a body too."""
        down, up = await self.upstream(), await self.upstream()
        await down.refuse()
        gate = self.front(down, up)
        for _ in range(4):
            answer = await self.ask(gate, b"POST", body=b"data")
            self.assertEqual(answer.status, 200)
        self.assertEqual([each.body for each in up.requests], [b"data"] * 4)

    async def test_all_refused(self) -> None:
        """Where all refuse, the client gets 502, and no address."""
        servers = [await self.upstream(), await self.upstream()]
        for server in servers:
            await server.refuse()
        answer = await self.ask(self.front(*servers), b"POST", body=b"data")
        self.assertEqual(answer.status, 502)
        self.assertNotIn(b"127.0.0.1", answer.raw)

    async def test_failure_is_not_refusal(self) -> None:
        """A server that took a request which could act twice is not passed over; nor is a 500."""
        for method, status in ((b"POST", 502), (b"POST", 503), (b"GET", 500), (b"GET", 429)):
            failing, other = await self.upstream(response(status)), await self.upstream()
            answer = await self.ask(self.front(failing, other), method)
            self.assertEqual(answer.status, status)
            self.assertEqual(other.requests, [])

    async def test_first_byte(self) -> None:
        """A server that says nothing: 504, its connection is cut, and no other is asked."""
        silent, other = await self.upstream(None), await self.upstream()
        gate = self.front(silent, other, rest=SHORT)
        answer = await self.ask(gate, b"POST", body=b"x")
        self.assertEqual(answer.status, 504)
        await silent.connections[0].gone()
        self.assertEqual(other.requests, [])
        await self.assert_serves(gate)

    async def test_connect(self) -> None:
        """A server that can't be connected to in time: the next one is asked; else 504."""
        with hanging() as url:
            up = await self.upstream()
            for servers, status in ((f'"{url}"', 504), (f'"{url}", "{up.url}"', 200)):
                gate = self.serve(
                    f"[upstreams.a]\nservers = [{servers}]\n{SHORT}\n"
                    '[routes."/v1"]\nupstream = "a"\n'
                )
                answer = await self.ask(gate, b"POST", body=b"x")
                self.assertEqual(answer.status, status)

    async def test_idle_response(self) -> None:
        """A response that stops in its midst is cut."""
        upstream = await self.upstream(response(body=b"abc", length=9), response())
        gate = self.front(upstream, rest='[limits]\nresponse_idle_timeout = "200ms"')
        client = await self.connect(gate)
        client.send(request())
        self.assertEqual(await client.gone(), "aborted")
        await upstream.connections[0].gone()
        await self.assert_serves(gate)

    async def test_kept_connection_closed(self) -> None:
        """A kept connection that its server closed at once costs a GET nothing."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        await self.ask(gate)
        upstream.answer = lambda got: (
            response(body=b"again")
            if got.connection is not upstream.connections[0]
            else got.connection.finish()
        )
        self.assertEqual((await self.ask(gate)).body, b"again")

    async def test_kept_connection_closed_on_a_post(self) -> None:
        """A POST that meets the same is not sent again, body or none: it may have acted."""
        for credentials in ("", DIGEST):
            for body in (None, b"pay"):
                upstream = await self.upstream()
                gate = self.front(upstream, upstream=credentials)
                await self.ask(gate)
                upstream.answer = lambda got: got.connection.finish()
                answer = await self.ask(gate, b"POST", body=body)
                self.assertEqual(answer.status, 502)
                self.assertEqual([each.method for each in upstream.requests], [b"GET", b"POST"])
                upstream.script(response())
                await self.assert_serves(gate)
