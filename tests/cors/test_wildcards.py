"""A set of patterns that cover many origins."""

from __future__ import annotations

import re
import sys
from types import FrameType
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.cors.origin import parse_pattern
from corsgate.cors.wildcards import Wildcards


def _steps(wildcards: Wildcards, origin: str) -> int:
    """Return how many lines of Python it takes to look for an origin."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        wildcards.find(origin.encode())
    finally:
        sys.settrace(before)
    return count


class WildcardsTests(SynchronousTestCase):
    """`Wildcards`."""

    def test_exact_patterns_are_passed_over(self) -> None:
        """Only patterns that cover many origins are in the set."""
        wildcards = Wildcards([parse_pattern("*"), parse_pattern("https://example.com")])
        self.assertFalse(wildcards.find(b"https://example.com"))

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
            self.assertEqual(wildcards.find(origin) != "", expected, origin)

    def test_star_within_a_label(self) -> None:
        """It stands for one or more letters, digits and hyphens of that label alone."""
        texts = (
            "https://pr-*.example.com",
            "https://*--app.netlify.app",
            "https://a.b*c.example.com:*",
            "https://b*.example.com:8443",
            "http://a-*.aa.test",
            "http://a-*-a.aa.test",
        )
        wildcards = Wildcards(parse_pattern(text) for text in texts)
        for origin, expected in (
            ("https://pr-1.example.com", texts[0]),
            ("https://pr--.example.com", texts[0]),
            ("https://pr-a-b-9.example.com", texts[0]),
            ("https://pr-.example.com", ""),
            ("https://pr.example.com", ""),
            ("https://xpr-1.example.com", ""),
            ("https://pr-1_2.example.com", ""),
            ("https://pr-1.2.example.com", ""),
            ("https://a.pr-1.example.com", ""),
            ("https://pr-1.example.com.evil.test", ""),
            ("https://pr-1.xexample.com", ""),
            ("https://pr-1.example.com:8443", ""),
            ("http://pr-1.example.com", ""),
            ("https://PR-1.example.com", ""),
            ("https://pr-*.example.com", ""),
            ("https://pr-1%2e.example.com", ""),
            ("https://pr-1.example.com/", ""),
            ("https://pr-\n.example.com", ""),
            ("https://x--app.netlify.app", texts[1]),
            ("https://deploy-preview-1--app.netlify.app", texts[1]),
            ("https://--app.netlify.app", ""),
            ("https://app.netlify.app", ""),
            ("https://a.bxc.example.com", texts[2]),
            ("https://a.b1c.example.com:1", texts[2]),
            ("https://a.bc.example.com", ""),
            ("https://bx.example.com:8443", texts[3]),
            ("https://b.example.com:8443", ""),
            ("https://com", ""),
            ("https://[::1]", ""),
            ("http://a-x.aa.test", texts[4]),
            ("http://a-a.aa.test", texts[4]),
            ("http://a--a.aa.test", texts[4]),
        ):
            self.assertEqual((origin, wildcards.find(origin.encode())), (origin, expected))

    def test_cost_does_not_grow(self) -> None:
        """Thousands of patterns of one form take as many steps as one, match or not."""
        for form, origin in (
            ("https://*.t{}.example.com", "https://a.t7.example.com"),
            ("https://t{}-*.example.com", "https://t7-1.example.com"),
            ("https://*--t{}.example.com:*", "https://1--t7.example.com:8443"),
            ("http://t{}.example.com:*", "http://t7.example.com:1"),
        ):
            one = Wildcards([parse_pattern(form.format(7))])
            many = Wildcards([parse_pattern(form.format(n)) for n in range(2_000)])
            for asked in (origin, origin.replace("7", "x"), "https://a.b.c.d.test"):
                steps = [_steps(each, asked) for each in (one, many)]
                self.assertLess(steps[1], 1.5 * steps[0], (form, asked))

    def test_extensions(self) -> None:
        """A star for all of them covers no other browser's, and nothing that is no extension."""
        wildcards = Wildcards([parse_pattern("chrome-extension://*")])
        for origin, expected in (
            ("chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb", "chrome-extension://*"),
            ("moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc", ""),
            ("chrome-extension://a.b", ""),
            ("chrome-extension://a:1", ""),
            ("chrome-extension://", ""),
            ("https://a", ""),
            ("null", ""),
        ):
            self.assertEqual((origin, wildcards.find(origin.encode())), (origin, expected))

    @given(st.text("ab-", max_size=9), st.text("ab-", max_size=3), st.text("ab-", max_size=3))
    def test_literals(self, label: str, before: str, behind: str) -> None:
        """A star is for what is between its literals, if that is not empty."""
        assume((before or behind) and label)
        wildcards = Wildcards([parse_pattern(f"https://{before}*{behind}.test")])
        expected = re.fullmatch(f"{before}[a-z0-9-]+{behind}", label) is not None
        self.assertEqual(wildcards.find(f"https://{label}.test".encode()) != "", expected)
