"""The file that means the same as a command line."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.parse import parse_config
from corsgate.config.quick import quick_config
from corsgate.config.quick_auth import KINDS
from corsgate.config.quick_toml import quick_toml
from corsgate.cors.check import CORS_RULES

MARK = 'hunter2"\\'


class QuickTomlTests(SynchronousTestCase):
    """`quick_toml`."""

    maxDiff = None

    def test_means_the_same(self) -> None:
        """The configuration read from it is equal, and the secret is not in it."""
        for upstream, auth, listen, allow_credentials in (
            ("http://localhost:8000", None, None, False),
            ("https://box.example/base", f"basic:me:{MARK}", "5556", False),
            ("http://localhost:8000", f'digest:"a\\b":{MARK}', None, True),
            ("unix:/run/box.sock", f"auto:me:{MARK}", "[::1]:0", True),
            ("http://[::1]:8000", f"ntlm:OFFICE\\me:{MARK}", "tcp:9901", False),
            ("http://localhost:8000", f"header:X-Key:{MARK}", None, False),
            ("http://localhost:8000", f"header:Authorization:{MARK}", None, True),
        ):
            quick = quick_config(
                upstream=upstream,
                allow_origins=["http://localhost:4200", "https://*.example.com"],
                auth=auth,
                listen=listen,
                allow_credentials=allow_credentials,
                cors_rules=CORS_RULES,
            )
            toml = quick_toml(quick)
            self.assertNotIn("hunter2", toml)
            variable = KINDS[auth.partition(":")[0]].variable if auth else ""
            read = self.read(toml, {variable: MARK})
            self.assertEqual(read, quick, toml)

    def test_variable(self) -> None:
        """The variable may be named."""
        quick = quick_config(
            upstream="http://localhost:8000", allow_origins=["http://a"], auth="bearer:abc"
        )
        toml = quick_toml(quick, "MY_TOKEN")
        self.assertIn('{ env = "MY_TOKEN" }', toml)
        self.assertEqual(self.read(toml, {"MY_TOKEN": "abc"}), quick)
        self.assertNotEqual(self.read(toml, {"MY_TOKEN": "other"}), quick)

    def read(self, toml: str, environ: dict[str, str]) -> object:
        """Return the configuration in a file."""
        return parse_config(
            toml,
            file="gate.toml",
            environ=environ,
            read_file=lambda path: b"",
            cors_rules=CORS_RULES,
            has_spnego=True,
        )
