"""Tests of `corsgate.explain_web.har`."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadValue
from corsgate.explain.trace import Request
from corsgate.explain.url import Url
from corsgate.explain_web.har import MAX_CALLS, MAX_ENTRIES, granting, read_har
from corsgate.explain_web.pasted import MAX_FIELDS
from tests.explain_web.hars import BOX, PAGE, entry, har, preflight


def asked(url: str = BOX) -> Request:
    """Return a preflight."""
    headers = ((b"Origin", PAGE.encode()), (b"Access-Control-Request-Method", b"PUT"))
    return Request(method=b"OPTIONS", url=Url.parse(url), headers=headers, credentials=False)


class HarTests(SynchronousTestCase):
    """`read_har`."""

    def test_a_call_with_its_preflight(self) -> None:
        """Both are one call; the browser's own headers are left out."""
        sent = {"X-App": "1", "User-Agent": "x", "sec-ch-ua": "x", "Cookie": "a=b"}
        put = entry("PUT", BOX, sent, 200, {"A": "b"})
        (found,) = read_har(har(preflight({}, 405), put))
        self.assertEqual((found.details.origin, found.details.method), (PAGE, "PUT"))
        self.assertEqual(found.details.headers, ((b"X-App", b"1"),))
        self.assertTrue(found.details.credentials)
        answer = found.lookup(asked())
        assert answer is not None
        self.assertEqual(answer.status, 405)

    def test_only_a_preflight(self) -> None:
        """A call that never left the browser is known by its preflight."""
        (found,) = read_har(har(preflight({}, names="x-app,content-type")))
        self.assertEqual(found.details.method, "PUT")
        self.assertEqual([name for name, _ in found.details.headers], [b"x-app", b"content-type"])

    def test_a_sanitized_file(self) -> None:
        """Authorization, which devtools leave out, is known by the preflight."""
        put = entry("PUT", BOX, {"X-App": "1"})
        (found,) = read_har(har(preflight({}, names="authorization,x-app"), put))
        self.assertEqual([name for name, _ in found.details.headers], [b"X-App", b"authorization"])

    def test_no_response(self) -> None:
        """Chromium records status 0 for what it has blocked, and the error."""
        (found,) = read_har(har(entry(status=0, _error="net::ERR_FAILED")))
        self.assertEqual(found.failure, "net::ERR_FAILED")
        self.assertIn("net::ERR_FAILED", found.notes[0])
        get = Request(method=b"GET", url=Url.parse(BOX), headers=(), credentials=False)
        self.assertIsNone(found.lookup(get))
        self.assertIsNone(found.lookup(asked()))

    def test_no_preflight(self) -> None:
        """A request that was sent shows that its preflight has passed."""
        (found,) = read_har(har(entry("PUT", BOX, {}, 200)))
        answer = found.lookup(asked())
        assert answer is not None
        self.assertEqual(answer.status, 204)
        self.assertIn("has no preflight", answer.by)

    def test_what_is_no_call(self) -> None:
        """Pages, images, calls to the page's own origin and rubbish are left out."""
        others: list[object] = [
            entry(url=f"{PAGE}/own"),
            entry(sent={"Sec-Fetch-Mode": "navigate"}),
            entry(sent={"Sec-Fetch-Mode": "no-cors"}),
            entry(url="data:x"),
            *(None, 1, "x", [], {}, {"request": 5, "response": None}),
            {"request": {"url": BOX, "headers": [1, {}, {"name": "Origin", "value": None}]}},
        ]
        found = read_har(har(*others, entry(url=f"{BOX}/last")))
        self.assertIn(f"{BOX}/last", [str(each.details.url) for each in found])
        self.assertNotIn(f"{PAGE}/own", [str(each.details.url) for each in found])
        self.assertLess(len(found), 3)

    def test_redirects(self) -> None:
        """What a redirect leads to is part of the call that was redirected."""
        there = "http://localhost:9000/login"
        moved = entry(status=302, came={"Location": there})
        (found,) = read_har(har(moved, entry(url=there)))
        self.assertEqual(str(found.details.url), BOX)

    def test_many(self) -> None:
        """At most `MAX_CALLS` are read, of any number."""
        many = [entry(url=f"{BOX}/{number}") for number in range(MAX_CALLS + 1)]
        self.assertEqual(len(read_har(har(*many))), MAX_CALLS)
        error = self.assertRaises(BadValue, read_har, har(*[None] * (MAX_ENTRIES + 1)))
        self.assertIn("more than 10,000 requests", str(error))

    def test_long_messages(self) -> None:
        """Of a message, only so many fields and characters are read as a browser may send."""
        sent = {f"X-{number}": "1" for number in range(MAX_FIELDS * 2)}
        (found,) = read_har(har(entry(url=f"{BOX}?{'a' * 100_000}", sent=sent)))
        self.assertLess(len(found.details.headers), MAX_FIELDS)
        self.assertLess(len(str(found.details.url)), 10_000)

    def test_rubbish(self) -> None:
        """What is no HAR file is named, and nothing of it is shown."""
        deep = "[" * 100_000 + "]" * 100_000
        for text in ("{", deep, '{"a": ' + "9" * 10_000 + "}", "[]", "{}", '{"log": 5}', "null"):
            error = self.assertRaises(BadValue, read_har, text)
            self.assertIn("not a HAR file", str(error))
        error = self.assertRaises(BadValue, read_har, har())
        self.assertIn("no call from a page", str(error))
        error = self.assertRaises(BadValue, read_har, json.dumps({"secret": "hunter2"}))
        self.assertNotIn("hunter2", str(error))

    def test_granting(self) -> None:
        """A response in place of an unknown one allows what is asked."""
        self.assertIn((b"Access-Control-Allow-Methods", b"PUT"), granting(asked()).headers)
