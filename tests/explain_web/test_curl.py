"""Tests of `corsgate.explain_web.curl`."""

from __future__ import annotations

import contextlib
import shlex

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadValue
from corsgate.explain_web.curl import MAX_CURL_LENGTH, is_curl, origin_of, read_curl
from corsgate.explain_web.pasted import Details

BASH = r"""curl 'https://api.example/v1?x=1' \
  -X 'PUT' \
  -H 'accept: application/json' \
  -H 'authorization: Bearer abc' \
  -H 'content-type: application/json' \
  -b 'session=1' \
  -H 'origin: https://app.example' \
  -H 'sec-fetch-mode: cors' \
  -H 'user-agent: Mozilla/5.0' \
  --data-raw $'{"a":"it\'s \u0021"}'"""
CMD = (
    'curl ^"https://api.example/v1?x=1^" ^\n  -X ^"PUT^" ^\n'
    '  -H ^"authorization: Bearer abc^" ^\n  -H ^"content-type: application/json^" ^\n'
    '  -b ^"session=1^" ^\n  -H ^"origin: https://app.example^" ^\n'
    '  --data-raw ^"^{^\\^"a^\\^":1^}^"'
)


class CurlTests(SynchronousTestCase):
    """`read_curl`."""

    def details(self, text: str) -> Details:
        """Return what is known of a command's call."""
        return read_curl(text).details

    def test_devtools(self) -> None:
        """Both ways in which Chromium copies a request are read."""
        for text in (BASH, CMD):
            found = self.details(text)
            self.assertEqual(str(found.url), "https://api.example/v1?x=1")
            self.assertEqual((found.origin, found.method), ("https://app.example", "PUT"))
            self.assertEqual(
                found.headers,
                ((b"authorization", b"Bearer abc"), (b"content-type", b"application/json")),
            )
            self.assertTrue(found.credentials)

    def test_options(self) -> None:
        """Short and long options, alone and together, give the method and the headers."""
        for words, method, names in (
            ("", "GET", []),
            ("-XPATCH", "PATCH", []),
            ("-sSX DELETE", "DELETE", []),
            ("--request=PUT -d x", "PUT", []),
            ("-d x", "POST", []),
            ("-G -d x", "GET", []),
            ("-I", "HEAD", []),
            ("-T file", "PUT", []),
            ("--json '{}'", "POST", [b"Content-Type"]),
            ("-F a=b", "POST", [b"Content-Type"]),
            ("-u u:p", "GET", [b"Authorization"]),
            ("-o out -m 5 -H X-A:1", "GET", [b"X-A"]),
        ):
            found = self.details(f"curl {words} http://h/x")
            self.assertEqual(found.method, method, words)
            self.assertEqual([name for name, _ in found.headers], names, words)

    def test_a_preflight(self) -> None:
        """A preflight that somebody tries by hand is about the call that it asks for."""
        found = self.details(
            "curl -i -X OPTIONS -H 'Origin: https://a.example' -H 'Access-Control-Request-Method:"
            " PUT' -H 'Access-Control-Request-Headers: x-app' http://h/x"
        )
        self.assertEqual((found.method, found.headers), ("PUT", ((b"x-app", b"()"),)))

    def test_urls(self) -> None:
        """A URL may come without a scheme, or in an option; only the first command counts."""
        self.assertEqual(str(self.details("curl h:1/x").url), "http://h:1/x")
        self.assertEqual(str(self.details("$ curl --url http://h/x").url), "http://h/x")
        self.assertEqual(str(self.details("curl http://h/x | curl http://i/y").url), "http://h/x")

    def test_origin(self) -> None:
        """Without Origin, the page's is taken of Referer."""
        self.assertEqual(self.details("curl -e http://p:1/q http://h/x").origin, "http://p:1")
        self.assertIsNone(origin_of([(b"Referer", b"about:blank")]))

    def test_half_pairs(self) -> None:
        """Half of a surrogate pair, which JSON could not encode, is replaced."""
        details = self.details(r"curl $'http://h/\ud800' -H $'X-A: \udfff'")
        self.assertEqual(str(details.url), "http://h/%EF%BF%BD")

    def test_faults(self) -> None:
        """What can't be read is reported without any of its values."""
        for text, words in (
            ("curl -H 'Authorization: hunter2", "ends within quotes"),
            ("curl -H 'X: hunter2'", "no URL"),
            ("curl 'ftp://h/x' -u u:hunter2", "not an http or https URL"),
            (f"curl http://h {'-H a:hunter2 ' * 201}", "more than 200 headers"),
            (f"curl -d {'h' * MAX_CURL_LENGTH} http://h", "longer than"),
        ):
            error = self.assertRaises(BadValue, read_curl, text)
            self.assertIn(words, str(error))
            self.assertNotIn("hunter2", str(error))

    def test_is_curl(self) -> None:
        """Only a command is one."""
        for text in ("curl x", " $ curl x", "curl.exe x", "CURL x"):
            self.assertTrue(is_curl(text))
        for text in ("curly x", "Access to fetch at", "{}", "curl"):
            self.assertFalse(is_curl(text))

    @given(st.lists(st.text(max_size=20), max_size=8))
    def test_any_words(self, words: list[str]) -> None:
        """Whatever is quoted, it is read or reported."""
        with contextlib.suppress(BadValue):
            read_curl(f"curl {shlex.join(words)}")
