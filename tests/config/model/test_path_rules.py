"""Patterns of paths: what they match, and what no server may read as a match."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.path_rules import (
    AllowedPaths,
    PathPattern,
    is_one_segment,
    judges_methods,
)
from corsgate.errors import BadValue

# Pattern, what it matches, what it doesn't.
MATCHES: tuple[tuple[str, tuple[bytes, ...], tuple[bytes, ...]], ...] = (
    ("/", (b"/", b"/?x"), (b"/x", b"//", b"/;x")),
    ("/**", (b"/", b"/x", b"/x/", b"//x", b"/a/b%2Fc"), ()),
    (
        "/v1/docs",
        (b"/v1/docs", b"/v1/docs?uri=/a", b"/v1/%64ocs", b"/%76%31/docs"),
        (b"/v1/docs/", b"/v1/docs/x", b"/v1", b"/v1/doc", b"/v1/docsx", b"/v1/Docs", b"/V1/docs"),
    ),
    (
        "/v1/docs/**",
        (b"/v1/docs", b"/v1/docs/", b"/v1/docs/a/b", b"/v1/docs/a%2Fb", b"/v1/docs//a;b"),
        (b"/v1/docs;x/a", b"/v1/docsx", b"/v1//docs/a", b"//v1/docs/a", b"/v1%2Fdocs/a"),
    ),
    (
        "/v1/*/search",
        (b"/v1/a/search", b"/v1/a%20b;c/search", b"/v1/100%25/search"),
        (b"/v1/search", b"/v1//search", b"/v1/a/b/search", b"/v1/a/search/"),
    ),
    ("/v1/*", (b"/v1/a", b"/v1/a;b", b"/v1/%C3%A9"), (b"/v1", b"/v1/", b"/v1/a/", b"/v1/a/b")),
    ("/v1/*/", (b"/v1/a/",), (b"/v1/a", b"/v1//", b"/v1/a//")),
    ("/a b/\u00e9", (b"/a%20b/%C3%A9", b"/a%20b/%c3%a9"), (b"/a+b/%C3%A9", b"/a%2520b/%C3%A9")),
    ("/a%20b/%C3%A9", (b"/a%20b/%C3%A9",), (b"/a b/x",)),
    ("/a;b", (b"/a;b", b"/a%3Bb"), (b"/a", b"/a;", b"/a;c")),
    ("/*/**", (b"/a", b"/a/", b"/a/b"), (b"/", b"//a", b"/;/a")),
)

# Under "/api/*/read" none of these is served: some server reads it as a path outside.
TRICKS: tuple[bytes, ...] = (
    b"/api/../read",
    b"/api/./read",
    b"/api/%2e%2e/read",
    b"/api/%2E./read",
    b"/api/.%2e/read",
    b"/api/%252e%252e/read",
    b"/api/%25252e%25252e/read",
    b"/api/..;/read",
    b"/api/..;x=1/read",
    b"/api/%2e%2e;x/read",
    b"/api/..%3b/read",
    b"/api/..\\/read",
    b"/api/..%5c/read",
    b"/api/a%2F..%2F../read",
    b"/api/a%2f..%2fb/read",
    b"/api/a%252f..%252fb/read",
    b"/api/%c0%ae%c0%ae/read",
    b"/api/%e0%80%ae%e0%80%ae/read",
    b"/api/a%c0%afb/read",
    b"/api/a%c1%9cb/read",
    b"/api/a%2Fb/read",
    b"/api/a%2fb/read",
    b"/api/%2F/read",
    b"/api/%2Fadmin/read",
    b"/api/a%252Fb/read",
    b"/api/a%25252Fb/read",
    b"/api/a%5Cb/read",
    b"/api/a\\b/read",
    b"/api/a%255cb/read",
    b"/api/a%00/read",
    b"/api/a%0d%0a/read",
    b"/api/a%0a/read",
    b"/api/a%7fb/read",
    b"/api/a%3Fb/read",
    b"/api/a%3fb=/read",
    b"/api/a%253Fb/read",
    b"/api/a%23b/read",
    b"/api/a%2523b/read",
    b"/api/;x/read",
    b"/api/%3Bx/read",
    b"/api/;/read",
    b"/api//read",
    b"/api/%20/read",
    b"/api/%20%2e/read",
    b"/api/.../read",
    b"/api/..../read",
    b"/api/a//read",
    b"/api/a/read/",
    b"/api/a/read//",
    b"/api/a/read;x",
    b"/api/a/read%2F",
    b"/api/a/read%20",
    b"/api/a/read.",
    b"/api/a/READ",
    b"/API/a/read",
    b"//api/a/read",
    b"/api;x/a/read",
    b"/api%2Fa/read",
    b"/api/a%2Fread",
    b"/%2Fapi/a/read",
    b"/x/../api/a/read",
    b"/api/a/read/../../b",
    b"/api/%/read",
    b"/api/%zz/read",
    b"/api/a/read%",
    b"/api/a%u002fb/read",
    b"api/a/read",
    b"*",
)

FAULTS: dict[str, str] = {
    "": "is not a path",
    "v1": "is not a path",
    "GET v1": "is not a path",
    "https://box/x": "is not a path",
    "get /v1": "is not upper-case",
    "GET,PUT /v1": "is not a method",
    "* /v1": "names no method",
    "TRACE /v1": "is refused on every route",
    "GET  /v1": "is not a path",
    " /v1": "is not a method",
    "/v1?x=*": "has a query or fragment",
    "GET /v1#x": "has a query or fragment",
    "/v1//x": "has an empty segment",
    "//": "has an empty segment",
    "/**/x": '"**" before its end',
    "/**/**": '"**" before its end',
    "/a*": "star within a segment",
    "/*.json": "star within a segment",
    "/***": "star within a segment",
    "/v1/..": "dot segment",
    "/v1/./x": "dot segment",
    "/v1/%2e%2E/x": "dot segment",
    "/v1/..;x": "dot segment",
    "/a\\b": "backslash or a control character",
    "/a\tb": "backslash or a control character",
    "/a%2Fb": "could read differently",
    "/a%252Fb": "could read differently",
    "/a%3Fb": "could read differently",
    "/;x": "could read differently",
    "/...": "could read differently",
    "/100%": "bad percent-escape",
    "/%zz": "bad percent-escape",
}

names = st.text(st.sampled_from("abcXYZ0123456789-_~!$&'()+,=:@ \u00e9%;."), min_size=1, max_size=6)
literals = names.filter(
    lambda name: is_one_segment(name.encode()) and name.partition(";")[0] not in (".", "..")
)
paths = st.lists(literals, min_size=1, max_size=5)
wild = st.text(st.sampled_from("ab/%25FfCc;.\\?#* "), max_size=12)


def encoded(path: list[str]) -> bytes:
    """Return a path as it stands in a target."""
    return "".join(f"/{quote(step, safe='')}" for step in path).encode()


class PatternTests(SynchronousTestCase):
    """What a pattern matches."""

    def test_matches(self) -> None:
        """Whole segments, percent-decoded once; queries are not checked."""
        for pattern, those, others in MATCHES:
            allowed = AllowedPaths((PathPattern(pattern),))
            for path in those:
                self.assertTrue(allowed.allows(b"GET", path), (pattern, path))
            for path in others:
                self.assertFalse(allowed.allows(b"GET", path), (pattern, path))

    def test_tricks(self) -> None:
        """Nothing matches that a server may read as another path."""
        allowed = AllowedPaths((PathPattern("/api/*/read"),))
        self.assertTrue(allowed.allows(b"GET", b"/api/a/read"))
        for path in TRICKS:
            self.assertFalse(allowed.allows(b"GET", path), path)

    def test_faults(self) -> None:
        """A pattern that can't be meant is rejected, with a fix."""
        for text, problem in FAULTS.items():
            with self.assertRaises(BadValue, msg=text) as caught:
                PathPattern(text)
            self.assertIn(problem, caught.exception.problem, text)
            self.assertTrue(caught.exception.fix, text)

    def test_methods(self) -> None:
        """A pattern is for one method, or for all; one for GET is also for HEAD."""
        allowed = AllowedPaths((PathPattern("GET /a"), PathPattern("PUT /b"), PathPattern("/c")))
        for method, path, is_allowed in (
            (b"GET", b"/a", True),
            (b"HEAD", b"/a", True),
            (b"POST", b"/a", False),
            (b"get", b"/a", False),
            (b"OPTIONS", b"/a", False),
            (b"GET", b"/b", False),
            (b"HEAD", b"/b", False),
            (b"PUT", b"/b", True),
            (b"X-ANY", b"/c", True),
        ):
            self.assertEqual(allowed.allows(method, path), is_allowed, (method, path))

    def test_reasons(self) -> None:
        """The reason says whether another method would be allowed."""
        allowed = AllowedPaths((PathPattern("GET /a"),))
        self.assertEqual(allowed.refusal(b"GET", [b"a"]), "")
        self.assertIn("this method", allowed.refusal(b"PUT", [b"a"]))
        self.assertEqual(allowed.refusal(b"PUT", [b"b"]), "this route does not allow this path")

    def test_judges_methods(self) -> None:
        """A list judges methods if any of its patterns has one."""
        self.assertFalse(judges_methods((PathPattern("/a"),)))
        self.assertTrue(judges_methods((PathPattern("/a"), PathPattern("PUT /b"))))

    def test_prefix(self) -> None:
        """A pattern may match below a prefix unless a segment of it differs."""
        for text, prefix, may in (
            ("/v1/docs", [b"v1"], True),
            ("/v1", [b"v1"], True),
            ("/*/docs", [b"v1"], True),
            ("/**", [b"v1", b"x"], True),
            ("/v1/**", [b"v1", b"x"], True),
            ("/docs", [], True),
            ("/docs", [b"v1"], False),
            ("/docs/**", [b"v1"], False),
            ("/v1", [b"v1", b"x"], False),
            ("/V1/docs", [b"v1"], False),
        ):
            self.assertEqual(PathPattern(text).may_match_below(prefix), may, (text, prefix))

    def test_text(self) -> None:
        """A pattern is shown as it is written, and equals one of the same text."""
        self.assertEqual(str(PathPattern("GET /a")), "GET /a")
        self.assertEqual(PathPattern("GET /a"), PathPattern("GET /a"))


