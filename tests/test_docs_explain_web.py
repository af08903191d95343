"""``docs/howto/explain-web.md``: its command serves the page, and what it promises is there."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli.explain_web import DEFAULT_PORT
from corsgate.explain.call import Call
from corsgate.explain.servers import all_fixes
from corsgate.explain.url import Url
from corsgate.explain_web.form import MAX_HAR_LENGTH
from tests.cli.test_explain_web import web_server
from tests.prose import Prose
from tests.tree import ROOT

PAGE = Prose.read("docs/howto/explain-web.md")


class ExplainWebTests(SynchronousTestCase):
    """The page of the documentation."""

    def test_command(self) -> None:
        """The command is the one that serves the page, on a port of its own here."""
        self.assertEqual(list(PAGE.blocks("sh")), ["corsgate explain --web\n"])
        self.assertEqual(web_server().ask("GET", "/")[0], 200)

    def test_facts(self) -> None:
        """The port, the bound and the servers are those of the code."""
        self.assertIn(f"127.0.0.1:{DEFAULT_PORT}", PAGE.text)
        self.assertIn(f"At most {MAX_HAR_LENGTH // 1_000_000} MB", PAGE.text)
        call = Call(origin=b"http://a", method=b"PUT", url=Url.parse("http://h/"))
        text = " ".join(PAGE.text.split())
        for fix in all_fixes(call):
            self.assertIn(fix.name, text)

    def test_is_pointed_to(self) -> None:
        """docs/howto/cors.md leads to it, and its picture is there."""
        self.assertIn("](explain-web.md)", Prose.read("docs/howto/cors.md").text)
        self.assertGreater((ROOT / "docs" / "explain.png").stat().st_size, 10_000)
