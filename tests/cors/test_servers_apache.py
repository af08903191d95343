"""What is told to be written on Apache mends a real one, even before a password."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli.live import send
from corsgate.cors.browser import fetch
from corsgate.cors.call import Call
from corsgate.cors.servers import server_mends
from corsgate.cors.trace import Trace
from corsgate.cors.url import Url
from tests.apache import ApacheDigest

ORIGIN = b"http://localhost:4200"
HEADERS = ((b"X-App", b"1"), (b"Content-Type", b"application/json"))


class ApacheTests(SynchronousTestCase):
    """`server_mends`, tried out."""

    def ask(self, apache: ApacheDigest, method: bytes) -> tuple[Trace, Call]:
        """Answer what a browser makes of a server, and the call."""
        url = Url.parse(f"{apache.origin}/a.json")
        call = Call(
            origin=ORIGIN, method=method, url=url, headers=HEADERS, credentials=method == b"PUT"
        )
        return fetch(call, send), call

    def test_mend(self) -> None:
        """The call is blocked before, and allowed after; its answer, here 401, can be read."""
        for method in (b"PUT", b"GET"):
            with ApacheDigest(users={"u": "p"}, files={"a.json": b"{}"}) as apache:
                before, call = self.ask(apache, method)
                self.assertFalse(before.allowed)
                _, answer = before.exchanges[-1]
                mends = dict(server_mends(call, answer.headers))
                self.assertIn("Apache", mends)
            with ApacheDigest(
                users={"u": "p"}, files={"a.json": b"{}"}, more=mends["Apache"]
            ) as apache:
                after, _ = self.ask(apache, method)
                self.assertTrue(after.allowed, after.failed)
                self.assertEqual([found.status for _, found in after.exchanges], [204, 401])
