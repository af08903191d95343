"""Every key of a configuration file, table by table, as a reference for people shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from corsgate.config.schema import config_schema

_Schema: TypeAlias = Mapping[str, Any]

_SINCE = "0.1"
"""The version that introduced every key that there is."""

_DURATION, _SIZE = "(ms|s|m|h)$", "(B|KiB|MiB|GiB)$"
"""How the patterns of durations and sizes end."""

_EXAMPLES: Mapping[str, str] = {
    "access_log": '"/var/log/corsgate/access.log"',
    "aliases": '["http://box.lan"]',
    "allow_headers": '["Content-Type", "If-Match"]',
    "allow_methods": '["PUT", "DELETE"]',
    "allow_origins": '["http://localhost:4200", "https://*.example.com"]',
    "allow_paths": '["GET /v1/documents/**", "/v1/*/search"]',
    "by_url": '["maps"]',
    "ca": '"/etc/corsgate/box-ca.pem"',
    "chain": '"/etc/corsgate/fullchain.pem"',
    "cors": '"spa"',
    "cors_report_only": '"stricter"',
    "credentials": '"box"',
    "debug_origins": '["https://staging.example.com"]',
    "endpoint": '"tcp:8443"',
    "hosts": '["api.example.com"]',
    "key": '"/etc/corsgate/key.pem"',
    "listen": '["tcp:5555:interface=127.0.0.1"]',
    "methods": '["GET", "PUT"]',
    "origin": '"server"',
    "pass_headers": '["Server"]',
    "resolver": '"127.0.0.1:53"',
    "server_name": '"box.example.com"',
    "trusted_proxies": '["10.0.0.0/8"]',
    "upstream": '"box"',
    "username": '"admin"',
}
"""Values of keys for which the schema alone gives no good example."""

_SECTIONS: Mapping[str, str] = {
    "credentials": "[credentials.box]",
    "cors": "[cors.spa]",
    "routes": '[routes."/v1"]',
    "upstreams": "[upstreams.box]",
}
"""How a table of each section begins."""

_ANY = {"cors": "POLICY", "routes": "PREFIX"}
"""What stands for the names of a section's tables; NAME otherwise."""


