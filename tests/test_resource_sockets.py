"""`corsgate.cors_resource` on real sockets: files, HTTP/2, WebSockets, a tree elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.spread.pb import PBServerFactory
from twisted.web.distrib import ResourcePublisher, ResourceSubscription
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from twisted.web.static import File
from twisted.web.websocket import WebSocketResource

from corsgate import cors_resource
from tests.certificates import Authority
from tests.gate.websocket import Caller, call, hang_up
from tests.greeter import GreeterFactory
from tests.peers import Message, reactor, request
from tests.programs import output, require
from tests.support import APP, FROM_APP, FROM_FOREIGN, GateTestCase
from tests.test_resource import Leaf

CORS = b"access-control-allow-origin"


class Listening(GateTestCase):
    """A test case with a Site on a port of its own."""

    def listen(self, factory: Any, context: Any = None) -> int:
        """Return the port that a factory listens on, over TLS where there is a context."""
        if context is None:
            port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        else:
            port = reactor.listenSSL(0, factory, context, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    def site(self, resource: IResource) -> int:
        """Return the port that a resource behind the policy is served on."""
        return self.listen(Site(cors(resource), timeout=None))

    def assert_allowed(self, answer: Message, status: int) -> None:
        """Assert that an answer has the headers for `APP`."""
        self.assertEqual((answer.status, answer.fields.get(CORS)), (status, [APP]))
        self.assertEqual(answer.one(b"Vary"), b"Origin")


def cors(resource: IResource) -> IResource:
    """Return a resource behind a policy."""
    answer: IResource = cors_resource(
        resource, allow_origins=[APP.decode()], allow_methods=["PUT"], max_age="10m"
    )
    return answer


class FileTests(Listening):
    """``twisted.web.static`` behind the policy."""

    async def test_files(self) -> None:
        """Files: whole, in part, unchanged, as directories, or not there."""
        directory = Path(self.mktemp())
        (directory / "below").mkdir(parents=True)
        (directory / "file.txt").write_text("0123456789" * 10_000)
        port = self.site(File(str(directory)))
        whole = await self.send_to(port, request(target=b"/file.txt", headers=[FROM_APP]))
        self.assert_allowed(whole, 200)
        self.assertEqual(len(whole.body), 100_000)
        since = (b"If-Modified-Since", whole.one(b"Last-Modified"))
        for method, target, headers, status in (
            (b"GET", b"/file.txt", [(b"Range", b"bytes=2-4")], 206),
            (b"GET", b"/file.txt", [(b"Range", b"bytes=900000-")], 416),
            (b"GET", b"/file.txt", [since], 304),
            (b"HEAD", b"/file.txt", [], 200),
            (b"GET", b"/below", [], 302),
            (b"GET", b"/none", [], 404),
        ):
            data = request(method, target, headers=[FROM_APP, *headers])
            self.assert_allowed(await self.send_to(port, data), status)
        refused = await self.send_to(port, request(target=b"/file.txt", headers=[FROM_FOREIGN]))
        self.assertEqual((refused.status, CORS in refused.fields), (403, False))

    async def test_kept_connection(self) -> None:
        """Requests of one connection are decided on one by one, pipelined or not."""
        client = await self.connect_to(self.site(Leaf()))
        pair = [request(headers=[origin]) for origin in (FROM_APP, FROM_FOREIGN)]
        for data in (pair, pair[::-1]):
            client.send(b"".join(data))
            got = [(await client.response()).status for _ in data]
            self.assertEqual(sorted(got), [200, 403])
            self.assertEqual(got[0], 200 if data is pair else 403)


class Http2Tests(Listening):
    """Over HTTP/2 and TLS, as curl speaks them."""

    async def curl(self, port: int, *arguments: str) -> tuple[str, list[str]]:
        """Return the status line and the fields of a response."""
        said = await output(
            require("curl", "curl"),
            [
                *("--silent", "--show-error", "--insecure", "--http2", "--noproxy", "*"),
                *("--dump-header", "-", "--output", "/dev/null", *arguments),
                f"https://localhost:{port}/x",
            ],
        )
        status, *fields = said.split("\r\n\r\n")[0].split("\r\n")
        return status.strip(), fields

    def secure(self, resource: IResource) -> int:
        """Return the port that a resource behind the policy is served on."""
        context = Authority.make().context("localhost", "localhost")
        return self.listen(Site(cors(resource), timeout=None), context)

    async def test_answers(self) -> None:
        """An answer at once, one in pieces, an error, a preflight and a refusal."""

        class Pieces(Resource):
            isLeaf = True

            def render_GET(self, request: Request) -> int:
                request.setHeader(CORS, b"*")
                reactor.callLater(0, self.begin, request)
                return NOT_DONE_YET

            def begin(self, request: Request) -> None:
                request.setHeader(CORS, b"http://wrong.example")
                request.write(b"one")
                reactor.callLater(0, request.finish)

        allowed = f"access-control-allow-origin: {APP.decode()}"
        origin = ("--header", f"Origin: {APP.decode()}")
        for resource, arguments, expected in (
            (Leaf(), (), "HTTP/2 200"),
            (Leaf(), ("--head",), "HTTP/2 200"),
            (Pieces(), (), "HTTP/2 200"),
            (Resource(), (), "HTTP/2 404"),
            (
                Resource(),
                ("--request", "OPTIONS", "--header", "Access-Control-Request-Method: PUT"),
                "HTTP/2 204",
            ),
        ):
            status, fields = await self.curl(self.secure(resource), *origin, *arguments)
            found = [field for field in fields if field.startswith("access-control-allow-origin:")]
            self.assertEqual((status, found), (expected, [allowed]))
            self.assertEqual(len([field for field in fields if field.startswith("vary:")]), 1)

    async def test_own_origin(self) -> None:
        """The server's own page, by https, may post; other origins may not."""
        port = self.secure(Leaf())
        for origin, expected in (
            (f"https://localhost:{port}", "HTTP/2 200"),
            (f"http://localhost:{port}", "HTTP/2 403"),
            ("https://evil.example", "HTTP/2 403"),
        ):
            status, fields = await self.curl(port, "--header", f"Origin: {origin}")
            self.assertEqual(status, expected, origin)
            (vary,) = (field for field in fields if field.startswith("vary:"))
            self.assertIn("origin", vary.lower())


