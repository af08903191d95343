"""What holds of any response, however sloppy, and of any bytes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.upstream.parsing import OK, TE, by_bytes
from tests.upstream.sloppy_forms import take
from tests.upstream.test_parser import STREAMS

NAMES = (
    st.text("abcXYZ-", min_size=1, max_size=8)
    .map(str.encode)
    .filter(lambda name: name.lower() not in (b"connection", b"upgrade", b"content-length"))
)
VALUES = st.text("ab ,;=\xe9", max_size=12).map(lambda text: text.strip(" ").encode("latin-1"))


@st.composite
def responses(draw: st.DrawFn) -> tuple[bytes, list[bytes], list[bytes]]:
    """Return the lines of a well-formed head, and the chunks of a body, if it is in chunks."""
    fields = draw(st.lists(st.tuples(NAMES, VALUES), max_size=5))
    status = draw(st.sampled_from([b"200 OK", b"404 Not Found", b"503 Busy now"]))
    body = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4))
    lines = [b"%b: %b" % field for field in fields]
    return status, lines, body


@st.composite
def sloppy_lines(draw: st.DrawFn, lines: Sequence[bytes]) -> list[bytes]:
    """Return a head's lines in a form that means the same."""
    made = []
    for line in lines:
        name, _, value = line.partition(b": ")
        name += draw(st.sampled_from([b"", b" ", b"\t "]))
        value = (
            value.replace(b" ", b"\r\n ") if draw(st.booleans()) and b"  " not in value else value
        )
        made.append(b"%b:%b%b" % (name, draw(st.sampled_from([b"", b" ", b" \t"])), value))
        if draw(st.booleans()):
            made.append(draw(st.sampled_from([b"no colon", b"bad name: x", b": x", b"\x01:"])))
    return made


@st.composite
def sloppy_chunk(draw: st.DrawFn, data: bytes) -> bytes:
    """Return what is behind the size of a chunk, up to the next one, in a form that means it."""
    line_end = draw(st.sampled_from([b"\r\n", b" \r\n", b"\n", b" ; x\r\n"]))
    # Between CR and a bare LF, a chunk's end would be uncertain.
    is_certain = line_end == b"\n" or not data.endswith(b"\r")
    return line_end + data + (draw(st.sampled_from([b"\r\n", b"\n"])) if is_certain else b"\r\n")


class SloppyTests(SynchronousTestCase):
    @given(responses(), st.booleans(), st.data())
    def test_same_meaning(
        self, response: tuple[bytes, list[bytes], list[bytes]], chunked: bool, data: st.DataObject
    ) -> None:
        """A response means the same in any sloppy form, and its connection is not used again."""
        status, lines, body = response
        whole = b"".join(body)
        chunks = b"".join([b"%x\r\n%b\r\n" % (len(each), each) for each in body]) + b"0\r\n\r\n"
        framing = (
            [b"Transfer-Encoding: chunked"] if chunked else [b"Content-Length: %d" % len(whole)]
        )
        end = chunks if chunked else whole
        raw = b"\r\n".join([b"HTTP/1.1 " + status, *lines, *framing, b"", b""]) + end
        proper = take([raw])
        self.assertEqual((proper.whole, proper.reusable, proper.repairs), (True, True, frozenset()))

        draw = data.draw
        start = draw(
            st.sampled_from(
                [b"HTTP/1.1 ", b"HTTP/1.1  ", b"HTTP/2 ", b"\r\nHTTP/1.1 ", b"\nHTTP/1.1 "]
            )
        )
        doubled = framing * draw(st.integers(1, 2))
        if chunked and draw(st.booleans()):
            doubled.insert(draw(st.integers(0, 1)), b"Content-Length: 7")
        made = draw(sloppy_lines([*lines, *doubled]))
        # For sure something is not as it should be.
        ends = [draw(st.sampled_from([b"\r\n", b"\n"])) for _ in made]
        head = (
            start + status + b"\n" + b"".join(map(b"".join, zip(made, ends, strict=True))) + b"\n"
        )
        if chunked:
            end = b"".join(
                [b"%x%b" % (len(each), draw(sloppy_chunk(each))) for each in body]
            ) + draw(st.sampled_from([b"0\r\n\r\n", b"00\n\n", b"0 \r\n\n"]))
        raw = head + end
        cuts = draw(st.lists(st.integers(0, len(raw)), max_size=6))
        reads = [raw[a:b] for a, b in pairwise([0, *sorted(cuts), len(raw)]) if a != b]
        found = take(reads)
        self.assertEqual((found.status, found.reason), (proper.status, proper.reason))
        self.assertEqual((found.headers, found.body), (proper.headers, proper.body))
        self.assertEqual((found.whole, found.reusable), (True, False))

    @given(
        st.binary(max_size=200),
        st.sampled_from([OK, b"HTTP/1.1 200 OK\n", OK + TE + b"\r\n", b""]),
        st.booleans(),
    )
    def test_anything(self, raw: bytes, start: bytes, upgrade: bool) -> None:
        """Whatever comes, nothing but BadUpstreamResponse is raised."""
        take([start + raw, b"\n\n" + raw], upgrade=upgrade)
        take(by_bytes(start + raw), upgrade=upgrade)

    @given(
        st.lists(
            st.sampled_from(
                [
                    b"HTTP/1.1 200 OK",
                    b"\r\n",
                    b"\n",
                    b"\r",
                    b" ",
                    b":",
                    b"X",
                    b"\x00",
                    b"Content-Length",
                    b"5",
                    b"Transfer-Encoding",
                    b"chunked",
                    b",",
                    b"hello",
                    b"HTTP/1.1 102 P",
                    b"\x01",
                    b"0",
                ]
            ),
            max_size=30,
        ),
        st.data(),
    )
    def test_safe(self, parts: list[bytes], data: st.DataObject) -> None:
        """What passes has no line end or NUL, one length at most, and is the same if split."""
        raw = b"".join(parts)
        found = take([raw])
        for name, value in found.headers:
            self.assertNotRegex(name + value + found.reason, rb"[\x00-\x08\x0a-\x1f\x7f]")
            self.assertNotRegex(name, rb"[\x00-\x20:]")
        framing = [
            name
            for name, _ in found.headers
            if name.lower() in (b"content-length", b"transfer-encoding")
        ]
        self.assertLessEqual(len(framing), 1)
        if found.repairs:
            self.assertFalse(found.reusable)
        cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=6))
        reads = [raw[a:b] for a, b in pairwise([0, *sorted(cuts), len(raw)]) if a != b]
        if not any(each.startswith(OK[:8]) for each in reads[1:]):
            split = take(reads)
            self.assertEqual(
                attrs.evolve(split, repairs=found.repairs, reusable=found.reusable), found
            )

    @given(STREAMS, st.booleans(), st.data())
    def test_any_split(
        self, stream: tuple[bytes, bytes], upgrade: bool, data: st.DataObject
    ) -> None:
        """Reads may fall anywhere: what is found is the same as of one read."""
        method, raw = stream
        cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=8))
        reads = [raw[a:b] for a, b in pairwise([0, *sorted(cuts), len(raw)]) if a != b]
        self.assertEqual(take(reads, method, upgrade=upgrade), take([raw], method, upgrade=upgrade))
