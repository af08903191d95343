"""Which browsers keep a cookie, and why others drop it."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.addresses import Addresses
from corsgate.config.model.values import Cors, Route, Server, Upstream
from corsgate.explain.call import Call
from corsgate.explain.cookies import (
    BROWSERS,
    CHROMIUM,
    FIREFOX,
    SAFARI,
    CookieVerdict,
    cookie_verdicts,
    cookies_of_response,
    cookies_of_route,
)
from corsgate.explain.explanation import explain
from corsgate.explain.report import as_dict, as_text
from corsgate.explain.url import Url
from tests.config.support import parse

PAGE = "http://localhost:4200"
NONE = "a=1; SameSite=None; Secure"


def call(page: str, url: str) -> Call:
    """Return a page's call with credentials."""
    return Call(origin=page.encode(), method=b"GET", url=Url.parse(url), credentials=True)


def kept_by(page: str, url: str, cookie: str) -> set[str]:
    """Return the browsers that keep a cookie."""
    found = cookie_verdicts(call(page, url), [cookie.encode()])
    return {each.browser for each in found if each.kept}


class VerdictTests(SynchronousTestCase):
    """`cookie_verdicts`."""

    def test_sites(self) -> None:
        """The registrable domain matters, in Chromium the scheme as well, and never the port."""
        everyone = set(BROWSERS)
        for page, url, cookie, kept in (
            (PAGE, "http://localhost:5555/", "a=1", everyone),
            (PAGE, "http://localhost:5555/", "a=1; SameSite=Strict", everyone),
            (PAGE, "http://127.0.0.1:5555/", "a=1", {FIREFOX}),
            (PAGE, "http://127.0.0.1:5555/", "a=1; SameSite=Lax", set()),
            (PAGE, "https://localhost:8443/", "a=1", {FIREFOX, SAFARI}),
            (PAGE, "https://localhost:8443/", NONE, everyone),
            ("https://app.example.com", "https://api.example.com/", "a=1", everyone),
            ("https://a.example.com", "https://b.example.org/", "a=1", {FIREFOX}),
            ("https://a.example.com", "https://b.example.org/", NONE, {CHROMIUM, FIREFOX}),
            ("https://a.example.com", "https://b.example.org/", NONE + "; Partitioned", everyone),
            ("https://a.github.io", "https://b.github.io/", NONE, {CHROMIUM, FIREFOX}),
            ("https://a.co.uk", "https://b.co.uk/", "a=1; SameSite=Lax", set()),
            ("http://app.box.lan", "http://api.box.lan/", "a=1", everyone),
            ("http://10.0.0.1", "http://10.0.0.2/", "a=1; SameSite=Lax", set()),
            ("null", "http://localhost:5555/", "a=1; SameSite=Lax", set()),
        ):
            self.assertEqual(kept_by(page, url, cookie), kept, (page, url, cookie))

    def test_malformed(self) -> None:
        """Some cookies no browser keeps, even of the same site."""
        url = "https://api.example.com/"
        for cookie, why in (
            ("__Host-a=1; Path=/", "requires Secure"),
            ("__Host-a=1; Secure", "requires Path=/"),
            ("__Host-a=1; Secure; Path=/; Domain=example.com", "no Domain"),
            ("__Secure-a=1", "requires Secure"),
            ("a=1; Domain=box.lan", "is not that of"),
            ("a=1; Domain=com", "public suffix"),
            ("a=1; Partitioned", "requires Secure"),
        ):
            for each in cookie_verdicts(call("https://app.example.com", url), [cookie.encode()]):
                self.assertFalse(each.kept, cookie)
                self.assertIn(why, each.why)
        kept = kept_by("https://app.example.com", url, "a=1; Domain=.Example.com")
        self.assertEqual(kept, set(BROWSERS))

    def test_fix(self) -> None:
        """What is proposed helps: Safari needs one site, others take a cookie that is adapted."""
        asked = call("https://a.example.com", "https://b.example.org/")
        why = {each.browser: each.why for each in cookie_verdicts(asked, [b"a=1; SameSite=Lax"])}
        self.assertTrue(why[SAFARI].endswith(": serve page and gate under one site"))
        self.assertIn('cookies = "adapt" on the upstream', why[CHROMIUM])

    def test_secure_over_http(self) -> None:
        """A Secure cookie over plain http is kept on loopback only, and not by Safari."""
        cookie = "a=1; Secure"
        self.assertEqual(kept_by(PAGE, "http://localhost:5555/", cookie), {CHROMIUM, FIREFOX})
        self.assertEqual(kept_by("http://a.box.lan", "http://b.box.lan/", cookie), set())
        insecure = kept_by(PAGE, "http://localhost:5555/", "a=1; SameSite=None")
        self.assertEqual(insecure, {SAFARI})

    def test_same_origin(self) -> None:
        """For the page's own origin there is nothing to say."""
        self.assertEqual(cookie_verdicts(call(PAGE, f"{PAGE}/x"), [b"a=1"]), ())

    def test_anything(self) -> None:
        """Odd cookies have a verdict, in printable words."""
        for value in (
            b"",
            b";;",
            b"=;=;",
            b"\xff\x00=1; Domain=\xff",
            b"a; Domain=..",
            b"a;Domain=.",
        ):
            for each in cookie_verdicts(call(PAGE, "http://127.0.0.1/"), [value]):
                self.assertTrue((each.cookie + each.why).isprintable())


