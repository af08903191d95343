"""What stands for a request that can't be read on."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.head import RequestHead
from corsgate.server.parsed_request import Refusal, refused


class RefusedTests(SynchronousTestCase):
    """A request that can't be read on."""

    def test_routable(self) -> None:
        """It has a route where it is too large or slow, and what has come is sound."""
        host = [(b"Host", b"a")]
        for status, target, headers, expected in (
            (431, b"/v1?q", host, (b"/v1?q", b"a", True)),
            (408, b"/v1", host, (b"/v1", b"a", True)),
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
