"""The references in Link and Refresh are found and replaced, in linear time."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.link import MAX_LINKS, map_link, map_refresh


def mark(reference: bytes) -> bytes:
    """Return a reference in a form that shows that it was found."""
    return b"[" + reference + b"]"


class LinkTests(SynchronousTestCase):
    """RFC 8288."""

    def test_targets(self) -> None:
        """Each target is mapped; parameters, and what is quoted in them, stay."""
        for value, mapped in (
            (b"</a>; rel=next", b"<[/a]>; rel=next"),
            (b"<a>,<b>", b"<[a]>,<[b]>"),
            (b"<>", b"<[]>"),
            (b'</a>; title="</b>", </c>', b'<[/a]>; title="</b>", <[/c]>'),
            (b'</a>; title="\\"</b>"; x', b'<[/a]>; title="\\"</b>"; x'),
            (b'</a"b>; x', b'<[/a"b]>; x'),
            (b"", b""),
            (b"rel=next", b"rel=next"),
        ):
            self.assertEqual(map_link(value, mark), mapped)

    def test_malformed(self) -> None:
        """What is never closed stays."""
        for value in (b"</a", b'"</a>', b'"\\', b"<", b'</a; "x'):
            self.assertEqual(map_link(value, mark), value)
        self.assertEqual(map_link(b"<<a>", mark), b"<<[a]>")

    @given(st.binary(max_size=80))
    def test_nothing_else_changes(self, value: bytes) -> None:
        """A mapping that changes no reference changes nothing."""
        self.assertEqual(map_link(value, lambda reference: reference), value)

    def test_linear(self) -> None:
        """A hostile value of 256 KiB takes a few milliseconds, and few calls."""
        size = 256 * 1024
        for piece in (b"<", b'"', b"\\", b'"\\', b"<a>", b'<"', b'"\\"', b">"):
            calls: list[bytes] = []

            def count(reference: bytes, calls: list[bytes] = calls) -> bytes:
                calls.append(reference)
                return reference

            began = time.process_time()
            value = piece * (size // len(piece))
            self.assertEqual(map_link(value, count), value)
            self.assertLessEqual(len(calls), MAX_LINKS)
            self.assertLess(time.process_time() - began, 0.5)


class RefreshTests(SynchronousTestCase):
    """HTML's shared declarative refresh steps."""

    def test_url(self) -> None:
        """The URL is mapped, quoted or not; the rest stays."""
        for value, mapped in (
            (b"5; url=/a", b"5; url=[/a]"),
            (b"0;URL = /a", b"0;URL = [/a]"),
            (b"5, /a", b"5, [/a]"),
            (b"5 /a", b"5 [/a]"),
            (b"5; url='/a'x", b"5; url='[/a]'x"),
            (b'5; url="/a', b'5; url="[/a]'),
            (b"5; urls", b"5; [urls]"),
        ):
            self.assertEqual(map_refresh(value, mark), mapped)

    def test_none(self) -> None:
        """A value without a URL stays."""
        for value in (b"5", b"5.3", b"", b"x; url=/a", b"5url=/a"):
            self.assertEqual(map_refresh(value, mark), value)

    @given(st.binary(max_size=40))
    def test_nothing_else_changes(self, value: bytes) -> None:
        """A mapping that changes no URL changes nothing."""
        self.assertEqual(map_refresh(value, lambda reference: reference), value)

    def test_linear(self) -> None:
        """A hostile value of 256 KiB takes a few milliseconds."""
        size = 256 * 1024
        for piece in (b" ", b"5", b"; ", b"url=", b"5; url", b"'"):
            began = time.process_time()
            value = piece * (size // len(piece))
            self.assertEqual(map_refresh(value, lambda reference: reference), value)
            self.assertLess(time.process_time() - began, 0.5)