class RouteTests(SynchronousTestCase):
    """`cookies_of_route`: what the gate makes of a cookie counts."""

    def verdicts(
        self, url: str, *, cookies: str = "adapt", credentials: bool = True, shared: bool = True
    ) -> dict[str, CookieVerdict]:
        """Return the verdicts on a route's cookie by browser."""
        upstream = Upstream(
            name="box",
            servers=(Server(scheme="http", host="box", port=80),),
            addresses=Addresses(cookies=cookies),
        )
        cors = Cors(allow_origins=(PAGE,), allow_credentials=credentials)
        route = Route(prefix="/", upstream=upstream, cors=cors)
        return {
            each.browser: each
            for each in cookies_of_route(
                call(PAGE, url), route, shared=shared and route.shares_cookies
            )
        }

    def test_adapt(self) -> None:
        """Over https Chromium keeps it; without TLS, or without credentials, it doesn't."""
        unshared = self.verdicts("https://127.0.0.1:8443/", shared=False)[CHROMIUM]
        self.assertFalse(unshared.kept)
        self.assertIn("another route to the same server admits unknown pages", unshared.why)
        self.assertTrue(self.verdicts("https://127.0.0.1:8443/")[CHROMIUM].kept)
        for found in (
            self.verdicts("http://127.0.0.1:5555/"),
            self.verdicts("https://127.0.0.1:8443/", credentials=False),
            self.verdicts("https://127.0.0.1:8443/", cookies="pass"),
        ):
            self.assertFalse(found[CHROMIUM].kept)
            self.assertIn("counts as Lax", found[CHROMIUM].why)

    def test_drop(self) -> None:
        """A cookie that the gate removes is kept by nobody."""
        found = self.verdicts("https://127.0.0.1:8443/", cookies="drop")
        self.assertEqual([each.kept for each in found.values()], [False] * 3)
        self.assertIn("are dropped", found[SAFARI].why)

    def test_live(self) -> None:
        """The cookies of a response are judged as they are."""
        headers = ((b"Set-Cookie", b"a=1"), (b"X", b"1"), (b"set-cookie", NONE.encode()))
        found = cookies_of_response(call(PAGE, "https://127.0.0.1/"), headers)
        self.assertEqual([each.kept for each in found], [False, True, False, True, True, False])


class ShownTests(SynchronousTestCase):
    """In the output of ``corsgate explain``."""

    SOURCE = (
        'listen = ["tcp:5555:interface=127.0.0.1"]\n[upstreams.a]\nservers = ["http://box"]\n'
        f'[routes."/"]\nupstream = "a"\ncors = {{ allow_origins = ["{PAGE}"],'
        " allow_credentials = true }\n"
    )

    def test_shown(self) -> None:
        """The text has a line for each browser, and JSON an object."""
        found = explain(parse(self.SOURCE), {}, call(PAGE, "http://127.0.0.1:5555/x"))
        self.assertIn("cookie session: Chromium drops it: without SameSite", as_text(found))
        shown = json.loads(json.dumps(as_dict(found)))["cookies"]
        self.assertEqual([each["kept"] for each in shown], [False, True, False])

    def test_without_credentials(self) -> None:
        """A call without credentials has no cookies."""
        asked = Call(origin=PAGE.encode(), method=b"GET", url=Url.parse("http://127.0.0.1:5555/x"))
        found = explain(parse(self.SOURCE), {}, asked)
        self.assertNotIn("cookie", as_text(found))
        self.assertEqual(as_dict(found)["cookies"], [])
