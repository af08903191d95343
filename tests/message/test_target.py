"""The request target: its forms, its segments, and stripping and joining it."""

from __future__ import annotations

import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import TargetError
from corsgate.message.target import join_base, origin_form, segments, sound_segments, strip_segments

# Made of the relevant pieces, so that odd combinations occur.
PIECES = ("/", "/", ".", "..", "%2e", "%2F", "%5c", "\\", ";", "a", "v1", "%", "%00", "%ff", "?")
TARGETS = st.lists(st.sampled_from(PIECES), max_size=10).map(lambda p: "/" + "".join(p))
SLASHES = (b"/", b"/", b"\\", b";")
ESCAPES = (b".", b"%2e", b"%25", b"25", b"2e", b"2F", b"%5C", b"%c0", b"%ae", b"%a5", b"%32", b"a")
BYTE_TARGETS = TARGETS.map(str.encode)
BASES = st.lists(st.sampled_from(("a", "b%2Fc", "d;e")), max_size=3).map(
    lambda names: "".join("/" + name for name in names)
)


class OriginFormTests(SynchronousTestCase):
    def test_paths_pass_byte_for_byte(self) -> None:
        """A path with its query is returned unchanged, even an odd one."""
        for target in (
            b"/",
            b"/v1/a%2Fb;c=d//e?",
            b"//x/y",
            b"/?",
            b'/a?b=c?d&&[]|{}\\"<>^`',
            b"/%zz",
            b"/../x",
        ):
            self.assertEqual(origin_form(target, b"GET"), (target, None), target)

    def test_url(self) -> None:
        """A URL is split into its path and the host that replaces Host."""
        for target, expected in (
            (b"http://host/path?q", (b"/path?q", b"host")),
            (b"HTTPS://Host:8443//a?", (b"//a?", b"Host:8443")),
            (b"http://[::1]:80/", (b"/", b"[::1]:80")),
            (b"http://host", (b"/", b"host")),
            (b"http://host?q=/", (b"/?q=/", b"host")),
        ):
            self.assertEqual(origin_form(target, b"GET"), expected, target)

    def test_asterisk(self) -> None:
        """The asterisk, or its URL form, is for OPTIONS only."""
        self.assertEqual(origin_form(b"*", b"OPTIONS"), (b"*", None))
        self.assertEqual(origin_form(b"http://host", b"OPTIONS"), (b"*", b"host"))
        self.assertEqual(origin_form(b"http://host/", b"OPTIONS"), (b"/", b"host"))
        for method in (b"GET", b"options"):
            with self.assertRaises(TargetError, msg=method):
                origin_form(b"*", method)

    def test_refused(self) -> None:
        """Other forms, fragments, and bytes that aren't visible ASCII are rejected."""
        for target in (
            b"",
            b"host:443",
            b"host",
            b"**",
            b"*/x",
            b"a/b",
            b"?q",
            b"ftp://host/",
            b"http:/path",
            b"http:///path",
            b"http://",
            b"http://user@host/",
            b"http://a,b/",
            b"http://host\\@evil/",
            b"/a#b",
            b"/a#",
            b"http://host/#x",
            b"/a b",
            b"/a\tb",
            b"/a\n",
            b"/a\x00",
            b"/a\x7f",
            b"/\xc3\xa9",
        ):
            with self.assertRaises(TargetError, msg=target) as caught:
                origin_form(target, b"GET")
            self.assertTrue(str(caught.exception))

    @given(st.binary(max_size=30) | BYTE_TARGETS)
    def test_settles(self, target: bytes) -> None:
        """The result is a path, and converting it again changes nothing."""
        try:
            answer, _ = origin_form(target, b"GET")
        except TargetError:
            return
        self.assertTrue(answer.startswith(b"/"))
        self.assertEqual(origin_form(answer, b"GET"), (answer, None))


