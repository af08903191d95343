"""What the names of a head's fields imply."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.headers import HOP_BY_HOP, HeadNames, head_names


class HeadNamesTests(SynchronousTestCase):
    """`HeadNames`."""

    def test_places(self) -> None:
        """A field that occurs once has a position; a missing or repeated one has none."""
        names = HeadNames([b"HOST", b"Connection", b"Content-Length", b"connection"])
        self.assertEqual((names.host_at, names.length_at, names.connection_at), (0, 2, -1))
        self.assertEqual((names.distinct, names.lowered[3]), (False, b"connection"))

    def test_resources(self) -> None:
        """Destination and If may name resources, in any case."""
        for name, names_one in ((b"DESTINATION", True), (b"if", True), (b"If-Match", False)):
            self.assertEqual(HeadNames([b"Host", name]).resources, names_one)

    def test_simple_requests(self) -> None:
        """What needs a close look is not simple, nor is a head with a name twice or no Host."""
        self.assertTrue(HeadNames([b"Host", b"Accept", b"X"]).simple_request)
        self.assertFalse(HeadNames([b"Accept"]).simple_request)
        for name in (b"host", b"Transfer-Encoding", b"upgrade", b"expect"):
            self.assertFalse(HeadNames([b"Host", name]).simple_request, name)
        for name in (b"content-LENGTH", b"Connection", b"TE"):
            self.assertTrue(HeadNames([b"Host", name]).simple_request, name)
            self.assertFalse(HeadNames([b"Host", name, name]).simple_request, name)
        self.assertFalse(HeadNames([b"Host", b"x", b"X"]).simple_request)

    def test_plain_responses(self) -> None:
        """A single Content-Length defines the length, unless another field may."""
        self.assertTrue(HeadNames([b"Content-Length", b"x", b"X", b"Connection"]).plain_response)
        self.assertFalse(HeadNames([b"x"]).plain_response)
        for name in (b"content-length", b"Transfer-Encoding", b"UPGRADE"):
            self.assertFalse(HeadNames([b"Content-Length", name]).plain_response, name)
        twice = [b"Content-Length", b"connection", b"Connection"]
        self.assertFalse(HeadNames(twice).plain_response)

    def test_mask(self) -> None:
        """A mask marks the fields that stay."""
        names = HeadNames([b"Accept", b"TE", b"x"])
        for _ in range(2):
            self.assertEqual(names.mask(HOP_BY_HOP), (True, False, True))
        self.assertEqual(names.mask(frozenset((b"x",))), (True, True, False))

    def test_remembered(self) -> None:
        """Heads with the same names share one object, unless they have many fields."""
        few = [(b"A", b"1"), (b"B", b"2")]
        self.assertIs(head_names(few), head_names([(b"A", b"3"), (b"B", b"4")]))
        many = [(b"A%d" % at, b"") for at in range(100)]
        self.assertIsNot(head_names(many), head_names(many))
