"""Files with a policy, for the tests of faults and warnings about policies."""

from __future__ import annotations

from collections.abc import Iterable

from corsgate.cors.check import CORS_RULES
from corsgate.errors import ConfigError, Fault
from tests.config.support import TableTestCase, parse

TOP = 'listen = ["systemd:domain=INET:index=0"]\nhosts = ["gate.example"]\n'
LOCAL = 'listen = ["tcp:5555:interface=127.0.0.1"]\n\n'
OPEN = """[upstreams.open]
servers = ["http://127.0.0.1:8000"]


[routes."/"]
upstream = "open"
"""
BOX = """[upstreams.box]
servers = ["http://127.0.0.1:8001"]
credentials = { type = "bearer", token = "t" }

[routes."/"]
upstream = "box"
"""
CORS = "cors = { @@ }\n"
POLICY = TOP + OPEN + CORS
INJECTED = TOP + BOX + CORS
WITH_A_KEY = INJECTED.replace(
    '{ type = "bearer", token = "t" }', '{ type = "header", name = "X-API-Key", value = "k" }'
)
SERVING = TOP + OPEN + 'methods = ["GET", "PUT"]\n' + CORS
AT_HOME = LOCAL + OPEN + CORS
BEHIND_A_PROXY = LOCAL[:-1] + 'hosts = ["api.example.com"]\n' + OPEN + CORS
TRUSTING_A_PROXY = (
    'hosts = ["localhost"]\n'
    '[[listener]]\nendpoint = "tcp:5555:interface=127.0.0.1"\ntrusted_proxies = ["127.0.0.1"]\n'
    + OPEN
    + CORS
)
AT = 'c.toml:9: routes."/".cors'
AT_10 = 'c.toml:10: routes."/".cors'
HTTPS = 'allow_origins = ["https://a.example.com"]'
ANY = "dangerously_allow_any_origin_to_use_upstream_credentials"
INSECURE = "dangerously_allow_insecure_origins_with_credentials"
SUFFIXES = "dangerously_allow_subdomains_of_public_suffixes"
EXTENSIONS = "dangerously_allow_any_browser_extension"
NULL = "dangerously_allow_null_origin"
NULL_CREDENTIALS = "dangerously_allow_null_origin_with_credentials"


def found(source: str) -> tuple[str, str]:
    """Return the faults and the warnings of a file, as they are shown."""
    try:
        config = parse(source, cors_rules=CORS_RULES)
    except ConfigError as error:
        return _lines(error.faults), _lines(error.warnings)
    return "", _lines(config.warnings)


def _lines(faults: Iterable[Fault]) -> str:
    return "\n".join(str(fault) for fault in faults)


class FindingTestCase(TableTestCase):
    """A test case that compares the faults and warnings of files."""

    def assert_found(
        self, template: str, cases: Iterable[tuple[str, str]], *, warnings: bool = False
    ) -> None:
        """Assert the faults, or the warnings, of each fragment, which replaces ``@@``."""
        expected = {fragment: ("", told) if warnings else (told, "") for fragment, told in cases}
        self.assertEqual(expected, {each: found(template.replace("@@", each)) for each in expected})
        self.assertNotIn(("", ""), expected.values())

    def assert_nothing_found(self, template: str, fragments: Iterable[str]) -> None:
        """Assert that no fragment has a fault or warning."""
        for fragment in fragments:
            self.assertEqual(found(template.replace("@@", fragment)), ("", ""), fragment)
