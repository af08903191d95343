"""What the gate does is the same with what it remembers and without, and as it was recorded."""

from __future__ import annotations

import gc

from twisted.trial.unittest import SynchronousTestCase

from tests.differential import corpus, golden
from tests.differential.play import Transcript, play
from tests.differential.script import Case
from tests.differential.variants import VARIANTS

_MOST_REPORTED = 3
_MOST_LINES = 30
_COLLECT_EVERY = 10


class DifferentialTests(SynchronousTestCase):
    """Each kind of cases, in all manners."""

    def check(self, kind: str) -> None:
        """Play the cases of a kind in all manners, and compare them with what was recorded.

        Args:
            kind: One of `corpus.FAMILIES`.
        """
        recorded = golden.recorded()
        faults: list[str] = []
        # Each gate is a cycle; the collector would look at all that trial has, again and again.
        gc.disable()
        self.addCleanup(gc.enable)
        for number, case in enumerate(corpus.cases(kind)):
            usual = play(case)
            faults += self.changes(case, usual, recorded.get(case.name, ()))
            faults += self.differences(case, usual, number)
            if number % _COLLECT_EVERY == 0:
                gc.collect(0)
            if len(faults) >= _MOST_REPORTED:
                break
        if faults:
            self.fail("\n".join(faults))

    def changes(self, case: Case, usual: Transcript, recorded: tuple[str, ...]) -> list[str]:
        """Return in what a transcript is not what was recorded."""
        found = golden.digests(usual)
        if found == recorded:
            return []
        parts = [
            part
            for part, before, now in zip(golden.PARTS, recorded or found, found, strict=True)
            if before != now or not recorded
        ]
        text = golden.lines(usual)
        now = "\n".join(line for part in parts for line in text[part][:_MOST_LINES])
        return [
            f"{case.name} is not as it was recorded: {', '.join(parts)}. See "
            f"python -m tests.differential.show {case.name}, and tests/differential/record.py "
            f"for what to do. Now it is:\n{now}"
        ]

    def differences(self, case: Case, usual: Transcript, number: int) -> list[str]:
        """Return in what the case's variants differ."""
        faults = []
        for place, variant in enumerate(VARIANTS):
            if (number + place) % variant.share:
                continue
            compared = variant.compare(case, usual)
            if compared is not None and compared[0] != compared[1]:
                shown = golden.differences(*map(golden.show, compared))
                faults.append(f"{case.name}, {variant.name}:\n{shown}")
        return faults


def _test_of(kind: str) -> None:
    def test(self: DifferentialTests) -> None:
        self.check(kind)

    test.__doc__ = f"Cases of the kind {kind}."
    setattr(DifferentialTests, f"test_{kind}", test)


for _kind in corpus.FAMILIES:
    _test_of(_kind)


class CorpusTests(SynchronousTestCase):
    """The corpus itself."""

    def test_is_large(self) -> None:
        """There are some thousands of cases, and each one is recorded, and no other."""
        names = {case.name for kind in corpus.FAMILIES for case in corpus.cases(kind)}
        self.assertGreaterEqual(len(names), 2_000)
        self.assertEqual(names ^ set(golden.recorded()), set())
