"""etc/alerts.yml: its rules are valid, fire when they should, and use metrics that exist."""

from __future__ import annotations

import re
from pathlib import Path
from shutil import copy

from corsgate.admin.families import families
from tests.admin.support import ADMIN, AdminTestCase, view_of
from tests.programs import output, require
from tests.tree import ROOT

RULES = ROOT / "etc" / "alerts.yml"
TESTS = Path(__file__).with_name("alerts_test.yml")
_SAMPLE = re.compile(r"\b(?:corsgate|process)_[a-z_]+\b")
_SUFFIXES = ("_total", "_bucket", "_sum", "_count")


def expressions(text: str) -> str:
    """Return the expressions of all rules."""
    return "\n".join(re.findall(r"expr: (?:\|\n)?((?:.+\n)+?)        (?:for|labels):", text))


class AlertsTests(AdminTestCase):
    """The rules."""

    async def test_check(self) -> None:
        """Promtool finds the rules valid."""
        said = await output(require("promtool", "prometheus"), ["check", "rules", str(RULES)])
        self.assertIn("SUCCESS: 15 rules found", said)

    async def promtool(self, rules: str) -> str:
        """Return what promtool says of the rules' tests."""
        home = Path(self.mktemp())
        home.mkdir(parents=True)
        (home / "alerts.yml").write_text(rules, "utf-8")
        copy(TESTS, home)
        return await output(
            require("promtool", "prometheus"), ["test", "rules", str(home / TESTS.name)]
        )

    async def test_fire(self) -> None:
        """Each fires when it should, and not otherwise."""
        rules = RULES.read_text("utf-8")
        said = await self.promtool(rules)
        self.assertIn("SUCCESS", said)
        self.assertNotIn("FAILED", said)
        tested = TESTS.read_text("utf-8")
        for name in re.findall(r"alert: (\w+)", rules):
            self.assertIn(name, tested)

    async def test_tests_can_fail(self) -> None:
        """With another threshold the tests fail."""
        said = await self.promtool(RULES.read_text("utf-8").replace("> 0.05", "> 0.005"))
        self.assertIn("FAILED", said)

    async def test_metrics_exist(self) -> None:
        """Each metric that a rule names is one of the gate's."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        known = {family.name for family in families(view_of(gate))}
        named = set(_SAMPLE.findall(expressions(RULES.read_text("utf-8"))))
        self.assertGreater(len(named), 12)
        for name in named:
            bare = next((name.removesuffix(end) for end in _SUFFIXES if name.endswith(end)), name)
            self.assertTrue(bare in known or name in known, name)

    def test_runbooks(self) -> None:
        """Each alert says what happened, and what to do."""
        rules = RULES.read_text("utf-8").split("- alert: ")[1:]
        for rule in rules:
            for key in ("severity", "summary", "runbook"):
                self.assertEqual(rule.count(f"{key}: "), 1, (key, rule))
