"""The configuration proposed for Apache fixes a real one, even before a password."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli.live import send
from corsgate.explain.browser import fetch
from corsgate.explain.call import Call
from corsgate.explain.servers import server_fixes
from corsgate.explain.trace import Trace
from corsgate.explain.url import Url
from tests.apache import ApacheDigest

ORIGIN = b"http://localhost:4200"
HEADERS = ((b"X-App", b"1"), (b"Content-Type", b"application/json"))


class ApacheTests(SynchronousTestCase):
    """`server_fixes`, tested with a real server."""

    def ask(
        self,
        apache: ApacheDigest,
        method: bytes,
        *,
        credentials: bool | None = None,
        path: str = "/a.json",
    ) -> tuple[Trace, Call]:
        """Return the trace of a call to a server, and the call."""
        call = Call(
            origin=ORIGIN,
            method=method,
            url=Url.parse(f"{apache.origin}{path}"),
            headers=() if credentials else HEADERS,
            credentials=method == b"PUT" if credentials is None else credentials,
        )
        return fetch(call, send), call

    def test_fix(self) -> None:
        """The call is blocked before and allowed after; its response, here 401, can be read."""
        for method in (b"PUT", b"GET"):
            with ApacheDigest(users={"u": "p"}, files={"a.json": b"{}"}) as apache:
                before, call = self.ask(apache, method)
                self.assertFalse(before.allowed)
                _, answer = before.exchanges[-1]
                fixes = dict(server_fixes(call, answer.headers))
                self.assertIn("Apache", fixes)
            with ApacheDigest(
                users={"u": "p"}, files={"a.json": b"{}"}, more=fixes["Apache"]
            ) as apache:
                after, _ = self.ask(apache, method)
                self.assertTrue(after.allowed, after.failed)
                self.assertEqual([found.status for _, found in after.exchanges], [204, 401])

    def test_paths(self) -> None:
        """A path with characters that are special in a configuration is matched too."""
        path = "/a%20b.json/$;%22(x"
        with ApacheDigest(users={"u": "p"}) as apache:
            before, call = self.ask(apache, b"PUT", path=path)
            fix = dict(server_fixes(call, before.exchanges[-1][1].headers))["Apache"]
        with ApacheDigest(users={"u": "p"}, more=fix) as apache:
            after, _ = self.ask(apache, b"PUT", path=path)
            self.assertTrue(after.allowed, after.failed)

    def test_replaced(self) -> None:
        """A server that sends another origin sends only the page's afterwards."""
        for verb in ("set", "always set"):
            wrong = (
                f'Header {verb} Access-Control-Allow-Origin "*"\n'
                '<Location "/a.json">\nRequire all granted\nAuthType None\n</Location>\n'
            )
            files = {"a.json": b"{}"}
            with ApacheDigest(users={"u": "p"}, files=files, more=wrong) as apache:
                before, call = self.ask(apache, b"GET", credentials=True)
                self.assertFalse(before.allowed)
                fix = dict(server_fixes(call, before.exchanges[-1][1].headers))["Apache"]
            with ApacheDigest(users={"u": "p"}, files=files, more=wrong + fix) as apache:
                after, _ = self.ask(apache, b"GET", credentials=True)
                self.assertTrue(after.allowed, after.failed)
