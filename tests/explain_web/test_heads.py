"""Tests of `corsgate.explain_web.heads`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadValue
from corsgate.explain_web.heads import read_heads


class HeadTests(SynchronousTestCase):
    """`read_heads`."""

    def test_two(self) -> None:
        """Each status line begins a response; the marks of curl -v are ignored."""
        first, second = read_heads(
            "< HTTP/1.1 204 No Content\r\n< Vary: Origin\r\n<\r\n\r\nHTTP/2 401\nA: b: c\n"
        )
        self.assertEqual((first.status, first.headers), (204, ((b"Vary", b"Origin"),)))
        self.assertEqual((second.status, second.headers), (401, ((b"A", b"b: c"),)))

    def test_without_status(self) -> None:
        """Fields alone are those of a response with 200; nothing is no response."""
        (found,) = read_heads("Access-Control-Allow-Origin: *")
        self.assertEqual(found.status, 200)
        self.assertEqual(read_heads(" \n"), [])

    def test_faults(self) -> None:
        """A line that is no field is named by its number, and not shown."""
        error = self.assertRaises(BadValue, read_heads, "HTTP/1.1 200 OK\nhunter2")
        self.assertIn("line 2 is not a response header", str(error))
        self.assertNotIn("hunter2", str(error))
