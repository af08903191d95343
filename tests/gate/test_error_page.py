"""The pages of errors: what they say, and in which form."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.balancing import Fallback
from corsgate.errors import (
    AddressRefused,
    BadUpstreamResponse,
    BodyNotCovered,
    BodyTooLarge,
    ConnectFailed,
    ConnectionReset,
    ConnectTimedOut,
    HandshakeFailed,
    LoginFailed,
    NoServer,
    QueueFull,
    TargetError,
    UnsignableBody,
    UpstreamBusy,
    UpstreamFull,
    UpstreamTimedOut,
    WeakChallenge,
)
from corsgate.gate.error_page import (
    HTML,
    JSON,
    TEXT,
    Problem,
    choose_type,
    problem_of,
    render,
    render_fallback,
    title_of,
)


class Statuses(SynchronousTestCase):
    """Which status a failure has."""

    def test_of_failures(self) -> None:
        """The client's faults are 4xx, the upstream's 502 to 504, ours 500."""
        cases = (
            (BodyTooLarge(), 413),
            (UnsignableBody("x"), 413),
            (TargetError("x"), 400),
            (AddressRefused(412, "x", "10.0.0.1"), 412),
            (ConnectTimedOut("10.0.0.1"), 504),
            (UpstreamTimedOut("10.0.0.1"), 504),
            (UpstreamBusy("10.0.0.1"), 503),
            (QueueFull("10.0.0.1"), 503),
            (UpstreamFull("10.0.0.1"), 503),
            (NoServer("10.0.0.1"), 503),
            (BodyNotCovered("x"), 502),
            (ConnectFailed("10.0.0.1"), 502),
            (ConnectionReset("10.0.0.1"), 502),
            (LoginFailed("10.0.0.1"), 502),
            (BadUpstreamResponse("10.0.0.1"), 502),
            (RuntimeError("10.0.0.1"), 500),
            (None, 500),
        )
        for error, status in cases:
            problem = problem_of(error)
            self.assertEqual(problem.status, status, repr(error))
            self.assertNotIn("10.0.0.1", problem.detail)

    def test_busy(self) -> None:
        """Where the upstream is busy or down, the client learns when to come back.

        RFC 9110 10.2.3.
        """
        for error in (QueueFull("x"), UpstreamFull("x"), NoServer("x")):
            headers = dict(problem_of(error).headers)
            self.assertGreater(int(headers[b"Retry-After"]), 0)

    def test_login_failed(self) -> None:
        """So it is while the gate tries no login."""
        self.assertIn((b"Retry-After", b"5"), problem_of(LoginFailed("x", 4.2)).headers)
        self.assertEqual(problem_of(LoginFailed("x")).headers, ())

    def test_no_login(self) -> None:
        """A login that can't succeed is named as the reason, not the server's response."""
        for error in (LoginFailed("x"), WeakChallenge("x"), HandshakeFailed("x")):
            self.assertIn("could not log in", problem_of(error).detail)

    def test_titles(self) -> None:
        """A status that nobody registered has a title too."""
        self.assertEqual(title_of(502), "Bad Gateway")
        self.assertEqual(title_of(599), "Error")


class Forms(SynchronousTestCase):
    """Which form a client likes best."""

    def test_longer_than_any(self) -> None:
        """An Accept that goes on and on is as good as none; parameters say nothing for long."""
        for accept in ([b"text/html," * 65], [b"text/html" + b";" * 3900], [b"text/html"] * 65):
            self.assertEqual(choose_type(accept), JSON)
        self.assertEqual(choose_type([b"text/html;a;b;c;q=0.5, text/plain"]), TEXT)
        self.assertEqual(choose_type([b"text/html" + b";a" * 500]), HTML)

    def test_chosen(self) -> None:
        """The highest weight wins, then the first; JSON where nothing fits."""
        cases: tuple[tuple[list[bytes], bytes], ...] = (
            ([], JSON),
            ([b""], JSON),
            ([b"*/*"], JSON),
            ([b"image/png"], JSON),
            ([b"image/png, text/html;q=0.1"], HTML),
            ([b"text/html"], HTML),
            ([b"TEXT/HTML ; Q=1"], HTML),
            ([b"text/html, application/json"], HTML),
            ([b"application/json, text/html"], JSON),
            ([b"text/html;q=0.8, application/json"], JSON),
            ([b"text/html;q=0.8", b"text/plain;q=0.9"], TEXT),
            ([b"text/html;q=0"], JSON),
            ([b"text/html;q=nonsense, text/plain;q=0.1"], TEXT),
            ([b"text/html;q=nan, text/plain;q=0.1"], TEXT),
            ([b"text/html;level=1;q=0.5, text/plain;q=0.4"], HTML),
            ([b"application/xhtml+xml"], HTML),
            ([b"text/*"], TEXT),
            ([b"application/*;q=0.2, text/*;q=0.1"], JSON),
        )
        for accept, kind in cases:
            self.assertEqual(choose_type(accept), kind, accept)

    @given(st.lists(st.binary(max_size=40), max_size=4))
    def test_anything(self, accept: list[bytes]) -> None:
        """No Accept field is too odd for an answer."""
        self.assertIn(choose_type(accept), (JSON, HTML, TEXT))


class Pages(SynchronousTestCase):
    """What a page says."""

    problem = Problem(status=405, detail="A <b> & c.", headers=((b"Allow", b"GET"),))

    def page(self, accept: bytes) -> tuple[dict[bytes, bytes], bytes]:
        """Return the fields and the body of a page."""
        head, body = render(self.problem, [accept], "id-<1>", [(b"Vary", b"Origin")])
        self.assertEqual((head.status, head.reason), (405, b"Method Not Allowed"))
        return dict(head.headers), body

    def test_fields(self) -> None:
        """Its own fields, the problem's and the route's; none is for caches."""
        for accept in (b"*/*", b"text/html", b"text/plain"):
            fields, _ = self.page(accept)
            self.assertEqual((fields[b"Allow"], fields[b"Vary"]), (b"GET", b"Origin"))
            self.assertEqual(fields[b"Cache-Control"], b"no-store")
            self.assertEqual(fields[b"X-Content-Type-Options"], b"nosniff")

    def test_json(self) -> None:
        """Problem details (RFC 9457)."""
        _, body = self.page(b"*/*")
        self.assertEqual(
            json.loads(body),
            {
                "type": "about:blank",
                "title": "Method Not Allowed",
                "status": 405,
                "detail": "A <b> & c.",
                "request_id": "id-<1>",
            },
        )

    def test_html(self) -> None:
        """HTML, in which nothing is taken for markup."""
        _, body = self.page(b"text/html")
        seen: list[str] = []
        tags: list[str] = []

        class Reader(HTMLParser):
            def handle_data(self, data: str) -> None:
                """Keep text."""
                seen.append(data)

            def handle_starttag(self, tag: str, attrs: object) -> None:
                """Keep a tag."""
                tags.append(tag)

        Reader().feed(body.decode())
        self.assertIn("A <b> & c.", seen)
        self.assertIn("Request id-<1>", seen)
        self.assertNotIn("b", tags)

    def test_text(self) -> None:
        """Plain text, a line each."""
        _, body = self.page(b"text/plain")
        self.assertEqual(body, b"405 Method Not Allowed\nA <b> & c.\nRequest id-<1>\n")


class Fallbacks(SynchronousTestCase):
    """What an upstream's ``on_down`` says."""

    def test_fields(self) -> None:
        """It has its own type, and is for no cache."""
        fallback = Fallback(status=200, body="\u00e9", content_type="text/html; charset=utf-8")
        head, body = render_fallback(fallback)
        fields = dict(head.headers)
        self.assertEqual((head.status, body), (200, b"\xc3\xa9"))
        self.assertEqual(fields[b"Content-Type"], b"text/html; charset=utf-8")
        self.assertEqual(fields[b"Cache-Control"], b"no-store")
        self.assertNotIn(b"Retry-After", fields)

    def test_unavailable(self) -> None:
        """A 503 says when to come back."""
        head, _ = render_fallback(Fallback())
        self.assertGreater(int(dict(head.headers)[b"Retry-After"]), 0)
