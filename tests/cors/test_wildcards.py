"""A set of patterns that cover many origins."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cors.origin import parse_pattern
from corsgate.cors.wildcards import Wildcards


class WildcardsTests(SynchronousTestCase):
    """`Wildcards`."""

    def test_exact_patterns_are_passed_over(self) -> None:
        """Only patterns that cover many origins are in the set."""
        wildcards = Wildcards([parse_pattern("*"), parse_pattern("https://example.com")])
        self.assertFalse(wildcards.match(b"https://example.com"))

    def test_the_longer_pattern_does_not_hide_the_shorter(self) -> None:
        """Each pattern is found, with any number of labels."""
        texts = ("https://*.example.com", "https://*.a.b.example.com:8443", "http://*.a.b:*")
        wildcards = Wildcards(parse_pattern(text) for text in texts)
        for origin, expected in (
            (b"https://x.example.com", True),
            (b"https://a.b.example.com", True),
            (b"https://x.a.b.example.com", True),
            (b"https://x.a.b.example.com:8443", True),
            (b"https://a.b.example.com:8443", False),
            (b"https://x.b.example.com:8443", False),
            (b"http://x.a.b:1", True),
            (b"http://a.b:1", False),
        ):
            self.assertEqual(wildcards.match(origin), expected, origin)
