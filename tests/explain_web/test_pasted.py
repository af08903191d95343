"""Tests of `corsgate.explain_web.pasted`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.trace import Answer, Request
from corsgate.explain.url import Url
from corsgate.explain_web.pasted import is_preflight, nothing_recorded, of_heads, of_script

URL = Url.parse("http://h/")
GET = Request(method=b"GET", url=URL, headers=(), credentials=False)
ASKED = Request(
    method=b"OPTIONS",
    url=URL,
    headers=((b"access-control-request-method", b"PUT"),),
    credentials=False,
)


class PastedTests(SynchronousTestCase):
    """The helpers around a record."""

    def test_of_script(self) -> None:
        """What browsers add is left out, by name and by prefix."""
        sent = [(b"Host", b"h"), (b"Sec-X", b"1"), (b"User-Agent", b"x"), (b"X-App", b"1")]
        self.assertEqual(of_script(sent), ((b"X-App", b"1"),))

    def test_lookups(self) -> None:
        """Two responses are told apart by whether the request is a preflight."""
        first, last = Answer(status=204, headers=()), Answer(status=200, headers=())
        found = of_heads(first, last)
        self.assertEqual((found(ASKED), found(GET)), (first, last))
        self.assertIsNone(nothing_recorded(GET))
        self.assertEqual((is_preflight(ASKED), is_preflight(GET)), (True, False))
