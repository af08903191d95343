"""Format values as TOML, for suggested fixes and generated configurations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from corsgate.config.toml.lines import Path, key_text

Toml: TypeAlias = str | bool | int | float | Sequence["Toml"] | Mapping[str, "Toml"]


def toml_value(value: Toml) -> str:
    """Return a value on one line (https://toml.io/en/v1.0.0).

    Args:
        value: Text, a boolean, a number, an array, or a table (written inline).
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _escaped(json.dumps(value, ensure_ascii=False))
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(key)} = {toml_value(v)}" for key, v in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    return f"[{', '.join(toml_value(each) for each in value)}]"


def toml_tables(keys: Iterable[tuple[Path, str, Toml]]) -> str:
    """Return keys as TOML, under the headers of their tables.

    Args:
        keys: The table, key and value of each. Keys of one table must be adjacent. Keys of the
            document itself, whose table is ``()``, must be first.
    """
    lines: list[str] = []
    current: Path = ()
    for table, key, value in keys:
        if table != current:
            header = f"[{_escaped(key_text(table))}]"
            lines += ["", header] if lines else [header]
            current = table
        lines.append(f"{_key(key)} = {toml_value(value)}")
    return "".join(f"{line}\n" for line in lines)


def _key(key: str) -> str:
    return _escaped(key_text((key,)))


def _escaped(quoted: str) -> str:
    """Convert a JSON string to TOML syntax, which also requires DEL to be escaped."""
    return quoted.replace("\x7f", "\\u007f")
