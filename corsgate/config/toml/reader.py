"""Read a TOML document key by key, recording faults instead of raising them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import attrs

from corsgate.config.model.balancing import Balancing, Ejection, Fallback, HealthCheck
from corsgate.config.model.limits import Limits, PoolLimits
from corsgate.config.model.rules import check_entry_name, did_you_mean, one_of
from corsgate.config.toml.key_names import heading, missing_entry, unknown_key, unnamed_entry
from corsgate.config.toml.keys import AnyKey, Key, Keys, ListKey
from corsgate.config.toml.lines import Path, key_text, line_of
from corsgate.config.toml.values import type_of
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
    """

    file: str
    lines: Mapping[Path, int]
    faults: list[Fault] = attrs.Factory(list)
    warnings: list[Fault] = attrs.Factory(list)

    def add(self, path: Path, problem: str, fix: str) -> None:
        """Record a fault of the value at `path`; ``()`` is the whole file."""
        self.faults.append(self._fault(path, problem, fix))

    def warn(self, path: Path, problem: str, fix: str) -> None:
        """Record a warning about the value at `path`."""
        self.warnings.append(self._fault(path, problem, fix))

    def retract(self, path: Path) -> None:
        """Remove the faults about an absent key that has another name in the file."""
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
    """A value of the document, with its place."""

    notes: Notes
    path: Path
    raw: object

    def wrong(self, problem: str, fix: str) -> None:
        """Record a fault of this value."""
        self.notes.add(self.path, problem, fix)

    def read(self, reader: Callable[[object], _T]) -> _T | None:
        """Return the result of `reader`, or None after recording its BadValue as a fault."""
        try:
            return reader(self.raw)
        except BadValue as error:
            self.wrong(error.problem, error.fix)
            return None

    def table(self, fix: str) -> Table | None:
        """Return the value as a table, or None after recording that it is not one."""
        if isinstance(self.raw, dict):
            return Table(self.notes, self.path, self.raw)
        self.wrong(type_of(self.raw), fix)
        return None

    def items(self, fix: str) -> list[Item] | None:
        """Return the items of an array, or None after recording that it is not one."""
        if isinstance(self.raw, list):
            return [
                Item(self.notes, (*self.path, index), raw) for index, raw in enumerate(self.raw)
            ]
        self.wrong(type_of(self.raw), fix)
        return None


@attrs.define
class Table:
    """A table of the document."""

    notes: Notes
    path: Path
    raw: Mapping[str, object]
    _refused: list[str] = attrs.Factory(list)

    def item(self, key: AnyKey) -> Item | None:
        """Return the item of a key, or None if it is absent.

        Its absence is recorded as a fault if the key has a fix for that.
        """
        if key.name in self.raw:
            return Item(self.notes, (*self.path, key.name), self.raw[key.name])
        if key.fix:
            self.notes.add((*self.path, key.name), "it is missing", key.fix)
        return None

    def get(self, key: Key[_T, _D]) -> _T | _D:
        """Return the value of a key, or its default if it is absent or faulty.

        After a fault, the default is used only to continue looking for further faults.
        """
        return self.get_by(key, key.read)

    def get_by(self, key: Key[Any, _D], read: Callable[[object], _T]) -> _T | _D:
        """Return the value of a key, as `get` does, but with the given reader.

        Args:
            key: The key. All values that `read` accepts match its shape.
            read: Reads the value.
        """
        item = self.item(key)
        value = None if item is None else item.read(read)
        return key.default if value is None else value

    def put(self, values: _Values, *keys: AnyKey) -> _Values:
        """Return an attrs object with the fields that keys set; its class checks them.

        Args:
            values: The object. It keeps its values for keys that are absent or faulty.
            keys: The keys, made by `field_key`.
        """
        for key in keys:
            item = self.item(key)
            if item is not None:
                values = item.read(_setting(values, key)) or values
        return values

    def list_of(self, key: ListKey[_T]) -> tuple[_T, ...] | None:
        """Return the values of an array, or None if it is absent or any value is faulty."""
        return self.list_by(key, key.read)

    def list_by(self, key: AnyKey, read: Callable[[object], _T]) -> tuple[_T, ...] | None:
        """Return the values of an array, as `list_of` does, but with the given reader."""
        item = self.item(key)
        entry = key.entry if isinstance(key, ListKey) else key.example
        items = None if item is None else item.items(f"write an array, such as [{entry}]")
        if items is None:
            return None
        values = [item.read(read) for item in items]
        found = tuple(value for value in values if value is not None)
        return found if len(found) == len(values) else None

    def tables(self, key: AnyKey) -> Iterator[tuple[str, Table]]:
        """Return the names and tables under a key, such as each ``[upstreams.NAME]``."""
        item = self.item(key)
        section = None if item is None else item.table(f"write tables such as {heading(key.name)}")
        for name, raw in section.raw.items() if section is not None else ():
            entry = Item(self.notes, (*self.path, key.name, name), raw)
            if not isinstance(raw, dict) and not name.startswith("/"):
                entry.wrong(*unnamed_entry(key.name))
                break
            table = entry.table(f"write a table [{key_text(entry.path)}]")
            if table is not None:
                yield name, table

    def refuse(self, name: str, problem: str, fix: str) -> None:
        """Record a fault if a key that is not allowed here is present."""
        if name in self.raw:
            self._refused.append(name)
            self.notes.add((*self.path, name), problem, fix)

    def finish(self, keys: Keys) -> None:
        """Record a fault for each key that is not in `keys`, unless `refuse` has recorded one."""
        for name in self.raw:
            if name not in keys.names and name not in self._refused:
                meant, fix = unknown_key(name, self.path, keys.names)
                self.notes.add((*self.path, name), "the key is unknown", fix)
                if meant not in self.raw:
                    self.notes.retract((*self.path, meant))


def _setting(values: _Values, key: AnyKey) -> Callable[[object], _Values]:
    """Make a reader that returns `values` with the field of a key replaced."""
    return lambda raw: attrs.evolve(values, **{key.field: key.read(raw)})


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
    def read(cls, top: Table, key: AnyKey, reader: Callable[[str, Table], _T | None]) -> Named[_T]:
        """Read all tables of a section whose entries are used only by name."""
        entries: dict[str, _T | None] = {}
        for name, table in top.tables(key):
            try:
                check_entry_name(name)
            except BadValue as error:
                table.notes.add(table.path, error.problem, error.fix)
            entries[name] = reader(name, table)
        return cls(section=key.name, entries=entries)

    @classmethod
    def read_or_inline(
        cls, top: Table, key: AnyKey, reader: Callable[[Table], _T | None]
    ) -> Named[_T]:
        """Read all tables of a section whose entries may also be inline tables at their use."""
        named = cls.read(top, key, lambda _name, table: reader(table))
        return attrs.evolve(named, inline=reader)

    def resolve(self, item: Item) -> _T | None:
        """Return the entry that an item names or contains, or None if it is faulty."""
        if self.inline is not None and isinstance(item.raw, dict):
            return self.inline(Table(item.notes, item.path, item.raw))
        name = item.raw
        if not isinstance(name, str):
            item.wrong(type_of(name), f"write a name under [{self.section}] in quotes")
            return None
        if name not in self.entries:
            otherwise = f"write one of {one_of(self.entries)}" if self.entries else "add it"
            fix = did_you_mean(name, self.entries, otherwise)
            item.wrong(missing_entry(self.section, name), fix)
        self.used.add(name)
        return self.entries.get(name)
