"""Who refused a call that was really made."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.refused_by import RefusedBy, refused_by
from corsgate.explain.trace import Answer, Request, Trace
from corsgate.explain.url import Url
from corsgate.gate.error_page import Problem, render
from corsgate.message.headers import Header

ORIGIN = (b"Origin", b"https://app.example")
ALLOWED = (b"Access-Control-Allow-Origin", b"https://app.example")
JSON = (b"Content-Type", b"application/problem+json")
NO_STORE = (b"Cache-Control", b"no-store")
NO_SNIFF = (b"X-Content-Type-Options", b"nosniff")


def request(method: bytes = b"GET", *headers: Header) -> Request:
    """Return a page's request."""
    fields = (ORIGIN, (b"Sec-Fetch-Mode", b"cors"), (b"X-App", b"1"), *headers)
    url = Url.parse("http://gate.example/v1")
    return Request(method=method, url=url, headers=fields, credentials=False)


def answer(status: int = 403, *headers: Header, body: bytes = b"") -> Answer:
    """Return a response."""
    return Answer(status=status, headers=headers, body=body)


def page(status: int = 403, accept: bytes = b"*/*", *more: Header) -> Answer:
    """Return an error page of a gate."""
    problem = Problem(status=status, detail="It is <not> allowed here.")
    head, body = render(problem, [accept], "5a-1", more)
    return answer(head.status, *head.headers, body=body)


