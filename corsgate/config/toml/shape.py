"""What the readers of a configuration ask for, said beside each of them for the schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import attrs

Schema: TypeAlias = Mapping[str, object]
"""A JSON Schema, or a part of one (draft 2020-12)."""

_Reader = TypeVar("_Reader", bound=Callable[[object], object])


def shape(schema: Schema) -> Callable[[_Reader], _Reader]:
    """Make a decorator that says what a reader of values takes.

    Args:
        schema: What every value that it reads is valid against; it may refuse some of those.
    """

    def mark(reader: _Reader) -> _Reader:
        reader.__dict__["shape"] = schema
        return reader

    return mark


def shape_of(reader: object) -> Schema | None:
    """Return what a reader takes, or None where nothing says it."""
    found: Schema | None = getattr(reader, "shape", None)
    return found


@attrs.frozen(kw_only=True)
class Asked:
    """What one place in a document was asked for.

    Attributes:
        shape: What its reader takes; None where there was none, or it does not say.
        required: Whether it may not be absent.
        default: What holds where it is; None for nothing.
        is_array: Whether it is an array.
        is_section: Whether it holds tables under names of the user's choice.
        word: A word that may stand here instead.
        section: The section that it names an entry of; empty where it names none.
        may_be_inline: Whether such an entry may be written here as well.
    """

    shape: Schema | None = None
    required: bool = False
    default: object = None
    is_array: bool = False
    is_section: bool = False
    word: str = ""
    section: str = ""
    may_be_inline: bool = False

    def more(self, shape: Schema | None, **known: Any) -> Asked:
        """Return the same with what is known now."""
        return attrs.evolve(self, shape=self.shape if shape is None else shape, **known)
