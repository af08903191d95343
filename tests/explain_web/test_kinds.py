"""Tests of `corsgate.explain_web.kinds`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.block_causes import Cause
from corsgate.explain_web.kinds import is_block, is_fixed_by_headers, is_of_response


class KindTests(SynchronousTestCase):
    """Each cause has its kind."""

    def test_kinds(self) -> None:
        """Headers fix what is found in a response's headers, and nothing else."""
        for cause, fixed, response, block in (
            (Cause.MISSING_ORIGIN, True, True, True),
            (Cause.HEADER, True, True, True),
            (Cause.PREFLIGHT_REDIRECT, False, True, True),
            (Cause.MIXED_CONTENT, False, False, True),
            (Cause.NO_ANSWER, False, False, False),
        ):
            found = (is_fixed_by_headers(cause), is_of_response(cause), is_block(cause))
            self.assertEqual(found, (fixed, response, block), cause)
        self.assertFalse(is_fixed_by_headers(None))

    def test_most_causes_are_blocks(self) -> None:
        """Of the causes that Fetch itself has, only a missing response is a failure."""
        fetch = [cause for cause in Cause if cause.name != "NO_ANSWER"]
        self.assertGreater(len([cause for cause in fetch if is_block(cause)]), 20)
