"""Tests of `corsgate.config.toml.variables`: what looks like a variable, and what doesn't."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.toml.variables import (
    env_table,
    refuse_variable,
    variable_fix,
    variable_named,
)
from corsgate.errors import BadValue

VARIABLES = (
    *("$BOX_PASSWORD", "${BOX_PASSWORD}", "%BOX_PASSWORD%", "$env:BOX_PASSWORD"),
    *("env:BOX_PASSWORD", "env.BOX_PASSWORD", "{{ BOX_PASSWORD }}", "{{env.BOX_PASSWORD}}"),
    *("${BOX_PASSWORD:-none}", "${BOX_PASSWORD:?}", 'env("BOX_PASSWORD")'),
    "os.environ['BOX_PASSWORD']",
)


class VariableTests(SynchronousTestCase):
    """The notations of shells and other tools."""

    def test_variables(self) -> None:
        """Each notation gives the name."""
        for text in VARIABLES:
            self.assertEqual(variable_named(text), "BOX_PASSWORD", text)
            self.assertRaises(BadValue, refuse_variable, text)
        self.assertEqual(variable_named("${box}"), "box")

    def test_other_text(self) -> None:
        """Text that only contains such characters is left alone, as passwords do."""
        for text in (
            *("", "$", "$$", "hunter2", "pa$$word", "$ecret", "$1000", "100%", "%41%42", "{box}"),
            *("x$BOX_PASSWORD", "$BOX_PASSWORD!", "environment", "{client_ip}", "{{box}}"),
        ):
            self.assertIsNone(variable_named(text), text)
        for text in ("/a/$metadata", "^/x$", "%E2%82%AC", "{client_ip}", "/odata/Items(1)/$COUNT"):
            refuse_variable(text)

    def test_part_of_text(self) -> None:
        """A variable in braces counts wherever it stands, except in a secret."""
        self.assertRaises(BadValue, refuse_variable, "http://${BOX_HOST}:8000")
        self.assertIsNone(variable_named("http://${BOX_HOST}:8000"))

    def test_table(self) -> None:
        """The fix names the variable, unless the name may be a password."""
        self.assertEqual(env_table("BOX_PASSWORD"), '{ env = "BOX_PASSWORD" }')
        self.assertEqual(env_table("token"), '{ env = "token" }')
        self.assertEqual(env_table("HUNTER2"), '{ env = "NAME" }')
        self.assertIn('{ env = "BOX_TOKEN" }', variable_fix("$BOX_TOKEN # of the box"))
        self.assertEqual(variable_fix("hunter2"), "")
