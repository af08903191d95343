"""Read the credentials of ``type = "session"``."""

from __future__ import annotations

from typing import Any

from corsgate.config.model import rules
from corsgate.config.model.balancing import HealthCheck
from corsgate.config.model.credentials import Credentials, parts_of
from corsgate.config.model.session import (
    MAX_LIFETIME_S,
    MIN_LIFETIME_S,
    Csrf,
    Expired,
    SessionCredentials,
    check_call,
    check_name,
    check_query_name,
    check_token_header,
    check_token_path,
    session_faults,
)
from corsgate.config.model.units import format_duration
from corsgate.config.model.values import Server
from corsgate.config.sections.credential_keys import kind_keys
from corsgate.config.sections.exposure import read_secret
from corsgate.config.sections.login_fields import FORM, JSON, read_form, read_json
from corsgate.config.sections.secrets import Sources, secret_key
from corsgate.config.toml.keys import Key, Keys, list_of, table_key
from corsgate.config.toml.reader import Table
from corsgate.config.toml.shape import shape
from corsgate.config.toml.values import DURATION, boolean, checked, duration, integer
from corsgate.errors import BadValue


@shape({"type": "integer", "minimum": 400, "maximum": 499})
def _status(raw: object) -> int:
    status = integer(raw)
    if 300 <= status < 400:
        raise BadValue(
            f"{status} is a redirect", 'write expired = { location = "/login" }, with its path'
        )
    rules.check_between(status, 400, 499)
    return status


@shape(DURATION)
def _lifetime(raw: object) -> float:
    lifetime_s = duration(raw)
    rules.check_seconds(lifetime_s, MIN_LIFETIME_S, MAX_LIFETIME_S)
    return lifetime_s


CSRF_HEADER = Key(
    "header",
    checked(rules.check_field_name),
    None,
    "The header that carries the token. Its value in any response is the next token.",
    example='"X-CSRF-Token"',
    fix='write header = "X-CSRF-Token"',
)
CSRF_FETCH = Key(
    "fetch",
    checked(check_call),
    "",
    "A request whose response has the token. It is sent with Fetch in the header, as SAP requires.",
    example='"HEAD /"',
)
CSRF_COOKIE = Key(
    "cookie", checked(check_name), "", "The cookie that has the token.", example='"csrftoken"'
)
CSRF_TOKEN_PATH = Key(
    "token_path",
    checked(check_token_path),
    "",
    "Where the token is in the JSON of the response to fetch.",
    example='"data.csrf"',
)
CSRF_STATUS = Key(
    "status",
    _status,
    403,
    "The status with which the server rejects a request without a valid token.",
    example="419",
)
CSRF_ALWAYS = Key(
    "always",
    boolean,
    False,
    "Whether safe requests, such as GET, also carry the token.",
    example="true",
)
CSRF_KEYS = Keys(
    heading="[credentials.NAME.csrf]",
    description="The token against cross-site requests (CSRF) that the server requires.",
    keys=(CSRF_HEADER, CSRF_FETCH, CSRF_COOKIE, CSRF_TOKEN_PATH, CSRF_STATUS, CSRF_ALWAYS),
    models=(Csrf,),
)

EXPIRED_STATUS = list_of(
    "status",
    _status,
    "The statuses of such responses.",
    entry="401, 403",
    default=(401,),
)
EXPIRED_LOCATION = Key(
    "location",
    checked(check_call),
    "",
    "The path of the login page that the server redirects to. By default it is that of login_url.",
    example='"/login"',
)
EXPIRED_JSON_PATH = Key(
    "json_path",
    checked(check_token_path),
    "",
    "Where a JSON response with another status has an error code. It needs json_values.",
    example='"error.code"',
)
EXPIRED_JSON_VALUES = list_of(
    "json_values",
    integer,
    "The error codes of such responses. They need json_path.",
    entry="498, 499",
)
EXPIRED_KEYS = Keys(
    heading="[credentials.NAME.expired]",
    description="Which responses mean that the session has ended, so that the gate logs in again.",
    keys=(EXPIRED_STATUS, EXPIRED_LOCATION, EXPIRED_JSON_PATH, EXPIRED_JSON_VALUES),
    models=(Expired,),
)

