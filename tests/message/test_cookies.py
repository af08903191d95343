"""Reading and replacing cookies in Cookie fields."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.cookies import cookie_values, cookies_replaced


class CookieTests(SynchronousTestCase):
    def test_values(self) -> None:
        """All values of one name are returned in order; names are case-sensitive."""
        table: dict[tuple[bytes, ...], list[bytes]] = {
            (): [],
            (b"",): [],
            (b"a=1",): [b"1"],
            (b"b=2; a=1",): [b"1"],
            (b"a=1;a=2", b"a=3"): [b"1", b"2", b"3"],
            (b"A=1; aa=2; a; a=",): [b""],
            (b"a=b=c",): [b"b=c"],
            (b" a = 1 ;",): [b"1"],
        }
        self.assertEqual({each: list(cookie_values(each, b"a")) for each in table}, table)

    def test_names_with_more_to_them(self) -> None:
        """A name within another name, within a value or after a blank does not count."""
        for field in (b"aa=1", b"b=a=1", b"b a=1", b"b=2, a=1", b"a.a=1", b"(a)=1"):
            self.assertEqual(list(cookie_values([field], b"a")), [], field)
        self.assertEqual(list(cookie_values([b"x=1; (a)=2"], b"(a)")), [b"2"])
        self.assertEqual(list(cookie_values([b";;\t a\t=\t1;"], b"a")), [b"1"])

    def test_thousands(self) -> None:
        """Of thousands only the first are read."""
        self.assertEqual(len(list(cookie_values([b"a=1;" * 5000] * 3, b"a"))), 64)

    @given(st.lists(st.sampled_from((b"a", b"b", b"=", b";", b" ", b"\t", b"1"))).map(b"".join))
    def test_as_split(self, field: bytes) -> None:
        """The result is the same as that of splitting."""
        pairs = [pair.partition(b"=") for pair in field.split(b";")]
        expected = [v.strip(b" \t") for n, equals, v in pairs if equals and n.strip(b" \t") == b"a"]
        self.assertEqual(list(cookie_values([field], b"a")), expected)


class ReplacedTests(SynchronousTestCase):
    """`cookies_replaced`."""

    def test_replaced(self) -> None:
        """The client's cookies of the gate's names go, and all are in one field."""
        fields = [
            (b"Host", b"box"),
            (b"Cookie", b"a=1;sid=mine;  b=2;"),
            (b"cookie", b"sid=x; Sid=y"),
        ]
        self.assertEqual(
            cookies_replaced(fields, {b"sid"}, [b"sid=own"]),
            [(b"Host", b"box"), (b"Cookie", b"a=1; b=2; Sid=y; sid=own")],
        )
        self.assertEqual(cookies_replaced([(b"Cookie", b"sid=1")], {b"sid"}, []), [])
        self.assertEqual(cookies_replaced([(b"A", b"b")], {b"sid"}, []), [(b"A", b"b")])
