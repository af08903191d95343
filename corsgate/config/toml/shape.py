"""Attach to each reader a schema of its input, from which the JSON Schema is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import attrs

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


@attrs.frozen(kw_only=True)
class Asked:
    """How the readers used one place in a document.

    Attributes:
        shape: The schema of the reader; None if there is no reader or it has no schema.
        required: Whether the value is required.
        default: The value if the key is absent; None for no default.
        is_array: Whether the value is an array.
        is_section: Whether the value contains tables under names that the user chooses.
        word: A word that is also valid here.
        section: The section whose entry the value names; empty if it names none.
        may_be_inline: Whether such an entry may also be written here.
        may_be_several: Whether the value may also be an array of such names and entries.
    """

    shape: Schema | None = None
    required: bool = False
    default: object = None
    is_array: bool = False
    is_section: bool = False
    word: str = ""
    section: str = ""
    may_be_inline: bool = False
    may_be_several: bool = False

    def more(self, shape: Schema | None, **known: Any) -> Asked:
        """Return a copy with further facts added."""
        return attrs.evolve(self, shape=self.shape if shape is None else shape, **known)
