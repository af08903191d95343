"""``docs/howto/metrics.md``: its tables are complete, and its commands run."""

from __future__ import annotations

import re

from corsgate.admin.families import families
from corsgate.gate.counters import CODES, FAILURES, REFUSALS, VERDICTS
from tests.admin.support import ADMIN, ALL, AdminTestCase, view_of
from tests.prose import Prose
from tests.support import parse
from tests.tree import ROOT

PAGE = Prose.read("docs/howto/metrics.md")
_ROW = re.compile(r"(?m)^\| `(corsgate_\w+)` \| (\w+) \| (.*) \| (.+) \|$")


class MetricsTests(AdminTestCase):
    """``docs/howto/metrics.md``."""

    async def test_all_metrics(self) -> None:
        """The table has each metric with its type, labels and help, and no other one."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        found = {}
        for family in families(view_of(gate)):
            if family.name.startswith("corsgate_"):
                suffix = "_total" if family.type == "counter" else ""
                labels = ", ".join(f"`{label}`" for label in getattr(family, "_labelnames", ()))
                found[f"{family.name}{suffix}"] = (family.type, labels, family.documentation)
        shown = {name: tuple(rest) for name, *rest in _ROW.findall(PAGE.text)}
        self.assertEqual(shown, found)

    def test_words(self) -> None:
        """Each value of a label with a fixed list is described."""
        _, text = PAGE.text.split("## All metrics")
        for word in (*REFUSALS, *FAILURES, *VERDICTS, *(code for code in CODES if code > "5")):
            self.assertIn(f"`{word}`", text)

    def test_alerts(self) -> None:
        """The table has each alert."""
        rules = (ROOT / "etc" / "alerts.yml").read_text("utf-8")
        shown = re.findall(r"(?m)^\| `(Corsgate\w+)` \|", PAGE.text)
        self.assertEqual(shown, re.findall(r"alert: (\w+)", rules))

    async def test_commands(self) -> None:
        """The configuration loads, and the commands ask for addresses that there are."""
        (toml,) = PAGE.blocks("toml")
        rest = '[upstreams.a]\nservers = ["http://h"]\n[routes."/"]\nupstream = "a"\n'
        admin = parse(f'listen = ["tcp:1:interface=127.0.0.1"]\n{toml}{rest}').admin
        assert admin is not None
        service = self.whole(self.front(await self.upstream(), rest=ADMIN))
        asked = re.findall(r"curl http://127.0.0.1:9901(/\S+)", PAGE.text)
        self.assertEqual(len(asked), 3)
        for target in asked:
            self.assertEqual((await self.get(service, target.encode())).status, 200, target)
        for path in ALL:
            self.assertIn(f"| `/{path}`", PAGE.text)
        self.assertIn(f'"{admin.listen.split(":")[2].removeprefix("interface=")}:9901"', PAGE.text)

    def test_is_pointed_to(self) -> None:
        """The README leads to it."""
        self.assertIn("](docs/howto/metrics.md)", Prose.read("README.md").text)
