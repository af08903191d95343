"""What decides can be imported where only Python and attrs are, such as in a web page."""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.tree import ROOT, run

_HOOK = """
import sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in ("twisted", "zope", "treq", "OpenSSL", "cryptography", "httptools", "h2"):
            raise ImportError(f"{name} is imported")

sys.meta_path.insert(0, Forbidden())
"""

_IMPORT = """
import importlib, pkgutil

for root in ("config", "cors", "explain", "learn", "explain_web"):
    package = importlib.import_module(f"corsgate.{root}")
    for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(each.name)
        print(each.name)
"""

_EXPLAIN = """
from pathlib import Path
from corsgate.config.pasted import read_pasted
from corsgate.cors.check import CORS_RULES
from corsgate.explain.explanation import explain
from corsgate.explain.given_call import given_call

source = Path("etc/corsgate.toml").read_text(encoding="utf-8")
tls = '[[listener]]\\nendpoint = "tcp:8443"\\ncertificates = [{ chain = "/a", key = "/b" }]\\n'
config, document = read_pasted(f"{source}\\n{tls}", CORS_RULES)
call = given_call(
    origin="http://localhost:4201",
    method="GET",
    url="http://localhost:5555/v1/documents",
    headers=[],
    credentials=False,
)
found = explain(config, document, call)
print(found.allowed, found.cause, sum(len(one.certificates) for one in config.listeners))
"""


class PureImportTests(SynchronousTestCase):
    """A fresh interpreter without Twisted, zope, OpenSSL and cryptography."""

    def run_without(self, script: str) -> list[str]:
        """Run a script where these can't be imported; return the lines that it prints."""
        done = run([sys.executable, "-c", _HOOK + script], ROOT)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def test_all_modules(self) -> None:
        """Every module of the packages that decide can be imported."""
        names = self.run_without(_IMPORT)
        self.assertGreater(len(names), 80)
        self.assertIn("corsgate.config.model.certificates", names)

    def test_a_call_is_explained(self) -> None:
        """A whole configuration, certificates included, is read, and a call is explained."""
        self.assertEqual(
            self.run_without(_EXPLAIN), ["False Cause.MISSING_ORIGIN 1"], "etc/corsgate.toml"
        )

    def test_the_hook_forbids(self) -> None:
        """What imports cryptography fails here, so that the tests above can fail."""
        done = run([sys.executable, "-c", _HOOK + "import corsgate.upstream.certificates"], ROOT)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("is imported", done.stderr)