class SegmentTests(SynchronousTestCase):
    def test_segments(self) -> None:
        """The path is split at each slash, then decoded once; the query is left out."""
        for target, expected in (
            (b"/", [b""]),
            (b"*", [b""]),
            (b"/v1", [b"v1"]),
            (b"/v1/", [b"v1", b""]),
            (b"/v1//x?a/../b%", [b"v1", b"", b"x"]),
            (b"//v1", [b"", b"v1"]),
            (b"/v1%2Fx", [b"v1/x"]),
            (b"/%761", [b"v1"]),
            (b"/a%252e%252E", [b"a%2e%2E"]),
            (b"/%2520", [b"%20"]),
            (b"/%252E%252e%252e", [b"%2E%2e%2e"]),
            (b"/a%252Fb/%255Cc", [b"a%2Fb", b"%5Cc"]),
            (b"/100%25/%25/%2525", [b"100%", b"%", b"%25"]),
            (b"/%25zz%25", [b"%zz%"]),
            (b"/%C3%A9", [b"\xc3\xa9"]),
            (b"/%e9/%c0/%C1%9d", [b"\xe9", b"\xc0", b"\xc1\x9d"]),
            (b"/%c0./%c0%2e", [b"\xc0.", b"\xc0."]),
            (b"/%c0%c1%ae/%e0%a0%ae", [b"\xc0\xc1\xae", b"\xe0\xa0\xae"]),
            (b"/a;b=c/d", [b"a;b=c", b"d"]),
            (b"/.well-known/x", [b".well-known", b"x"]),
            (b"/...", [b"..."]),
            (b"/a.b/c..d/e.", [b"a.b", b"c..d", b"e."]),
            (b"/a\\b", [b"a\\b"]),
        ):
            self.assertEqual(segments(target), expected, target)

    def test_dot_segments(self) -> None:
        """A target that some server may resolve to another path is rejected."""
        for path in (
            b"/.",
            b"/..",
            b"/./a",
            b"/a/../b",
            b"/a/..?q",
            b"/%2e",
            b"/a/%2E%2e/b",
            b"/a/.%2e",
            b"/a/..;/b",
            b"/a/..;x=y/b",
            b"/a/..%3b/b",
            b"/a/.;",
            b"/a%2F..%2Fb",
            b"/a%2f..",
            b"/..%2fa",
            b"/a%5C..%5cb",
            b"/a\\..\\b",
            b"/..\\a",
            b"/a%2f..;x",
            b"/a;x/../b",
            b"/a;%2f../b",
        ):
            with self.assertRaises(TargetError, msg=path):
                segments(path)

    def test_overlong_forms(self) -> None:
        """Overlong UTF-8 forms of a dot, a slash or a backslash are rejected anywhere."""
        for low in (b"ae", b"AF", b"af"):
            for lead in (b"c0", b"e0%80", b"F0%80%80", b"f8%80%80%80", b"fc%80%80%80%80"):
                self._refused(b"%" + lead + b"%" + low)
        for lead in (b"c1", b"E0%81", b"f0%80%81", b"f8%80%80%81", b"fc%80%80%80%81"):
            self._refused(b"%" + lead + b"%9c")

    def _refused(self, escapes: bytes) -> None:
        twice = escapes.replace(b"%", b"%25")
        for form in (escapes, twice, escapes.upper(), twice.replace(b"%", b"%25")):
            for path in (b"/" + form, b"/a" + form + b"b", b"/v1/" + form + form + b"/x"):
                with self.assertRaises(TargetError, msg=path):
                    segments(path)
                self.assertEqual(segments(b"/a?" + path), [b"a"])

    def test_dot_segments_encoded_more_than_once(self) -> None:
        """Dot segments are rejected at any level of encoding."""
        for path in (
            b"/%252e",
            b"/%252e%252E",
            b"/%252e.",
            b"/.%252e",
            b"/%2e%252e/x",
            b"/%25252e%2525252e",
            b"/%" + b"25" * 2000 + b"2e.",
            b"/a%252f..",
            b"/a%252F%252e%252e%252fb",
            b"/a%255c..",
            b"/..%253bx",
            b"/%252e%252e;x",
            b"/%25%32%65",
            b"/%25%32%35%32%65.",
            b"/%c0%a52e%c0%a52e",
        ):
            with self.assertRaises(TargetError, msg=path):
                segments(path)
            self.assertEqual(segments(b"/a?" + path), [b"a"])

    def test_layers_are_counted(self) -> None:
        """A path with too many layers of encoding is rejected."""
        path = b"."
        for _ in range(8):
            path = b"".join(b"%%%02x" % byte for byte in path)
        with self.assertRaises(TargetError):
            segments(b"/" + path)

    def test_bad_escapes(self) -> None:
        """A malformed escape or an encoded control character is rejected."""
        for path in (
            b"/%",
            b"/a%2",
            b"/%zz/b",
            b"/%u002e",
            b"/a%00",
            b"/%0d%0a",
            b"/a%7F",
            b"/%1f",
        ):
            with self.assertRaises(TargetError, msg=path):
                segments(path)

    @given(BYTE_TARGETS)
    @settings(max_examples=300)
    def test_no_answer_has_a_dot_segment(self, target: bytes) -> None:
        """For any target, no piece of a result is a dot segment."""
        try:
            found = segments(target)
        except TargetError:
            return
        for segment in found:
            for piece in re.split(rb"[/\\]", segment):
                self.assertNotIn(piece.split(b";")[0], (b".", b".."))
            self.assertNotIn(b"\x00", segment)

    @given(st.lists(st.sampled_from(SLASHES + ESCAPES), max_size=8).map(b"".join))
    @settings(max_examples=300)
    def test_decoded_as_by_the_standard_library(self, path: bytes) -> None:
        """Accepted segments are the same as other code decodes."""
        try:
            found = segments(b"/" + path)
        except TargetError:
            return
        self.assertEqual(found, [unquote_to_bytes(raw) for raw in path.split(b"/")])

    @given(st.lists(st.sampled_from(SLASHES + ESCAPES), max_size=8).map(b"".join))
    @settings(max_examples=300)
    def test_no_reading_has_a_dot_segment(self, path: bytes) -> None:
        """A server that decodes once more, or repeatedly, finds no dot segment either."""
        try:
            segments(b"/" + path)
        except TargetError:
            return
        for _ in range(6):
            for piece in re.split(rb"[/\\]", path):
                self.assertNotIn(piece.split(b";")[0], (b".", b".."))
            path = unquote_to_bytes(path)

    @given(st.lists(st.binary(max_size=4), min_size=1, max_size=4))
    def test_splitting_undoes_joining(self, names: list[bytes]) -> None:
        """Quoted and joined segments are parsed to the same, or are rejected."""
        target = b"".join(b"/" + quote_from_bytes(name, safe="").encode() for name in names)
        try:
            found = segments(target)
        except TargetError:
            return
        self.assertEqual(found, names)


