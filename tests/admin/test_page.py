"""The status page's files."""

from __future__ import annotations

import re

from corsgate.admin.page import PAGE_POLICY, add_page
from corsgate.gate.counters import FAILURES
from tests.admin.support import ADMIN, AdminTestCase
from tests.tree import ROOT

STATIC = ROOT / "corsgate" / "admin" / "static"
OWN = sorted(path for path in STATIC.iterdir() if not path.name.startswith("uPlot"))


class PageTests(AdminTestCase):
    """`add_page`."""

    async def test_served(self) -> None:
        """The page and each of its files are served, under the page's policy and without CORS."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        service = self.admin(gate, add_page)
        files = {f"/static/{path.name}": path for path in STATIC.iterdir()}
        del files["/static/index.html"], files["/static/uPlot.LICENSE"]
        for target, path in {"/": STATIC / "index.html", **files}.items():
            with self.subTest(target=target):
                answer = await self.get(service, target.encode())
                self.assertEqual((answer.status, answer.body), (200, path.read_bytes()))
                self.assertEqual(answer.one(b"Content-Security-Policy"), PAGE_POLICY)
                self.assertFalse([name for name in answer.fields if b"access-control" in name])
        for other in (b"/static/", b"/static/../page.py", b"/static/%2e%2e/page.py", b"/x"):
            self.assertIn((await self.get(service, other)).status, (400, 404))

    def test_nothing_from_elsewhere(self) -> None:
        """The page's own files name no other host, and make no markup of text."""
        for path in OWN:
            text = path.read_text("utf-8")
            with self.subTest(path=path.name):
                found = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text.replace("www.w3.org", ""))
                self.assertEqual(found, [])
                made = re.findall(
                    r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b", text
                )
                self.assertEqual(made, [])
                self.assertEqual(re.findall(r"\sstyle=|\son\w+=", text), [])

    def test_files_are_found(self) -> None:
        """Whatever the page and its modules name is there, and nothing else is."""
        html = (STATIC / "index.html").read_text("utf-8")
        named = {"index.html", "uPlot.LICENSE", *re.findall(r'"static/([\w.]+)"', html)}
        for path in STATIC.glob("*.js"):
            if path in OWN:
                named |= set(re.findall(r'from "\./([\w.]+)"', path.read_text("utf-8")))
        self.assertEqual(named, {path.name for path in STATIC.iterdir()})

    def test_failures_have_words(self) -> None:
        """Each cause of a failure that the gate counts has words of its own, except for others."""
        text = (STATIC / "upstreams.js").read_text("utf-8")
        _, _, rest = text.partition("const FAILURES = {")
        named = re.findall(r"(\w+):", rest.partition("};")[0].replace("refused:", ""))
        self.assertEqual(set(named), set(FAILURES) - {"other"})

    def test_ids_are_found(self) -> None:
        """Each element that a module asks for is in the page."""
        html = (STATIC / "index.html").read_text("utf-8")
        ids = set(re.findall(r'\bid="([\w-]+)"', html))
        for path in STATIC.glob("*.js"):
            if path in OWN:
                asked = set(re.findall(r'byId\("([\w-]+)"\)', path.read_text("utf-8")))
                self.assertEqual(asked - ids, set(), path.name)
