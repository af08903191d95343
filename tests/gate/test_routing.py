"""Which route a request takes, and which requests take none."""

from __future__ import annotations

from tests.peers import Message, request
from tests.support import FROM_APP, POLICY, Gate, GateTestCase


class Routes(GateTestCase):
    """Host, then the longest prefix of whole segments."""

    async def test_host_and_prefix(self) -> None:
        """A host's own routes go first, then the longest prefix wins."""
        names = ("plain", "v1", "deep", "hosted")
        servers = {name: await self.upstream() for name in names}
        upstreams = "".join(
            f'[upstreams.{name}]\nservers = ["{server.url}"]\n' for name, server in servers.items()
        )
        gate = self.serve(
            f'hosts = ["localhost", "api.example"]\n{upstreams}'
            '[routes."/"]\nupstream = "plain"\n[routes."/v1"]\nupstream = "v1"\n'
            '[routes."/v1/deep"]\nupstream = "deep"\n[routes."api.example/v1"]\nupstream = "hosted"'
        )
        cases = (
            (b"localhost", b"/v1", "v1"),
            (b"localhost", b"/v1/", "v1"),
            (b"localhost", b"/v1/dee", "v1"),
            (b"localhost", b"/v1/deep", "deep"),
            (b"localhost", b"/v1/deep/x?y", "deep"),
            (b"localhost", b"/%76%31/deep", "deep"),
            (b"localhost", b"/v11", "plain"),
            (b"localhost", b"/V1", "plain"),
            (b"localhost", b"/v1%2Fdeep", "plain"),
            (b"localhost", b"//v1", "plain"),
            (b"localhost", b"/?/v1", "plain"),
            (b"LOCALHOST:99", b"/v1", "v1"),
            (b"api.example", b"/v1/deep", "hosted"),
            (b"API.example.:80", b"/v1", "hosted"),
            (b"api.example", b"/other", "plain"),
        )
        for host, target, name in cases:
            await self.ask(gate, target=target, host=host)
            seen = {each: [got.target for got in up.requests] for each, up in servers.items()}
            self.assertEqual(seen, {each: [] for each in names} | {name: [target]}, (host, target))
            servers[name].requests.clear()

    async def test_strip_prefix_and_base(self) -> None:
        """The prefix is taken off and the server's own path put on; all else keeps its bytes."""
        upstream = await self.upstream()
        gate = self.front(upstream, base="/base", route="strip_prefix = true", prefix="/v1/api")
        cases = (
            (b"/v1/api", b"/base/"),
            (b"/v1/api?", b"/base/?"),
            (b"/v1/api/", b"/base/"),
            (b"/v1/api//x", b"/base//x"),
            (b"/v1/%61pi/a%2Fb;c?d=%2F", b"/base/a%2Fb;c?d=%2F"),
        )
        for target, sent in cases:
            self.assertEqual((await self.ask(gate, target=target)).status, 200)
            self.assertEqual(upstream.requests[-1].target, sent)

    async def test_dot_segments(self) -> None:
        """No target goes on that an upstream may read as another path: 400."""
        upstream = await self.upstream()
        gate = self.front(upstream, prefix="/")
        pairs = (b"..", b"%2e%2E", b".%2e", b"..;x", b"%2E%2e%2fadmin", b"x%5c..", b"x\\..")
        for piece in (b".", *pairs):
            for target in (b"/v1/" + piece, b"/v1/" + piece + b"/admin", b"/" + piece):
                self.assertEqual((await self.ask(gate, target=target)).status, 400, target)
        for target in (b"/v1/%", b"/v1/%zz", b"/v1/%00", b"/v1/x%0d%0aX: y"[:14]):
            self.assertEqual((await self.ask(gate, target=target)).status, 400, target)
        self.assertEqual(upstream.connections, [])
        for target in (b"/v1/...", b"/v1/.x", b"/v1/x..", b"/v1?/../x"):
            self.assertEqual((await self.ask(gate, target=target)).status, 200, target)

    async def test_other_forms(self) -> None:
        """An absolute target's host counts; ``OPTIONS *`` goes to the widest route."""
        upstream = await self.upstream()
        gate = self.front(upstream, prefix="/")
        absolute = b"http://localhost:1/v1?x"
        self.assertEqual((await self.ask(gate, target=absolute, host=b"evil.example")).status, 200)
        self.assertEqual(upstream.requests[0].target, b"/v1?x")
        absolute = b"http://evil.example/v1"
        self.assertEqual((await self.ask(gate, target=absolute)).status, 421)
        self.assertEqual((await self.ask(gate, b"OPTIONS", b"*")).status, 200)
        self.assertEqual(upstream.requests[1].target, b"*")
        for data in (
            request(target=b"*"),
            request(target=b"v1"),
            request(target=b"/v1#x"),
            request(b"CONNECT", b"localhost:80"),
            b"GET /v1 HTTP/1.1\r\n\r\n",
            b"GET /v1 HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
            b"GET /v1 HTTP/1.1\r\nHost: a b\r\n\r\n",
        ):
            self.assertIn((await self.send(gate, data)).status, (400, 501), data)
        self.assertEqual(len(upstream.requests), 2)


