"""A policy as it is written: its faults, and which origins the compiled one allows."""

from __future__ import annotations

import re

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors
from corsgate.cors.faults import faults
from corsgate.cors.origin import MAX_ORIGIN_BYTES
from corsgate.cors.policy import MAX_REMEMBERED, Policy, compile_policy
from corsgate.errors import BadValue, PolicyError

SPA = Cors(allow_origins=("https://spa.example",))

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

# What differs from a faultless policy; the keys with faults; parts of the fix of the first.
FAULTS: tuple[tuple[dict[str, object], tuple[str, ...], str], ...] = (
    ({"allow_origins": ()}, ("allow_origins",), "remove the policy to allow none"),
    ({"allow_origins": ("null",)}, ("allow_origins[0]",), "https"),
    (
        {"allow_origins": ("https://a.example", "https://b.example/", "c")},
        ("allow_origins[1]", "allow_origins[2]"),
        '"https://b.example"',
    ),
    (
        {"allow_origins": ("*",), "allow_credentials": True},
        ("allow_origins[0]",),
        "list the origins",
    ),
    ({"allow_origins": ("*", "https://a.example")}, ("allow_origins",), "alone"),
    ({"allow_methods": ("*", "PUT")}, ("allow_methods",), "alone"),
    ({"allow_methods": ("",)}, ("allow_methods[0]",), "name of one"),
    ({"allow_methods": ("PUT, DELETE",)}, ("allow_methods[0]",), "name of one"),
    ({"allow_methods": ("PÜT",)}, ("allow_methods[0]",), "name of one"),
    ({"allow_methods": ("\ud800",)}, ("allow_methods[0]",), "name of one"),
    ({"allow_methods": ("PUT\r\nX: y",)}, ("allow_methods[0]",), "name of one"),
    ({"allow_methods": ("CONNECT",)}, ("allow_methods[0]",), "leave it out"),
    (
        {"allow_methods": ("PUT", "trace", "Track")},
        ("allow_methods[1]", "allow_methods[2]"),
        "leave it out",
    ),
    ({"allow_methods": ("get",)}, ("allow_methods[0]",), '"GET"'),
    ({"allow_methods": ("Delete",)}, ("allow_methods[0]",), '"DELETE"'),
    ({"allow_methods": ("patch",)}, ("allow_methods[0]",), '"PATCH"'),
    ({"allow_methods": ("purge",)}, ("allow_methods[0]",), '"PURGE"'),
    ({"allow_headers": ("X Y",)}, ("allow_headers[0]",), "one name"),
    ({"allow_headers": ("X-A, X-B",)}, ("allow_headers[0]",), "one name"),
    ({"allow_headers": ("X-\N{SNOWMAN}",)}, ("allow_headers[0]",), "one name"),
    ({"allow_headers": ("X:",)}, ("allow_headers[0]",), "one name"),
    ({"allow_headers": ("Cookie",)}, ("allow_headers[0]",), "leave it out"),
    ({"allow_headers": ("origin",)}, ("allow_headers[0]",), "leave it out"),
    ({"allow_headers": ("Content-Length",)}, ("allow_headers[0]",), "leave it out"),
    ({"allow_headers": ("Sec-Fetch-Site",)}, ("allow_headers[0]",), "leave it out"),
    ({"allow_headers": ("PROXY-X",)}, ("allow_headers[0]",), "leave it out"),
    ({"allow_headers": ("*", "X-A")}, ("allow_headers",), "alone"),
    ({"expose_headers": ("Set-Cookie",)}, ("expose_headers[0]",), "leave it out"),
    ({"expose_headers": ("X-A", "set-cookie2")}, ("expose_headers[1]",), "leave it out"),
    ({"expose_headers": ("",)}, ("expose_headers[0]",), "one name"),
    (
        {"expose_headers": ("*",), "allow_credentials": True},
        ("expose_headers[0]",),
        "list the headers",
    ),
    ({"expose_headers": ("*", "X-A")}, ("expose_headers",), "alone"),
)

FAULTLESS: tuple[dict[str, object], ...] = (
    {},
    {"allow_origins": ("*",)},
    {"allow_origins": ("https://a.example", "https://a.example")},
    {"allow_methods": ("GET", "PUT", "PUT", "PATCH", "PROPFIND", "PURGE")},
    {"allow_methods": ("*",), "allow_credentials": True},
    {"allow_headers": ("*",), "allow_credentials": True},
    {"allow_headers": ("*", "Authorization")},
    {"allow_headers": ("authorization", "*"), "allow_credentials": True},
    {"allow_headers": ("Content-Type", "content-type", "X-Secret", "User-Agent", "Security")},
    {"expose_headers": ("*",)},
    {"expose_headers": ("X-Total", "ETag"), "allow_credentials": True},
    {"max_age_s": 0},
    {"max_age_s": 86_400},
)