PASSWORD = secret_key("password", "The password for Basic.", example='{ env = "BOX_PASSWORD" }')
LOGIN_URL = Key(
    "login_url",
    checked(check_call),
    "",
    "Where to log in: a path at the server, or the URL of another server of the upstream. A method"
    " may come first. Leave it out if the server needs no login.",
    example='"/api/login"',
)
BASIC = Key(
    "basic",
    boolean,
    False,
    "Whether the login carries Basic credentials. Without login_url, every request does.",
    example="true",
)
USERNAME = Key(
    "username",
    checked(rules.check_basic_username),
    "",
    "The name of the user for Basic.",
    example='"gate"',
)
TOKEN_PATH = Key(
    "token_path",
    checked(check_token_path),
    "",
    "Where the JSON response to the login has a token. Without it, the session uses cookies.",
    example='"data.token"',
)
HEADER = Key(
    "header",
    checked(check_token_header),
    "",
    "The header that carries the token, with {token} in its value.",
    example='"Authorization: Bearer {token}"',
)
QUERY = Key(
    "query",
    checked(check_query_name),
    "",
    "The query parameter that carries the token.",
    example='"token"',
)
CSRF = table_key(
    "csrf",
    CSRF_KEYS,
    example='{ fetch = "HEAD /", header = "X-CSRF-Token" }',
)
EXPIRED = table_key(
    "expired",
    EXPIRED_KEYS,
    example='{ status = [401], location = "/login" }',
)
LIFETIME = Key(
    "lifetime",
    _lifetime,
    None,
    "How long a session is used before the gate logs in again. By default it is used as long as the"
    " server accepts it.",
    example='"12h"',
    range=f"{format_duration(MIN_LIFETIME_S)} to {format_duration(MAX_LIFETIME_S)}",
    field="lifetime_s",
)
LOGOUT_URL = Key(
    "logout_url",
    checked(check_call),
    "",
    "Where to log out when the gate stops or the credentials change. A method may come first.",
    example='"DELETE /api/login"',
)
SHARED = Key(
    "shared",
    boolean,
    False,
    "Whether one session serves all servers of the upstream.",
    example="true",
)
SESSION_KEYS = kind_keys(
    "session",
    "A login. The gate keeps the session and logs in again when it has ended.",
    (
        *(PASSWORD, LOGIN_URL, FORM, JSON, BASIC, USERNAME, TOKEN_PATH, HEADER, QUERY),
        *(CSRF, EXPIRED, LIFETIME, LOGOUT_URL, SHARED),
    ),
    SessionCredentials,
)


def read_session(table: Table, sources: Sources) -> SessionCredentials | None:
    """Read a table of ``type = "session"``.

    Args:
        table: The table of the credentials.
        sources: Where secrets come from.

    Returns:
        The credentials, or None after recording their faults.
    """
    before = len(table.notes.faults)
    found: dict[str, Any] = {
        "login_url": table.get(LOGIN_URL),
        "form": read_form(table, sources),
        "json": read_json(table, sources),
        "basic": table.get(BASIC),
        "username": table.get(USERNAME),
        "password": read_secret(table, PASSWORD, rules.check_secret, sources),
        "token_path": table.get(TOKEN_PATH),
        "header": table.get(HEADER),
        "query": table.get(QUERY),
        "csrf": _csrf(table),
        "expired": _expired(table),
        "lifetime_s": table.get(LIFETIME),
        "logout_url": table.get(LOGOUT_URL),
        "shared": table.get(SHARED),
    }
    if len(table.notes.faults) > before:
        # Keys that don't fit together may just be the consequence of these faults.
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
    """Record a fault for each URL of a session that is not at a server of its upstream.

    Args:
        table: The table of the upstream.
        credentials: Its credentials, of any kind.
        servers: Its fixed servers.
        health: Its health check, or None.
        are_all: Whether these are all its servers, so that none are discovered.
    """
    sessions = [part for part in parts_of(credentials) if isinstance(part, SessionCredentials)]
    if not sessions:
        return
    if health is not None and health.port is not None and not health.anonymous:
        problem = "the gate logs in only at the port of the server"
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
    item = table.item(CSRF)
    inner = None if item is None else item.table('write csrf = { header = "X-CSRF-Token" }')
    if inner is None:
        return None
    header = inner.get(CSRF_HEADER)
    fetch = inner.get(CSRF_FETCH)
    cookie = inner.get(CSRF_COOKIE)
    token_path = inner.get(CSRF_TOKEN_PATH)
    status = inner.get(CSRF_STATUS)
    always = inner.get(CSRF_ALWAYS)
    inner.finish(CSRF_KEYS)
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
    item = table.item(EXPIRED)
    inner = None if item is None else item.table("write expired = { status = [401, 403] }")
    if inner is None:
        return Expired()
    status = inner.list_of(EXPIRED_STATUS)
    location = inner.get(EXPIRED_LOCATION)
    json_path = inner.get(EXPIRED_JSON_PATH)
    values = inner.list_of(EXPIRED_JSON_VALUES)
    inner.finish(EXPIRED_KEYS)
    if bool(json_path) != bool(values):
        key, other = ("json_values", "json_path") if values else ("json_path", "json_values")
        inner.notes.add((*inner.path, key), f"it needs {other}", f"add {other}")
    return Expired(
        status=(401,) if status is None else status,
        location=location,
        json_path=json_path,
        json_values=values or (),
    )