class Refusals(GateTestCase):
    """What is served nowhere."""

    async def assert_refused(self, gate: Gate, status: int, **how: bytes) -> Message:
        """Assert that a request is refused."""
        answer = await self.ask(gate, **how)  # type: ignore[arg-type]  # each is a bytes argument
        self.assertEqual(answer.status, status, how)
        return answer

    async def test_unknown_host(self) -> None:
        """A loopback gate serves loopback names only, so that no re-bound name reaches it."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        for host in (b"evil.example", b"127.0.0.1.evil.example", b"localhost.evil.example:80"):
            await self.assert_refused(gate, 421, host=host)
        self.assertEqual(upstream.connections, [])
        for host in (b"localhost", b"127.0.0.1", b"[::1]:5", b"app.localhost"):
            self.assertEqual((await self.ask(gate, host=host)).status, 200, host)

    async def test_named_hosts(self) -> None:
        """With ``hosts`` only those are served."""
        upstream = await self.upstream()
        gate = self.serve(
            f'hosts = ["api.example"]\n[upstreams.a]\nservers = ["{upstream.url}"]\n'
            '[routes."/"]\nupstream = "a"\n'
        )
        await self.assert_refused(gate, 421, host=b"localhost")
        self.assertEqual((await self.ask(gate, host=b"api.example:5555")).status, 200)

    async def test_no_host(self) -> None:
        """Who names no host gets round no rule about hosts."""
        upstream = await self.upstream()
        routes = f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n'
        for hosts in ("", 'hosts = ["api.example"]\n'):
            gate = self.serve(hosts + routes)
            for start in (b"GET / HTTP/1.1\r\nHost:", b"GET / HTTP/1.0\r\nHost:"):
                self.assertEqual((await self.send(gate, start + b"\r\n\r\n")).status, 421)
            self.assertEqual((await self.send(gate, b"GET / HTTP/1.0\r\n\r\n")).status, 421)
        self.assertEqual(upstream.connections, [])

    async def test_unknown_path(self) -> None:
        """Where no route is: 404."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        for target in (b"/", b"/v", b"/v1x", b"/v2/v1"):
            await self.assert_refused(gate, 404, target=target)
        self.assertEqual(upstream.connections, [])

    async def test_no_cors_off_routes(self) -> None:
        """Where there is no route there is no policy, and so no CORS headers."""
        gate = self.front(await self.upstream())
        for target, host in ((b"/other", b"localhost"), (b"/v1/x", b"rebound.example")):
            answer = await self.ask(gate, target=target, headers=[FROM_APP], host=host)
            self.assertIn(answer.status, (404, 421))
            self.assertNotIn(b"access-control-allow-origin", answer.fields)

    async def test_methods(self) -> None:
        """A method that the route doesn't serve: 405, and Allow says which it does."""
        upstream = await self.upstream()
        gate = self.front(upstream, route='methods = ["PUT", "GET"]')
        for method in (b"POST", b"DELETE", b"OPTIONS", b"HEAD", b"PURGE"):
            answer = await self.assert_refused(gate, 405, method=method)
            self.assertEqual(answer.one(b"Allow"), b"GET, PUT")
        self.assertEqual(upstream.connections, [])
        self.assertEqual((await self.ask(gate, b"PUT", body=b"")).status, 200)

    async def test_trace(self) -> None:
        """TRACE would show what the gate adds: 405 on every route, with a true Allow."""
        upstream = await self.upstream()
        answer = await self.assert_refused(self.front(upstream), 405, method=b"TRACE")
        allowed = answer.one(b"Allow").split(b", ")
        self.assertIn(b"GET", allowed)
        self.assertNotIn(b"TRACE", allowed)
        self.assertEqual(upstream.connections, [])

    async def test_no_policy(self) -> None:
        """A route without a policy answers no preflight, and no foreign page where it signs."""
        upstream = await self.upstream()
        secret = 'credentials = { type = "bearer", token = "t" }'
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n{secret}\n{POLICY}\n'
            '[routes."/v1"]\nupstream = "a"\n'
        )
        preflight = [FROM_APP, (b"Access-Control-Request-Method", b"GET")]
        self.assertEqual((await self.ask(gate, b"OPTIONS", headers=preflight)).status, 403)
        self.assertEqual((await self.ask(gate, headers=[FROM_APP])).status, 403)
        self.assertEqual(upstream.connections, [])
        own = [(b"Origin", b"http://localhost")]
        self.assertEqual((await self.ask(gate, b"POST", headers=own, body=b"")).status, 200)
