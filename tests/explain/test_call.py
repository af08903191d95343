"""How a browser changes and classifies a call before sending it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.call import (
    Call,
    is_forbidden,
    is_safelisted,
    preflight_reasons,
    unsafe_names,
    usual_value,
)
from corsgate.explain.url import Url

URL = Url.parse("http://api.example/v1")


class Safelist(SynchronousTestCase):
    """Which request headers need no preflight."""

    def test_values(self) -> None:
        """Both the name and the value decide."""
        for name, value, safe in (
            (b"Accept", b"application/json", True),
            (b"accept", b"a" * 128, True),
            (b"accept", b"a" * 129, False),
            (b"Accept", b"a\x7f", False),
            (b"Accept", b'x"y', False),
            (b"Accept", b"a\tb", True),
            (b"Accept-Language", b"de, en;q=0.5", True),
            (b"Accept-Language", b"de_DE", False),
            (b"Content-Language", b"en@x", False),
            (b"Content-Type", b"text/plain;charset=UTF-8", True),
            (b"Content-Type", b"TEXT/Plain", True),
            (b"Content-Type", b"application/json", False),
            (b"Content-Type", b"text/plain; a=(b)", False),
            (b"Content-Type", b"", False),
            (b"Range", b"bytes=0-", True),
            (b"Range", b"bytes=5-9", True),
            (b"Range", b"bytes=9-5", False),
            (b"Range", b"bytes=-5", False),
            (b"Range", b"bytes=0-1,3-4", False),
            (b"X-App", b"1", False),
            (b"Authorization", b"Basic eA==", False),
        ):
            self.assertIs(is_safelisted(name, value), safe, (name, value))

    def test_usual_values(self) -> None:
        """Of headers known by name only, just the Content-Type of JSON needs a preflight."""
        for name in (b"Accept", b"Accept-Language", b"Content-Language", b"Range"):
            self.assertTrue(is_safelisted(name, usual_value(name)), name)
        self.assertFalse(is_safelisted(b"content-type", usual_value(b"Content-Type")))

    def test_names(self) -> None:
        """Names are asked for lower-cased, sorted, once; many safe values become unsafe."""
        headers = ((b"X-B", b"1"), (b"x-a", b"1"), (b"X-b", b"2"), (b"Accept", b"a"))
        self.assertEqual(unsafe_names(headers), (b"x-a", b"x-b"))
        many = tuple((b"Accept", b"a" * 128) for _ in range(9))
        self.assertEqual(unsafe_names(many[:8]), ())
        self.assertEqual(unsafe_names(many), (b"accept",))

    def test_reasons(self) -> None:
        """A simple request has no reason; any other request has its own."""
        self.assertEqual(preflight_reasons(b"POST", ()), [])
        said = preflight_reasons(b"PUT", (b"content-type", b"x-app", b"accept"))
        self.assertEqual(len(said), 4)
        self.assertIn("PUT", said[0])
        self.assertIn("Content-Type", said[1])
        self.assertIn("x-app", said[2])


class Calls(SynchronousTestCase):
    """The method and headers that are sent."""

    def test_method(self) -> None:
        """Six methods are changed to upper case; PATCH is not."""
        for said, sent in ((b"put", b"PUT"), (b"patch", b"patch"), (b"purge", b"purge")):
            self.assertEqual(Call(origin=b"null", method=said, url=URL).sent_method, sent)

    def test_forbidden(self) -> None:
        """Headers that scripts can't set are left out."""
        self.assertTrue(is_forbidden(b"Cookie", b"a"))
        self.assertTrue(is_forbidden(b"Sec-Fetch-Site", b"none"))
        self.assertTrue(is_forbidden(b"X-HTTP-Method-Override", b"GET, trace"))
        self.assertFalse(is_forbidden(b"X-HTTP-Method-Override", b"PUT"))
        headers = ((b"Host", b"x"), (b"X-App", b"1"))
        call = Call(origin=b"null", method=b"GET", url=URL, headers=headers)
        self.assertEqual(call.sent_headers, headers[1:])
        self.assertEqual(call.dropped, (b"Host",))
