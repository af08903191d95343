"""How lines look in each place."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.log_style import ESCAPES, Place, daemon_format, line_format


class FormatTests(SynchronousTestCase):
    """`line_format` and `daemon_format`."""

    def test_auto(self) -> None:
        """People read the journal and terminals, programs read what goes elsewhere."""
        found = {place: line_format("auto", place) for place in Place}
        self.assertEqual(found.pop(Place.FILE), "json")
        self.assertEqual(set(found.values()), {"text"})

    def test_chosen(self) -> None:
        """What the configuration says holds in every place."""
        for place in Place:
            for chosen in ("json", "text", "combined"):
                self.assertEqual(line_format(chosen, place), chosen)

    def test_daemon(self) -> None:
        """The daemon's lines are text beside combined ones, which only requests have."""
        self.assertEqual(daemon_format("combined", Place.FILE), "text")
        self.assertEqual(daemon_format("auto", Place.FILE), "json")
        self.assertEqual(daemon_format("auto", Place.JOURNAL), "text")
        self.assertEqual(daemon_format("json", Place.JOURNAL), "json")


class PaintTests(SynchronousTestCase):
    """`Place.paint`."""

    def test_only_where_there_are_colors(self) -> None:
        """Nothing else than a terminal with colours gets an escape sequence."""
        for place in Place:
            painted = place.paint("red", "x")
            if place is Place.COLOR_TERMINAL:
                self.assertEqual(painted, f"{ESCAPES['red']}x\x1b[0m")
                self.assertEqual(place.paint("", "x"), "x")
                self.assertEqual(place.paint("red", ""), "")
            else:
                self.assertEqual(painted, "x")