class Laws(SynchronousTestCase):
    """What holds for all patterns and paths."""

    @given(paths)
    def test_matches_what_it_was_made_from(self, path: list[str]) -> None:
        """A pattern without stars matches its own path; with "**" also what is below."""
        own = encoded(path)
        pattern = own.decode()
        self.assertTrue(AllowedPaths((PathPattern(pattern),)).allows(b"GET", own))
        below = AllowedPaths((PathPattern(f"{pattern}/**"),))
        for more in (b"", b"/", b"/x/y", b"/x%2Fy"):
            self.assertTrue(below.allows(b"GET", own + more), more)

    @given(paths, st.integers(0, 4))
    def test_star_includes_each_segment(self, path: list[str], at: int) -> None:
        """What a segment matches, ``*`` in its place matches too."""
        starred = [*path]
        starred[at % len(path)] = "*"
        pattern = "/" + "/".join(quote(step, safe="*") for step in starred)
        self.assertTrue(AllowedPaths((PathPattern(pattern),)).allows(b"GET", encoded(path)))

    @given(st.lists(st.sampled_from(("a", "b", "*")), max_size=4), wild)
    def test_rest_includes_star(self, steps: list[str], path: str) -> None:
        """What ``*`` matches at the end, ``**`` matches too."""
        start = "".join(f"/{step}" for step in steps)
        target = f"/{path}".encode()
        if AllowedPaths((PathPattern(f"{start}/*"),)).allows(b"GET", target):
            self.assertTrue(AllowedPaths((PathPattern(f"{start}/**"),)).allows(b"GET", target))

    @given(wild)
    def test_no_reading_leads_outside(self, tail: str) -> None:
        """What matches below ``/a/**`` stays there, decoded and resolved as often as you like."""
        target = f"/a/{tail}".encode().partition(b"?")[0]
        if not AllowedPaths((PathPattern("/a/**"),)).allows(b"GET", target):
            return
        reading = target
        for _ in range(5):
            pieces = reading.replace(b"\\", b"/").split(b"/")
            self.assertNotIn(b"..", [piece.partition(b";")[0] for piece in pieces])
            reading = unquote_to_bytes(reading)