class WebSocketTests(Listening):
    """Twisted's own WebSockets behind the policy."""

    async def call(self, port: int, origin: bytes | None) -> Caller:
        """Return a client that has sent its handshake, and got an answer."""
        caller = await call(port, origin, "/")
        self.addCleanup(hang_up, caller)
        await caller.when(lambda: caller.handshake is not None or caller.lost)
        return caller

    async def check_greeting(self, caller: Caller) -> None:
        """Assert that the greeter greets and answers."""
        await caller.when(lambda: caller.messages)
        caller.say("again")
        await caller.when(lambda: len(caller.messages) == 2)
        self.assertEqual(caller.messages, [b"hello", b"again"])

    async def test_handshake(self) -> None:
        """The policy checks the origin; the rest is between the two."""
        factory: Any = GreeterFactory()
        tree = Resource()
        tree.putChild(b"", WebSocketResource(factory))
        port = self.site(tree)
        for origin in (APP, None):
            caller = await self.call(port, origin)
            await self.check_greeting(caller)
            self.assertNotIn("Access-Control-Allow-Origin", caller.fields)
        self.assertEqual(factory.made, 2)
        refused = await self.call(port, b"http://evil.example")
        self.assertEqual(getattr(refused.handshake, "status_code", None), 403)
        self.assertEqual(factory.made, 2)


class DistribTests(Listening):
    """A tree in another process, by ``twisted.web.distrib``."""

    async def test_distrib(self) -> None:
        """The policy stands before what is far away as it does before what is near."""
        seen: list[bytes] = []

        class Far(Resource):
            isLeaf = True

            def render_GET(self, request: Request) -> bytes:
                seen.append(request.path)
                request.setHeader(b"access-control-allow-origin", b"*")
                return b"far"

        tree = Resource()
        tree.putChild(b"far", Far())
        publisher = PBServerFactory(ResourcePublisher(Site(tree)))
        near: Any = ResourceSubscription("127.0.0.1", self.listen(publisher))
        port = self.site(near)
        answer = await self.send_to(port, request(target=b"/far", headers=[FROM_APP]))
        self.assert_allowed(answer, 200)
        self.assertEqual(answer.body, b"far")
        refused = await self.send_to(port, request(target=b"/far", headers=[FROM_FOREIGN]))
        self.assertEqual((refused.status, seen), (403, [b"/far"]))
        near.publisher.broker.transport.loseConnection()
