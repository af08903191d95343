"""Read a TOML document key by key, and record each fault instead of raising it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import attrs

from corsgate.config.model import units
from corsgate.config.model.balancing import Balancing, Ejection, Fallback, HealthCheck
from corsgate.config.model.rules import check_entry_name, did_you_mean, one_of, show
from corsgate.config.model.values import Limits, PoolLimits
from corsgate.config.toml.key_names import heading, missing_entry, unknown_key, unnamed_entry
from corsgate.config.toml.lines import Path, key_text, line_of
from corsgate.config.toml.shape import Asked, shape, shape_of
from corsgate.config.toml.variables import refuse_variable
from corsgate.errors import BadValue, ConfigError, Fault

_T = TypeVar("_T")
_D = TypeVar("_D")
_Values = TypeVar("_Values", Limits, PoolLimits, Balancing, HealthCheck, Ejection, Fallback)


@attrs.define(kw_only=True)
class Notes:
    """The faults and warnings found in one file.

    Attributes:
        file: The file's name, for messages.
        lines: The line of each key.
        faults: The faults, in the order they were found.
        warnings: Warnings about settings that are valid but probably unintended.
        asked: How each place was read, present or not; `corsgate.config.schema` uses this.
    """

    file: str
    lines: Mapping[Path, int]
    faults: list[Fault] = attrs.Factory(list)
    warnings: list[Fault] = attrs.Factory(list)
    asked: dict[Path, Asked] = attrs.Factory(dict)

    def ask(self, path: Path, reader: object = None, **known: Any) -> None:
        """Record how a place is read."""
        asked = self.asked.setdefault(path, Asked())
        self.asked[path] = asked.more(shape_of(reader), **known)

    def add(self, path: Path, problem: str, fix: str) -> None:
        """Record a fault of the value at `path`; ``()`` is the file as a whole."""
        self.faults.append(self._fault(path, problem, fix))

    def warn(self, path: Path, problem: str, fix: str) -> None:
        """Record a warning about the value at `path`."""
        self.warnings.append(self._fault(path, problem, fix))

    def retract(self, path: Path) -> None:
        """Remove the faults of an absent key, which has another name in the file."""
        self.faults = [fault for fault in self.faults if fault.key != key_text(path)]

    def finish(self) -> tuple[Fault, ...]:
        """Return the warnings, or raise all faults, each in line order.

        Raises:
            ConfigError: There are faults; it also contains the warnings.
        """
        warnings = tuple(sorted(self.warnings, key=_line))
        if self.faults:
            raise ConfigError(sorted(self.faults, key=_line), warnings)
        return warnings

    def _fault(self, path: Path, problem: str, fix: str) -> Fault:
        return Fault(
            file=self.file,
            line=line_of(self.lines, path),
            key=key_text(path),
            problem=problem,
            fix=fix,
        )


def _line(fault: Fault) -> int:
    return fault.line or 0


@attrs.frozen
class Item:
    """A value of the document, and its place."""

    notes: Notes
    path: Path
    raw: object

    def wrong(self, problem: str, fix: str) -> None:
        """Record a fault of this value."""
        self.notes.add(self.path, problem, fix)

    def read(self, reader: Callable[[object], _T]) -> _T | None:
        """Return the result of `reader`, or None after recording its BadValue as a fault."""
        self.notes.ask(self.path, reader)
        try:
            return reader(self.raw)
        except BadValue as error:
            self.wrong(error.problem, error.fix)
            return None

    def table(self, fix: str) -> Table | None:
        """Return the value as a table, or None after recording that it is not one."""
        if isinstance(self.raw, dict):
            return Table(self.notes, self.path, self.raw)
        self.wrong(_shape(self.raw), fix)
        return None

    def items(self, fix: str) -> list[Item] | None:
        """Return the items of an array, or None after recording that it is not one."""
        self.notes.ask(self.path, is_array=True)
        if isinstance(self.raw, list):
            found = [
                Item(self.notes, (*self.path, index), raw) for index, raw in enumerate(self.raw)
            ]
            for item in found:
                self.notes.ask(item.path)
            return found
        self.wrong(_shape(self.raw), fix)
        return None


@attrs.define
class Table:
    """A table of the document; a key is known once it has been read."""

    notes: Notes
    path: Path
    raw: Mapping[str, object]
    _known: list[str] = attrs.Factory(list)
    _refused: list[str] = attrs.Factory(list)

    def item(self, key: str) -> Item | None:
        """Return the item of a key, or None if the key is absent."""
        if key not in self._known:
            self._known.append(key)
            self.notes.ask((*self.path, key))
        return Item(self.notes, (*self.path, key), self.raw[key]) if key in self.raw else None

    def needed(self, key: str, fix: str) -> Item | None:
        """Return the item of a key, or None after recording that the key is missing."""
        item = self.item(key)
        self.notes.ask((*self.path, key), required=True)
        if item is None:
            self.notes.add((*self.path, key), "it is missing", fix)
        return item

    def is_word(self, key: str, word: str) -> bool:
        """Return whether the value of a key is a word that replaces the usual value."""
        item = self.item(key)
        self.notes.ask((*self.path, key), word=word)
        return item is not None and item.raw == word

    def get(self, key: str, reader: Callable[[object], _T], default: _D) -> _T | _D:
        """Return the value of a key, or `default` if it is absent or faulty.

        After a fault, the default lets the reader find further faults; it is not used otherwise.
        """
        item = self.item(key)
        self.notes.ask((*self.path, key), reader, default=default)
        value = None if item is None else item.read(reader)
        return default if value is None else value

    def need(self, key: str, reader: Callable[[object], _T], fix: str) -> _T | None:
        """Return the value of a key, or None after recording that it is missing or faulty."""
        item = self.needed(key, fix)
        self.notes.ask((*self.path, key), reader)
        return None if item is None else item.read(reader)

    def list_of(
        self, key: str, reader: Callable[[object], _T], example: str
    ) -> tuple[_T, ...] | None:
        """Return the values of an array, or None if it is absent or any value is faulty."""
        item = self.item(key)
        self.notes.ask((*self.path, key), is_array=True)
        self.notes.ask((*self.path, key, 0), reader)
        items = None if item is None else item.items(f"write an array, such as [{example}]")
        if items is None:
            return None
        values = [item.read(reader) for item in items]
        found = tuple(value for value in values if value is not None)
        return found if len(found) == len(values) else None

    def tables(self, key: str) -> Iterator[tuple[str, Table]]:
        """Return the tables under a key with their names, such as each ``[upstreams.NAME]``."""
        item = self.item(key)
        self.notes.ask((*self.path, key), is_section=True)
        section = None if item is None else item.table(f"write tables such as {heading(key)}")
        for name, raw in section.raw.items() if section is not None else ():
            entry = Item(self.notes, (*self.path, key, name), raw)
            if not isinstance(raw, dict) and not name.startswith("/"):
                entry.wrong(*unnamed_entry(key))
                break
            table = entry.table(f"write a table [{key_text(entry.path)}]")
            if table is not None:
                yield name, table

    def refuse(self, key: str, problem: str, fix: str) -> None:
        """Record a fault if a known key is present where it is not allowed."""
        if key in self.raw:
            self._refused.append(key)
            self.notes.add((*self.path, key), problem, fix)

    def finish(self) -> None:
        """Record a fault for each key of the table that was never read."""
        for key in self.raw:
            if key not in self._known and key not in self._refused:
                meant, fix = unknown_key(key, self.path, self._known)
                self.notes.add((*self.path, key), "the key is unknown", fix)
                if meant not in self.raw:
                    self.notes.retract((*self.path, meant))


@attrs.frozen(kw_only=True)
class Named(Generic[_T]):
    """The entries of a section that other keys refer to by name.

    Attributes:
        section: The name of the section, such as ``upstreams``.
        entries: The entries by name; None for an entry whose faults have been recorded.
        inline: Reads a table that is written instead of a name; None if that is not allowed.
        used: The names that were resolved.
    """

    section: str
    entries: Mapping[str, _T | None]
    inline: Callable[[Table], _T | None] | None = None
    used: set[str] = attrs.field(factory=set, init=False, repr=False, eq=False)

    @classmethod
    def read(cls, top: Table, section: str, reader: Callable[[str, Table], _T | None]) -> Named[_T]:
        """Read all tables of a section, whose entries can only be referred to by name."""
        entries: dict[str, _T | None] = {}
        for name, table in top.tables(section):
            try:
                check_entry_name(name)
            except BadValue as error:
                table.notes.add(table.path, error.problem, error.fix)
            entries[name] = reader(name, table)
        return cls(section=section, entries=entries)

    @classmethod
    def read_or_inline(
        cls, top: Table, section: str, reader: Callable[[Table], _T | None]
    ) -> Named[_T]:
        """Read all tables of a section, whose entries may also be written where they are used."""
        named = cls.read(top, section, lambda _name, table: reader(table))
        return attrs.evolve(named, inline=reader)

    def resolve(self, item: Item) -> _T | None:
        """Return the entry that an item names or contains, or None if it is faulty."""
        item.notes.ask(item.path, section=self.section, may_be_inline=self.inline is not None)
        if self.inline is not None and isinstance(item.raw, dict):
            return self.inline(Table(item.notes, item.path, item.raw))
        name = item.raw
        if not isinstance(name, str):
            item.wrong(_shape(name), f"write a name under [{self.section}] in quotes")
            return None
        if name not in self.entries:
            otherwise = f"write one of {one_of(self.entries)}" if self.entries else "add it"
            fix = did_you_mean(name, self.entries, otherwise)
            item.wrong(missing_entry(self.section, name), fix)
        self.used.add(name)
        return self.entries.get(name)


def _shape(raw: object) -> str:
    """Say what type a value has, without the value, which may be a misplaced secret."""
    match raw:
        case bool():
            return "it is a boolean"
        case int():
            return "it is an integer"
        case float():
            return "it is a float"
        case str():
            return "it is text"
        case list():
            return "it is an array"
        case dict():
            return "it is a table"
    return "it is a date or time"


def _shown(raw: object) -> str:
    """Say what type a value has, and show the value if it is a scalar."""
    match raw:
        case bool():
            shown = str(raw).lower()
        case str():
            shown = show(raw)
        case int() | float():
            shown = str(raw)[:40]
        case _:
            return _shape(raw)
    return f"{shown} {_shape(raw).removeprefix('it ')}"


@shape({"type": "string"})
def text(raw: object) -> str:
    """Return a value that must be a string."""
    if isinstance(raw, str):
        refuse_variable(raw)
        return raw
    raise BadValue(_shown(raw), "write text in quotes")


@shape({"type": "boolean"})
def boolean(raw: object) -> bool:
    """Return a value that must be ``true`` or ``false``."""
    if isinstance(raw, bool):
        return raw
    raise BadValue(_shown(raw), "write true or false")


@shape({"type": "integer"})
def integer(raw: object) -> int:
    """Return a value that must be an integer of 64 bits, as in TOML."""
    if not isinstance(raw, int) or isinstance(raw, bool):
        raise BadValue(_shown(raw), "write a whole number, without quotes")
    if not -(2**63) <= raw < 2**63:
        raise BadValue("the number does not fit in 64 bits", "write a smaller one")
    return raw


@shape({"type": "string", "pattern": f"^{units.DURATION}$"})
def duration(raw: object) -> float:
    """Return a value that must be a duration, in seconds."""
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        raise BadValue(f"{str(raw)[:40]} has no unit", f'write "{str(raw)[:40]}s" for seconds')
    if isinstance(raw, str):
        return units.parse_duration(raw)
    raise BadValue(_shown(raw), 'write a duration, such as "5s"')


@shape(
    {"anyOf": [{"type": "string", "pattern": f"^{units.SIZE}$"}, {"type": "integer", "minimum": 0}]}
)
def size(raw: object) -> int:
    """Return a value that must be a size or a number of bytes, in bytes."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return integer(raw)
    if isinstance(raw, str):
        return units.parse_size(raw)
    raise BadValue(_shown(raw), 'write a size, such as "64KiB"')


