"""`corsgate.cors_resource`: a policy in front of resources of all kinds."""

from __future__ import annotations

import sys
from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request
from twisted.web.static import Data
from zope.interface.verify import verifyObject

import corsgate
from corsgate import cors_resource
from corsgate.errors import PolicyError
from tests.demo.wire import Answer, answer_in, ask, begin
from tests.tree import ROOT, run

APP = "https://app.example"
FROM_APP = ("Origin", APP)
NULL = ("Origin", "null")
FROM_FOREIGN = ("Origin", "http://evil.example")
ASKS_PUT = ("Access-Control-Request-Method", "PUT")


def cors(resource: IResource, **options: Any) -> corsgate.resource.CorsResource:
    """Return a resource behind the policy that most tests have."""
    policy: dict[str, Any] = {
        "allow_origins": [APP],
        "allow_methods": ["PUT"],
        "expose_headers": ["X-Total"],
        "allow_credentials": True,
    }
    return cors_resource(resource, **{**policy, **options})


class Leaf(Resource):
    """Answers at once, with CORS headers that are all wrong."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.methods: list[bytes] = []

    def render(self, request: Request) -> bytes:
        """Keep the method and answer."""
        self.methods.append(request.method)
        request.setHeader(b"Access-Control-Allow-Origin", b"*")
        request.responseHeaders.addRawHeader(b"access-control-allow-origin", b"http://x.example")
        request.setHeader(b"Access-Control-Max-Age", b"1")
        request.setHeader(b"Vary", b"Accept, origin")
        return b"ok"


class ResourceTestCase(SynchronousTestCase):
    """Assertions on answers."""

    def assert_allowed(self, answer: Answer, status: int = 200) -> None:
        """Assert that an answer has the policy's headers for `APP`, each once, and no others."""
        found = {
            name: values
            for name, values in answer.fields.items()
            if name.startswith(b"access-control-")
        }
        expected = {
            b"access-control-allow-origin": [APP.encode()],
            b"access-control-allow-credentials": [b"true"],
            b"access-control-expose-headers": [b"X-Total"],
        }
        self.assertEqual((answer.status, found), (status, expected))
        self.assert_varies(answer)

    def assert_bare(self, answer: Answer, status: int) -> None:
        """Assert that an answer has no CORS headers, and says that it depends on the origin."""
        found = [name for name in answer.fields if name.startswith(b"access-control-")]
        self.assertEqual((answer.status, found), (status, []))
        self.assert_varies(answer)

    def assert_varies(self, answer: Answer) -> None:
        """Assert that one Vary names the origin."""
        self.assertIn(b"origin", answer.one(b"vary").lower())


