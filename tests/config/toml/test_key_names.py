"""Tests of `corsgate.config.toml.key_names`: other tools' names lead to ours."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.schema import config_schema
from corsgate.config.toml.key_names import (
    ALIASES,
    TOP_KEYS,
    heading,
    meant_key,
    missing_entry,
    unknown_key,
    unnamed_entry,
)

POLICY = ("allow_origins", "allow_methods", "allow_credentials", "max_age", "dangerously_x")


def names(schema: object) -> set[str]:
    """Return all names of properties in a JSON Schema."""
    found: set[str] = set()
    if isinstance(schema, dict):
        properties = schema.get("properties", {})
        found |= set(properties)
        for value in schema.values():
            found |= names(value)
    elif isinstance(schema, list):
        for value in schema:
            found |= names(value)
    return found


class KeyNameTests(SynchronousTestCase):
    """Which key is meant."""

    def test_aliases(self) -> None:
        """Names of other tools, in any spelling, mean a key of the same table only."""
        for key, meant in (
            *(("origins", "allow_origins"), ("origin", "allow_origins")),
            *(("allowed_origins", "allow_origins"), ("allowOrigins", "allow_origins")),
            *(("Access-Control-Allow-Origin", "allow_origins"), ("allow-origins", "allow_origins")),
            *(("methods", "allow_methods"), ("supports_credentials", "allow_credentials")),
            *(("maxAge", "max_age"), ("preflightMaxAge", "max_age"), ("url", None), ("x", None)),
        ):
            self.assertEqual(meant_key(key, POLICY), meant, key)
        self.assertEqual(meant_key("url", ("servers",)), "servers")
        self.assertEqual(meant_key("backend", ("upstream", "cors")), "upstream")

    def test_our_own_names(self) -> None:
        """Every key that an alias leads to exists, and so does every key of the top."""
        self.assertEqual(set(ALIASES) - names(config_schema()), set())
        top = config_schema()["properties"]
        assert isinstance(top, dict)
        self.assertLessEqual(set(TOP_KEYS), set(top))

    def test_unknown(self) -> None:
        """The fix is the key that is meant, another place, or the keys that there are."""
        self.assertEqual(
            unknown_key("origins", ("cors", "app"), POLICY),
            ("allow_origins", 'did you mean "allow_origins"?'),
        )
        self.assertEqual(
            unknown_key("listen", ("cors", "app"), POLICY),
            ("listen", "move it to the top of the file, above the first heading in brackets"),
        )
        self.assertEqual(
            unknown_key("allow_method", (), POLICY)[1], 'did you mean "allow_methods"?'
        )
        fix = unknown_key("colour", (), POLICY)[1]
        self.assertIn('write "allow_origins", "allow_methods"', fix)
        self.assertNotIn("dangerously", fix)

    def test_headings(self) -> None:
        """An example of a heading is one of its section."""
        self.assertEqual(heading("routes"), '[routes."/v1"]')
        self.assertEqual(heading("credentials"), "[credentials.box]")
        self.assertIn("[cors.app]", unnamed_entry("cors")[1])

    def test_missing(self) -> None:
        """A name that may be a misplaced secret is not shown."""
        self.assertEqual(missing_entry("upstreams", "box"), "there is no [upstreams.box]")
        for name, words in (("http://a:hunter2@b", "a URL"), ("digest:hunter2", "no such name")):
            said = missing_entry("upstreams", name)
            self.assertIn(words, said)
            self.assertNotIn("hunter2", said)
