"""Calls that do not reach the gate, because it does not listen at their URL."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadValue
from corsgate.explain.report import as_text
from tests.explain.test_explanation import CONFIG, ask


class ReachedTests(SynchronousTestCase):
    """`explain` for URLs that are not the gate's."""

    def test_past_the_gate(self) -> None:
        """The URL of a server behind the gate is rejected."""
        error = self.assertRaises(BadValue, ask, base="http://10.0.0.2:8000")
        self.assertIn('"b", so calls to it bypass the gate', str(error))

    def test_elsewhere(self) -> None:
        """Without a matching listener, a note says that something must forward the call."""
        tls = CONFIG.replace("tcp:5555", "ssl:5555")
        for base, toml, told in (
            ("http://localhost:8080", CONFIG, ("listens on 5555, not on 8080",)),
            ("https://localhost:5555", CONFIG, ("uses http on port 5555",)),
            ("http://localhost:5555", tls, ("uses https on port 5555",)),
            ("https://localhost:5555", tls, ()),
            ("https://localhost", CONFIG.replace("tcp:5555", "unix:/x"), ()),
        ):
            found = ask(base=base, toml=toml)
            self.assertEqual(len(found.advice), len(told), base)
            for said, line in zip(told, found.advice, strict=True):
                self.assertIn(said, line)
                self.assertIn(f"note: {line}\n", as_text(found))
