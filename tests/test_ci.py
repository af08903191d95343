"""``.ci/run``: the last line that it prints, and how it ends."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.tree import ROOT, run


class LastLineTests(SynchronousTestCase):
    """The counts are those of trial; anything else that goes wrong is a failure, too."""

    def check(
        self,
        summary: str,
        expected: str,
        status: int,
        *,
        test_status: int = 0,
        boxes: str = "PASSED (successes=1)",
        boxes_status: int = 0,
        lint_status: int = 0,
    ) -> None:
        """Run it with an ``apt-get`` that does nothing and a ``make`` that prints given lines.

        Args:
            summary: The last line of the tests.
            expected: The last line of ``.ci/run``.
            status: The exit status of ``.ci/run``.
            test_status: The exit status of ``make test``.
            boxes: The last line of the tests against boxes.
            boxes_status: The exit status of ``make test-boxes``.
            lint_status: The exit status of ``make lint``.
        """
        programs = Path(self.mktemp()).resolve()
        programs.mkdir()
        make = (
            'if [ "$1" = test ]; then\n'
            f"    echo 'Ran 12 tests in 1.0s'; echo; echo '{summary}'; exit {test_status}\n"
            "fi\n"
            'if [ "$1" = test-boxes ]; then\n'
            f"    echo '{boxes}'; exit {boxes_status}\n"
            "fi\n"
            f"echo 'All checks passed!'; exit {lint_status}\n"
        )
        for name, script in (("apt-get", "exit 0\n"), ("make", make)):
            program = programs / name
            program.write_text(f"#!/bin/sh\n{script}")
            program.chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        done = run(
            [ROOT / ".ci" / "run"], ROOT, {"PATH": path, "PYENV_ROOT": str(programs / "none")}
        )
        self.assertEqual((done.stdout.splitlines()[-1], done.returncode), (expected, status))

    def test_all_passed(self) -> None:
        """Without failures the exit status is 0."""
        self.check("PASSED (successes=12)", "13 passed, 0 failed", 0)

    def test_skipped(self) -> None:
        """Skipped tests are counted if there are any."""
        self.check("PASSED (skips=3, successes=9)", "10 passed, 0 failed, 3 skipped", 0)

    def test_failed(self) -> None:
        """Failures, errors and unexpected successes are all failures."""
        self.check(
            "FAILED (skips=1, expectedFailures=2, failures=1, errors=2, unexpectedSuccesses=1,"
            " successes=5)",
            "8 passed, 4 failed, 1 skipped",
            1,
            test_status=2,
        )

    def test_failed_set_up(self) -> None:
        """Tests that never ran count as a failure."""
        self.check("make: *** [Makefile:33: .venv] Error 1", "1 passed, 1 failed", 1, test_status=2)

    def test_no_tests(self) -> None:
        """A run without tests is a failure."""
        self.check("PASSED (ran 0 tests)", "1 passed, 1 failed", 1)

    def test_broke_off(self) -> None:
        """A run that ends with an error is a failure, even if no test failed."""
        self.check("PASSED (successes=12)", "13 passed, 1 failed", 1, test_status=1)

    def test_boxes(self) -> None:
        """The tests against boxes are counted like the others, also if they never ran."""
        usual = "PASSED (successes=12)"
        failed = "FAILED (failures=2, successes=3, skips=1)"
        self.check(usual, "15 passed, 2 failed, 1 skipped", 1, boxes=failed, boxes_status=1)
        self.check(usual, "12 passed, 1 failed", 1, boxes="npm error", boxes_status=2)

    def test_lint(self) -> None:
        """A failed lint fails the run, and the counts stay the same."""
        self.check("PASSED (successes=12)", "13 passed, 0 failed", 1, lint_status=2)
