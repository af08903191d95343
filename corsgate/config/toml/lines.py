"""Find the line of each key in a TOML document, because tomllib does not report lines."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import attrs

Path: TypeAlias = tuple[str | int, ...]
"""A place in a document: keys, and indexes (from 0) into arrays and arrays of tables."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_SCALAR = re.compile(r"[^,\]}#\n]*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)


class HeaderTable(dict[str, object]):
    """A table that has a header of its own, such as ``[routes."/v1".cors]``.

    tomllib returns the same for it and for ``cors = { ... }``. But keys are added to it in another
    way.
    """


def key_text(path: Path) -> str:
    """Return a path in TOML notation, such as ``routes."/v1".methods[0]``.

    Args:
        path: Any path. For the empty path, the result is empty.
    """
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        else:
            bare = _BARE_KEY.fullmatch(step)
            dot = "." if parts else ""
            parts.append(dot + (step if bare else _quoted(step)))
    return "".join(parts)


def _quoted(step: str) -> str:
    """Return a key as a TOML basic string with only printable characters."""
    return "".join(
        [
            char
            if char.isprintable()
            else (f"\\u{ord(char):04x}" if char <= "\uffff" else f"\\U{ord(char):08x}")
            for char in json.dumps(step, ensure_ascii=False)
        ]
    )


def key_lines(text: str) -> Mapping[Path, int]:
    """Return the line, counted from 1, at which each key and array item starts.

    Args:
        text: A document that tomllib accepts. For other text, the result is undefined.

    Returns:
        The line of each path, including tables that a header or dotted key only implies.

    Source: https://toml.io/en/v1.0.0
    """
    return _Scanner(text.replace("\r\n", "\n")).document()


def header_paths(text: str) -> frozenset[Path]:
    """Return the paths of all headers, except for those of arrays of tables.

    Args:
        text: A document that tomllib accepts. For other text, the result is undefined.
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return frozenset(scanner.headers)


def last_statement(text: str) -> tuple[Path, Path, int | None]:
    """Return the path that the last statement of a text defines, and its earlier definition.

    Args:
        text: The beginning of a document, up to the end of a statement that tomllib rejects only
            because it is a second definition.

    Returns:
        The path; the part of it that was already defined; the line of that definition. The line is
        None if the text can't be parsed.
    """
    scanner = _Scanner(text)
    try:
        scanner.document()
    except (IndexError, ValueError):
        return (), (), None
    return scanner.statement, scanner.defined, scanner.defined_line


def line_of(lines: Mapping[Path, int], path: Path) -> int | None:
    """Return the line of the innermost part of `path` that has a line, or None.

    Args:
        lines: The result of `key_lines`.
        path: A path that need not exist, such as that of a missing key.
    """
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None


@attrs.define
class _Scanner:
    """Scans valid text once: `_at` is the position, `_line` the line of position `_counted`.

    `statement` is the path of the last header or key. `defined` is the part of it that was already
    defined, at `defined_line`. `headers` has the paths of all headers of single tables.
    """

    _text: str
    _at: int = 0
    _counted: int = 0
    _line: int = 1
    statement: Path = ()
    defined: Path = ()
    defined_line: int | None = None
    headers: set[Path] = attrs.Factory(set)
    _lines: dict[Path, int] = attrs.Factory(dict)
    _assigned: set[Path] = attrs.Factory(set)
    _tables_in_array: dict[Path, int] = attrs.Factory(dict)

    def document(self) -> dict[Path, int]:
        table: Path = ()
        for _ in self._until(""):
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._key_value(table)
        return self._lines

    def _until(self, end: str) -> Iterator[None]:
        """Yield at each item before `end` or the end of text, skipping white space and comments."""
        while True:
            self._skip(_BLANK)
            if self._at >= len(self._text):
                return
            if end and self._text.startswith(end, self._at):
                self._at += 1
                return
            yield

    def _header(self) -> Path:
        is_array = self._text.startswith("[[", self._at)
        brackets = 2 if is_array else 1
        self._at += brackets
        keys = self._key()
        path: Path = ()
        for key in keys[:-1]:
            path = self._step(path, key)
        path = (*path, keys[-1])
        self._begin(path)
        self._mark(path)
        self._at += brackets
        if is_array:
            index = self._tables_in_array.get(path, 0)
            self._tables_in_array[path] = index + 1
            path = (*path, index)
            self._mark(path)
        else:
            self.headers.add(path)
        return path

    def _step(self, path: Path, key: str) -> Path:
        """Append one key of a header to a path; in an array of tables, enter the last table."""
        path = (*path, key)
        self._mark(path)
        count = self._tables_in_array.get(path, 0)
        return (*path, count - 1) if count else path

    def _begin(self, path: Path) -> None:
        """Record the path of a header or key, before its line is recorded."""
        self.statement = path
        values = (path[:end] for end in range(len(path), 0, -1) if path[:end] in self._assigned)
        self.defined = next(values, path)
        self.defined_line = self._lines.get(self.defined)

    def _key_value(self, table: Path) -> None:
        keys = self._key()
        self._begin((*table, *keys))
        self._assigned.add((*table, *keys))
        for count in range(1, len(keys) + 1):
            self._mark((*table, *keys[:count]))
        self._at += 1
        self._skip(_SPACE)
        self._value((*table, *keys))

    def _key(self) -> list[str]:
        """Read a key, which may be quoted or dotted, and the white space around its parts."""
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            if self._text[self._at] in "\"'":
                keys.append(_unquoted(self._take(_STRING)))
            else:
                keys.append(self._take(_BARE_KEY))
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1

    def _value(self, path: Path) -> None:
        first = self._text[self._at]
        if first == "[":
            self._at += 1
            for index, _ in enumerate(self._until("]")):
                self._mark((*path, index))
                self._value((*path, index))
                self._comma()
        elif first == "{":
            self._at += 1
            for _ in self._until("}"):
                self._key_value(path)
                self._comma()
        else:
            self._skip(_STRING if first in "\"'" else _SCALAR)

    def _comma(self) -> None:
        self._skip(_BLANK)
        if self._text.startswith(",", self._at):
            self._at += 1

    def _mark(self, path: Path) -> None:
        """Record the current line for a path, unless the path has one already."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        self._lines.setdefault(path, self._line)

    def _take(self, pattern: re.Pattern[str]) -> str:
        start = self._at
        self._skip(pattern)
        return self._text[start : self._at]

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()


def _unquoted(quoted: str) -> str:
    """Return the text of a quoted key; tomllib itself decodes the escapes."""
    value = tomllib.loads(f"key = {quoted}")["key"]
    return str(value)
