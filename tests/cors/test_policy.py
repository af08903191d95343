"""Which origins a compiled policy allows."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors
from corsgate.cors.origin import MAX_ORIGIN_BYTES
from corsgate.cors.policy import MAX_REMEMBERED, Policy, compile_policy

EXAMPLE = ("https://example.com", "http://localhost:4200")
BELOW = ("https://*.example.com",)
BELOW_8443 = ("https://*.example.com:8443",)
LOCAL = ("http://localhost:*", "http://[::1]:*")
BOTH = ("http://*.localhost:*",)
APPS = ("capacitor://localhost", "chrome-extension://abcdef")

# The policy's origins; an Origin; whether it is allowed.
ORIGINS: tuple[tuple[tuple[str, ...], bytes, bool], ...] = (
    (EXAMPLE, b"https://example.com", True),
    (EXAMPLE, b"http://localhost:4200", True),
    (EXAMPLE, b"http://example.com", False),
    (EXAMPLE, b"https://example.com:443", False),
    (EXAMPLE, b"https://example.com:8443", False),
    (EXAMPLE, b"https://example.com/", False),
    (EXAMPLE, b"https://EXAMPLE.com", False),
    (EXAMPLE, b"HTTPS://example.com", False),
    (EXAMPLE, b"https://example.com.", False),
    (EXAMPLE, b"https://example.co", False),
    (EXAMPLE, b"https://example.com.evil.test", False),
    (EXAMPLE, b"https://evilexample.com", False),
    (EXAMPLE, b"https://www.example.com", False),
    (EXAMPLE, b"https://example.com, https://example.com", False),
    (EXAMPLE, b"https://example.com http://localhost:4200", False),
    (EXAMPLE, b"https://user@example.com", False),
    (EXAMPLE, b"https://evil.test?https://example.com", False),
    (EXAMPLE, b"http://localhost", False),
    (EXAMPLE, b"http://localhost:42000", False),
    (EXAMPLE, b"http://127.0.0.1:4200", False),
    (EXAMPLE, b"null", False),
    (EXAMPLE, b"*", False),
    (EXAMPLE, b"", False),
    (EXAMPLE, b"\xff\x00", False),
    (BELOW, b"https://www.example.com", True),
    (BELOW, b"https://a.b.c.d.example.com", True),
    (BELOW, b"https://my_app.example.com", True),
    (BELOW, b"https://xn--bcher-kva.example.com", True),
    (BELOW, b"https://1.2.example.com", True),
    (BELOW, b"https://example.com", False),
    (BELOW, b"https://.example.com", False),
    (BELOW, b"https://a..example.com", False),
    (BELOW, b"https://*.example.com", False),
    (BELOW, b"https://wwwexample.com", False),
    (BELOW, b"https://www.example.com.evil.test", False),
    (BELOW, b"https://www.example.com.", False),
    (BELOW, b"https://evil.test/.example.com", False),
    (BELOW, b"https://evil.test#.example.com", False),
    (BELOW, b"https://evil.test?.example.com", False),
    (BELOW, b"https://evil.test\\.example.com", False),
    (BELOW, b"https://evil.test:80.example.com", False),
    (BELOW, b"https://evil.test@www.example.com", False),
    (BELOW, b"https://evil.test,https://www.example.com", False),
    (BELOW, b"https://evil.test https://www.example.com", False),
    (BELOW, b"https://evil.test`.example.com", False),
    (BELOW, b"https://evil\r\n.example.com", False),
    (BELOW, b"https://www.example.com\n", False),
    (BELOW, b"https://\xc3\xa9.example.com", False),
    (BELOW, b"https://WWW.example.com", False),
    (BELOW, b"http://www.example.com", False),
    (BELOW, b"https://www.example.com:8443", False),
    (BELOW, b"https://www.example.com:443", False),
    (BELOW, b"https://www.example.com:*", False),
    (BELOW, b"https://" + b"a" * 64 + b".example.com", False),
    (BELOW, b"https://" + b"a." * MAX_ORIGIN_BYTES + b"example.com", False),
    (BELOW_8443, b"https://www.example.com:8443", True),
    (BELOW_8443, b"https://www.example.com", False),
    (BELOW_8443, b"https://www.example.com:84430", False),
    (BELOW_8443, b"https://example.com:8443", False),
    (LOCAL, b"http://localhost", True),
    (LOCAL, b"http://localhost:1", True),
    (LOCAL, b"http://localhost:65535", True),
    (LOCAL, b"http://localhost:443", True),
    (LOCAL, b"http://[::1]", True),
    (LOCAL, b"http://[::1]:5173", True),
    (LOCAL, b"http://localhost:80", False),
    (LOCAL, b"http://localhost:0", False),
    (LOCAL, b"http://localhost:65536", False),
    (LOCAL, b"http://localhost:080", False),
    (LOCAL, b"http://localhost:", False),
    (LOCAL, b"http://localhost:*", False),
    (LOCAL, b"http://localhost:4200/", False),
    (LOCAL, b"http://localhost:4200@evil.test", False),
    (LOCAL, b"http://localhost.evil.test", False),
    (LOCAL, b"http://localhost.evil.test:4200", False),
    (LOCAL, b"http://app.localhost:4200", False),
    (LOCAL, b"https://localhost:4200", False),
    (LOCAL, b"http://[::2]:5173", False),
    (LOCAL, b"http://[::1%25lo]:5173", False),
    (BOTH, b"http://app.localhost", True),
    (BOTH, b"http://a.b.localhost:3000", True),
    (BOTH, b"http://localhost:3000", False),
    (APPS, b"capacitor://localhost", True),
    (APPS, b"chrome-extension://abcdef", True),
    (APPS, b"http://localhost", False),
    (APPS, b"capacitor://localhost:1", False),
    (APPS, b"chrome-extension://abcdefg", False),
    (("*",), b"https://any.example:1", True),
    (("*",), b"null", True),
    (("*",), b"x" * MAX_ORIGIN_BYTES, True),
    (("*",), b"x" * (MAX_ORIGIN_BYTES + 1), False),
)


def _policy(*origins: str) -> Policy:
    return compile_policy(Cors(allow_origins=origins))


def _literally_stands_for(pattern: str, origin: str) -> bool:
    """Return whether the pattern covers the origin, computed slowly and simply."""
    if "*" not in pattern:
        return pattern == origin
    wanted = re.fullmatch(r"(.*?)://(\[.*\]|[^:]*):?(.*)", pattern)
    assert wanted is not None
    scheme, host, port = wanted.groups()
    parts = re.fullmatch(r"([a-z]+)://(\[[0-9a-f:]+\]|[a-z0-9_.-]+)(:([0-9]+))?", origin)
    if parts is None or parts[1] != scheme or origin.endswith("\n"):
        return False
    if parts[4] is not None:
        default = {"http": 80, "https": 443}[scheme]
        number = int(parts[4])
        if str(number) != parts[4] or number == default or not 0 < number < 65536:
            return False
    if port != "*" and port != (parts[4] or ""):
        return False
    if not host.startswith("*."):
        return bool(parts[2] == host)
    labels = parts[2].split(".")
    above = host.split(".")[1:]
    below = labels[: -len(above)]
    return bool(below) and labels[-len(above) :] == above and all(below)


PATTERNS = (*EXAMPLE, *BELOW, *BELOW_8443, *LOCAL, *BOTH, *APPS)
NEARLY = st.builds(
    lambda scheme, labels, port, tail: f"{scheme}://{'.'.join(labels)}{port}{tail}",
    st.sampled_from(("http", "https", "capacitor", "chrome-extension", "Http", "")),
    st.lists(
        st.sampled_from(("example", "com", "localhost", "abcdef", "a", "*", "", "[::1]", "x@y")),
        max_size=4,
    )
    | st.just(["example", "com"])
    | st.just(["www", "example", "com"]),
    st.sampled_from(("", ":", ":80", ":443", ":8443", ":4200", ":04200", ":65536", ":*")),
    st.sampled_from(("", "", "", "", "/", ".", "\n", " ", ",", "\x00")),
)


class NamesTests(SynchronousTestCase):
    """`Policy.names`."""

    def test_only_names_and_patterns_of_hosts(self) -> None:
        """What lets strangers in allows an origin, but does not name it."""
        listed = (
            *("https://a.example", "https://*.b.example", "https://pr-*.c.example"),
            *("http://localhost:*", "null", "chrome-extension://*", "moz-extension://abc"),
        )
        policy = compile_policy(
            Cors(
                allow_origins=listed,
                dangerously_allow_null_origin=True,
                dangerously_allow_any_browser_extension=True,
            )
        )
        for origin, named in (
            (b"https://a.example", True),
            (b"https://x.b.example", True),
            (b"https://pr-1.c.example", True),
            (b"http://localhost:1", True),
            (b"moz-extension://abc", True),
            (b"chrome-extension://abc", False),
            (b"null", False),
        ):
            self.assertEqual((origin, policy.allows(origin)), (origin, True))
            self.assertEqual((origin, policy.names(origin)), (origin, named))
        for origin in (b"https://evil.test", b"https://" + b"a" * MAX_ORIGIN_BYTES, b""):
            self.assertFalse(policy.allows(origin) or policy.names(origin), origin)

    def test_any(self) -> None:
        """A policy that allows every origin names none."""
        policy = _policy("*")
        self.assertTrue(policy.allows(b"https://a.example"))
        self.assertFalse(policy.names(b"https://a.example"))


class GrantTests(SynchronousTestCase):
    """`Policy.grant`."""

    def test_origins(self) -> None:
        """An origin is allowed if the policy covers it, the second time too."""
        for origins, origin, allowed in ORIGINS:
            policy = _policy(*origins)
            for _ in range(2):
                self.assertEqual(policy.grant(origin) is not None, allowed, (origins, origin))

    def test_grant_says_the_origin(self) -> None:
        """The response to an allowed origin has that origin, byte for byte, or the star."""
        for origins, origin, allowed in ORIGINS:
            grant = _policy(*origins).grant(origin)
            if allowed and grant is not None:
                said = b"*" if origins == ("*",) else origin
                self.assertEqual(grant.opening, ((b"Access-Control-Allow-Origin", said),))

    @given(NEARLY | st.text(max_size=30))
    def test_literal_meaning(self, origin: str) -> None:
        """The fast look-up allows exactly what a check of each pattern allows."""
        expected = any(_literally_stands_for(pattern, origin) for pattern in PATTERNS)
        grant = _policy(*PATTERNS).grant(origin.encode("utf-8", "surrogatepass"))
        self.assertEqual(grant is not None, expected)

    def test_many_patterns(self) -> None:
        """Hundreds of patterns are distinguished."""
        policy = _policy(*(f"https://*.t{n}.example.com" for n in range(500)))
        self.assertIsNotNone(policy.grant(b"https://x.t499.example.com"))
        self.assertIsNone(policy.grant(b"https://x.t500.example.com"))

    def test_refused_origins_are_not_remembered(self) -> None:
        """A flood of foreign origins takes no memory and drives nothing out."""
        policy = _policy("https://*.example.com", "https://exact.example")
        kept = policy.grant(b"https://kept.example.com")
        for number in range(2 * MAX_REMEMBERED):
            self.assertIsNone(policy.grant(b"https://%d.evil.test" % number))
            self.assertIsNotNone(policy.grant(b"https://exact.example"))
        self.assertEqual(policy.remembered, 1)
        self.assertIs(policy.grant(b"https://kept.example.com"), kept)

    def test_remembered_origins_are_bounded(self) -> None:
        """However many origins a wildcard allows, only so many are remembered."""
        policy = _policy("https://*.example.com")
        for number in range(3 * MAX_REMEMBERED):
            self.assertIsNotNone(policy.grant(b"https://n%d.example.com" % number))
        self.assertEqual(policy.remembered, MAX_REMEMBERED)
        self.assertIsNotNone(policy.grant(b"https://n0.example.com"))

    def test_floods_drive_nobody_out(self) -> None:
        """An origin that came twice keeps its ready response in a flood of other origins."""
        policy = _policy("https://*.example.com")
        hot = b"https://hot.example.com"
        kept = [policy.grant(hot), policy.grant(hot)][0]
        for number in range(20 * MAX_REMEMBERED):
            policy.grant(b"https://r%d.example.com" % number)
        self.assertIs(policy.grant(hot), kept)
        for number in range(20 * MAX_REMEMBERED):
            for _ in range(2):
                policy.grant(b"https://s%d.example.com" % number)
            if not number % 100:
                self.assertIs(policy.grant(hot), kept)
        self.assertLessEqual(policy.remembered, 2 * MAX_REMEMBERED)

    def test_reason(self) -> None:
        """The reason says by which pattern an origin is allowed."""
        policy = _policy("https://a.example", "https://pr-*.example.com")
        for origin, reason in (
            (b"https://a.example", "origin https://a.example is allowed"),
            (
                b"https://pr-1.example.com",
                'origin https://pr-1.example.com is allowed by "https://pr-*.example.com"',
            ),
        ):
            grant = policy.grant(origin)
            assert grant is not None
            self.assertEqual([each.reason for each in grant.actual], [reason, reason])

    def test_same_grant_again(self) -> None:
        """An origin's responses are made once and reused."""
        policy = _policy("https://exact.example", "https://*.example.com")
        for origin in (b"https://exact.example", b"https://a.example.com"):
            self.assertIs(policy.grant(origin), policy.grant(origin))
