"""Cookies of challenges: they go with the answer, in place of the client's, and nowhere else."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.digest.challenge_cookies import (
    MAX_COOKIE_BYTES,
    MAX_COOKIES,
    cookies_of,
    with_cookies,
    without_cookies,
)
from corsgate.message.head import RequestHead
from tests.credentials.helpers import request, response


def cookie_lines(head: RequestHead) -> list[bytes]:
    """Return the values of a request's Cookie fields."""
    return [value for name, value in head.headers if name.lower() == b"cookie"]


class CookiesOfTests(SynchronousTestCase):
    def test_read(self) -> None:
        """Name and value are read as they are; a cookie that is deleted has none."""
        cases: list[tuple[bytes, dict[bytes, bytes | None]]] = [
            (b"a=1", {b"a": b"1"}),
            (b' a = "1" ; Path=/; HttpOnly', {b"a": b'"1"'}),
            (b"a=b=c; Secure", {b"a": b"b=c"}),
            (b"a=; Path=/", {b"a": b""}),
            (b"a=1; Max-Age=0", {b"a": None}),
            (b"a=1; max-age=-1", {b"a": None}),
            (b"a=1; Max-Age=60", {b"a": b"1"}),
            (b"a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", {b"a": None}),
            (b"a", {}),
            (b"=1", {}),
            (b"", {}),
        ]
        for value, expected in cases:
            self.assertEqual(cookies_of([(b"Set-Cookie", value)]), expected, value)
        self.assertEqual(cookies_of([(b"Cookie", b"a=1")]), {})

    def test_bounded(self) -> None:
        """A server can't make requests of any size."""
        many = [(b"set-cookie", b"c%d=1" % number) for number in range(100)]
        self.assertEqual(len(cookies_of(many)), MAX_COOKIES)
        self.assertEqual(cookies_of([(b"set-cookie", b"c=" + b"x" * MAX_COOKIE_BYTES)]), {})


class WithCookiesTests(SynchronousTestCase):
    def test_replaces(self) -> None:
        """The client's other cookies stay; one of the same name is replaced, or removed."""
        head = request(
            b"/", b"GET", (b"Cookie", b"x=1; session=mine"), (b"cookie", b"y=2;session=b")
        )
        signed = with_cookies(head, {b"session": b"box", b"y": None})
        self.assertEqual(cookie_lines(signed), [b"x=1; session=box"])
        self.assertEqual(cookie_lines(head), [b"x=1; session=mine", b"y=2;session=b"])

    def test_none(self) -> None:
        """Without cookies the head is the same; without any left there is no field."""
        head = request(b"/", b"GET", (b"Cookie", b"x=1"))
        self.assertIs(with_cookies(head, {}), head)
        self.assertEqual(cookie_lines(with_cookies(head, {b"x": None})), [])


class WithoutCookiesTests(SynchronousTestCase):
    def test_challenge(self) -> None:
        """A challenge that the client gets in the end has none of its cookies."""
        head = response(401, (b"Set-Cookie", b"session=1"), (b"X", b"y"))
        self.assertEqual(without_cookies(head, {}, is_challenge=True).headers, [(b"X", b"y")])

    def test_response(self) -> None:
        """A response keeps its own cookies, but not those of the challenge, repeated."""
        head = response(200, (b"Set-Cookie", b"session=1; Path=/"), (b"set-cookie", b"session=2"))
        kept = without_cookies(head, {b"session": b"1"}, is_challenge=False)
        self.assertEqual(kept.headers, [(b"set-cookie", b"session=2")])
        self.assertIs(without_cookies(head, {b"a": b"1"}, is_challenge=False), head)