class RefusedByTests(SynchronousTestCase):
    """`refused_by`."""

    def find(
        self,
        sent: Request,
        got: Answer,
        again: Answer | None = None,
        *,
        allowed: bool = True,
    ) -> tuple[RefusedBy, Sequence[Request]]:
        """Return what is found, and what was sent to find it."""
        asked: list[Request] = []

        def send(one: Request) -> Answer | None:
            asked.append(one)
            return again

        trace = Trace(steps=(), exchanges=((sent, got),), allowed=allowed)
        return refused_by(trace, send), asked

    def test_gate(self) -> None:
        """Its page is known in each form, whatever CORS headers it has; nothing more is sent."""
        for accept in (b"*/*", b"text/html", b"text/plain"):
            for more in ((), (ALLOWED,)):
                found, asked = self.find(request(), page(403, accept, *more))
                self.assertEqual((found.who, asked), ("gate", []), accept)
                said, log = found.words
                self.assertTrue(
                    said.endswith("The gate itself responded with 403: It is <not> allowed here.")
                )
                self.assertIn("in the line of request 5a-1.", log)
                self.assertEqual(found.page, "It is <not> allowed here.")

    def test_gate_that_tells(self) -> None:
        """With debug the reason itself is in a field, so nobody has to look into the log."""
        reason = (b"Corsgate-Reason", b"origin 'x' is not allowed")
        found, _ = self.find(request(), page(403, b"*/*", reason))
        self.assertNotIn("log", "".join(found.words))

    def test_gate_that_lets_the_browser_refuse(self) -> None:
        """With debug a refused preflight has a status that browsers accept, and the reason."""
        reason = (b"Corsgate-Reason", b"method 'PUT' is not in allow_methods")
        for allowed, who in ((False, "gate"), (True, "")):
            got = answer(204, ALLOWED, reason)
            found, asked = self.find(request(b"OPTIONS"), got, allowed=allowed)
            self.assertEqual((found.who, asked), (who, []))

    def test_gate_that_grants_too_little(self) -> None:
        """A successful response shows no gate; a preflight that no gate allows does."""
        got = answer(200, ALLOWED)
        found, (asked,) = self.find(request(), got, page(403), allowed=False)
        self.assertEqual((found.who, asked.method), ("gate", b"OPTIONS"))
        self.assertIn((b"Origin", b"https://corsgate.invalid"), asked.headers)
        for again in (None, answer(204), answer(403)):
            found, _ = self.find(request(), got, again, allowed=False)
            self.assertEqual(found, RefusedBy())

    def test_gate_fails(self) -> None:
        """Another error of the gate is told from the server's own, too."""
        found, _ = self.find(request(), page(502))
        self.assertEqual((found.who, len(found.words)), ("gate", 2))

    def test_gate_without_a_body(self) -> None:
        """A response to HEAD has the form of the head alone."""
        found, asked = self.find(request(b"HEAD"), answer(403, JSON, NO_STORE, NO_SNIFF))
        self.assertEqual((found.who, asked), ("gate", []))
        self.assertIn("The gate itself responded with 403.", found.words[0])

    def test_what_only_looks_like_a_page(self) -> None:
        """A server's own problem details are not the gate's."""
        for body in (b"{}", b"[]", b"x", b'{"title": "Forbidden", "status": 403, "detail": "no"}'):
            for headers in ((JSON, NO_STORE, NO_SNIFF), (JSON, NO_STORE)):
                found, _ = self.find(request(), answer(403, *headers, body=body), answer(200))
                self.assertEqual(found.who, "server", body)

    def test_server_that_checks_origins(self) -> None:
        """The same request without Origin passes: so the Origin is the cause."""
        found, (sent,) = self.find(request(), answer(403, ALLOWED), answer(200))
        self.assertEqual(found.who, "server")
        self.assertEqual(sent.headers, ((b"X-App", b"1"),))
        said, why = found.words
        self.assertIn("refused the call, not a gate", said)
        self.assertIn(
            "Without Origin, the same request gets 200: the server refuses foreign origins", why
        )
        self.assertIn('origin = "server"', why)
        self.assertIn('origin = "gate"', why)

    def test_server_without_cors(self) -> None:
        """What the page can't read may be the same."""
        found, asked = self.find(request(), answer(), answer(204), allowed=False)
        self.assertEqual((found.who, len(asked)), ("server", 1))
        self.assertEqual(found.words[0], "The server itself responded with 403.")
        self.assertIn("gets 204", found.words[1])

    def test_server_that_hides(self) -> None:
        """Another status counts if the same request succeeds without Origin."""
        for status in (400, 401, 404, 421):
            found, asked = self.find(request(), answer(status, ALLOWED), answer(200))
            self.assertEqual((found.who, len(asked)), ("server", 1), status)
            self.assertIn(f"lets the page read this {status}", found.words[0])
            for again in (answer(status), answer(502), None):
                found, _ = self.find(request(), answer(status, ALLOWED), again)
                self.assertEqual(found, RefusedBy())
            found, asked = self.find(request(b"PUT"), answer(status, ALLOWED), answer(200))
            self.assertEqual((found, asked), (RefusedBy(), []))

    def test_server_that_refuses_everybody(self) -> None:
        """It is 403 without Origin, too."""
        found, _ = self.find(request(), answer(403, ALLOWED), answer(403))
        self.assertIn("gets 403, so the page's origin is not the only cause", found.words[1])
        found, _ = self.find(request(), answer(403, ALLOWED), None)
        self.assertEqual((found.who, len(found.words)), ("server", 1))

    def test_unsafe_methods_are_not_sent_again(self) -> None:
        """A second POST may act twice."""
        found, asked = self.find(request(b"POST"), answer(403, ALLOWED), answer(200))
        self.assertEqual((found.who, asked), ("server", []))
        self.assertIn("was not tested for it, since POST", found.words[1])

    def test_nobody(self) -> None:
        """Other responses, and preflights that no gate refused, are left to the other steps."""
        preflight = request(b"OPTIONS", (b"Access-Control-Request-Method", b"PUT"))
        for sent, got in (
            (request(), answer(200, ALLOWED)),
            (request(), answer(301)),
            (request(), answer(500, JSON)),
            (preflight, answer(403)),
        ):
            self.assertEqual(self.find(sent, got, answer(200)), (RefusedBy(), []))
        nothing = Trace(steps=(), exchanges=(), allowed=False)
        self.assertEqual(refused_by(nothing, lambda _: None), RefusedBy())
