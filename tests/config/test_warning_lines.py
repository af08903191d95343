"""Tests of `corsgate.config.warning_lines`: repeated warnings are combined."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.warning_lines import MAX_ALIKE, warning_lines
from corsgate.errors import Fault
from tests.support import parse


def warning(number: int, problem: str = "it is odd", fix: str = "fix it") -> Fault:
    """Return a warning of a line."""
    return Fault(file="c.toml", line=number, key=f"routes.{number}", problem=problem, fix=fix)


class WarningLinesTests(SynchronousTestCase):
    """How warnings are shown."""

    def test_few(self) -> None:
        """Different warnings are shown unchanged and in order."""
        few = [warning(3), warning(1, "it is even odder"), warning(2, fix="leave it")]
        self.assertEqual(warning_lines(few), [str(each) for each in few])
        self.assertEqual(warning_lines([]), [])

    def test_same(self) -> None:
        """The same warning for many keys is one line with their number."""
        many = [warning(number) for number in range(1, 10_001)]
        self.assertEqual(
            warning_lines([*many, warning(9, "other")]),
            [
                "c.toml:1: routes.1: it is odd; fix it (and 9999 more like it: line 2, line 3, "
                "line 4, ...)",
                "c.toml:9: routes.9: other; fix it",
            ],
        )
        self.assertTrue(warning_lines(many[:2])[0].endswith(" (and 1 more like it: line 2)"))

    def test_alike(self) -> None:
        """Of warnings that differ only in names, some are shown; the rest is one line."""
        many = [warning(number, f'"app{number}.example" is odd') for number in range(1000)]
        lines = warning_lines(many)
        self.assertEqual(lines[:MAX_ALIKE], [str(each) for each in many[:MAX_ALIKE]])
        (rest,) = lines[MAX_ALIKE:]
        self.assertTrue(rest.startswith(str(many[MAX_ALIKE])), rest)
        self.assertIn(f"(and {1000 - MAX_ALIKE - 1} more like it: line ", rest)

    def test_real(self) -> None:
        """Hundreds of unused policies are one line."""
        policies = "".join(
            f'[cors.p{number}]\nallow_origins = ["https://app.example"]\n' for number in range(500)
        )
        config = parse(
            'listen = ["tcp:1:interface=127.0.0.1"]\n[upstreams.a]\nservers = ["http://b"]\n'
            f'[routes."/"]\nupstream = "a"\n{policies}'
        )
        self.assertEqual(len(config.warnings), 500)
        (line,) = warning_lines(config.warnings)
        self.assertIn(" cors.p0: it is not used", line)
        self.assertIn("(and 499 more like it: line 8, line 10, line 12, ...)", line)