def _cors(changes: dict[str, object]) -> Cors:
    fields = {field.name: getattr(SPA, field.name) for field in attrs.fields(Cors)}
    return Cors(**{**fields, **changes})


def _policy(*origins: str) -> Policy:
    return compile_policy(Cors(allow_origins=origins))


def _literally_stands_for(pattern: str, origin: str) -> bool:
    """Return whether the pattern means the origin, read as slowly and plainly as can be."""
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


class FaultsTests(SynchronousTestCase):
    """`faults`."""

    def test_faults(self) -> None:
        """Each fault has its key, its problem and its fix."""
        for changes, keys, fix in FAULTS:
            found = faults(_cors(changes))
            self.assertEqual(tuple(key for key, _, _ in found), keys, changes)
            self.assertIn(fix, found[0][2], changes)
            self.assertTrue(all(problem for _, problem, _ in found), changes)

    def test_faultless(self) -> None:
        """What a policy may say is no fault, repeated entries included."""
        for changes in FAULTLESS:
            self.assertEqual(faults(_cors(changes)), [], changes)

    def test_max_age_out_of_bounds(self) -> None:
        """An age of less than nothing or more than a day is refused, here or by the model."""
        for seconds in (-1, 86_401):
            try:
                cors = _cors({"max_age_s": seconds})
            except BadValue:
                continue
            self.assertEqual([key for key, _, _ in faults(cors)], ["max_age"])

    def test_all_at_once(self) -> None:
        """Faults of all keys are told together, and compiling raises them all."""
        cors = _cors(
            {
                "allow_origins": ("null", "https://a.example:443"),
                "allow_methods": ("put",),
                "allow_headers": ("Cookie",),
                "expose_headers": ("Set-Cookie",),
            }
        )
        keys = [key for key, _, _ in faults(cors)]
        self.assertEqual(
            keys,
            [
                "allow_origins[0]",
                "allow_origins[1]",
                "allow_methods[0]",
                "allow_headers[0]",
                "expose_headers[0]",
            ],
        )
        error = self.assertRaises(PolicyError, compile_policy, cors)
        self.assertIsInstance(error, ValueError)
        self.assertEqual([key for key, _, _ in error.faults], keys)
        for key in keys:
            self.assertIn(key, str(error))

    @given(st.lists(st.text(max_size=12), max_size=3), st.lists(st.text(max_size=12), max_size=3))
    def test_any_text(self, methods: list[str], names: list[str]) -> None:
        """Whatever is written is either compiled or refused as a whole."""
        cors = _cors(
            {
                "allow_methods": tuple(methods),
                "allow_headers": tuple(names),
                "expose_headers": tuple(names),
            }
        )
        if faults(cors):
            self.assertRaises(PolicyError, compile_policy, cors)
        else:
            compile_policy(cors)


class GrantTests(SynchronousTestCase):
    """`Policy.grant`."""

    def test_origins(self) -> None:
        """An origin is allowed when the policy means it, the second time it asks too."""
        for origins, origin, allowed in ORIGINS:
            policy = _policy(*origins)
            for _ in range(2):
                self.assertEqual(policy.grant(origin) is not None, allowed, (origins, origin))

    def test_grant_says_the_origin(self) -> None:
        """The answer to an allowed origin says that origin, byte for byte, or the star."""
        for origins, origin, allowed in ORIGINS:
            grant = _policy(*origins).grant(origin)
            if allowed and grant is not None:
                said = b"*" if origins == ("*",) else origin
                self.assertEqual(grant.opening, ((b"Access-Control-Allow-Origin", said),))

    @given(NEARLY | st.text(max_size=30))
    def test_literal_meaning(self, origin: str) -> None:
        """The fast look-up allows just what reading the patterns one by one allows."""
        expected = any(_literally_stands_for(pattern, origin) for pattern in PATTERNS)
        grant = _policy(*PATTERNS).grant(origin.encode("utf-8", "surrogatepass"))
        self.assertEqual(grant is not None, expected)

    def test_many_patterns(self) -> None:
        """Hundreds of patterns are told apart."""
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
        """Who asked twice gets the same ready answer again, whatever a wildcard's names send."""
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

    def test_same_grant_again(self) -> None:
        """An origin's answers are made once and handed out again."""
        policy = _policy("https://exact.example", "https://*.example.com")
        for origin in (b"https://exact.example", b"https://a.example.com"):
            self.assertIs(policy.grant(origin), policy.grant(origin))
