"""A cookie of an upstream is adapted so that it works at the gate."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.location import rewrite
from corsgate.message.set_cookie import MAX_ATTRIBUTES, CookieRules
from tests.message.mounts import BASED, BOTH, PLAIN, STRIPPED, Mounted

PLAIN_HTTP = CookieRules(plain_http=True)
HTTPS = CookieRules(plain_http=False)
CROSS_SITE = CookieRules(plain_http=False, cross_site=True)


def cookie(mounted: Mounted, value: bytes, rules: CookieRules) -> bytes:
    """Return what a Set-Cookie becomes."""
    return rewrite([(b"Set-Cookie", value)], mounted.addresses, rules)[0][1]


class CookieTests(SynchronousTestCase):
    def check(
        self, mounted: Mounted, *cases: tuple[bytes, bytes], rules: CookieRules = PLAIN_HTTP
    ) -> None:
        """Assert how a cookie is adapted (before, after)."""
        for value, expected in cases:
            self.assertEqual(cookie(mounted, value, rules), expected, value)

    def test_untouched(self) -> None:
        """Attributes that need no mapping are unchanged, including odd ones and white space."""
        for value in (
            b"a=1",
            b"a",
            b"",
            b'a=b=c; Max-Age=5;HttpOnly ;  SameSite=Lax;; X=\xff; Path="/x"; Path; Path=x',
            b"Secure=Domain; expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ):
            self.check(BOTH, (value, value))

    def test_domain(self) -> None:
        """Domain is always removed: the cookie belongs to the gate only."""
        self.check(
            PLAIN,
            (b"a=1; Domain=box; HttpOnly", b"a=1; HttpOnly"),
            (b"a=1;DOMAIN = .other.example", b"a=1"),
            (b"a=1; Domain", b"a=1"),
            (b"domain=box; Domain=box", b"domain=box"),
        )

    def test_path(self) -> None:
        """Path is mapped; one outside the base path becomes the route's prefix."""
        self.check(
            BOTH,
            (b"a=1; Path=/api/x/; B", b"a=1; Path=/v1/x/; B"),
            (b"a=1;path = /api ", b"a=1;path =/v1"),
            (b"a=1; Path=/api/", b"a=1; Path=/v1"),
            (b"a=1; Path=/", b"a=1; Path=/v1"),
            (b"a=1; Path=/apix", b"a=1; Path=/v1"),
        )
        self.check(
            BASED,
            (b"a=1; Path=/api/x", b"a=1; Path=/x"),
            (b"a=1; Path=/api", b"a=1; Path=/"),
            (b"a=1; Path=/", b"a=1; Path=/"),
            (b"a=1; Path=/other", b"a=1; Path=/"),
        )
        self.check(STRIPPED, (b"a=1; Path=/", b"a=1; Path=/v1"), (b"a; Path=/x", b"a; Path=/v1/x"))
        self.check(
            STRIPPED, (b"a=1; Path=/v1", b"a=1; Path=/v1"), (b"a; Path=/v1/x", b"a; Path=/v1/x")
        )
        self.check(PLAIN, (b"a=1; Path=/x", b"a=1; Path=/x"))

    def test_plain_http(self) -> None:
        """Over plain http all attributes that need https are removed."""
        self.check(
            PLAIN,
            (b"a=1; Secure; HttpOnly", b"a=1; HttpOnly"),
            (b"a=1; SECURE=x; samesite = none; Partitioned", b"a=1"),
            (b"a=1; SameSite=Strict; Secure", b"a=1; SameSite=Strict"),
        )

    def test_https(self) -> None:
        """Over https they are kept."""
        value = b"a=1; Secure; SameSite=None; Partitioned"
        self.check(PLAIN, (value, value), rules=HTTPS)

    def test_name_prefixes(self) -> None:
        """Cookies with these prefixes need https: they keep Secure, and __Host- also its Path."""
        host = b"__Host-a=1; Path=/; Secure; SameSite=None"
        self.check(
            BOTH,
            (host, host),
            (host.lower(), host.lower()),
            (
                b"__Secure-a=1; Domain=box; Path=/api/x; Secure; SameSite=None",
                b"__Secure-a=1; Path=/v1/x; Secure; SameSite=None",
            ),
        )

    def test_cross_site(self) -> None:
        """A cookie that pages of other sites may use is SameSite=None and Secure, once each."""
        self.check(
            STRIPPED,
            (b"a=1", b"a=1; SameSite=None; Secure"),
            (
                b"a=1; secure; samesite=Lax; Path=/; HttpOnly",
                b"a=1; secure; Path=/v1; HttpOnly; SameSite=None",
            ),
            (b"a=1; SameSite=None; Secure; Max-Age=5",) * 2,
            (b"__Host-a=1; Path=/; Secure", b"__Host-a=1; Path=/; Secure; SameSite=None"),
            rules=CROSS_SITE,
        )

    def test_too_many_attributes(self) -> None:
        """Attributes past a bound are dropped: a Domain among them must not pass."""
        value = b"a=1" + b"; X" * MAX_ATTRIBUTES + b"; Domain=box" * 100_000
        self.assertEqual(cookie(PLAIN, value, HTTPS), b"a=1" + b"; X" * MAX_ATTRIBUTES)

    @given(st.binary(max_size=60), st.sampled_from((PLAIN_HTTP, HTTPS, CROSS_SITE)))
    def test_twice_is_once(self, value: bytes, rules: CookieRules) -> None:
        """Adapting an adapted cookie changes nothing."""
        once = cookie(STRIPPED, value, rules)
        self.assertEqual(cookie(STRIPPED, once, rules), once)
