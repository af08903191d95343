"""What a browser makes of a call before anything is sent."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadValue
from corsgate.explain.call import (
    Call,
    is_forbidden,
    is_safelisted,
    preflight_reasons,
    unsafe_names,
    usual_value,
)
from corsgate.explain.url import Url

URL = Url.parse("http://api.example/v1")


class Safelist(SynchronousTestCase):
    """Which request headers need no preflight."""

    def test_values(self) -> None:
        """The value counts as much as the name."""
        for name, value, safe in (
            (b"Accept", b"application/json", True),
            (b"accept", b"a" * 128, True),
            (b"accept", b"a" * 129, False),
            (b"Accept", b"a\x7f", False),
            (b"Accept", b'x"y', False),
            (b"Accept", b"a\tb", True),
            (b"Accept-Language", b"de, en;q=0.5", True),
            (b"Accept-Language", b"de_DE", False),
            (b"Content-Language", b"en@x", False),
            (b"Content-Type", b"text/plain;charset=UTF-8", True),
            (b"Content-Type", b"TEXT/Plain", True),
            (b"Content-Type", b"application/json", False),
            (b"Content-Type", b"text/plain; a=(b)", False),
            (b"Content-Type", b"", False),
            (b"Range", b"bytes=0-", True),
            (b"Range", b"bytes=5-9", True),
            (b"Range", b"bytes=9-5", False),
            (b"Range", b"bytes=-5", False),
            (b"Range", b"bytes=0-1,3-4", False),
            (b"X-App", b"1", False),
            (b"Authorization", b"Basic eA==", False),
        ):
            self.assertIs(is_safelisted(name, value), safe, (name, value))

    def test_usual_values(self) -> None:
        """Of what is known by name alone, only JSON's Content-Type needs a preflight."""
        for name in (b"Accept", b"Accept-Language", b"Content-Language", b"Range"):
            self.assertTrue(is_safelisted(name, usual_value(name)), name)
        self.assertFalse(is_safelisted(b"content-type", usual_value(b"Content-Type")))

    def test_names(self) -> None:
        """Names are asked for lower-cased, sorted, once; many safe values become unsafe."""
        headers = ((b"X-B", b"1"), (b"x-a", b"1"), (b"X-b", b"2"), (b"Accept", b"a"))
        self.assertEqual(unsafe_names(headers), (b"x-a", b"x-b"))
        many = tuple((b"Accept", b"a" * 128) for _ in range(9))
        self.assertEqual(unsafe_names(many[:8]), ())
        self.assertEqual(unsafe_names(many), (b"accept",))

    def test_reasons(self) -> None:
        """A simple request has no reason; each other has its own."""
        self.assertEqual(preflight_reasons(b"POST", ()), [])
        said = preflight_reasons(b"PUT", (b"content-type", b"x-app", b"accept"))
        self.assertEqual(len(said), 4)
        self.assertIn("PUT", said[0])
        self.assertIn("Content-Type", said[1])
        self.assertIn("x-app", said[2])


class Calls(SynchronousTestCase):
    """What is sent of a call."""

    def test_method(self) -> None:
        """Six methods are put in upper case, and PATCH is not among them."""
        for said, sent in ((b"put", b"PUT"), (b"patch", b"patch"), (b"purge", b"purge")):
            self.assertEqual(Call(origin=b"null", method=said, url=URL).sent_method, sent)

    def test_forbidden(self) -> None:
        """What no script can set is left out."""
        self.assertTrue(is_forbidden(b"Cookie", b"a"))
        self.assertTrue(is_forbidden(b"Sec-Fetch-Site", b"none"))
        self.assertTrue(is_forbidden(b"X-HTTP-Method-Override", b"GET, trace"))
        self.assertFalse(is_forbidden(b"X-HTTP-Method-Override", b"PUT"))
        headers = ((b"Host", b"x"), (b"X-App", b"1"))
        call = Call(origin=b"null", method=b"GET", url=URL, headers=headers)
        self.assertEqual(call.sent_headers, headers[1:])
        self.assertEqual(call.dropped, (b"Host",))


class Urls(SynchronousTestCase):
    """`Url`."""

    def test_parts(self) -> None:
        """A URL is read as browsers read it."""
        for said, origin, target in (
            ("HTTP://LocalHost:80/a?b#c", b"http://localhost", "/a?b"),
            ("https://example.com:443", b"https://example.com", "/"),
            ("http://[::1]:5555/v1/ä", b"http://[::1]:5555", "/v1/%C3%A4"),
            ("http://h:8/a%2Fb//c", b"http://h:8", "/a%2Fb//c"),
            ("http://h/?q=a b&c=[1]", b"http://h", "/?q=a%20b&c=[1]"),
        ):
            url = Url.parse(said)
            self.assertEqual((url.origin, url.target), (origin, target), said)

    def test_none(self) -> None:
        """What is no http or https URL is refused, and no password is shown."""
        for said in ("", "/v1", "ws://h/", "http://", "http://h:x/", "http://h:0/", "http://[::"):
            self.assertRaises(BadValue, Url.parse, said)
        error = self.assertRaises(BadValue, Url.parse, "ftp://user:s3cret@h/")
        self.assertNotIn("s3cret", str(error))

    def test_userinfo(self) -> None:
        """A password is seen and not kept."""
        url = Url.parse("http://user:s3cret@h/")
        self.assertTrue(url.has_userinfo)
        self.assertNotIn("s3cret", repr(url))

    def test_join(self) -> None:
        """A Location is resolved against the URL that was asked."""
        start = Url.parse("http://h/v1/a")
        self.assertEqual(str(start.join("b?c")), "http://h/v1/b?c")
        self.assertEqual(str(start.join("//g/x")), "http://g/x")
        self.assertRaises(BadValue, start.join, "data:text/plain,x")

    def test_resolved(self) -> None:
        """A path is what the browser sends: dot segments are gone, and backslashes are slashes."""
        for said, target in (
            ("http://h", "/"),
            ("http://h?a", "/?a"),
            ("http://h/a/./b/../c", "/a/c"),
            ("http://h/../a/%2E%2e/b/..", "/"),
            ("http://h/a/.", "/a/"),
            ("http://h/a\\b//c/", "/a/b//c/"),
            ("http://h/a/...?b/../c", "/a/...?b/../c"),
        ):
            self.assertEqual((said, Url.parse(said).target), (said, target))
