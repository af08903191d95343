"""`corsgate.cors_resource`: every answer has the policy's headers, however it comes to be."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.web.http import CACHED, NOT_MODIFIED
from twisted.web.resource import EncodingResourceWrapper, Resource
from twisted.web.server import NOT_DONE_YET, GzipEncoderFactory, Request

from tests.demo.wire import answer_in, ask, begin
from tests.test_resource import FROM_APP, Leaf, ResourceTestCase, cors


class Page(Resource):
    """Has a method of its own for GET, and none for HEAD."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """Return at once."""
        return b"page"


class Later(Resource):
    """Answers once it is told to, in pieces."""

    isLeaf = True

    def render(self, request: Request) -> int:
        """Keep the request."""
        self.request = request
        return NOT_DONE_YET


class AnswerTests(ResourceTestCase):
    """Every answer has the headers, however it comes to be."""

    def test_later(self) -> None:
        """Headers set long after ``render``, up to the first write, are replaced too."""
        later = Later()
        connection = begin(cors(later), "GET", "/", FROM_APP)
        self.assertEqual(connection.value(), b"")
        later.request.setHeader(b"Access-Control-Allow-Origin", b"*")
        later.request.setHeader(b"Vary", b"Cookie")
        later.request.write(b"one")
        self.assert_allowed(answer_in(connection.value()))
        later.request.setHeader(b"Access-Control-Allow-Origin", b"*")
        later.request.write(b"two")
        later.request.finish()
        answer = answer_in(connection.value())
        self.assert_allowed(answer)
        self.assertEqual(answer.one(b"vary"), b"Cookie, Origin")
        self.assertEqual(answer.body, b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")

    def test_nothing_written(self) -> None:
        """An answer that is finished without a write has them."""
        later = Later()
        connection = begin(cors(later), "GET", "/", FROM_APP)
        later.request.setResponseCode(202)
        later.request.finish()
        self.assert_allowed(answer_in(connection.value()), 202)

    def test_client_gone(self) -> None:
        """Writes to a client that left do no harm."""
        later = Later()
        connection = begin(cors(later), "GET", "/", FROM_APP)
        gone = later.request.notifyFinish()
        later.request.connectionLost(Failure(ConnectionDone()))
        later.request.write(b"one")
        self.assertEqual(connection.value(), b"")
        self.failureResultOf(gone, ConnectionDone)

    def test_copy(self) -> None:
        """A copy of the answer's fields is independent, and goes out as they would."""
        later = Later()
        begin(cors(later), "GET", "/", FROM_APP)
        fields = later.request.responseHeaders
        fields.setRawHeaders(b"X-Total", [b"1"])
        copy = fields.copy()
        self.assertEqual(dict(copy.getAllRawHeaders()), dict(fields.getAllRawHeaders()))
        copy.removeHeader(b"X-Total")
        self.assertTrue(fields.hasHeader(b"X-Total"))

    def test_not_modified(self) -> None:
        """304 has them: a cache updates what it keeps by it (RFC 9111 4.3.4)."""

        class Tagged(Resource):
            isLeaf = True

            def render_GET(self, request: Request) -> bytes:
                return b"" if request.setETag(b'"1"') is CACHED else b"whole"

        root = cors(Tagged())
        self.assert_allowed(ask(root, "GET", "/", FROM_APP))
        answer = ask(root, "GET", "/", FROM_APP, ("If-None-Match", '"1"'))
        self.assert_allowed(answer, NOT_MODIFIED)
        self.assertEqual((answer.one(b"etag"), answer.body), (b'"1"', b""))

    def test_head(self) -> None:
        """HEAD has them: of a resource that knows it, and where Twisted makes it of GET."""
        for resource, length in ((Leaf(), b"2"), (Page(), b"4")):
            for root in (cors(resource), cors(cors(resource))):
                answer = ask(root, "HEAD", "/", FROM_APP)
                self.assert_allowed(answer)
                self.assertEqual((answer.one(b"content-length"), answer.body), (length, b""))

    def test_errors(self) -> None:
        """404, 405, 501 and the 500 of a resource that failed have them."""

        class Broken(Resource):
            def getChild(self, path: bytes, request: Request) -> Resource:
                raise RuntimeError("no child")

            def render_GET(self, request: Request) -> bytes:
                request.setHeader(b"access-control-allow-origin", b"*")
                raise RuntimeError("no page")

        tree = Resource()
        tree.putChild(b"broken", Broken())
        tree.putChild(b"page", Page())
        root = cors(tree)
        self.assert_allowed(ask(root, "GET", "/nowhere", FROM_APP), 404)
        self.assert_allowed(ask(root, "GET", "/", FROM_APP), 404)
        self.assert_allowed(ask(root, "POST", "/page", FROM_APP), 405)
        self.assert_allowed(ask(root, "BREW", "/page", FROM_APP), 501)
        self.assert_allowed(ask(root, "GET", "/broken", FROM_APP), 500)
        self.assert_allowed(ask(root, "GET", "/broken/child", FROM_APP), 500)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_failed_later(self) -> None:
        """So has the 500 of what failed after ``render``."""
        later = Later()
        connection = begin(cors(later), "GET", "/", FROM_APP)
        failed: Deferred[None] = Deferred()
        failed.addErrback(later.request.processingFailed)
        failed.addErrback(lambda _: None)
        failed.errback(RuntimeError("too late"))
        self.assert_allowed(answer_in(connection.value()), 500)
        self.flushLoggedErrors(RuntimeError)

    def test_compressed(self) -> None:
        """Compression goes around it."""
        root = EncodingResourceWrapper(cors(Leaf()), [GzipEncoderFactory()])
        answer = ask(root, "GET", "/", FROM_APP, ("Accept-Encoding", "gzip"))
        self.assert_allowed(answer)
        self.assertEqual(answer.one(b"content-encoding"), b"gzip")
