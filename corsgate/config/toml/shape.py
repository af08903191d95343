"""Attach schemas to readers, from which the JSON Schema is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

Schema: TypeAlias = Mapping[str, object]
"""A JSON Schema, or a part of one (draft 2020-12)."""

_Reader = TypeVar("_Reader", bound=Callable[[object], object])


def shape(schema: Schema) -> Callable[[_Reader], _Reader]:
    """Make a decorator that attaches a schema to a reader.

    Args:
        schema: All values that the reader accepts match it. The reader may also reject values
            that match.
    """

    def mark(reader: _Reader) -> _Reader:
        reader.__dict__["shape"] = schema
        return reader

    return mark


def shape_of(reader: object) -> Schema | None:
    """Return the schema of a reader, or None if it has none."""
    found: Schema | None = getattr(reader, "shape", None)
    return found