class DecisionTests(ResourceTestCase):
    """Who gets what."""

    def setUp(self) -> None:
        """Serve a leaf."""
        self.leaf = Leaf()
        self.root = cors(self.leaf)

    def test_allowed(self) -> None:
        """An allowed origin gets the policy's headers in place of the resource's own."""
        answer = ask(self.root, "GET", "/", FROM_APP)
        self.assert_allowed(answer)
        self.assertEqual((answer.body, answer.one(b"vary")), (b"ok", b"Accept, origin"))

    def test_refused(self) -> None:
        """Another origin gets 403, and the resource never knows."""
        with capturedLogs() as logs:
            for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):
                self.assert_bare(ask(self.root, method, "/", FROM_FOREIGN), 403)
        self.assertEqual(self.leaf.methods, [])
        reasons = [event["reason"] for event in logs if "reason" in event]
        self.assertEqual(reasons, ["origin 'http://evil.example' is not allowed"] * 5)

    def test_refusal_says_why(self) -> None:
        """The page of a refusal has a sentence."""
        answer = ask(self.root, "GET", "/", FROM_FOREIGN)
        self.assertIn(b"This origin may not use this server.", answer.body)

    def test_not_enforced(self) -> None:
        """Without enforcement the resource serves another origin, but no page may read that."""
        self.assert_bare(ask(cors(self.leaf, enforce_origin=False), "PUT", "/", FROM_FOREIGN), 200)
        self.assertEqual(self.leaf.methods, [b"PUT"])

    def test_no_origin(self) -> None:
        """What is not cross-origin is served."""
        self.assert_bare(ask(self.root, "GET", "/"), 200)

    def test_own_origin(self) -> None:
        """A page of the server's own may post to it."""
        self.assert_bare(ask(self.root, "POST", "/", ("Origin", "http://localhost:8000")), 200)
        self.assert_bare(ask(self.root, "POST", "/", ("Origin", "https://localhost:8000")), 403)

    def test_behind_a_proxy(self) -> None:
        """Behind a proxy that ends TLS, `Request.setHost` says what the server's own origin is."""

        class Told(Resource):
            def getChild(self, path: bytes, request: Request) -> IResource:
                request.setHost(b"api.example", 443, ssl=True)
                return root

        root = self.root
        self.assert_bare(ask(Told(), "POST", "/x", ("Origin", "https://api.example")), 200)
        self.assert_bare(ask(Told(), "POST", "/x", ("Origin", "http://localhost:8000")), 403)

    def test_two_hosts(self) -> None:
        """Where Host is not plain, no origin is the server's own."""
        headers = [("Host", "evil.example"), ("Origin", "http://evil.example")]
        self.assert_bare(ask(self.root, "POST", "/", *headers), 403)

    def test_preflight(self) -> None:
        """A preflight is answered here: 204, without content or its length."""
        answer = ask(self.root, "OPTIONS", "/any/where", FROM_APP, ASKS_PUT)
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(answer.one(b"access-control-allow-methods"), b"PUT")
        self.assertEqual(answer.one(b"access-control-allow-origin"), APP.encode())
        self.assertNotIn(b"content-length", answer.fields)
        self.assertNotIn(b"content-type", answer.fields)
        self.assert_varies(answer)
        self.assertEqual(self.leaf.methods, [])

    def test_preflight_status(self) -> None:
        """With another status it has no content either, but its length."""
        root = cors(self.leaf, preflight_status=200)
        answer = ask(root, "OPTIONS", "/any/where", FROM_APP, ASKS_PUT)
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(answer.one(b"content-length"), b"0")
        self.assertEqual(answer.one(b"access-control-allow-methods"), b"PUT")
        self.assertNotIn(b"content-type", answer.fields)
        self.assertEqual(ask(root, "OPTIONS", "/", FROM_FOREIGN, ASKS_PUT).status, 403)
        self.assertRaises(PolicyError, cors, self.leaf, preflight_status=302)

    def test_null(self) -> None:
        """The origin of sandboxed frames is allowed only where its risk is named."""
        self.assertRaises(PolicyError, cors, self.leaf, allow_origins=["null"])
        key = "dangerously_allow_null_origin_with_credentials"
        answer = ask(cors(self.leaf, allow_origins=["null"], **{key: True}), "GET", "/", NULL)
        self.assertEqual(answer.one(b"access-control-allow-origin"), b"null")
        self.assertEqual(ask(self.root, "GET", "/", NULL).status, 403)

    def test_preflight_refused(self) -> None:
        """A preflight from elsewhere, or for an unlisted method, gets 403."""
        self.assert_bare(ask(self.root, "OPTIONS", "/", FROM_FOREIGN, ASKS_PUT), 403)
        asks_delete = ("Access-Control-Request-Method", "DELETE")
        answer = ask(self.root, "OPTIONS", "/", FROM_APP, asks_delete)
        self.assertEqual(answer.status, 403)
        self.assertNotIn(b"access-control-allow-methods", answer.fields)
        self.assertEqual(self.leaf.methods, [])

    def test_other_options(self) -> None:
        """OPTIONS that is no preflight is the resource's."""
        self.assert_allowed(ask(self.root, "OPTIONS", "/", FROM_APP))
        self.assert_bare(ask(self.root, "OPTIONS", "/", ASKS_PUT), 200)
        self.assertEqual(self.leaf.methods, [b"OPTIONS", b"OPTIONS"])

    def test_public(self) -> None:
        """With ``*`` every answer is the same, so that it does not vary."""
        root = cors_resource(Data(b"all", "text/plain"), allow_origins=["*"])
        for headers in ([], [FROM_APP], [FROM_FOREIGN]):
            answer = ask(root, "GET", "/", *headers)
            self.assertEqual(answer.one(b"access-control-allow-origin"), b"*")
            self.assertNotIn(b"vary", answer.fields)


