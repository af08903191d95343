"""Makes the changes of a fix in the text of a configuration, and keeps the rest as it is."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array, InlineTable, Item, Table

from corsgate.config.toml.lines import Path
from corsgate.config.toml.writer import Toml, toml_tables, toml_value
from corsgate.errors import BadValue
from corsgate.explain.fix import Change

_SECRET = re.compile(
    r"credentials(?:_by_origin)?|request_headers|.*(?:password|passphrase|secret|token).*"
)
"""Matches the keys of values that may contain secrets."""

_SHOWN = "..."


def applied(source: str, changes: Sequence[Change]) -> str:
    """Return a configuration with the changes made.

    Comments, order, quotes and line ends are kept. New items are appended to an array if that is
    enough. An inline table keeps its unchanged keys.

    Args:
        source: The file's text, which is valid TOML.
        changes: The keys to write.

    Returns:
        The new text. Parsed, it differs from the old one by exactly the changes. If the changes
        have already been made, it is the old text.

    Raises:
        BadValue: The changes can't be made in place, or would add ``*``.
    """
    old = tomllib.loads(source)
    wanted = _expected(old, changes)
    if wanted == old:
        return source
    _refuse_stars(old, wanted)
    ends = "\r\n" if "\r\n" in source and "\n" not in source.replace("\r\n", "") else "\n"
    text = source.replace("\r\n", "\n") if ends == "\r\n" else source
    for replaces in (False, True):
        edited = _edited(text, changes, replaces_arrays=replaces)
        if edited is not None and _is(edited, wanted):
            return edited.replace("\n", ends) if ends == "\r\n" else edited
    raise _impossible(changes)


def _impossible(changes: Sequence[Change]) -> BadValue:
    keys = toml_tables((change.table, change.key, change.value) for change in changes)
    return BadValue("the file can't be changed in place", f"write this yourself:\n{keys}")


def _expected(document: Mapping[str, Any], changes: Sequence[Change]) -> dict[str, Any]:
    """Return the document that tomllib should read after the changes.

    Raises:
        BadValue: A change would have to be made inside a value that is not a table.
    """
    new: dict[str, Any] = _copy(document)
    for change in changes:
        table = new
        for step in change.table:
            table = table.setdefault(str(step), {})
            if not isinstance(table, dict):
                raise _impossible(changes)
        table[change.key] = _copy(change.value)
    return new


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(each) for key, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list | tuple) else value


def _is(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        return False


def _refuse_stars(old: object, new: object) -> None:
    """Raise BadValue if the new document has more values that are just ``*`` than the old one."""
    if sum(each == "*" for each in _texts(new)) > sum(each == "*" for each in _texts(old)):
        raise BadValue('the change would add "*"', "write it yourself if you intend that")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


def _edited(text: str, changes: Sequence[Change], *, replaces_arrays: bool) -> str | None:
    """Return a text with the changes made by tomlkit; None if it can't make them."""
    try:
        document = tomlkit.parse(text)
        for change in changes:
            _set(_table(document, change.table), change.key, change.value, replaces_arrays)
        return tomlkit.dumps(document)
    except (TOMLKitError, ValueError, TypeError, AttributeError, KeyError):
        # tomlkit can't read all TOML that tomllib reads. The caller reports the alternative.
        return None


def _table(document: MutableMapping[str, Any], path: Path) -> MutableMapping[str, Any]:
    table = document
    for number, step in enumerate(map(str, path)):
        if step not in table:
            inline = isinstance(table, InlineTable)
            is_super = number < len(path) - 1
            table[step] = tomlkit.inline_table() if inline else tomlkit.table(is_super)
        table = table[step]
    return table


def _set(table: MutableMapping[str, Any], key: str, value: Toml, replaces_arrays: bool) -> None:
    present = table.get(key)
    if isinstance(value, Mapping) and isinstance(present, MutableMapping):
        for name, each in value.items():
            _set(present, name, each, replaces_arrays)
        return
    plain = present.unwrap() if isinstance(present, Item) else present
    if plain == value and type(plain) is type(value):
        return
    if isinstance(present, Array) and isinstance(value, Sequence) and not replaces_arrays:
        _change_array(present, list(plain or ()), value)
    elif present is not None:
        table[key] = _item(value)
    else:
        _add(table, key, _item(value))


def _change_array(array: Array, old: list[object], new: Sequence[object]) -> None:
    for index in range(len(old) - 1, -1, -1):
        if old[index] not in new:
            del array[index]
    for each in new:
        if each not in old:
            array.append(each)


def _item(value: Toml) -> Item:
    # Formatted as in the displayed fix, with spaces inside braces.
    return tomlkit.value(toml_value(value))


def _add(table: MutableMapping[str, Any], key: str, item: Item) -> None:
    """Add a key to a table after its last key, before any comments about the next table."""
    if isinstance(table, InlineTable):
        is_spaced = table.as_string().endswith(" }")
        table[key] = item
        item.trivia.trail = " " if is_spaced else ""
        if not is_spaced and len(table) > 1:
            item.trivia.indent = " "
        return
    if isinstance(table, Table) and not table.is_super_table():
        names = [
            name
            for name, each in table.value.body
            if name is not None and not isinstance(each, Table) and not each.is_table()
        ]
        if names:
            item.trivia.indent = dict(table.value.body)[names[-1]].trivia.indent
            # No public method can insert a key before the comments at the end of a table.
            table.value._insert_after(names[-1], key, item)
            return
    table[key] = item


def shown_diff(old: str, new: str, file: str) -> str:
    """Return the lines that differ, with their numbers. Possible secrets are hidden.

    Args:
        old: The old text.
        new: The new text.
        file: The file's name.
    """
    secrets = {text for text in _secrets(tomllib.loads(old)) if text}
    lines = list(
        difflib.unified_diff(
            old.splitlines(), new.splitlines(), file, f"{file} (new)", n=0, lineterm=""
        )
    )
    shown = "".join(f"{_printable(line)}\n" for line in lines)
    for secret in secrets:
        for quoted in (f'"{secret}"', f"'{secret}'", toml_value(secret)):
            shown = shown.replace(quoted, f'"{_SHOWN}"')
    return shown


def _secrets(value: object, inside: bool = False) -> Iterator[str]:
    """Return the strings below keys whose names suggest secrets."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _secrets(each, inside or bool(_SECRET.fullmatch(key)))
    elif isinstance(value, list):
        for each in value:
            yield from _secrets(each, inside)
    elif inside and isinstance(value, str):
        yield value


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line)
