"""What stands for a request that can't be read on."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.errors import TargetError
from corsgate.message.head import RequestHead
from corsgate.server.parsed_request import Refusal, read_target, refused, unserved


class RefusedTests(SynchronousTestCase):
    """A request that can't be read on."""

    def test_routable(self) -> None:
        """It has a route where it is too large or slow, and what has come is sound."""
        host = [(b"Host", b"a")]
        for status, target, headers, expected in (
            (431, b"/v1?q", host, (b"/v1?q", b"a", True)),
            (408, b"/v1", host, (b"/v1", b"a", True)),
            (414, b"/v1", host, (b"/v1", b"a", True)),
            (431, b"http://b/v1", host, (b"/v1", b"b", True)),
            (400, b"/v1", host, (b"/v1", b"a", False)),
            (431, b"/v1", host * 2, (b"/v1", b"", False)),
            (431, b"v1", host, (b"v1", b"", False)),
        ):
            head = RequestHead(method=b"GET", target=target, headers=headers)
            made = refused(head, Refusal(status=status, detail="No."))
            assert made.refusal is not None
            got = made.head.target, made.authority, made.refusal.routable
            self.assertEqual(got, expected, (status, target))
            self.assertEqual((made.refusal.status, made.keep_alive), (status, False))


class TargetTests(SynchronousTestCase):
    """`read_target` and `unserved`."""

    def test_paths(self) -> None:
        """A path is kept although it is bad, for its first segments may lead to a route."""
        self.assertEqual(read_target(b"/v1", b"GET"), (b"/v1", None, None))
        self.assertEqual(read_target(b"http://a/v1", b"GET"), (b"/v1", b"a", None))
        for target in (b"/v1#x", b"/v1/\xc3\xa4", b"/v1 x"):
            kept, named, refusal = read_target(target, b"GET")
            self.assertEqual((kept, named), (target, None))
            assert refusal is not None
            self.assertEqual(refusal.status, 400)
        for target in (b"", b"*", b"v1", b"ftp://a/v1", b"http://a b/v1"):
            self.assertRaises(TargetError, read_target, target, b"GET")

    def test_methods(self) -> None:
        """Any token of 64 bytes is served; CONNECT in any case is not, nor a target too long."""
        limits = Limits(max_target_bytes=16)
        for method in (b"GET", b"get", b"LIST", b"TRACE", b"M" * 64):
            self.assertIsNone(unserved(method, b"/" + b"x" * 15, limits), method)
        for method, target, status in (
            (b"M" * 65, b"/", 501),
            (b"Connect", b"/", 501),
            (b"LIST", b"/" + b"x" * 16, 414),
        ):
            refusal = unserved(method, target, limits)
            self.assertEqual(refusal and refusal.status, status)
