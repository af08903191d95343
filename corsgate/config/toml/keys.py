"""The declarations of keys and tables of a configuration file.

Each key and table is declared once, in the module of its reader. Readers, the JSON Schema, the
reference and the description of changes all use these declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeAlias, TypeVar

import attrs

from corsgate.config.model.rules import ENTRY_NAME
from corsgate.config.model.units import format_duration, format_size, is_size
from corsgate.config.model.validators import PIB, bounds_of
from corsgate.config.toml.shape import Schema, shape, shape_of
from corsgate.config.toml.values import DURATION, SIZE, boolean, duration, integer, size
from corsgate.config.toml.writer import Toml

_T = TypeVar("_T")
_D = TypeVar("_D")


@attrs.frozen
class Key(Generic[_T, _D]):
    """A key of a table.

    Attributes:
        name: The name in the file.
        read: Reads its value; marked with `shape`.
        default: The value if the key is absent or faulty.
        description: What it does, for users, in whole sentences.
        example: A value that shows its use, in TOML.
        fix: How to fix its absence; empty if its absence is not a fault.
        is_required: Whether every table needs it. A key with a `fix` is required unless another
            one can replace it. In that case its section does not always read it.
        range: The valid values, in words; empty to derive them from the reader's shape.
        type: The type of its value, in words; empty to derive it from the reader's shape.
        shown_default: The default in TOML, if it is not that of `default`.
        since: The version that introduced it.
        field: The attribute of the model that it sets; empty if that has the same name.
        gives: The effect of a new list entry, for `corsgate diff`; ``{}`` is the entry.
        takes: The effect of a removed list entry.
        tables: The tables that its value may contain.
    """

    name: str
    read: Callable[[object], _T]
    default: _D
    description: str
    example: str = attrs.field(kw_only=True)
    fix: str = attrs.field(default="", kw_only=True)
    is_required: bool = attrs.field(kw_only=True)
    range: str = attrs.field(default="", kw_only=True)
    type: str = attrs.field(default="", kw_only=True)
    shown_default: str = attrs.field(default="", kw_only=True)
    since: str = attrs.field(default="0.1", kw_only=True)
    field: str = attrs.field(default="", kw_only=True)
    gives: str = attrs.field(default="", kw_only=True)
    takes: str = attrs.field(default="", kw_only=True)
    tables: tuple[Keys, ...] = attrs.field(default=(), kw_only=True, repr=False)

    @is_required.default
    def _needs_a_fix(self) -> bool:
        return bool(self.fix)

    @property
    def shape(self) -> Schema:
        """The schema of its value, without the default.

        Raises:
            ValueError: The reader is not marked with `shape`.
        """
        found = shape_of(self.read)
        if found is None:
            raise ValueError(f"{self.name}: mark its reader with @shape")
        return found

    @property
    def is_duration(self) -> bool:
        """Whether its value is a duration."""
        return self.shape == DURATION

    @property
    def is_size(self) -> bool:
        """Whether its value is a number of bytes."""
        return self.shape == SIZE

    @property
    def written_default(self) -> Toml | None:
        """The default as a file would contain it; None if a file can't contain it."""
        default: Any = self.default
        if "const" in self.shape:
            return None  # The only valid word means the opposite of the default.
        if isinstance(default, float | int) and not isinstance(default, bool):
            if self.is_duration:
                return format_duration(default)
            if self.is_size:
                return format_size(int(default))
        is_scalar = isinstance(default, bool | int | str) and default != ""
        return default if is_scalar else None

    @property
    def schema(self) -> dict[str, object]:
        """The schema of its value, with description and default."""
        found: dict[str, object] = {"description": self.description, **self.shape}
        if self.written_default is not None:
            found["default"] = self.written_default
        return found


AnyKey: TypeAlias = Key[Any, Any]


@attrs.frozen
class ListKey(Key[_T, tuple[_T, ...] | None]):
    """A key whose value is an array; `read` reads each entry.

    Attributes:
        entry: An entry, in TOML, for messages.
    """

    entry: str = attrs.field(kw_only=True)

    @property
    def shape(self) -> Schema:
        """The schema of its value, without the default."""
        return {"type": "array", "items": super().shape}

    @property
    def written_default(self) -> Toml | None:
        """The default as a file would contain it; None if it is empty or there is none."""
        default: Any = self.default
        return list(default) if default else None


