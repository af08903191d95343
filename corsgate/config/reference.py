"""The reference of all keys of a configuration file, table by table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from corsgate.config.keys import all_keys
from corsgate.config.toml.keys import AnyKey, Keys
from corsgate.config.toml.shape import Schema
from corsgate.config.toml.values import DURATION, SIZE
from corsgate.config.toml.writer import toml_value

_TYPES = {"string": "text", "integer": "integer", "boolean": "boolean", "object": "table"}

_PLURALS = {"integer": "integers", "table": "tables"}


@attrs.frozen(kw_only=True)
class KeyEntry:
    """One key.

    Attributes:
        key: Its name.
        type: The type of its value in words, such as ``duration`` or ``array of text``.
        required: Whether the table must have it.
        default: The value that applies if it is absent, as TOML; empty if there is none.
        range: The permitted values in words; empty if any value of the type is permitted.
        example: A line of TOML that sets it.
        since: The version of corsgate that introduced it.
        description: What it does.
    """

    key: str
    type: str
    required: bool
    default: str
    range: str
    example: str
    since: str
    description: str


@attrs.frozen(kw_only=True)
class TableEntry:
    """One table, with its keys in the order in which they are read.

    Attributes:
        heading: Its heading in a file, such as ``[upstreams.NAME.health]``; ``Top level`` for the
            keys before the first table.
        description: What it is for.
        keys: Its keys.
    """

    heading: str
    description: str
    keys: tuple[KeyEntry, ...]


def reference() -> tuple[TableEntry, ...]:
    """Return every table of a configuration file with its keys."""
    return tuple(_table(keys) for keys in all_keys())


def _table(keys: Keys) -> TableEntry:
    return TableEntry(
        heading=keys.heading,
        description=keys.description,
        keys=tuple(_entry(key) for key in keys.keys),
    )


def _entry(key: AnyKey) -> KeyEntry:
    default = key.written_default
    return KeyEntry(
        key=key.name,
        type=key.type or _type(key.shape),
        required=key.is_required,
        default=key.shown_default or ("" if default is None else toml_value(default)),
        range=key.range or _range(key.shape),
        example=f"{key.name} = {key.example}",
        since=key.since,
        description=key.description,
    )


def _type(shape: Schema) -> str:
    """Return the type of a value in words."""
    if shape == DURATION:
        return "duration"
    if shape == SIZE:
        return "size"
    if "enum" in shape or "const" in shape:
        is_number = all(isinstance(word, int) for word in _words(shape))
        return "integer" if is_number else "text"
    if shape["type"] == "array":
        return f"array of {_PLURALS.get(of := _type(_items(shape)), of)}"
    return _TYPES[str(shape["type"])]


def _range(shape: Schema) -> str:
    """Return the values that a shape permits, in words; empty if it permits all of its type."""
    if "enum" in shape or "const" in shape:
        return ", ".join(toml_value(word) for word in _words(shape))
    if "minimum" in shape:
        return f"{shape['minimum']} to {shape['maximum']}"
    return _range(_items(shape)) if shape.get("type") == "array" else ""


def _words(shape: Schema) -> Sequence[Any]:
    words: Any = shape.get("enum", [shape.get("const")])
    return list(words)


def _items(shape: Schema) -> Schema:
    items: Any = shape["items"]
    return dict(items)
