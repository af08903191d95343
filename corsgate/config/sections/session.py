"""Read the credentials of ``type = "session"``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from corsgate.config.model import rules
from corsgate.config.model.balancing import HealthCheck
from corsgate.config.model.credentials import Credentials, parts_of
from corsgate.config.model.session import (
    Csrf,
    Expired,
    FieldValue,
    SessionCredentials,
    check_call,
    check_name,
    check_query_name,
    check_token_header,
    check_token_path,
    session_faults,
)
from corsgate.config.model.values import Server
from corsgate.config.sections.exposure import warn_of_exposed
from corsgate.config.sections.secrets import Sources
from corsgate.config.toml.reader import Item, Table, boolean, checked, duration, integer
from corsgate.config.toml.shape import shape, shape_of

_LOOKS_SECRET = re.compile("pass|pwd|secret|token|key|pin|auth", re.IGNORECASE)


def read_session(table: Table, sources: Sources) -> SessionCredentials | None:
    """Read a table of ``type = "session"``.

    Args:
        table: The table of the credentials.
        sources: Where secrets come from.

    Returns:
        The credentials, or None after recording their faults.
    """
    before = len(table.notes.faults)
    password = table.get("password", sources.secret(rules.check_secret), None)
    warn_of_exposed(table, "password", sources)
    found: dict[str, Any] = {
        "login_url": table.get("login_url", checked(check_call), ""),
        "form": _login_fields(table, "form", sources),
        "json": _login_fields(table, "json", sources),
        "basic": table.get("basic", boolean, False),
        "username": table.get("username", checked(rules.check_basic_username), ""),
        "password": password,
        "token_path": table.get("token_path", checked(check_token_path), ""),
        "header": table.get("header", checked(check_token_header), ""),
        "query": table.get("query", checked(check_query_name), ""),
        "csrf": _csrf(table),
        "expired": _expired(table),
        "lifetime_s": table.get("lifetime", duration, None),
        "logout_url": table.get("logout_url", checked(check_call), ""),
        "shared": table.get("shared", boolean, False),
    }
    if len(table.notes.faults) > before:
        # What doesn't fit together may only be what could not be read.
        return None
    for key, problem, fix in session_faults(found):
        table.notes.add((*table.path, key), problem, fix)
    return None if len(table.notes.faults) > before else SessionCredentials(**found)


def check_places(
    table: Table,
    credentials: Credentials,
    servers: tuple[Server, ...],
    health: HealthCheck | None,
    *,
    are_all: bool,
) -> None:
    """Record a fault for each place of a session that is not in its upstream.

    Args:
        table: The table of the upstream.
        credentials: Its credentials, of any kind.
        servers: Its servers.
        health: Its health check.
        are_all: Whether there are no others, which discovery finds.
    """
    sessions = [part for part in parts_of(credentials) if isinstance(part, SessionCredentials)]
    if not sessions:
        return
    if health is not None and health.port is not None and not health.anonymous:
        problem = "the gate does not log in at another port than that of the server"
        table.notes.add((*table.path, "health", "port"), problem, "add anonymous = true")
    if not are_all:
        return
    origins = [server.origin for server in servers]
    for key, call in (each for session in sessions for each in session.calls()):
        if call.origin and call.origin not in origins:
            problem = f"{key} is at {call.origin}, which is not a server of this upstream"
            fix = f"write a path, or one of {rules.one_of(origins)}"
            table.notes.add((*table.path, "credentials"), problem, fix)


def _csrf(table: Table) -> Csrf | None:
    item = table.item("csrf")
    inner = None if item is None else item.table('write csrf = { header = "X-CSRF-Token" }')
    if inner is None:
        return None
    name = checked(rules.check_field_name)
    header = inner.need("header", name, 'write header = "X-CSRF-Token"')
    fetch = inner.get("fetch", checked(check_call), "")
    cookie = inner.get("cookie", checked(check_name), "")
    token_path = inner.get("token_path", checked(check_token_path), "")
    status = inner.get("status", _status, 403)
    always = inner.get("always", boolean, False)
    inner.finish()
    if header is None:
        return None
    return Csrf(
        header=header,
        fetch=fetch,
        cookie=cookie,
        token_path=token_path,
        status=status,
        always=always,
    )


def _expired(table: Table) -> Expired:
    item = table.item("expired")
    inner = None if item is None else item.table("write expired = { status = [401, 403] }")
    if inner is None:
        return Expired()
    status = inner.list_of("status", _status, "401, 403")
    location = inner.get("location", checked(check_call), "")
    json_path = inner.get("json_path", checked(check_token_path), "")
    values = inner.list_of("json_values", integer, "498, 499")
    inner.finish()
    if bool(json_path) != bool(values):
        key, other = ("json_values", "json_path") if values else ("json_path", "json_values")
        inner.notes.add((*inner.path, key), f"it needs {other}", f"add {other}")
    return Expired(
        status=(401,) if status is None else status,
        location=location,
        json_path=json_path,
        json_values=values or (),
    )


@shape({"type": "integer", "minimum": 400, "maximum": 499})
def _status(raw: object) -> int:
    status = integer(raw)
    rules.check_between(status, 400, 499)
    return status


def _login_fields(table: Table, key: str, sources: Sources) -> tuple[tuple[str, FieldValue], ...]:
    """Read the fields of a login; all text of theirs is a secret."""
    item, reader = table.item(key), _field_reader(sources)
    schema = {"type": "object", "additionalProperties": shape_of(reader)}
    table.notes.ask((*table.path, key), shape(schema)(lambda raw: None))
    inner = None if item is None else item.table(f'write {key} = {{ user = "NAME" }}')
    found = []
    for name, raw in inner.raw.items() if inner is not None else ():
        value = Item(table.notes, (*table.path, key, name), raw).read(reader)
        if isinstance(raw, str) and _LOOKS_SECRET.search(name):
            assert inner is not None
            warn_of_exposed(inner, name, sources)
        if value is not None:
            found.append((name, value))
    return tuple(found)


def _field_reader(sources: Sources) -> Callable[[object], FieldValue]:
    secret = sources.secret(rules.check_secret)
    of_text = shape_of(secret)

    @shape({"anyOf": [of_text, {"type": "boolean"}, {"type": "integer"}]})
    def reader(raw: object) -> FieldValue:
        return raw if isinstance(raw, bool | int) else secret(raw)

    return reader
