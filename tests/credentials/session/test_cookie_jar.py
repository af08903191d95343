"""Tests of `corsgate.credentials.session.cookie_jar`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.session.cookie_jar import (
    MAX_BYTES,
    MAX_COOKIES,
    CookieJar,
    cookie_name,
    set_cookies,
)
from tests.credentials.helpers import response

NOW_S = 1.7e9  # 2023-11-14 22:13:20 UTC


class JarTests(SynchronousTestCase):
    """`CookieJar`."""

    def jar(self, *cookies: bytes, target: bytes = b"/api/login", date: bytes = b"") -> CookieJar:
        """Return a jar with the cookies of one response."""
        jar = CookieJar()
        fields = [(b"Set-Cookie", each) for each in cookies]
        jar.store(response(200, *fields, *([(b"Date", date)] if date else [])), target, NOW_S)
        return jar

    def test_paths(self) -> None:
        """A cookie goes to its path and what is below it, the longest path first."""
        jar = self.jar(b"a=1; Path=/", b"b=2", b"c=3; path=/api/x", b"d=4; Path=bad")
        found = {
            b"/": b"a=1",
            b"/api": b"a=1 b=2 d=4",
            b"/apis": b"a=1",
            b"/api/y?z=/api/x": b"b=2 d=4 a=1",
            b"/api/x": b"c=3 b=2 d=4 a=1",
            b"/api/x/y": b"c=3 b=2 d=4 a=1",
            b"/api/xy": b"b=2 d=4 a=1",
        }
        for target, pairs in found.items():
            self.assertEqual(set(jar.pairs(target, NOW_S)), set(pairs.split(b" ")), target)
        self.assertEqual(jar.pairs(b"/api/x", NOW_S)[0], b"c=3")
        self.assertEqual(jar.pairs(b"/api/x", NOW_S)[-1], b"a=1")

    def test_where_it_came_from_is_enough(self) -> None:
        """Domain and Secure don't keep a cookie from the server that set it."""
        jar = self.jar(b"a=1; Domain=other.example; Secure; HttpOnly; SameSite=Strict; Path=/")
        self.assertEqual(jar.pairs(b"/", NOW_S), [b"a=1"])

    def test_max_age(self) -> None:
        """Max-Age counts more than Expires; nonsense is ignored."""
        jar = self.jar(
            b"a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/",
            b"b=2; Max-Age=soon; Path=/",
        )
        self.assertEqual(jar.pairs(b"/", NOW_S + 59), [b"a=1", b"b=2"])
        self.assertEqual(jar.pairs(b"/", NOW_S + 61), [b"b=2"])
        self.assertFalse(jar.is_empty(NOW_S + 1e9))

    def test_expires(self) -> None:
        """A date counts from the server's own clock, which may be wrong."""
        cookie = b"a=1; Path=/; Expires=Wed, 15 Nov 2023 22:13:20 GMT"
        self.assertEqual(self.jar(cookie).pairs(b"/", NOW_S + 86_000), [b"a=1"])
        self.assertTrue(self.jar(cookie).is_empty(NOW_S + 86_401))
        old = b"a=1; Path=/; Expires=Thu, 01-Jan-1970 00:10:00 GMT"
        self.assertTrue(self.jar(old).is_empty(NOW_S))
        jar = self.jar(old, date=b"Thu, 01 Jan 1970 00:00:00 GMT")
        self.assertEqual(jar.pairs(b"/", NOW_S + 599), [b"a=1"])
        self.assertTrue(jar.is_empty(NOW_S + 601))

    def test_deleted(self) -> None:
        """A cookie in the past takes that of the same name and path away."""
        for gone in (b"a=; Max-Age=0; Path=/", b"a=x; Max-Age=-1; Path=/"):
            jar = self.jar(b"a=1; Path=/", b"b=2; Path=/", gone)
            self.assertEqual(jar.pairs(b"/", NOW_S), [b"b=2"])

    def test_only(self) -> None:
        """Later responses change known cookies only."""
        jar = self.jar(b"a=1; Path=/")
        later = response(200, (b"Set-Cookie", b"a=2; Path=/"), (b"Set-Cookie", b"c=3; Path=/"))
        jar.store(later, b"/", NOW_S, only={b"a"})
        self.assertEqual(jar.pairs(b"/", NOW_S), [b"a=2"])
        self.assertEqual(jar.value(b"a", NOW_S), b"2")
        self.assertIsNone(jar.value(b"c", NOW_S))

    def test_bounds(self) -> None:
        """Neither many cookies nor large ones fill the memory."""
        jar = self.jar(*(b"n%d=v; Path=/" % n for n in range(MAX_COOKIES + 5)))
        self.assertEqual(len(jar.pairs(b"/", NOW_S)), MAX_COOKIES)
        self.assertTrue(self.jar(b"a=" + b"x" * MAX_BYTES).is_empty(NOW_S))

    def test_malformed(self) -> None:
        """What is no cookie is ignored."""
        self.assertTrue(self.jar(b"", b"x", b"=1", b"; Path=/").is_empty(NOW_S))
        date = b"Mon, 40 Foo 2020 22:23:32 GMT"
        jar = self.jar(b"a=1; Path=/; Expires=" + date, b"b=2; Path=/; Expires=x", date=date)
        self.assertEqual(jar.pairs(b"/", NOW_S), [b"a=1", b"b=2"])


class FieldTests(SynchronousTestCase):
    """Cookies in fields."""

    def test_names(self) -> None:
        """A name is what stands before the first equals sign."""
        found = {b"a=1": b"a", b" a = 1; b=2": b"a", b"a": b"", b"a; b=1": b"", b"=": b""}
        self.assertEqual({each: cookie_name(each) for each in found}, found)
        head = response(200, (b"set-cookie", b"a=1"), (b"X", b"b=2"), (b"Set-Cookie", b"c=3"))
        self.assertEqual(list(set_cookies(head)), [b"a=1", b"c=3"])
