"""Tests of `corsgate.config.toml.keys`: declarations of keys and tables."""

from __future__ import annotations

from typing import Any

import attrs
from jsonschema import Draft202012Validator
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.balancing import Fallback, HealthCheck
from corsgate.config.model.limits import Limits
from corsgate.config.toml.keys import (
    Key,
    Keys,
    by_hand,
    field_key,
    list_of,
    table_key,
    tables_by_name,
)
from corsgate.config.toml.values import boolean, choice, duration, integer, size, text

COUNT = Key("count", integer, 7, "A number.", example="1")
NAME = Key("name", text, None, "A name.", example='"a"', fix='write name = "a"')
KINDS = list_of("kinds", choice(("a", "b")), "Kinds.", entry='"a"', default=("a",))
THING = Keys(heading="[thing]", description="A thing.", keys=(NAME, COUNT, KINDS))


def is_valid(schema: Any, value: object) -> bool:
    """Return whether a schema accepts a value."""
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema).is_valid(value)


class KeyTests(SynchronousTestCase):
    """A key."""

    def test_schema(self) -> None:
        """It has the reader's shape, the description and the default."""
        self.assertEqual(
            COUNT.schema, {"description": "A number.", "type": "integer", "default": 7}
        )
        self.assertEqual(NAME.schema, {"description": "A name.", "type": "string"})
        items = {"enum": ["a", "b"]}
        self.assertEqual(
            KINDS.schema,
            {"description": "Kinds.", "type": "array", "items": items, "default": ["a"]},
        )

    def test_unmarked_reader(self) -> None:
        """A reader without a shape is reported by its key."""
        key = Key("new_key", lambda raw: raw, None, "A key.", example="1")
        self.assertIn("new_key", str(self.assertRaises(ValueError, getattr, key, "schema")))

    def test_written_defaults(self) -> None:
        """A default is written as in a file; what no file can have is none."""
        for read, default, written in (
            (duration, 5.0, "5s"),
            (size, 1024, "1KiB"),
            (boolean, False, False),
            (integer, 0, 0),
            (text, "", None),
            (text, None, None),
            (by_hand({"const": "off"}), True, None),
        ):
            key: Key[Any, Any] = Key("k", read, default, "A key.", example="1")
            self.assertEqual(key.written_default, written)

    def test_required(self) -> None:
        """A key with a fix for its absence is required, unless it says otherwise."""
        self.assertTrue(NAME.is_required)
        self.assertFalse(COUNT.is_required)
        self.assertFalse(attrs.evolve(NAME, is_required=False).is_required)


class FieldTests(SynchronousTestCase):
    """Keys that set a field of a class."""

    def test_fields(self) -> None:
        """Reader, default and range are those of the field; its unit is not part of the name."""
        for field, name, default, valid_range in (
            ("connect_timeout_s", "connect_timeout", "3s", "1ms to 1h"),
            ("max_head_bytes", "max_head_bytes", "32KiB", "256B to 1MiB"),
            ("max_body_bytes", "max_body_bytes", None, "1B or more"),
            ("max_headers", "max_headers", 100, ""),
        ):
            key = field_key(Limits, field, "A limit.", example="1")
            self.assertEqual(
                (key.name, key.field, key.written_default, key.range),
                (name, field, default, valid_range),
            )

    def test_bounds(self) -> None:
        """The schema has the bounds that the class checks, and the reader leaves them to it."""
        key = field_key(HealthCheck, "port", "A port.", example="1")
        for value, good in ((0, False), (1, True), (65535, True), (65536, False)):
            self.assertEqual((value, is_valid(key.schema, value)), (value, good))
        self.assertEqual(key.read(0), 0)

    def test_kinds_of_fields(self) -> None:
        """A boolean is read as one, and text by the reader that is given."""
        self.assertIs(field_key(HealthCheck, "anonymous", "It.", example="true").read, boolean)
        key = field_key(Fallback, "body", "It.", example='"a"', read=text)
        self.assertIs(key.read, text)


class KeysTests(SynchronousTestCase):
    """Tables."""

    def test_schema(self) -> None:
        """It accepts the known keys, and wants the required ones."""
        for value, good in (
            ({"name": "a"}, True),
            ({"name": "a", "count": 1, "kinds": ["b"]}, True),
            ({"name": "a", "kinds": ["c"]}, False),
            ({"name": "a", "size": 1}, False),
            ({"count": 1}, False),
        ):
            self.assertEqual((value, is_valid(THING.schema, value)), (value, good))

    def test_alternatives(self) -> None:
        """One of some keys may be wanted."""
        keys = Keys(heading="", description="", keys=(COUNT, KINDS), any_of=("count", "kinds"))
        self.assertTrue(is_valid(keys.schema, {"kinds": []}))
        self.assertFalse(is_valid(keys.schema, {}))

    def test_kinds(self) -> None:
        """A kind of table accepts its own type only."""
        of_type = Key("type", choice(("a", "b")), None, "The type.", example='"a"')
        keys = Keys(heading="", description="", keys=(of_type,), kind="a")
        self.assertTrue(is_valid(keys.schema, {"type": "a"}))
        self.assertFalse(is_valid(keys.schema, {"type": "b"}))

    def test_tables(self) -> None:
        """A key may contain a table, or several under names."""
        one = table_key("thing", THING, "A thing.", example='{ name = "a" }')
        several = Key(
            "things",
            tables_by_name(THING.schema),
            None,
            "Things.",
            example="{}",
            tables=(THING,),
        )
        keys = Keys(heading="", description="", keys=(one, several))
        self.assertTrue(is_valid(keys.schema, {"thing": {"name": "a"}}))
        self.assertFalse(is_valid(keys.schema, {"thing": {}}))
        self.assertTrue(is_valid(keys.schema, {"things": {"x": {"name": "a"}}}))
        self.assertFalse(is_valid(keys.schema, {"things": {"x y": {"name": "a"}}}))
        self.assertEqual(list(keys.below()), [keys, THING, THING])
