"""Reading Cookie fields."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.cookies import cookie_values


class CookieTests(SynchronousTestCase):
    def test_values(self) -> None:
        """All values of one name come in order; its case counts."""
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
