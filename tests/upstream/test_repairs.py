"""What can be put right."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.upstream.lenient_parser import LenientParser
from corsgate.upstream.repairs import Repair, ignore_repair
from tests.upstream.sloppy_forms import FORMS, OTHER_FORMS


class RepairTests(SynchronousTestCase):
    def test_each_has_a_form(self) -> None:
        """Each kind is in the tables of forms, or belongs to a switch or the connection's end."""
        found = [*(each for _, each in FORMS), *(each for _, _, each in OTHER_FORMS)]
        shown = frozenset[Repair]().union(*(each.repairs for each in found))
        self.assertEqual(set(Repair) - shown, {Repair.OLD_SWITCH, Repair.UNSEALED})

    def test_ignored(self) -> None:
        """A parser that nobody listens to puts the same right."""
        parser = LenientParser(lambda _: None, repaired=ignore_repair)
        parser.expect(b"GET", upgrade=False)
        parser.feed(b"HTTP/1.1 204 N\n\n")
        self.assertTrue(parser.complete)
