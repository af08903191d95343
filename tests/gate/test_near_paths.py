"""Paths that somebody may have meant."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.near_paths import MAX_LENGTH, MAX_NEAR, MAX_PREFIXES, near_paths

PREFIXES = ("/v1", "/api/documents", "/login")


class NearPathTests(SynchronousTestCase):
    """`near_paths`."""

    def test_near(self) -> None:
        """A wrong letter, another case, a segment too many or too few, a doubled slash."""
        for path, wanted in (
            ("/v2/x", "/v1/x"),
            ("/V1/x", "/v1/x"),
            ("/api/documnets/7", "/api/documents/7"),
            ("/api/v1/x/y", "/v1/x/y"),
            ("/documents/7", "/api/documents/7"),
            ("//v1/x", "/v1/x"),
            ("//v1//x/", "/v1/x/"),
            ("/logn", "/login"),
        ):
            self.assertEqual(near_paths(path, PREFIXES)[0], wanted, path)

    def test_not_near(self) -> None:
        """What resembles nothing has no proposal, and neither has what is not worth comparing."""
        for path in ("/", "/wholly-different/thing", "*", "", "/" + "v1/" * MAX_LENGTH):
            self.assertEqual(near_paths(path, PREFIXES), (), path)
        self.assertEqual(near_paths("/v2", ["", "/" + "v" * MAX_LENGTH]), ())
        self.assertEqual(near_paths("/v2", ["/x"] * MAX_PREFIXES + ["/v1"]), ())

    @given(st.text("/av1%."), st.lists(st.text("/av1").map("/a{}".format), max_size=9))
    def test_bounded(self, path: str, prefixes: list[str]) -> None:
        """Each proposal begins with a prefix, and there are few."""
        found = near_paths("/" + path, prefixes)
        self.assertLessEqual(len(found), MAX_NEAR)
        for each in found:
            self.assertTrue(any(each == one or each.startswith(one + "/") for one in prefixes))
