"""How a page's URL is parsed and resolved."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadValue
from corsgate.explain.url import Url


class UrlTests(SynchronousTestCase):
    """`Url`."""

    def test_reads_urls_as_browsers_do(self) -> None:
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

    def test_rejects_other_schemes_without_passwords(self) -> None:
        """Anything except an http or https URL is rejected, without showing a password."""
        for said in ("", "/v1", "ws://h/", "http://", "http://h:x/", "http://h:0/", "http://[::"):
            self.assertRaises(BadValue, Url.parse, said)
        error = self.assertRaises(BadValue, Url.parse, "ftp://user:s3cret@h/")
        self.assertNotIn("s3cret", str(error))

    def test_forgets_the_password(self) -> None:
        """A password is detected, but not kept."""
        url = Url.parse("http://user:s3cret@h/")
        self.assertTrue(url.has_userinfo)
        self.assertNotIn("s3cret", repr(url))

    def test_resolves_a_location(self) -> None:
        """A Location is resolved against the requested URL."""
        start = Url.parse("http://h/v1/a")
        self.assertEqual(str(start.join("b?c")), "http://h/v1/b?c")
        self.assertEqual(str(start.join("//g/x")), "http://g/x")
        self.assertRaises(BadValue, start.join, "data:text/plain,x")

    def test_resolves_dot_segments(self) -> None:
        """A path is what browsers send: without dot segments and backslashes."""
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

    def test_default_port_is_left_out(self) -> None:
        """The scheme's default port is not part of the origin; any other port is."""
        for said, port, effective, authority in (
            ("http://h:80/", None, 80, "h"),
            ("https://h:443/", None, 443, "h"),
            ("http://h:443/", 443, 443, "h:443"),
            ("https://[::1]:80/", 80, 80, "[::1]:80"),
        ):
            url = Url.parse(said)
            found = (url.port, url.effective_port, url.authority)
            self.assertEqual((said, found), (said, (port, effective, authority)))

    def test_what_an_https_page_may_call(self) -> None:
        """https is trustworthy on every host, http only on loopback."""
        for said, trustworthy, loopback in (
            ("https://api.example/", True, False),
            ("http://api.example/", False, False),
            ("http://localhost:1/", True, True),
            ("http://app.localhost/", True, True),
            ("http://127.8.9.1/", True, True),
            ("http://[::1]/", True, True),
            ("http://10.0.0.1/", False, False),
            ("http://localhost.example/", False, False),
        ):
            url = Url.parse(said)
            found = (url.is_trustworthy, url.is_loopback)
            self.assertEqual((said, found), (said, (trustworthy, loopback)))

    def test_path_has_no_query(self) -> None:
        """The path ends at the first question mark."""
        self.assertEqual(Url.parse("http://h/a%3Fb?c?d#e").path, "/a%3Fb")

    def test_printed_without_userinfo_and_fragment(self) -> None:
        """The text of a URL reads as the same URL, without password and fragment."""
        url = Url.parse("http://user:s3cret@H:8/a?b#c")
        self.assertEqual(str(url), "http://h:8/a?b")
        self.assertEqual(Url.parse(str(url)).target, url.target)

    def test_host_must_be_ascii(self) -> None:
        """Other characters are rejected with the way to write them."""
        error = self.assertRaises(BadValue, Url.parse, "http://m\u00fcller.example/")
        self.assertIn("Punycode", str(error))
        self.assertEqual(Url.parse("http://xn--mller-kva.example/").host, "xn--mller-kva.example")
