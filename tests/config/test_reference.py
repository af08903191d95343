"""The reference of keys: complete, and as the reader has it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.config.reference import KeyEntry, TableEntry, reference
from corsgate.config.schema import config_schema
from corsgate.config.sections.credential_keys import KINDS
from corsgate.cors.names import KNOWN_METHODS
from tests.tree import ROOT

TABLES = reference()
SECRET = {"env", "file", "systemd", "command", "timeout"}
"""The keys of a secret, which the reference describes as a type of its own."""


def table(heading: str) -> TableEntry:
    """Return the table with a heading."""
    (found,) = [each for each in TABLES if each.heading == heading]
    return found


def key(heading: str, name: str) -> KeyEntry:
    """Return a key of a table."""
    (found,) = [each for each in table(heading).keys if each.key == name]
    return found


def names(schema: Any) -> Iterator[str]:
    """Return the name of each key in a schema, however deep."""
    if isinstance(schema, dict):
        for name, inside in schema.items():
            if name == "properties":
                yield from inside
            yield from names(inside)
    elif isinstance(schema, list):
        for each in schema:
            yield from names(each)


class ReferenceTests(SynchronousTestCase):
    """``reference``."""

    def test_has_every_key(self) -> None:
        """No key of the schema is missing, and none is made up."""
        shown = {each.key for found in TABLES for each in found.keys}
        self.assertEqual(set(names(config_schema())) - shown - SECRET, set())
        self.assertEqual(shown - set(names(config_schema())), set())

    def test_has_every_key_of_the_example(self) -> None:
        """Each line ``key = value`` of etc/corsgate.toml, and each table, is in the reference."""
        text = (ROOT / "etc" / "corsgate.toml").read_text("utf-8")
        shown = {each.key for found in TABLES for each in found.keys} | SECRET
        keys = set(re.findall(r"(?m)^(?:# ?)?([a-z_0-9]+) += ", text))
        self.assertGreater(len(keys), 100)
        self.assertEqual(keys - shown, set())

    def test_headings(self) -> None:
        """Each table has one entry, and each kind of credentials a table."""
        headings = [each.heading for each in TABLES]
        self.assertEqual(len(headings), len(set(headings)))
        self.assertEqual(headings[0], "Top level")
        for kind in KINDS:
            self.assertIn(f'[credentials.NAME] with type = "{kind}"', headings)
        for heading in ("[[listener]]", "[upstreams.NAME.health]", '[routes."PREFIX".limits]'):
            self.assertIn(heading, headings)

    def test_entries(self) -> None:
        """Type, default, range and example are those of the reader."""
        timeout = key("[limits]", "connect_timeout")
        self.assertEqual((timeout.type, timeout.default), ("duration", '"3s"'))
        self.assertEqual(Limits().connect_timeout_s, 3)
        self.assertEqual(key("[limits]", "max_head_bytes").type, "size")
        self.assertEqual(key('[routes."PREFIX"]', "methods").type, "array of text")
        self.assertIn(b"PUT", KNOWN_METHODS)
        self.assertTrue(key("[[listener]]", "endpoint").required)
        self.assertFalse(key("[[listener]]", "http2").required)
        password = key('[credentials.NAME] with type = "basic"', "password")
        self.assertEqual((password.type, password.required), ("secret", True))
        weight = key("[[upstreams.NAME.servers]]", "weight")
        self.assertEqual((weight.type, weight.range), ("integer", "1 to 1000"))

    def test_all_fields_have_words(self) -> None:
        """Each key says what it does, since when, and shows a line of TOML that sets it."""
        for found in TABLES:
            for each in found.keys:
                where = f"{found.heading} {each.key}"
                self.assertTrue(each.description, where)
                self.assertRegex(each.since, r"^\d+\.\d+$", where)
                self.assertNotIn("\n", each.example, where)
                self.assertEqual(list(tomllib.loads(each.example)), [each.key], where)
                if each.default:
                    tomllib.loads(f"x = {each.default}")