@attrs.frozen(kw_only=True)
class KeyEntry:
    """One key.

    Attributes:
        key: Its name.
        type: The type of its value in words, such as ``duration`` or ``array of text``.
        required: Whether the table must have it.
        default: The value that it has when it is absent, as TOML; empty if there is none.
        range: The permitted values in words; empty if any value of the type is permitted.
        example: A line of TOML that sets it.
        since: The first version of corsgate that has it.
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
    """One table, with its keys in the order of the reader.

    Attributes:
        heading: How it begins in a file, such as ``[upstreams.NAME.health]``; ``Top level`` for
            the keys before the first table.
        description: What it is for; may be empty.
        keys: Its keys.
    """

    heading: str
    description: str
    keys: tuple[KeyEntry, ...]


def reference() -> tuple[TableEntry, ...]:
    """Return every table of a configuration file with its keys."""
    schema = config_schema()
    return tuple(_tables(_Place("", ""), schema, schema))


@attrs.frozen
class _Place:
    """Where a table is: its dotted name, and its description."""

    path: str
    description: str
    is_array: bool = False
    kind: str = ""

    @property
    def heading(self) -> str:
        if not self.path:
            return "Top level"
        inside = f"[[{self.path}]]" if self.is_array else f"[{self.path}]"
        return f'{inside} with type = "{self.kind}"' if self.kind else inside

    def below(self, key: str, words: str, *, is_array: bool = False) -> _Place:
        """Return the place of a table inside this one."""
        path = f"{self.path}.{key}" if self.path else key
        return _Place(path, words, is_array, self.kind)


def _tables(place: _Place, table: _Schema, whole: _Schema) -> Iterator[TableEntry]:
    """Return the entry of a table, and of all tables inside it."""
    properties: Mapping[str, _Schema] = table["properties"]
    required = table.get("required", ())
    yield TableEntry(
        heading=place.heading,
        description=place.description,
        keys=tuple(_entry(key, found, key in required) for key, found in properties.items()),
    )
    for key, found in properties.items():
        yield from _inside(place, key, found, whole)


def _inside(place: _Place, key: str, found: _Schema, whole: _Schema) -> Iterator[TableEntry]:
    words = found.get("description", "")
    if _is_secret(found):
        return
    if "properties" in found:
        yield from _tables(place.below(key, words), found, whole)
    elif isinstance(named := found.get("additionalProperties"), Mapping):
        label = f'"{_ANY[key]}"' if key == "routes" else _ANY.get(key, "NAME")
        if _is_secret(named):
            return
        kinds = whole["$defs"][key] if "$ref" in named and key in whole["$defs"] else named
        for one in kinds.get("anyOf", [kinds]) if "properties" not in kinds else [kinds]:
            if "properties" in one:
                kind = one["properties"].get("type", {}).get("const", "")
                below = place.below(f"{key}.{label}", words)
                yield from _tables(attrs.evolve(below, kind=kind), one, whole)
    else:
        for items in _arrays(found):
            for one in items.get("anyOf", [items]):
                if "properties" in one:
                    yield from _tables(place.below(key, words, is_array=True), one, whole)


def _arrays(found: _Schema) -> Iterator[_Schema]:
    for each in found.get("anyOf", [found]):
        if each.get("type") == "array":
            yield each["items"]


def _entry(key: str, found: _Schema, required: bool) -> KeyEntry:
    default = _toml(found["default"]) if found.get("default", "") != "" else ""
    example = ""
    if _type(found) != "table":
        example = default if default and key == "listen" else _EXAMPLES.get(key, "")
    line = f"{key} = {example or _example(found)}"
    return KeyEntry(
        key=key,
        type=_type(found),
        required=required,
        default=default,
        range=_range(found),
        example=_SECTIONS.get(key, "") if _is_section(found) else line,
        since=_SINCE,
        description=found.get("description", ""),
    )


def _is_section(found: _Schema) -> bool:
    """Return whether a value is a section, whose tables have names that the file chooses."""
    return "propertyNames" in found


def _is_secret(found: _Schema) -> bool:
    """Return whether a value is a secret, which names where it comes from."""
    if any(_is_secret(each) for each in found.get("anyOf", ())):
        return True
    forms = [set(each.get("properties", ())) for each in found.get("anyOf", ())]
    return {"env"} in forms and {"file"} in forms


def _type(found: _Schema) -> str:
    """Return the type in words that a user understands."""
    if _is_secret(found):
        return "secret"
    if "anyOf" in found:
        sizes = [each for each in found["anyOf"] if each.get("pattern", "").endswith(_SIZE)]
        kinds = [_type(each) for each in (sizes or found["anyOf"])]
        return " or ".join(dict.fromkeys(kinds))
    if "$ref" in found or found.get("type") == "object":
        return "table"
    if found.get("type") == "array":
        inner = _type(found["items"])
        return "array of tables" if inner == "table" else f"array of {inner}"
    values = found.get("enum", [found["const"]] if "const" in found else [])
    if found.get("type") == "integer" or (values and isinstance(values[0], int)):
        return "integer"
    if found.get("type") == "boolean":
        return "true or false"
    pattern = found.get("pattern", "")
    if pattern.endswith(_DURATION):
        return "duration"
    return "size" if pattern.endswith(_SIZE) else "text"


def _range(found: _Schema) -> str:
    """Return the permitted values in words; empty if the type says it all."""
    if _is_secret(found) or "properties" in found:
        return ""
    if "const" in found:
        return _toml(found["const"])
    if "enum" in found:
        return _listed(found["enum"])
    if found.get("type") == "array":
        return _range(found["items"])
    if "anyOf" in found:
        return " or ".join(filter(None, map(_range, found["anyOf"])))
    if "maximum" in found:
        return f"{found['minimum']} to {found['maximum']}"
    return ""


def _listed(values: Sequence[object]) -> str:
    words = [_toml(value) for value in values]
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _example(found: _Schema) -> str:
    """Return a value that the schema accepts, as TOML."""
    if found.get("default") and not isinstance(found["default"], bool):
        return _toml(found["default"])
    if _is_secret(found):
        return '{ env = "BOX_SECRET" }'
    if "const" in found or "enum" in found:
        return _toml(found.get("const", found.get("enum", [""])[0]))
    if "anyOf" in found:
        return _example(found["anyOf"][0])
    kind = _type(found)
    if kind == "table":
        inside = found.get("properties", {})
        needed = found.get("required") or list(inside)[: found.get("minProperties", 0)]
        pairs = [f"{key} = {_example(inside[key])}" for key in needed]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if kind.startswith("array"):
        return f"[{_example(found['items'])}]"
    pattern = found.get("pattern", "")
    text = "/" if pattern == "^/" else "http://10.0.0.11:8000" if "Tt" in pattern else "..."
    values = {
        "integer": str(found.get("minimum", 100)),
        "true or false": "false" if found.get("default") else "true",
        "duration": '"5s"',
        "size": '"1MiB"',
    }
    return values.get(kind, _toml("client" if "client" in pattern else text))


def _toml(value: object) -> str:
    """Return a boolean, a number or text as TOML, in which they are written as in JSON."""
    return json.dumps(value, ensure_ascii=False)
