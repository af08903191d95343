"""``/api/config``: the configuration in force, without its secrets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import attrs

from corsgate.admin.resource import JSON
from corsgate.admin.turns import json_pieces
from corsgate.admin.view import View, not_after_s
from corsgate.config.model.certificates import CertifiedKey
from corsgate.config.model.credentials import AutoCredentials, BasicCredentials, Credentials
from corsgate.config.model.path_rules import PathPattern
from corsgate.config.model.values import Config, Discovered, Route, Secret
from corsgate.errors import Fault

MASK = "***"
"""The text that replaces a secret."""


def begin(view: View) -> tuple[bytes, Iterator[bytes]]:
    """Return the content type and the pieces of the configuration in force."""
    gate = view.gate
    shown = {"file": gate.file, "since_s": gate.config_since_s, "config": _parts(gate.config)}
    return JSON, json_pieces(shown)


def masked(config: Config) -> dict[str, Any]:
    """Return a configuration as values for JSON, with `MASK` in place of each secret.

    Only types that are known to have no secrets are shown, so a new kind of value is masked until
    it is listed here. A route shows only those limits that differ from the file's.
    """
    found = _parts(config)
    return {**found, "routes": list(found["routes"])}


def _parts(config: Config) -> dict[str, Any]:
    """Return the same with an iterator of routes, since there may be thousands."""
    # `written` repeats the contents of the routes.
    found = _object(config, without=("routes", "written"))
    limits = found["limits"]
    return {**found, "routes": (_route(each, limits) for each in config.routes)}


def _route(route: Route, general: dict[str, Any]) -> dict[str, Any]:
    found = _object(route, without=("upstream", "by_url"))
    limits = {name: value for name, value in found["limits"].items() if value != general[name]}
    return {
        **found,
        "limits": limits,
        "upstream": route.upstream.name,
        "by_url": [each.name for each in route.by_url],
    }


def _object(value: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the public attributes of a value of the model."""
    shown: dict[str, Any] = {}
    for field in attrs.fields(type(value)):
        if field.name.startswith("_") or field.name in without:
            continue
        content = getattr(value, field.name)
        # A field that is excluded from the repr is a secret, or may contain one.
        hidden = field.repr is False and content is not None
        shown[field.name] = MASK if hidden else _value(content)
    return shown


def _value(value: Any) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _text(value)
        case tuple():
            return [_value(each) for each in value]
        case Mapping():
            return {str(key): _value(each) for key, each in value.items()}
        case Secret():
            return MASK
        case IPv4Network() | IPv6Network() | Fault():
            return str(value)
        case PathPattern():
            return value.text
        case Discovered():
            return {"found_by": str(value), **_object(value.template)}
        case CertifiedKey():
            return {
                "chain_file": value.chain_file,
                "key_file": value.key_file,
                "names": list(value.names),
                "not_after_s": not_after_s(value),
            }
        case BasicCredentials():
            # Some APIs accept a key as the user name, with any password.
            return {"type": "basic", "username": MASK, "password": MASK}
        case AutoCredentials():
            return {"type": "auto", **_object(value), "username": MASK}
    module = type(value).__module__
    if attrs.has(type(value)) and module.startswith("corsgate.config.model."):
        kind = {"type": value.kind} if isinstance(value, Credentials) else {}
        return {**kind, **_object(value)}
    return MASK


def _text(text: str) -> str:
    """Return text without a query, which may contain an API key."""
    path, mark, _ = text.partition("?")
    return f"{path}?{MASK}" if mark else text
