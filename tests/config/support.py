"""What the tests of `corsgate.config` share: a small world to read from, and tables of faults."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Config, Cors
from corsgate.config.parse import parse_config
from corsgate.config.sections.policies import NO_RULES, CorsRules
from corsgate.config.sections.secrets import Sources
from corsgate.config.toml.lines import key_lines
from corsgate.config.toml.reader import Notes, Table
from corsgate.errors import BadValue, ConfigError
from tests.certificates import Authority

TOP = 'listen = ["tcp:5555"]\n'
UPSTREAM = '[upstreams.a]\nservers = ["http://127.0.0.1:8000"]\n'
ROUTE = '[routes."/"]\nupstream = "a"\n'

SECRET = """[upstreams.box]
servers = ["http://127.0.0.1:8001"]
credentials = { type = "bearer", token = "t" }
[routes."/"]
upstream = "box"
"""
OPEN = SECRET.replace('credentials = { type = "bearer", token = "t" }', "")

AUTHORITY = Authority.make()
PEM = AUTHORITY.pem
ISSUED = AUTHORITY.issue("a.example.com", "*.b.example.com")
FILES = {
    "/chain.pem": ISSUED.pem + PEM,
    "/key.pem": ISSUED.key_pem,
    "/broken.pem": b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
    "/ca.pem": PEM,
    "/password": b"from file\n",
    "/marked": b"\xef\xbb\xbffrom notepad\r\n",
    "/dos": b"from dos\r\n",
    "/two-ends": b"x\n\n",
    "/empty": b"\n",
    "/latin-1": b"\xe9",
    "/text": b"no certificate",
    "/servers.toml": b'servers = ["http://a:1", { url = "http://b", backup = true }]\n',
    "/bad-servers.toml": b'servers = [\n"http://a",\n"ftp://b",\n"dns+http://c"]\n',
    "/no-servers.toml": b"server = 5",
    "/empty-servers.toml": b"",
    "/run/credentials/gate/ml": b"from systemd",
}
ENVIRON = {"NAME": "from environment", "EMPTY": "", "TAIL": "x\n"}


def read_file(path: str) -> bytes:
    """Return a file of `FILES`, or raise what the system would."""
    if "\0" in path:
        raise ValueError("embedded null byte")
    if path == "/secret":
        raise PermissionError(13, "Permission denied", path)
    if path not in FILES:
        raise FileNotFoundError(2, "No such file or directory", path)
    return FILES[path]


def parse(
    source: str | bytes,
    *,
    environ: Mapping[str, str] = ENVIRON,
    cors_rules: CorsRules = NO_RULES,
) -> Config:
    """Parse a file named ``c.toml``."""
    return parse_config(
        source, file="c.toml", environ=environ, read_file=read_file, cors_rules=cors_rules
    )


def sources(**changes: Any) -> Sources:
    """Return the small world to read from, with changes."""
    return Sources(**{"environ": ENVIRON, "read_file": read_file, "has_spnego": True, **changes})


def table_of(source: str) -> Table:
    """Return a TOML document as a reader of one section gets it."""
    return Table(Notes(file="c.toml", lines=key_lines(source)), (), tomllib.loads(source))


def noted(table: Table) -> list[str]:
    """Return what was recorded of a table's document: first its faults, then its warnings."""
    return [str(each) for each in (*table.notes.faults, *table.notes.warnings)]


def faults_of(
    source: str | bytes,
    *,
    environ: Mapping[str, str] = ENVIRON,
    cors_rules: CorsRules = NO_RULES,
) -> list[str]:
    """Return the faults of a file named ``c.toml``, as they are shown."""
    try:
        parse(source, environ=environ, cors_rules=cors_rules)
    except ConfigError as error:
        return [str(fault) for fault in error.faults]
    return []


def warned(source: str) -> list[str]:
    """Return the warnings of a file, as they are shown."""
    return [str(warning) for warning in parse(source).warnings]


def fault_of(check: Callable[..., Any], *arguments: Any) -> str:
    """Return the text of the BadValue that a call raises; empty if it raises none."""
    try:
        check(*arguments)
    except BadValue as error:
        return str(error)
    return ""


def two_faults(cors: Cors) -> Sequence[tuple[str, str, str]]:
    """Return two faults for each policy: its last origin, and its max_age."""
    last = len(cors.allow_origins) - 1
    return [(f"allow_origins[{last}]", "odd", "fix it"), ("max_age", "odd too", "fix it")]


class TableTestCase(SynchronousTestCase):
    """A test case that compares whole tables, and so shows all that differs at once."""

    maxDiff = None

    def assert_checked(
        self, check: Callable[..., Any], good: Iterable[Any], bad: Mapping[Any, str]
    ) -> None:
        """Assert that a check accepts each good value, and what it says of each bad one.

        Args:
            check: Raises BadValue.
            good: Values, or tuples of arguments, that it must accept.
            bad: The whole message for each value that it must reject.
        """
        expected = {**dict.fromkeys(good, ""), **bad}
        found = {
            value: fault_of(check, *(value if isinstance(value, tuple) else (value,)))
            for value in expected
        }
        self.assertEqual(expected, found)
        self.assertNotIn("", bad.values())

    def assert_faults(self, template: str, cases: Iterable[tuple[str, str]]) -> None:
        """Assert the faults of each fragment, which replaces ``@@`` in the template.

        Args:
            template: A whole file except for the fragment.
            cases: Pairs of a fragment and what is shown of its faults, a line for each.
        """
        expected = dict(cases)
        found = {
            fragment: "\n".join(faults_of(template.replace("@@", fragment)))
            for fragment in expected
        }
        self.assertEqual(expected, found)
        self.assertNotIn("", expected.values())
