"""Build the JSON Schema of configuration files from the reader itself.

The reader runs over a specimen that contains every table once, and records each key that it reads.
So no key needs to be listed a second time. The descriptions come from the model's docstrings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from inspect import getdoc
from typing import Any

import attrs

from corsgate.config.model.addresses import Addresses
from corsgate.config.model.admin import Admin
from corsgate.config.model.balancing import Balancing, Ejection, Fallback, HealthCheck, Sticky
from corsgate.config.model.header_rules import HeaderRules
from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.request_rules import RequestRules
from corsgate.config.model.rules import ENTRY_NAME
from corsgate.config.model.session import Csrf, Expired
from corsgate.config.model.values import (
    AutoCredentials,
    AwsCredentials,
    BasicCredentials,
    BearerCredentials,
    Config,
    Cors,
    DigestCredentials,
    HeaderCredentials,
    Limits,
    Listener,
    NtlmCredentials,
    PoolLimits,
    QueryCredentials,
    Route,
    Server,
    SessionCredentials,
    Upstream,
    UpstreamTls,
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
            **{
                key: {}
                for key in ("sticky", "health", "eject", "on_down", "tls", "request_headers")
            },
        },
    },
    "credentials": {
        **{
            kind: {"type": kind}
            for kind in (
                "basic",
                "digest",
                "bearer",
                "header",
                "query",
                "aws_sigv4",
                "ntlm",
                "auto",
            )
        },
        "oauth2": {"type": "oauth2", "client_certificate": {}},
        "session": {"type": "session", "csrf": {}, "expired": {}},
    },
    "cors": {"x": {}},
    "routes": {
        "/": {
            "upstream": "x",
            "cors": "x",
            "cors_report_only": "x",
            "limits": {},
            "response_headers": {},
        }
    },
    "limits": {},
    "admin": {},
}
"""A document with every kind of table; its values do not matter."""

_MODEL: Mapping[Path, Sequence[type]] = {
    (): (Config,),
    ("listener", 0): (Listener,),
    ("upstreams", "x"): (Upstream, PoolLimits, Balancing, Addresses, RequestRules),
    ("upstreams", "x", "sticky"): (Sticky,),
    ("upstreams", "x", "health"): (HealthCheck,),
    ("upstreams", "x", "eject"): (Ejection,),
    ("upstreams", "x", "on_down"): (Fallback,),
    ("upstreams", "x", "tls"): (UpstreamTls,),
    ("upstreams", "x", "servers", 1): (Server,),
    ("credentials", "auto"): (AutoCredentials,),
    ("credentials", "basic"): (BasicCredentials,),
    ("credentials", "digest"): (DigestCredentials,),
    ("credentials", "bearer"): (BearerCredentials,),
    ("credentials", "header"): (HeaderCredentials,),
    ("credentials", "query"): (QueryCredentials,),
    ("credentials", "aws_sigv4"): (AwsCredentials,),
    ("credentials", "oauth2"): (OAuth2Credentials,),
    ("credentials", "session"): (SessionCredentials,),
    ("credentials", "session", "csrf"): (Csrf,),
    ("credentials", "session", "expired"): (Expired,),
    ("credentials", "ntlm"): (NtlmCredentials,),
    ("cors", "x"): (Cors,),
    ("routes", "/"): (Route,),
    ("routes", "/", "limits"): (Limits,),
    ("routes", "/", "response_headers"): (HeaderRules,),
    ("upstreams", "x", "request_headers"): (HeaderRules,),
    ("limits",): (Limits,),
    ("admin",): (Admin,),
}
"""The classes whose docstrings describe the keys of each table."""

_TOP: Mapping[str, str] = {
    "listen": "Where the gate listens: Twisted's server endpoint strings, such as"
    " tcp:5555:interface=127.0.0.1.",
    "listener": "Where the gate listens, for TLS or behind trusted proxies.",
    "credentials": "Credentials that upstreams name.",
    "cors": "CORS policies that routes name.",
    "upstreams": "The APIs behind the gate, by name.",
    "routes": "How requests are handled, by path prefix, optionally after a host; the longest"
    " prefix wins.",
}
"""Descriptions of the keys at the top of a file, where an attribute has none for files."""

_BELOW: Mapping[str, str] = {
    "headers": "Instead of name and value: several headers, each with its secret.",
    "url": "The scheme, host and port of the server, and a path that is put before each request's"
    " path.",
    "chain": "The file with the certificate and its intermediate certificates, in PEM, its own"
    " first.",
    "key": "The file with the certificate's private key, in PEM.",
    "type": "How the credentials are sent.",
    "token_file": "Where the newest refresh token is kept over restarts.",
    "balance": "How requests are distributed among the servers.",
    "servers": "The servers of the API, at least one: URLs, or tables of url, weight, backup and"
    " drain; names to look up in DNS (dns+http://, srv+http://); or a separate file.",
    "weight": "The server's share of requests, relative to the others, from 1 to 1000.",
    "upstream": "The upstream to forward requests to: a name under [upstreams].",
    "by_url": "Instead of upstream: the upstreams whose servers a client may name by URL, such as"
    " /proxy?url=https%3A%2F%2Fbox%2Fmap.",
}
"""Descriptions of the keys in tables, where an attribute has none for files."""

_INSTEAD = "Instead of a list, a separate file, which is watched for changes."

_UNITS = ("_s", "_pem", "_file")
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def config_schema() -> dict[str, object]:
    """Return the schema of configuration files (JSON Schema draft 2020-12).

    It accepts everything that the reader accepts. It does not reject what only the reader can
    check, such as whether a host is valid.

    Raises:
        ValueError: A reader has no schema, and the specimen does not contain its table.
    """
    notes = Notes(file="specimen", lines={})
    sources = Sources(
        environ={}, read_file=_no_file, has_http2=True, has_jose=True, has_spnego=True
    )
    # The specimen is full of faults; only its shape matters.
    with suppress(ConfigError):
        read_document(Table(notes, (), _SPECIMEN), sources)
    builder = _Builder(notes.asked)
    whole = builder.table(())
    properties: Any = whole["properties"]
    whole["anyOf"] = [{"required": ["listen"]}, {"required": ["listener"]}]
    whole["required"] = ["upstreams", "routes"]
    properties["routes"]["propertyNames"] = {"pattern": "/"}
    forms = [{"required": ["upstream"]}, {"required": ["by_url"]}]
    properties["routes"]["additionalProperties"]["anyOf"] = forms
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
    """Builds schemas from what was read; `inline` lists the sections that need a reference."""

    _asked: Mapping[Path, Asked]
    inline: list[str] = attrs.Factory(list)

    def __attrs_post_init__(self) -> None:
        self.inline = sorted({each.section for each in self._asked.values() if each.may_be_inline})

    def table(self, path: Path) -> dict[str, object]:
        """Return the schema of a table."""
        keys = {below[-1]: below for below in self._below(path) if isinstance(below[-1], str)}
        own, described = _BELOW if path else _TOP, _descriptions(path)
        properties = {}
        for key, place in keys.items():
            found = self.value(place)
            words = own.get(str(key)) or described.get(str(key))
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
            single = [name, {"$ref": f"#/$defs/{asked.section}"}]
            if not asked.may_be_several:
                return {"anyOf": single}
            several = {"type": "array", "minItems": 1, "items": {"anyOf": single}}
            return {"anyOf": [*single, several]}
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
                # A table may replace the array and name the file of its entries.
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
        """Return the schema of the tables of a section, which may be of several kinds."""
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
        """Return the places of a section's tables; their names are not in the record themselves."""
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
    """Return the descriptions of the keys of a table, from the model."""
    found: dict[str, str] = {}
    for cls in _MODEL.get(path, ()):
        _, _, listed = (getdoc(cls) or "").partition("Attributes:\n")
        for name, words in _ATTRIBUTE.findall(listed):
            key = next((name.removesuffix(u) for u in _UNITS if name.endswith(u)), name)
            found[key] = _for_files(" ".join(words.replace("``", "").split()))
    return found


def _for_files(words: str) -> str:
    """Rephrase a description for users of files, where a value is omitted and never None."""
    words = words.replace(", or None", "").replace("; None for", "; default:")
    return words.replace(". None for", ". Default:")