class PlaceTests(ResourceTestCase):
    """It stands anywhere in a tree, before anything."""

    def test_interface(self) -> None:
        """It is a resource, and a leaf where what it serves is."""
        self.assertTrue(verifyObject(IResource, cors(Leaf())))
        self.assertTrue(cors(Leaf()).isLeaf)
        self.assertFalse(cors(Resource()).isLeaf)

    def test_children(self) -> None:
        """What is below is served by the policy, however deep, and made at each request."""

        class Made(Resource):
            def getChild(self, path: bytes, request: Request) -> Resource:
                return Data(path, "text/plain") if not request.postpath else Made()

        tree = Resource()
        tree.putChild(b"made", Made())
        root = cors(tree)
        root.putChild(b"put", Data(b"put", "text/plain"))
        for target, body in (("/made/a/b/c", b"c"), ("/put", b"put")):
            answer = ask(root, "GET", target, FROM_APP)
            self.assert_allowed(answer)
            self.assertEqual(answer.body, body)
            self.assert_bare(ask(root, "GET", target, FROM_FOREIGN), 403)

    def test_in_a_tree(self) -> None:
        """At a path of a tree it changes nothing elsewhere."""
        tree = Resource()
        tree.putChild(b"plain", Data(b"plain", "text/plain"))
        below = Resource()
        below.putChild(b"leaf", Leaf())
        tree.putChild(b"api", cors(below))
        self.assert_allowed(ask(tree, "GET", "/api/leaf", FROM_APP))
        self.assert_allowed(ask(tree, "GET", "/api/none", FROM_APP), 404)
        self.assert_bare(ask(tree, "GET", "/api/leaf", FROM_FOREIGN), 403)
        self.assert_bare(ask(tree, "OPTIONS", "/api", FROM_FOREIGN, ASKS_PUT), 403)
        answer = ask(tree, "GET", "/plain", FROM_FOREIGN)
        self.assertEqual((answer.status, answer.body), (200, b"plain"))
        self.assertNotIn(b"vary", answer.fields)

    def test_outermost(self) -> None:
        """Of two policies both must allow, and the outer one's headers go out."""
        inner = cors_resource(Leaf(), allow_origins=[APP, "http://inner.example"], max_age=5)
        root = cors(inner)
        self.assert_allowed(ask(root, "GET", "/", FROM_APP))
        self.assert_bare(ask(root, "GET", "/", ("Origin", "http://inner.example")), 403)

    def test_inner_refusal(self) -> None:
        """What an inner policy refuses is not for a cache to give to others."""

        class Spoken(Leaf):
            def render(self, request: Request) -> bytes:
                request.setHeader(b"Vary", b"Accept-Language")
                return b"ok"

        root = cors_resource(cors(Spoken()), allow_origins=["*"])
        for origin, status in ((FROM_APP, 200), (FROM_FOREIGN, 403)):
            for method in ("GET", "HEAD"):
                answer = ask(root, method, "/", origin)
                self.assertEqual(answer.status, status)
                self.assertEqual(answer.one(b"access-control-allow-origin"), b"*")
                self.assert_varies(answer)

    def test_klein(self) -> None:
        """A Klein application: its answers, its deferred ones, its errors."""
        app = Klein()
        later: Deferred[bytes] = Deferred()
        called: list[bytes] = []

        @app.route("/now", methods=["GET", "PUT"])
        def now(request: Request) -> bytes:
            called.append(request.method)
            request.setHeader(b"Access-Control-Allow-Origin", b"*")
            return b"now"

        @app.route("/later")
        def then(request: Request) -> Deferred[bytes]:
            return later

        @app.route("/broken")
        def broken(request: Request) -> bytes:
            raise RuntimeError

        root = cors(app.resource())
        self.assert_allowed(ask(root, "PUT", "/now", FROM_APP))
        self.assert_bare(ask(root, "PUT", "/now", FROM_FOREIGN), 403)
        self.assertEqual(ask(root, "OPTIONS", "/now", FROM_APP, ASKS_PUT).status, 204)
        self.assertEqual(called, [b"PUT"])
        self.assert_allowed(ask(root, "GET", "/nowhere", FROM_APP), 404)
        self.assert_allowed(ask(root, "DELETE", "/now", FROM_APP), 405)
        self.assert_allowed(ask(root, "GET", "/broken", FROM_APP), 500)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        connection = begin(root, "GET", "/later", FROM_APP)
        later.callback(b"then")
        self.assert_allowed(answer_in(connection.value()))


class PackageTests(SynchronousTestCase):
    """What the package offers at its top."""

    def test_lazy(self) -> None:
        """Importing the package, or a decision, brings no Twisted; the resource does."""
        script = (
            "import sys, corsgate, corsgate.cors.decide\n"
            "print('twisted' in sys.modules)\n"
            "from corsgate import cors_resource\n"
            "print('twisted' in sys.modules, 'twisted.internet.reactor' in sys.modules)\n"
        )
        done = run([sys.executable, "-c", script], ROOT)
        self.assertEqual(done.stdout.split(), ["False", "True", "False"], done.stderr)

    def test_no_other(self) -> None:
        """Other names are not there."""
        self.assertRaises(AttributeError, getattr, corsgate, "cors_resources")
