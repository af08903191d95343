"""Tests of `corsgate.message.query`: parameters added and removed."""

from __future__ import annotations

from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.query import add_parameter, drop_parameters, normal_name, parameter

TARGETS = st.text("ab&;=?%/+.[_ ", max_size=20).map(lambda text: ("/" + text).encode())


class AddTests(SynchronousTestCase):
    """`parameter` and `add_parameter`."""

    def test_encoded(self) -> None:
        """Only unreserved characters stand for themselves."""
        self.assertEqual(parameter("a b", "k/+=&\u00e9~"), b"a%20b=k%2F%2B%3D%26%C3%A9~")
        self.assertEqual(parameter("a", "\udcff"), b"a=%FF")

    def test_places(self) -> None:
        """It stands at the end of the query, which is begun if there is none."""
        for target, expected in (
            (b"/a", b"/a?k=1"),
            (b"/a?", b"/a?k=1"),
            (b"/a?b", b"/a?b&k=1"),
            (b"/a?b=c&", b"/a?b=c&&k=1"),
            (b"/a?b=?", b"/a?b=?&k=1"),
            (b"*", b"*"),
        ):
            self.assertEqual(add_parameter(target, b"k=1"), expected)

    @given(st.text(min_size=1), st.text())
    def test_read_back(self, name: str, value: str) -> None:
        """A server reads the name and value that were added."""
        try:
            (name + value).encode()
        except UnicodeEncodeError:
            return
        query = add_parameter(b"/?a=b", parameter(name, value)).decode().partition("?")[2]
        read = parse_qsl(query, keep_blank_values=True)
        self.assertEqual(read, [("a", "b"), (name, value)])


class DropTests(SynchronousTestCase):
    """`drop_parameters` and `normal_name`."""

    def dropped(self, target: bytes, name: bytes = b"api_key") -> bytes:
        """Return a target without the parameter."""
        return drop_parameters(target, normal_name(name).__eq__)

    def test_spellings(self) -> None:
        """Whatever a server could take for the parameter goes."""
        for spelled in (
            *(b"api_key", b"API_KEY", b"api%5Fkey", b"%61pi_key", b"api.key", b"api+key"),
            *(b"api%20key", b"+api_key", b"%20api_key", b"api_key[]", b"api_key%5b0%5d"),
            *(b"api_key%00x", b"api_key%20", b"api_key+"),
        ):
            for rest in (b"", b"=", b"=1", b"=1=2"):
                self.assertEqual(self.dropped(b"/a?" + spelled + rest), b"/a", spelled)
                self.assertEqual(self.dropped(b"/a?x=1&" + spelled + rest + b"&y"), b"/a?x=1&y")
                self.assertEqual(self.dropped(b"/a?x=1;" + spelled + rest + b";y"), b"/a?x=1;y")

    def test_others_stay(self) -> None:
        """Everything else stays, byte for byte."""
        for target in (
            *(b"/a", b"/a?", b"/a?&&b=%2f&", b"/api_key?b=api_key", b"/?xapi_key=1"),
            *(b"/?api_keys=1", b"/?api%255Fkey=1", b"/?[api_key]=1", b"/?b=?api_key=1"),
        ):
            self.assertEqual(self.dropped(target), target)

    @given(TARGETS)
    def test_none_is_left(self, target: bytes) -> None:
        """Dropping leaves none, and dropping twice is dropping once."""
        found = self.dropped(target, b"a")
        self.assertEqual(self.dropped(found, b"a"), found)
        query = found.partition(b"?")[2]
        for piece in query.replace(b";", b"&").split(b"&"):
            self.assertNotEqual(normal_name(piece.partition(b"=")[0]), b"a")