class SoundTests(SynchronousTestCase):
    def test_sound(self) -> None:
        """What precedes the first bad segment is kept, decoded."""
        for target, expected in (
            (b"/v1/%61/..", [b"v1", b"a"]),
            (b"/v1/x%/y", [b"v1"]),
            (b"/v1/%2e%2e/y?/z", [b"v1"]),
            (b"/../v1", []),
            (b"/v1//%00", [b"v1", b""]),
            (b"/v1/%c0%af", [b"v1"]),
            (b"/v1?%", [b"v1"]),
        ):
            self.assertEqual(sound_segments(target), expected, target)

    def test_bound(self) -> None:
        """Of a path of many segments the first few are looked at."""
        self.assertEqual(sound_segments(b"/x" * 4000 + b"/%"), [b"x"] * 32)

    @given(st.text("/.%2efF0ac;\\x", max_size=30).map(lambda text: f"/{text}".encode()))
    def test_what_is_good_is_kept_whole(self, target: bytes) -> None:
        """Of a good path nothing is lost; what is kept of any path is good by itself."""
        sound = sound_segments(target)
        try:
            self.assertEqual(sound, segments(target)[:32])
        except TargetError:
            kept = b"/".join(target.split(b"/")[1 : len(sound) + 1])
            if sound:
                self.assertEqual(segments(b"/" + kept), sound)


class StripTests(SynchronousTestCase):
    def test_strip(self) -> None:
        """The first segments are removed, and the rest is unchanged."""
        for target, count, expected in (
            (b"/v1", 1, b"/"),
            (b"/v1/", 1, b"/"),
            (b"/v1?x=", 1, b"/?x="),
            (b"/v1?", 1, b"/?"),
            (b"/v1/?/a/b", 1, b"/?/a/b"),
            (b"/v1/x", 1, b"/x"),
            (b"/v1//a%2Fb;c?", 1, b"//a%2Fb;c?"),
            (b"/a%2Fb/c", 1, b"/c"),
            (b"/a/b/c", 2, b"/c"),
            (b"/a/b", 2, b"/"),
            (b"/a/b", 0, b"/a/b"),
            (b"*", 1, b"*"),
        ):
            self.assertEqual(strip_segments(target, count), expected, target)

    def test_too_many(self) -> None:
        """Removing more segments than there are is an error."""
        for target, count in ((b"/a", 2), (b"/a?b/c", 2), (b"/", 2)):
            with self.assertRaises(ValueError, msg=target):
                strip_segments(target, count)


class JoinTests(SynchronousTestCase):
    def test_join(self) -> None:
        """A base path is prepended to the target; an empty one changes nothing."""
        for base, target, expected in (
            ("", b"//a?", b"//a?"),
            (b"", b"/a", b"/a"),
            ("/api", b"/", b"/api/"),
            (b"/api/v2", b"/x%2F?y", b"/api/v2/x%2F?y"),
            ("/api", b"*", b"*"),
        ):
            self.assertEqual(join_base(base, target), expected, (base, target))

    @given(BASES, BYTE_TARGETS)
    def test_stripping_undoes_joining(self, base: str, target: bytes) -> None:
        """Removing a prepended base path gives the same target."""
        joined = join_base(base, target)
        self.assertEqual(strip_segments(joined, base.count("/")), target)
        self.assertEqual(join_base(base.encode(), target), joined)
