"""The JSON Schema of configuration files, made of what their reader asks for.

No key is listed here twice: the reader is run over a specimen in which every table occurs once,
and the schema is what it asked for. Descriptions are those of the model's attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from inspect import getdoc
from typing import Any

import attrs

from corsgate.config.model.balancing import Balancing, Ejection, Fallback, HealthCheck, Sticky
from corsgate.config.model.rules import ENTRY_NAME
from corsgate.config.model.values import (
    BasicCredentials,
    BearerCredentials,
    Config,
    Cors,
    DigestCredentials,
    HeaderCredentials,
    Limits,
    Listener,
    PoolLimits,
    Route,
    Server,
    Upstream,
)
from corsgate.config.parse import read_document
from corsgate.config.sections.secrets import Sources
from corsgate.config.toml.lines import Path, key_text
from corsgate.config.toml.reader import Notes, Table
from corsgate.config.toml.shape import Asked
from corsgate.errors import ConfigError

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_SPECIMEN: Mapping[str, Any] = {
    "listener": [{"certificates": [{}]}],
    "upstreams": {
        "x": {
            "servers": ["", {}],
            "credentials": "basic",
            "client_certificate": {},
            **{key: {} for key in ("sticky", "health", "eject", "on_down")},
        },
    },
    "credentials": {kind: {"type": kind} for kind in ("basic", "digest", "bearer", "header")},
    "cors": {"x": {}},
    "routes": {"/": {"upstream": "x", "cors": "x", "cors_report_only": "x", "limits": {}}},
    "limits": {},
}
"""A document in which every table of every kind occurs; its values are of no matter."""

_MODEL: Mapping[Path, Sequence[type]] = {
    (): (Config,),
    ("listener", 0): (Listener,),
    ("upstreams", "x"): (Upstream, PoolLimits, Balancing),
    ("upstreams", "x", "sticky"): (Sticky,),
    ("upstreams", "x", "health"): (HealthCheck,),
    ("upstreams", "x", "eject"): (Ejection,),
    ("upstreams", "x", "on_down"): (Fallback,),
    ("upstreams", "x", "servers", 1): (Server,),
    ("credentials", "basic"): (BasicCredentials,),
    ("credentials", "digest"): (DigestCredentials,),
    ("credentials", "bearer"): (BearerCredentials,),
    ("credentials", "header"): (HeaderCredentials,),
    ("cors", "x"): (Cors,),
    ("routes", "/"): (Route,),
    ("routes", "/", "limits"): (Limits,),
    ("limits",): (Limits,),
}
"""The classes whose attributes describe the keys of a table."""

_ALSO: Mapping[str, str] = {
    "listen": "Where the gate listens: Twisted's server endpoint strings, such as"
    " tcp:5555:interface=127.0.0.1.",
    "listener": "Where the gate listens, for TLS or behind trusted proxies.",
    "credentials": "Credentials that upstreams name.",
    "cors": "CORS policies that routes name.",
    "url": "Scheme, host and port of the server, and a path that is put before each request's own.",
    "chain": "The file of the certificate and those that vouch for it, in PEM, its own first.",
    "key": "The file of its private key, in PEM.",
    "type": "How the credentials are sent.",
    "balance": "How requests are shared among the servers.",
    "upstreams": "The APIs behind the gate, by name.",
    "servers": "The servers of the API, at least one: URLs, or tables of url, weight, backup and"
    " drain; what DNS knows (dns+http://, srv+http://); or a file of its own.",
    "weight": "How many requests it gets, from 1 to 1000, beside the others.",
    "upstream": "Where requests go: a name under [upstreams].",
    "routes": "What becomes of requests, by path prefix, perhaps after a host; the longest wins.",
}
"""What is said of keys that no attribute has the name of, or whose words are not for files."""

_INSTEAD = "Where they are instead: in a file of their own, which is watched for changes."

_UNITS = ("_s", "_pem", "_file")
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def config_schema() -> dict[str, object]:
    """Return the schema of configuration files (JSON Schema draft 2020-12).

    It takes all that the reader takes; what only the reader can judge, such as whether a host
    is one, it does not refuse.

    Raises:
        ValueError: A reader asks for something that neither it nor the specimen explains.
    """
    notes = Notes(file="specimen", lines={})
    sources = Sources(environ={}, read_file=_no_file, has_http2=True)
    # It is full of faults: nothing but its shape is right.
    with suppress(ConfigError):
        read_document(Table(notes, (), _SPECIMEN), sources)
    builder = _Builder(notes.asked)
    whole = builder.table(())
    properties: Any = whole["properties"]
    whole["anyOf"] = [{"required": ["listen"]}, {"required": ["listener"]}]
    whole["required"] = ["upstreams", "routes"]
    properties["routes"]["propertyNames"] = {"pattern": "/"}
    return {
        "$schema": DIALECT,
        "title": "corsgate configuration",
        "description": (getdoc(Config) or "").partition("\n")[0],
        **whole,
        "$defs": {name: builder.entry((name,)) for name in builder.inline},
    }


def _no_file(name: str) -> bytes:
    raise FileNotFoundError(name)


@attrs.define
class _Builder:
    """Makes schemas of what was asked; `inline` names the sections that are referred to."""

    _asked: Mapping[Path, Asked]
    inline: list[str] = attrs.Factory(list)

    def __attrs_post_init__(self) -> None:
        self.inline = sorted({each.section for each in self._asked.values() if each.may_be_inline})

    def table(self, path: Path) -> dict[str, object]:
        """Return the schema of a table."""
        keys = {below[-1]: below for below in self._below(path) if isinstance(below[-1], str)}
        described = _descriptions(path)
        properties = {}
        for key, place in keys.items():
            found = self.value(place)
            words = _ALSO.get(str(key)) or described.get(str(key))
            properties[str(key)] = {"description": words, **found} if words else found
        schema: dict[str, object] = {"type": "object", "properties": properties}
        required = [str(key) for key, place in keys.items() if self._asked[place].required]
        if required:
            schema["required"] = required
        return {**schema, "additionalProperties": False}

    def value(self, path: Path) -> dict[str, object]:
        """Return the schema of a key's value."""
        asked = self._asked[path]
        if asked.section:
            name: dict[str, object] = {"type": "string"}
            if not asked.may_be_inline:
                return name
            return {"anyOf": [name, {"$ref": f"#/$defs/{asked.section}"}]}
        if asked.is_section:
            inside = {"$ref": f"#/$defs/{path[-1]}"} if path[-1] in self.inline else None
            names = {"pattern": f"^{ENTRY_NAME}$"}
            return {
                "type": "object",
                "propertyNames": names,
                "additionalProperties": inside or self.entry(path),
            }
        found: dict[str, object]
        if asked.is_array:
            places = list(self._below(path))
            items = [self.value(place) for place in places if isinstance(place[-1], int)]
            found = {"type": "array", "items": _any_of(items)}
            if len(items) < len(places):
                # A table that stands for the array says where its entries are.
                instead = {"description": _INSTEAD, **self.table(path)}
                found = {"anyOf": [found, instead]}
        elif any(True for _ in self._below(path)):
            return self.table(path)
        elif asked.shape is None:
            raise ValueError(
                f"{key_text(path)}: mark its reader with @shape, or put it into _SPECIMEN"
            )
        else:
            found = dict(asked.shape)
        if asked.word:
            found = _any_of([{"const": asked.word}, found])
        if isinstance(asked.default, bool | int | str):
            found["default"] = asked.default
        return found

    def entry(self, path: Path) -> dict[str, object]:
        """Return the schema of each table of a section; they may be of several kinds."""
        kinds = []
        for place in self._entries(path):
            table = self.table(place)
            properties: Any = table["properties"]
            kind = _specimen(place).get("type")
            if kind is not None:
                said = {"description": properties["type"]["description"], "const": kind}
                properties["type"] = said
            kinds.append(table)
        return _any_of(kinds)

    def _below(self, path: Path) -> Iterator[Path]:
        return (each for each in self._asked if each[:-1] == path and len(each) == len(path) + 1)

    def _entries(self, path: Path) -> list[Path]:
        """Return the places of a section's tables, which nobody asked for by name."""
        return list(dict.fromkeys(p[: len(path) + 1] for p in self._asked if _within(p, path)))


def _within(place: Path, path: Path) -> bool:
    return len(place) > len(path) and place[: len(path)] == path


def _any_of(schemas: list[dict[str, object]]) -> dict[str, object]:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _specimen(path: Path) -> Any:
    found: Any = _SPECIMEN
    for step in path:
        found = found[step]
    return found


def _descriptions(path: Path) -> dict[str, str]:
    """Return what the model says of the keys of a table."""
    found: dict[str, str] = {}
    for cls in _MODEL.get(path, ()):
        _, _, listed = (getdoc(cls) or "").partition("Attributes:\n")
        for name, words in _ATTRIBUTE.findall(listed):
            key = next((name.removesuffix(u) for u in _UNITS if name.endswith(u)), name)
            found[key] = _for_files(" ".join(words.replace("``", "").split()))
    return found


def _for_files(words: str) -> str:
    """Return words for people who write files, where a value is left out and never None."""
    words = words.replace(", or None", "").replace("None for", "left out:")
    return words.replace("None leaves it unsaid", "left out, it stays unsaid")
