"""Tests of `corsgate.explain.wanted`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.call import Call
from corsgate.explain.url import Url
from corsgate.explain.wanted import wanted

URL = Url.parse("http://h/v1/x?y")


class WantedTests(SynchronousTestCase):
    """`wanted`."""

    def test_no_more_than_needed(self) -> None:
        """A simple call needs its origin only."""
        found = wanted(Call(origin=b"http://a", method=b"POST", url=URL))
        self.assertEqual(
            found.fields, [("Access-Control-Allow-Origin", "http://a"), ("Vary", "Origin")]
        )
        self.assertEqual((found.method, found.methods, found.path), ("POST", "", "/v1/x"))

    def test_replaces(self) -> None:
        """Fields that the response has already are named, except Vary."""
        call = Call(origin=b"http://a", method=b"PUT", url=URL, credentials=True)
        found = wanted(call, [(b"vary", b"x"), (b"ACCESS-control-allow-methods", b"GET")])
        self.assertEqual(found.replaces, ("Access-Control-Allow-Methods",))
