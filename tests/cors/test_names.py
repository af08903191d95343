"""The sets of methods and field names, compared with their sources."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from twisted.trial.unittest import SynchronousTestCase

from corsgate.cors import names
from tests.cors import oracle


def is_known(method: bytes) -> bool:
    """Return whether the gate's parser knows a method."""
    try:
        HttpRequestParser(object()).feed_data(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
    except HttpParserUpgrade:
        return True
    except HttpParserError:
        return False
    return True


class NamesTests(SynchronousTestCase):
    """The sets of `corsgate.cors.names`."""

    def test_known_methods(self) -> None:
        """llhttp takes each of them, so that no stand-in is needed."""
        for method in names.KNOWN_METHODS:
            self.assertTrue(is_known(method), method)
            self.assertLess(len(method), names.MAX_METHOD_BYTES)
        for method in (b"BREW", b"purge", b"get", b"MKREDIRECTREF", b"ORDERPATCH", b"UPDATE"):
            self.assertNotIn(method, names.KNOWN_METHODS)
            self.assertFalse(is_known(method), method)

    def test_fetch(self) -> None:
        """The sets are those of Fetch, as the oracle has them."""
        self.assertEqual(names.FORBIDDEN_REQUEST_HEADERS, set(oracle.FORBIDDEN_NAMES))
        self.assertEqual(names.FORBIDDEN_METHODS, set(oracle.FORBIDDEN_METHODS))
        self.assertEqual(names.NORMALIZED_METHODS, set(oracle.NORMALIZED))
        self.assertEqual(names.SAFELISTED_RESPONSE_HEADERS, set(oracle.SAFELISTED_RESPONSE))

    def test_lower_case(self) -> None:
        """Names of fields are in lower case, since they are looked up so."""
        for fields in (
            *(names.FORBIDDEN_REQUEST_HEADERS, names.FORBIDDEN_RESPONSE_HEADERS),
            *(names.CORS_RESPONSE_HEADERS, names.RESPONSE_ONLY, names.REQUEST_ONLY),
            *(names.UNEXPOSED, names.SAFELISTED_RESPONSE_HEADERS),
        ):
            self.assertEqual({name.lower() for name in fields}, fields)

    def test_sides(self) -> None:
        """No field is both a client's and a server's only."""
        self.assertEqual(names.RESPONSE_ONLY & names.REQUEST_ONLY, set())
