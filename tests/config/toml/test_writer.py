"""Tests of `corsgate.config.toml.writer`: what is written is read as the same."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.toml.writer import Toml, toml_tables, toml_value

# TOML is Unicode text: it can't have half of a surrogate pair.
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.one_of(TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(TEXT, inner)),
    max_leaves=5,
)


class ValueTests(SynchronousTestCase):
    """Single values."""

    def test_forms(self) -> None:
        """Each is on one line, as a person would write it."""
        values: dict[str, Toml] = {
            '"a"': "a",
            '"é"': "é",
            r'"a\"\\\n\u007f"': 'a"\\\n\x7f',
            "true": True,
            "5": 5,
            "1.5": 1.5,
            "[]": [],
            '["a", "b"]': ["a", "b"],
            "{}": {},
            '{ a = 1, "b c" = [true] }': {"a": 1, "b c": [True]},
        }
        for text, value in values.items():
            self.assertEqual(toml_value(value), text)

    @given(VALUES)
    def test_read_as_the_same(self, value: Toml) -> None:
        """tomllib reads back what was written."""
        self.assertEqual(tomllib.loads(f"key = {toml_value(value)}"), {"key": value})


class TableTests(SynchronousTestCase):
    """Keys below the headers of their tables."""

    def test_headers(self) -> None:
        """A header is written once for adjacent keys, with an empty line before it."""
        self.assertEqual(
            toml_tables(
                [
                    ((), "listen", ["tcp:1"]),
                    (("cors", "a"), "max_age", "5m"),
                    (("cors", "a"), "debug", True),
                    (("routes", "/v1"), "cors", "a"),
                ]
            ),
            'listen = ["tcp:1"]\n\n[cors.a]\nmax_age = "5m"\ndebug = true\n\n'
            '[routes."/v1"]\ncors = "a"\n',
        )
        self.assertEqual(toml_tables([(("a",), "b", 1)]), "[a]\nb = 1\n")
        self.assertEqual(toml_tables([(("\x7f",), "\x7f", 1)]), '["\\u007f"]\n"\\u007f" = 1\n')
        self.assertEqual(toml_tables([]), "")

    @given(st.dictionaries(TEXT, st.dictionaries(TEXT, TEXT, min_size=1), max_size=4))
    def test_read_as_the_same(self, tables: dict[str, dict[str, str]]) -> None:
        """Whatever the names, each key is in its own table."""
        written = toml_tables(
            ((name,), key, value) for name, table in tables.items() for key, value in table.items()
        )
        self.assertEqual(tomllib.loads(written), tables)
