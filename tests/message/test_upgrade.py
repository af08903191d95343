"""Which offers to switch protocols may be forwarded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.upgrade import switchable


class SwitchableTests(SynchronousTestCase):
    def test_passed_on(self) -> None:
        """Any other protocol passes, with spelling and order."""
        for values, passed in (
            ([b"websocket"], (b"websocket",)),
            ([b"WebSocket"], (b"WebSocket",)),
            ([b"IRC/6.9, websocket"], (b"IRC/6.9", b"websocket")),
            ([b"a", b"b"], (b"a", b"b")),
            ([b"h2cd"], (b"h2cd",)),
        ):
            self.assertEqual(switchable(values), passed, values)

    def test_still_http(self) -> None:
        """Other forms of HTTP, and TLS, would bypass the gate: they don't pass."""
        for offer in (b"h2c", b"H2C", b"h2", b"h3", b"HTTP/2.0", b"http", b"TLS/1.0", b"tls"):
            self.assertEqual(switchable([offer]), (), offer)
            self.assertEqual(switchable([offer + b", websocket"]), (b"websocket",), offer)

    def test_too_many(self) -> None:
        """A list longer than any real one offers nothing."""
        self.assertEqual(switchable([b"websocket"] * 65), ())
        self.assertEqual(switchable([b"websocket" + b"," * 64]), ())
        self.assertEqual(len(switchable([b"websocket"] * 64)), 64)

    def test_malformed(self) -> None:
        """Malformed offers that some server might read as one of those don't pass."""
        for offer in (b"h2c;q=1", b"h2c/", b"h2c x", b'"h2c"', b"/h2c", b"a/b/c", b"h2c\xa0"):
            self.assertEqual(switchable([offer]), (), offer)

    def test_none(self) -> None:
        """No field and an empty one offer nothing."""
        self.assertEqual(switchable([]), ())
        self.assertEqual(switchable([b"", b" , "]), ())

    @given(st.lists(st.binary(max_size=20), max_size=3))
    def test_never_http(self, values: list[bytes]) -> None:
        """The result is always a part of the offers, and filtering twice changes nothing."""
        passed = switchable(values)
        self.assertEqual(switchable(passed), passed)
        self.assertNotIn(b"h2c", [offer.lower() for offer in passed])
