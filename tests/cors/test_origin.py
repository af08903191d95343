"""Origins and patterns: which are valid, which are rejected, and with what fix."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.cors.origin import MAX_ORIGIN_BYTES, Pattern, check_sent_origin, parse_pattern
from corsgate.errors import BadValue

EXACT = (
    "http://localhost",
    "http://localhost:4200",
    "https://example.com",
    "https://example.com:8443",
    "https://example.com:80",
    "http://example.com:443",
    "https://a.b.c.example.com",
    "https://xn--bcher-kva.example",
    "https://my_app.example.com",
    "https://-odd-.example.com",
    "http://127.0.0.1",
    "http://127.0.0.1:65535",
    "http://[::1]",
    "http://[::1]:8080",
    "https://[2001:db8::8:800:200c:417a]",
    "capacitor://localhost",
    "ionic://localhost",
    "app://obsidian.md",
    "app://1.2",
    "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
    "moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc",
    "null",
    "https://xn--i-7iq.ws",
    "https://xn--strae-oqa.example",
    "capacitor://xn--a",
    "https://example.co.0x.uk",
)

MANY = (
    ("https://*.example.com", "https", "example.com", "", True),
    ("https://*.example.com:8443", "https", "example.com", "8443", True),
    ("http://*.localhost:*", "http", "localhost", "*", True),
    ("http://localhost:*", "http", "localhost", "*", False),
    ("http://127.0.0.1:*", "http", "127.0.0.1", "*", False),
    ("http://[::1]:*", "http", "[::1]", "*", False),
    ("https://pr-*.example.com", "https", "pr-*.example.com", "", False),
    ("https://*--app.netlify.app", "https", "*--app.netlify.app", "", False),
    ("https://a.p*r.example.com:*", "https", "a.p*r.example.com", "*", False),
    ("https://xn--*.example.com", "https", "xn--*.example.com", "", False),
    ("chrome-extension://*", "chrome-extension", "*", "", False),
    ("moz-extension://*", "moz-extension", "*", "", False),
)

# The entry; a part of the problem; a part of the fix.
REFUSED = (
    ("", "empty", "https://app.example.com"),
    ("NULL", "spelled differently", 'write "null"'),
    ("example.com", "no scheme", "https://example.com"),
    ("localhost:4200", "no scheme", 'write "http://localhost:4200"'),
    ("localhost", "no scheme", 'write "http://localhost"'),
    ("127.0.0.1:80/app", "no scheme", 'write "http://127.0.0.1"'),
    ("[::1]:8080", "no scheme", 'write "http://[::1]:8080"'),
    ("localhost.example.com:4200", "no scheme", "https://localhost.example.com:4200"),
    ("[0.0:1", "no scheme", "https://example.com"),
    ("//example.com", "no scheme", "https://example.com"),
    ("://example.com", "no scheme", "https://example.com"),
    ("https:/example.com", "no scheme", "https://example.com"),
    ("1http://example.com", "no valid scheme", "https://"),
    ("ht tp://example.com", "two origins", "a separate string"),
    ("*://example.com", "as its scheme", "each scheme"),
    ("http*://example.com", "as its scheme", "each scheme"),
    ("ws://example.com", "WebSocket", '"http://example.com"'),
    ("wss://example.com:8443", "WebSocket", '"https://example.com:8443"'),
    ("file://localhost", '"null"', "http"),
    ("data://x", '"null"', "http"),
    ("https://", "no host", "https://example.com"),
    ("https://:8080", "no valid host", "host name"),
    ("https://example.com/", "a trailing", '"https://example.com"'),
    ("https://example.com:8443/", "a trailing", '"https://example.com:8443"'),
    ("https://*.example.com/", "a trailing", '"https://*.example.com"'),
    ("https://example.com/app", "a path", '"https://example.com"'),
    ("https://example.com\\app", "a path", '"https://example.com"'),
    ("https://example.com?x=1", "a query", '"https://example.com"'),
    ("https://example.com#top", "a fragment", '"https://example.com"'),
    ("https://user:pw@example.com", "user name", "leave out"),
    ("https://Example.com", "upper-case", '"https://example.com"'),
    ("HTTPS://example.com", "upper-case", '"https://example.com"'),
    ("http://[2001:DB8::1]", "upper-case", '"http://[2001:db8::1]"'),
    ("https://example.com:443", "default port", '"https://example.com"'),
    ("http://example.com:80", "default port", '"http://example.com"'),
    ("https://*.example.com:443", "default port", '"https://*.example.com"'),
    ("http://[::1]:80", "default port", '"http://[::1]"'),
    ("https://example.com:", "no port", '"https://example.com"'),
    ("https://example.com:0", "no valid port", "1 to 65535"),
    ("https://example.com:065", "no valid port", '"https://example.com:65"'),
    ("https://Example.com/", "upper-case", '"https://example.com"'),
    ("HTTPS://Example.com:443/App?x#y", "upper-case", '"https://example.com"'),
    ("WSS://Example.com:443/", "upper-case", '"https://example.com"'),
    (" https://Example.com:8443/ ", "white space", '"https://example.com:8443"'),
    ("https://*.Example.com:443/", "upper-case", '"https://*.example.com"'),
    ("https://Example.com.:/", "upper-case", '"https://example.com"'),
    ("HTTP://[0:0:0:0:0:0:0:1]:080/", "upper-case", '"http://[::1]"'),
    ("http://localhost:*/", "a trailing", '"http://localhost:*"'),
    ("https://\u212a.example/", "non-ASCII", "Punycode"),
    ("https://Example.com:70000", "upper-case", "lower case"),
    ("https://a..example/x", "a path", "leave out"),
    ("https://example.com:65536", "no valid port", "1 to 65535"),
    ("https://example.com:http", "no valid port", "1 to 65535"),
    ("https://example.com:-1", "no valid port", "1 to 65535"),
    ("https://example.com:80*", "middle of its port", '"https://example.com:*"'),
    ("https://bücher.example", "non-ASCII", "Punycode"),
    ("https://example.com:\uff18\uff14", "non-ASCII", "Punycode"),
    ("https://*", "where it is not allowed", "https://*.example.com"),
    ("https://*:8080", "where it is not allowed", "https://*.example.com"),
    ("https://a*b*.example.com", "where it is not allowed", "https://pr-*.example.com"),
    ("https://*.pr-*.example.com", "where it is not allowed", "https://pr-*.example.com"),
    ("http://[a*]", "where it is not allowed", "https://pr-*.example.com"),
    ("https://app*", "last label", "each host"),
    ("https://example.co*:8443", "last label", "each host"),
    ("https://PR-*.Example.com/", "upper-case", 'write "https://pr-*.example.com"'),
    ("https://pr-*..com", "no valid host", "host name"),
    ("https://" + "a" * 63 + "*.example", "no valid host", "host name"),
    ("https://1*.0.0.1", "before an IP address", "each address"),
    ("https://app.*.example.com", "where it is not allowed", "https://*.example.com"),
    ("https://*.*.example.com", "where it is not allowed", "https://*.example.com"),
    ("https://example.*", "where it is not allowed", "https://*.example.com"),
    ("**", "no scheme", "https://example.com"),
    ("*.example.com", "no scheme", "https://*.example.com"),
    ("https://*.", "no valid host", "host name"),
    ("https://*.127.0.0.1", "before an IP address", "one origin for each address"),
    ("capacitor://*.localhost", "with the scheme", "in full"),
    ("capacitor://localhost:*", "with the scheme", "in full"),
    ("capacitor://a*b.localhost", "with the scheme", "in full"),
    ("chrome-extension://a*", "with the scheme", "chrome-extension://*"),
    ("moz-extension://*:*", "with the scheme", "moz-extension://*"),
    ("safari-web-extension://*", "with the scheme", "in full"),
    ("https://xn--a.example", "not valid Punycode", "location.origin"),
    ("http://xn--a.example:*", "not valid Punycode", "location.origin"),
    ("https://pr-*.xn--a.example", "not valid Punycode", "location.origin"),
    ("https://a.example,https://b.example", "two origins", "a separate string"),
    ("https://a.example, https://b.example", "two origins", "a separate string"),
    ("https://a.example https://b.example", "two origins", "a separate string"),
    ("https://a.examplehttps://b.example", "two origins", "a separate string"),
    ("https://a.example,", "two origins", "a separate string"),
    (" https://a.example", "white space", '"https://a.example"'),
    ("https://a.example\n", "white space", '"https://a.example"'),
    ("https://a.example\x00", "no valid host", "host name"),
    ("https://a%2eexample", "no valid host", "host name"),
    ("https://a..example", "no valid host", "host name"),
    ("https://.example.com", "no valid host", "host name"),
    ("https://example.com.", "ends in a dot", '"https://example.com"'),
    ("https://" + "a" * 64 + ".example", "no valid host", "host name"),
    ("https://" + "a." * 127 + "example", "no valid host", "host name"),
    ("https://" + "a" * MAX_ORIGIN_BYTES, "longer than", "a shorter origin"),
    ("http://127.1", "ends in a number", "four decimal numbers"),
    ("http://127.0.0.01", "ends in a number", "four decimal numbers"),
    ("http://0x7f.0x1", "ends in a number", "four decimal numbers"),
    ("http://256.0.0.1", "ends in a number", "four decimal numbers"),
    ("http://2130706433", "ends in a number", "four decimal numbers"),
    ("http://::1", "more than one ':'", "http://[::1]:8080"),
    ("http://[::1", "bracket", "http://[::1]:8080"),
    ("http://[::1]8080", "bracket", "http://[::1]:8080"),
    ("http://[::1]:", "no port", '"http://[::1]"'),
    ("http://[127.0.0.1]", "no IPv6 address", "http://[::1]:8080"),
    ("http://[]", "no IPv6 address", "http://[::1]:8080"),
    ("http://[fe80::1%eth0]", "zone", '"http://[fe80::1]"'),
    ("http://[0:0:0:0:0:0:0:1]:3000", "another form", '"http://[::1]:3000"'),
    ("http://[2001:db8:0:0:1::1]", "another form", '"http://[2001:db8::1:0:0:1]"'),
    ("http://[::ffff:1.2.3.4]", "an IPv4 address", '"http://1.2.3.4"'),
    ("http://[::ffff:102:304]:8080", "an IPv4 address", 'write "http://1.2.3.4:8080"'),
    ("https://[::FFFF:102:304]:443/x", "upper-case", 'write "https://1.2.3.4"'),
)


class PatternTests(SynchronousTestCase):
    """`parse_pattern`."""

    def test_exact(self) -> None:
        """A serialized origin covers only itself."""
        for text in EXACT:
            pattern = parse_pattern(text)
            self.assertEqual(pattern.text, text)
            self.assertTrue(pattern.is_exact, text)
            self.assertFalse(pattern.is_any, text)

    def test_parts(self) -> None:
        """A pattern for many origins is split into its parts."""
        for text, scheme, host, port, subdomains in MANY:
            pattern = parse_pattern(text)
            self.assertEqual(
                pattern,
                Pattern(text=text, scheme=scheme, host=host, port=port, subdomains=subdomains),
            )
            self.assertFalse(pattern.is_exact or pattern.is_any, text)

    def test_any(self) -> None:
        """A lone star covers every origin."""
        pattern = parse_pattern("*")
        self.assertTrue(pattern.is_any)
        self.assertFalse(pattern.is_exact)

    def test_kinds(self) -> None:
        """Each pattern says what its star or name is for, and below which name its hosts are."""
        for text, within, extension, null, above in (
            ("https://*.example.com", False, False, False, "example.com"),
            ("https://pr-*.example.com:*", True, False, False, "example.com"),
            ("https://a.*-x.b.example.com", True, False, False, "b.example.com"),
            ("http://localhost:*", False, False, False, ""),
            ("chrome-extension://*", False, True, False, ""),
            ("chrome-extension://abc", False, False, False, ""),
            ("null", False, False, True, ""),
            ("*", False, False, False, ""),
        ):
            pattern = parse_pattern(text)
            kinds = (pattern.has_star_within, pattern.is_any_extension, pattern.is_null)
            self.assertEqual((text, *kinds, pattern.above), (text, within, extension, null, above))

    def test_refused(self) -> None:
        """An entry that no Origin can equal is rejected, with problem and fix."""
        for text, problem, fix in REFUSED:
            error = self.assertRaises(BadValue, parse_pattern, text)
            self.assertIn(problem, error.problem, text)
            self.assertIn(fix, error.fix, text)

    def test_password_is_not_shown(self) -> None:
        """A fault never shows what may be a password."""
        for text in ("https://me:sesame@x.example", "https://me:sesame@x/,http://Y://", "sesame@"):
            self.assertNotIn("sesame", str(self.assertRaises(BadValue, parse_pattern, text)))

    def assert_fix(self, error: BadValue) -> None:
        """Assert that a fix with a complete entry has a valid one."""
        if error.fix.startswith('write "') and error.fix.count('"') == 2:
            fixed = error.fix.removeprefix("write ").strip('"')
            self.assertEqual(parse_pattern(fixed).text, fixed)

    def test_fixes_in_quotes_are_right(self) -> None:
        """No fix leads to the next fault."""
        for text, _, _ in REFUSED:
            self.assert_fix(self.assertRaises(BadValue, parse_pattern, text))

    @given(
        st.text(max_size=40)
        | st.text(alphabet="htps:/*.[]@aA0,1?#\\x ", max_size=40)
        | st.text(alphabet="aB.:/*[]80%?#", max_size=12).map("Https://".__add__)
    )
    def test_any_text(self, text: str) -> None:
        """Any text is either a pattern that is kept as written, or a fault with a fix."""
        try:
            pattern = parse_pattern(text)
        except BadValue as error:
            self.assertTrue(error.problem)
            self.assertTrue(error.fix)
            self.assertNotIn("\n", str(error))
            self.assert_fix(error)
        else:
            self.assertEqual(pattern.text, text)
            self.assertTrue(text.isascii())

    @given(st.ip_addresses(v=6))
    def test_each_ipv6_address_has_one_spelling(self, address: object) -> None:
        """The long form of an address is never accepted if a shorter one exists."""
        exploded = getattr(address, "exploded")  # noqa: B009 - the strategy's type is a union
        text = f"http://[{exploded}]"
        try:
            parse_pattern(text)
        except BadValue as error:
            fixed = error.fix.removeprefix("write ").strip('"')
            self.assertEqual(parse_pattern(fixed).text, fixed)
        else:
            self.assertFalse(any(part.startswith("0") for part in exploded.split(":")))


class SentOriginTests(SynchronousTestCase):
    """`check_sent_origin`."""

    def test_sent(self) -> None:
        """What a browser sends is returned as it is."""
        for origin in ("http://localhost:4200", "https://app.example", "null", "http://[::1]:1"):
            self.assertEqual(check_sent_origin(origin), origin)

    def test_did_you_mean(self) -> None:
        """The intended origin is named for the usual slips."""
        for text, meant in (
            ("localhost:4200", "http://localhost:4200"),
            ("127.0.0.1:4200/", "http://127.0.0.1:4200"),
            ("http://localhost:4200/", "http://localhost:4200"),
            ("http://localhost:4200/app/index.html?a#b", "http://localhost:4200"),
            ("HTTP://LOCALHOST:4200", "http://localhost:4200"),
            ("https://app.example:443", "https://app.example"),
            ("app.example", "https://app.example"),
            ("ws://localhost:4200", "http://localhost:4200"),
            ("NULL", "null"),
        ):
            error = self.assertRaises(BadValue, check_sent_origin, text)
            wanted = f'write "{meant}"' if meant == "null" else f'did you mean "{meant}"?'
            self.assertIn(wanted, str(error), text)

    def test_no_guess(self) -> None:
        """Where there is nothing to guess, the fault says what is wrong; no password is shown."""
        for text in ("", "a b", "http://a.example, http://b.example", "https://u:s3cret@a.example"):
            error = self.assertRaises(BadValue, check_sent_origin, text)
            self.assertNotIn("did you mean", str(error))
            self.assertNotIn("s3cret", str(error))

    def test_patterns(self) -> None:
        """A pattern is no origin, and neither is a guess that is one."""
        for text in ("*", "https://*.example.com", "http://localhost:*", "localhost:*"):
            error = self.assertRaises(BadValue, check_sent_origin, text)
            self.assertNotIn("did you mean", str(error), text)
