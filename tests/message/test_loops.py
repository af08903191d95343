"""The field that marks a request, and what it says of a request that comes back."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.loops import MAX_HOPS, loop_mark, loop_of, via


class ViaTests(SynchronousTestCase):
    def test_via(self) -> None:
        """Via names the received protocol's version and the gate's pseudonym."""
        self.assertEqual(via(), (b"Via", b"1.1 corsgate"))
        self.assertEqual(via(b"1.0"), (b"Via", b"1.0 corsgate"))
        self.assertEqual(via(pseudonym=b"corsgate-1a"), (b"Via", b"1.1 corsgate-1a"))

    def test_loops(self) -> None:
        """The own pseudonym is found in any field, and so are too many proxies."""
        own = b"corsgate-1a2b3c4d"
        here = "it has passed this gate already"
        for values in (
            [b"1.1 corsgate-1a2b3c4d"],
            [b"1.0 a", b"2 b, 1.1 corsgate-1a2b3c4d (x), 1.1 c"],
            [b"1.1 a, " * 5000 + b"1.1 corsgate-1a2b3c4d"],
        ):
            self.assertEqual(loop_of(values, own), here)
        for values in ([], [b""], [b"1.1 corsgate"], [b"1.1 corsgate-1a2b3c4e"] * MAX_HOPS):
            self.assertEqual(loop_of(values, own), "")
        self.assertEqual(loop_of([b"1.1 a," * (MAX_HOPS - 1) + b"1.1 b"], own), "")
        many = "it has passed more than 16 proxies"
        self.assertEqual(loop_of([b"1.1 a"] * (MAX_HOPS + 1), own), many)
        self.assertEqual(loop_of([b"1.1 a, 1.1 b"] * MAX_HOPS, own), many)
        self.assertEqual(loop_of([b"," * 30_000], own), many)

    def test_mark(self) -> None:
        """A request without Via is marked by CDN-Loop."""
        mark = loop_mark(b"corsgate-1a2b3c4d")
        self.assertEqual(mark, (b"CDN-Loop", b"corsgate-1a2b3c4d"))
        self.assertNotEqual(loop_of([b"other; a=b, " + mark[1]], mark[1]), "")
        self.assertEqual(loop_of([b"other; a=b"], mark[1]), "")
