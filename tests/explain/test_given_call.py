"""A call as a person describes it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadValue
from corsgate.explain.call import Call
from corsgate.explain.given_call import given_call

URL = "http://localhost:5555/v1"


def given(
    *,
    origin: str = "http://a.example",
    method: str = "GET",
    url: str = URL,
    headers: tuple[str, ...] = (),
) -> Call:
    """Return a call of which one part is given."""
    return given_call(origin=origin, method=method, url=url, headers=headers, credentials=True)


class GivenCallTests(SynchronousTestCase):
    """`given_call`."""

    def test_headers(self) -> None:
        """A header has its value, or the usual one."""
        call = given(headers=("X-App", "Content-Type", "Accept: text/plain ", "X-Empty:"))
        self.assertEqual(
            call.headers,
            (
                (b"X-App", b"1"),
                (b"Content-Type", b"application/json"),
                (b"Accept", b"text/plain"),
                (b"X-Empty", b""),
            ),
        )
        self.assertEqual((str(call.url), call.credentials), (URL, True))

    def test_faults(self) -> None:
        """What is not valid is named."""
        for part, words in (
            ({"origin": "http://ä☃.example"}, "is not ASCII"),
            ({"method": "G T"}, "is not a method"),
            ({"method": ""}, "is not a method"),
            ({"url": "/v1"}, "is not an http or https URL"),
            ({"headers": ("X App: 1",)}, "is not a header name"),
        ):
            with self.subTest(part=part):
                error = self.assertRaises(BadValue, lambda part=part: given(**part))
                self.assertIn(words, str(error))

    def test_nothing_reaches_the_terminal(self) -> None:
        """A fault shows control characters escaped: what was pasted may come from anywhere."""
        for part in (
            {"origin": "http://\x1b[2J☃"},
            {"method": "G\x1b[2JT"},
            {"headers": ("X\x1b[2J: 1",)},
            {"url": "\x1b[2J"},
        ):
            with self.subTest(part=part):
                error = self.assertRaises(BadValue, lambda part=part: given(**part))
                self.assertIn("\\u001b[2J", str(error))
                self.assertTrue(str(error).isprintable())
