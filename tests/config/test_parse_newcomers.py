"""What `corsgate.config.parse` says of the mistakes that newcomers make: ``newcomers.txt``."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.endpoint import is_loopback
from corsgate.config.model.values import Config
from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from corsgate.errors import ConfigError

VALID = """\
listen = ["tcp:5555:interface=127.0.0.1"]
[upstreams.box]
servers = ["http://localhost:8000"]
credentials = "box"
[credentials.box]
type = "digest"
username = "admin"
password = "hunter2"
[cors.app]
allow_origins = ["http://localhost:4200"]
allow_methods = ["GET", "PUT"]
[routes."/v1"]
upstream = "box"
cors = "app"
"""
TABLE = Path(__file__).parent / "newcomers.txt"


def parse(text: str) -> Config:
    """Parse a configuration with all checks and an empty environment."""
    return parse_config(
        text, file="gate.toml", environ={}, read_file=lambda _: b"", cors_rules=CORS_RULES
    )


def mistakes() -> dict[str, tuple[str, str]]:
    """Return the file with each mistake, and the messages, by the mistake's name."""
    found = {}
    for part in TABLE.read_text("utf-8").split("\n== ")[1:]:
        name, *lines = part.rstrip("\n").split("\n")
        removed = "".join(f"{line[2:]}\n" for line in lines if line.startswith("- "))
        added = "".join(f"{line[2:]}\n" for line in lines if line.startswith("+ "))
        said = "\n".join(line for line in lines if not line.startswith(("- ", "+ ")))
        assert removed in VALID, name
        found[name] = VALID.replace(removed, added, 1), said
    return found


class NewcomerTests(SynchronousTestCase):
    """Each mistake gets a message with the place, the reason and the fix."""

    maxDiff = None

    def test_valid(self) -> None:
        """The file without a mistake is valid, and nothing is wrong with it."""
        self.assertEqual(parse(VALID).warnings, ())

    def test_messages(self) -> None:
        """The messages are as they are written in the table; a file has no mistake unnoticed."""
        table = mistakes()
        self.assertGreater(len(table), 80)
        found = {}
        for name, (text, _) in table.items():
            found[name] = str(self.assertRaises(ConfigError, parse, text))
        self.assertEqual(found, {name: said for name, (_, said) in table.items()})

    def test_no_message_shows_the_password(self) -> None:
        """Whatever is wrong around it, and wherever it stands, the password is not shown."""
        for name, (_, said) in mistakes().items():
            self.assertNotIn("hunter2", said, name)

    def test_no_message_opens_the_gate(self) -> None:
        """No message proposes to listen on more than loopback."""
        for name, (text, _) in mistakes().items():
            error = self.assertRaises(ConfigError, parse, text)
            for fault in error.faults:
                for word in fault.fix.replace("[", " ").replace("]", " ").split():
                    if word.strip('"').startswith("tcp:"):
                        self.assertTrue(is_loopback(word.strip('"')), name)