def setting(
    values: _Values,
    field: str,
    read: Callable[[object], Any],
    write: Callable[[Any], object] = lambda value: value,
) -> Callable[[object], _Values]:
    """Make a reader of one field of an attrs object, whose class checks the value.

    Args:
        values: The object.
        field: The name of the field.
        read: Reads the value of the field.
        write: Returns a value as it is written in a file.

    Returns:
        A reader that returns `values` with the field replaced.
    """
    default = getattr(values, field)

    @shape({**(shape_of(read) or {}), **({} if default is None else {"default": write(default)})})
    def reader(raw: object) -> _Values:
        return attrs.evolve(values, **{field: read(raw)})

    return reader


def bound(bounds: _Values, field: str) -> Callable[[object], _Values]:
    """Make a reader of one limit; its name decides between a duration, a size and a count."""
    if field.endswith("_s"):
        return setting(bounds, field, duration, units.format_duration)
    if units.is_size(field):
        return setting(bounds, field, size, units.format_size)
    return setting(bounds, field, integer)


def checked(check: Callable[[str], None]) -> Callable[[object], str]:
    """Make a reader of text that passes a check, such as one of `corsgate.config.model.rules`."""

    @shape({"type": "string"})
    def reader(raw: object) -> str:
        value = text(raw)
        check(value)
        return value

    return reader
