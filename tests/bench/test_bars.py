"""The bars: which are looked at, and which hold."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bench.bars import BARS, Bar, Results, Verdict, verdicts, words
from bench.loads import LOADS
from bench.measure import GATE, GATE_DEBIAN, proxies
from tests.bench.samples import results

OURS, CADDY = ("1k", GATE), ("1k", "caddy")


class Bars(SynchronousTestCase):
    """Each bar is about something that is measured."""

    def test_name_loads_and_proxies(self) -> None:
        """No bar names a load or a proxy that there isn't."""
        loads = {load.name for load in LOADS}
        names = {proxy.name for proxy in proxies()}
        for bar in BARS:
            for load, proxy in (bar.key, bar.other):
                self.assertIn(load, loads)
                self.assertIn(proxy, names)

    def test_are_for_both_pythons(self) -> None:
        """Debian's Python is held to each bar too, to the same or a lower one."""
        most = {(bar.key, bar.other): bar.most for bar in BARS}
        ours = [bar for bar in BARS if bar.key[1] == GATE]
        self.assertEqual(2 * len(ours), len(BARS))
        for bar in ours:
            load, other = bar.key[0], bar.other
            if other[1] == GATE:
                other = other[0], GATE_DEBIAN
            self.assertLessEqual(most[(load, GATE_DEBIAN), other], bar.most)


class Ratios(SynchronousTestCase):
    """CPU time over CPU time."""

    def test_are_medians_of_rounds(self) -> None:
        """A round in which all was slow counts as any other does."""
        found = results((OURS, [50.0, 200.0, 60.0]), (CADDY, [100.0, 400.0, 100.0]))
        self.assertEqual(found.ratio(OURS, CADDY), 0.5)

    def test_need_both(self) -> None:
        """Without one of the two there is none."""
        found = results((OURS, [50.0]))
        self.assertIsNone(found.ratio(OURS, CADDY))
        self.assertIsNone(found.ratio(CADDY, OURS))


class Verdicts(SynchronousTestCase):
    """What comes of the bars."""

    def test_say_by_how_much(self) -> None:
        """Both what holds and what is missed has its distance from the bar."""
        self.assertEqual(words(0.45, 0.5), "holds by 10%")
        self.assertEqual(words(0.5, 0.5), "holds by 0%")
        self.assertEqual(words(0.75, 0.5), "missed by 50%")

    def test_hold_up_to_the_bar(self) -> None:
        """What is just at the bar holds."""
        bar = Bar(OURS, CADDY, 0.5)
        self.assertTrue(Verdict(bar, 0.5).holds)
        self.assertFalse(Verdict(bar, 0.51).holds)

    def test_miss_what_was_not_measured(self) -> None:
        """A peer that is left out leaves its bars unproven."""
        found = results((OURS, [50.0]), left_out={CADDY: "there is no caddy on this machine"})
        (verdict,) = verdicts(found)
        self.assertEqual((verdict.holds, verdict.words), (False, "not measured"))

    def test_are_of_what_the_run_was_for(self) -> None:
        """A run of some loads and proxies is held to their bars only."""
        found = results((OURS, [50.0]), (CADDY, [100.0]))
        self.assertEqual([each.bar.other for each in verdicts(found)], [CADDY])

    def test_are_none_for_a_python_that_is_not_there(self) -> None:
        """Where Debian's Python is absent, nothing is held against it."""
        absent = {("1k", GATE_DEBIAN): "there is no /usr/bin/python3.11"}
        found = results((OURS, [50.0]), (CADDY, [100.0]), left_out=absent)
        self.assertEqual([each.bar.key for each in verdicts(found)], [OURS])

    def test_are_none_of_nothing(self) -> None:
        """Nothing was measured, and nothing is said."""
        self.assertEqual(list(verdicts(Results())), [])