@attrs.frozen(kw_only=True)
class Keys:
    """The keys of one kind of table.

    Attributes:
        heading: The heading of the table, such as ``[upstreams.NAME.health]``.
        description: What the table is for, for users.
        keys: The keys, in the order for messages and documents.
        models: The classes whose fields the keys set, for `corsgate diff`.
        any_of: Names of keys, at least one of which must be present, in addition to required keys.
        kind: The value of ``type``, if that determines the keys of the table.
    """

    heading: str
    description: str
    keys: tuple[AnyKey, ...]
    models: tuple[type, ...] = ()
    any_of: tuple[str, ...] = ()
    kind: str = ""
    names: tuple[str, ...] = attrs.field(init=False, repr=False)

    @names.default
    def _names_of_keys(self) -> tuple[str, ...]:
        return tuple(key.name for key in self.keys)

    @property
    def schema(self) -> dict[str, object]:
        """The schema of such a table."""
        properties = {key.name: key.schema for key in self.keys}
        if self.kind:
            words = properties["type"]["description"]
            properties["type"] = {"description": words, "const": self.kind}
        found: dict[str, object] = {"type": "object", "properties": properties}
        required = [key.name for key in self.keys if key.is_required]
        if required:
            found["required"] = required
        if self.any_of:
            found["anyOf"] = [{"required": [name]} for name in self.any_of]
        return {**found, "additionalProperties": False}

    def below(self) -> Iterator[Keys]:
        """Return this kind of table, and those that its keys may contain."""
        yield self
        for key in self.keys:
            for table in key.tables:
                yield from table.below()


def list_of(
    name: str,
    read: Callable[[object], _T],
    description: str,
    *,
    entry: str,
    example: str = "",
    default: tuple[_T, ...] | None = None,
    fix: str = "",
    **more: Any,
) -> ListKey[_T]:
    """Declare a key whose value is an array; the arguments are those of `ListKey`."""
    shown = example or f"[{entry}]"
    return ListKey(name, read, default, description, example=shown, entry=entry, fix=fix, **more)


def by_hand(schema: Schema) -> Callable[[object], Any]:
    """Make a placeholder reader for a key whose section has its own code to read the value.

    Args:
        schema: All valid values match it.
    """

    @shape(schema)
    def reader(raw: object) -> object:
        return raw

    return reader


def tables_by_name(schema: Schema, names: str = f"^{ENTRY_NAME}$") -> Callable[[object], Any]:
    """Make a placeholder reader for a key that contains tables with names chosen by the user.

    Args:
        schema: The schema of each table.
        names: A regular expression that all valid names match.
    """
    return by_hand(
        {
            "type": "object",
            "propertyNames": {"pattern": names},
            "additionalProperties": schema,
        }
    )


def table_key(name: str, keys: Keys, description: str = "", *, example: str, **more: Any) -> AnyKey:
    """Declare a key whose value is one table.

    Args:
        name: The name of the key.
        keys: The keys of the table.
        description: What it does; empty for the description of the table.
        example: A value in TOML.
        more: Other arguments of `Key`.
    """
    read = by_hand(keys.schema)
    words = description or keys.description
    return Key(name, read, None, words, example=example, tables=(keys,), **more)


def field_key(
    model: type,
    field: str,
    description: str,
    *,
    example: str,
    read: Callable[[object], Any] | None = None,
    **more: Any,
) -> AnyKey:
    """Declare a key that sets one field of an attrs class, which checks the value.

    The default and the range are those of the field.

    Args:
        model: The class.
        field: The name of the field. Its unit is not part of the key's name.
        description: What it does.
        example: A value in TOML.
        read: Reads the value; None to choose a reader by the field's name and default.
        more: Other arguments of `Key`.
    """
    attribute = attrs.fields_dict(model)[field]
    if read is None:
        if field.endswith("_s"):
            read = duration
        elif is_size(field):
            read = size
        else:
            read = boolean if isinstance(attribute.default, bool) else integer
    bounds = bounds_of(attribute.validator)
    if bounds is not None:
        low, high = bounds
        if read is duration:
            more.setdefault("range", f"{format_duration(low)} to {format_duration(high)}")
        elif read is size:
            end = "or more" if high >= PIB else f"to {format_size(int(high))}"
            more.setdefault("range", f"{format_size(int(low))} {end}")
        else:
            read = _between(read, low, high)
    default = attribute.default if attribute.default is not attrs.NOTHING else None
    name = field.removesuffix("_s")
    return Key(name, read, default, description, example=example, field=field, **more)


def _between(read: Callable[[object], Any], low: float, high: float) -> Callable[[object], Any]:
    """Add bounds to the shape of a reader; the model checks the value itself."""

    @shape({**(shape_of(read) or {}), "minimum": low, "maximum": high})
    def reader(raw: object) -> Any:
        return read(raw)

    return reader
