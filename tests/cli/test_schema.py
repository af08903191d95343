"""Tests of `corsgate.cli.schema`: what the command prints."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.schema import config_schema
from tests.cli.commands import corsgate


class SchemaTests(SynchronousTestCase):
    """``corsgate schema``."""

    def test_prints_the_schema_alone(self) -> None:
        """Its output can go into a file as it is."""
        done = corsgate("schema")
        self.assertEqual((done.status, done.err, done.json), (0, "", config_schema()))
        self.assertTrue(done.out.endswith("}\n"))

    def test_takes_no_arguments(self) -> None:
        """A file's name would be one that is to be checked: that is another command."""
        done = corsgate("schema", "corsgate.toml")
        self.assertEqual((done.status, done.out), (2, ""))
        self.assertIn("unrecognized arguments", done.err)
