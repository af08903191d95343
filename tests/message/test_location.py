"""The fields of a response that name addresses are rewritten; redirects in a loop are refused."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import AddressRefused
from corsgate.message.headers import HeaderList
from corsgate.message.location import REWRITTEN, check_redirect, rewrite
from corsgate.message.set_cookie import CookieRules
from tests.message.mounts import BOX, PLAIN, STRIPPED, Mounted

RULES = CookieRules(plain_http=True)


class RewriteTests(SynchronousTestCase):
    def test_only_what_names_a_place(self) -> None:
        """Only fields that name an address change; the order and other fields do not."""
        headers: HeaderList = [
            (b"location", b"http://box:8000/a"),
            (b"X-Location", b"http://box:8000/a"),
            (b"Content-Location", b"/b"),
            (b"Set-Cookie", b"a=1; Domain=box"),
            (b"set-cookie", b"b=2; Path=/"),
            (b"Link", b'</p>; rel="next", <http://box:8000/q>'),
            (b"Refresh", b"5; url=/r"),
        ]
        expected = [
            (b"location", b"http://localhost:5555/v1/a"),
            (b"X-Location", b"http://box:8000/a"),
            (b"Content-Location", b"/v1/b"),
            (b"Set-Cookie", b"a=1"),
            (b"set-cookie", b"b=2; Path=/v1"),
            (b"Link", b'</v1/p>; rel="next", <http://localhost:5555/v1/q>'),
            (b"Refresh", b"5; url=/v1/r"),
        ]
        self.assertEqual(rewrite(headers, STRIPPED.addresses, RULES), expected)
        changed = {
            name.lower()
            for (name, before), (_, after) in zip(headers, expected, strict=True)
            if before != after
        }
        self.assertEqual(REWRITTEN, changed)

    def test_cookies_that_pass(self) -> None:
        """Without rules, cookies are unchanged."""
        headers = [(b"Set-Cookie", b"a=1; Domain=box; Path=/; Secure"), (b"Location", b"/x")]
        made = rewrite(headers, STRIPPED.addresses, None)
        self.assertEqual(made, [headers[0], (b"Location", b"/v1/x")])


class LoopTests(SynchronousTestCase):
    """A redirect to the very URL that was asked for, under another name of the server."""

    def check(
        self,
        location: bytes,
        said: str | None,
        *,
        status: int = 301,
        method: bytes = b"GET",
        mounted: Mounted = STRIPPED,
        more: HeaderList | None = None,
    ) -> None:
        """Assert whether a redirect is refused, and what the log says."""
        came = [(b"Location", location), *(more or [])]
        target = b"/v1/x?y" if mounted.mount.prefix else b"/x?y"
        if said is None:
            check_redirect(status, method, target, came, mounted.addresses)
            return
        error = self.assertRaises(
            AddressRefused, check_redirect, status, method, target, came, mounted.addresses
        )
        self.assertIn(said, str(error))
        self.assertEqual(error.status, 502)
        self.assertNotIn("box", error.detail)

    def test_to_https(self) -> None:
        """From http to https: the log says that `servers` needs https."""
        for location in (b"https://box:8000/x?y", b"https://box/x?y", b"https://box/x?y#f"):
            self.check(location, "use https in servers")

    def test_to_another_name(self) -> None:
        """To another name of the server: the log says which."""
        self.check(b"http://box/x?y", "use http://box in servers")

    def test_no_loop(self) -> None:
        """Other URLs, other hosts, its own name and a path are no loop, nor is a 200."""
        for location in (
            b"https://box/x",
            b"https://box/",
            b"https://other/x?y",
            b"http://box:8000/x?y",
            b"/x?y",
            b"http://localhost:5555/x?y",
        ):
            self.check(location, None)
        self.check(b"https://box/x?y", None, status=201)

    def test_method(self) -> None:
        """A POST that becomes a GET may have done its work; one that stays POST is a loop."""
        self.check(b"https://box/x?y", None, method=b"POST", status=303)
        self.check(b"https://box/x?y", "https", method=b"POST", status=308)

    def test_scheme_of_the_gate(self) -> None:
        """Where the client uses https, a redirect that sets a cookie is no loop."""
        secure = attrs.evolve(PLAIN, gate_origin=b"https://gate.example")
        cookie: HeaderList = [(b"set-cookie", b"seen=1")]
        self.check(b"https://box:8000/x?y", None, mounted=secure, more=cookie)
        self.check(b"https://box:8000/x?y", "https", mounted=secure)
        self.check(b"https://box:8000/x?y", "https", more=cookie)

    def test_server_over_https(self) -> None:
        """A server that is asked over https and names http is told by that name."""
        server = attrs.evolve(BOX, scheme="https", port=443)
        self.check(
            b"http://box/x?y",
            "use http://box in servers",
            mounted=Mounted(server=server, sent_host=b"box"),
        )
