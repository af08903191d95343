"""Read the tables ``request_headers`` of an upstream and ``response_headers`` of a route."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from corsgate.config.model.header_rules import (
    HeaderField,
    HeaderRules,
    check_request_name,
    check_response_name,
    check_sent_name,
    check_value,
    looks_secret,
    normal_name,
    owned_names,
)
from corsgate.config.model.rules import check_field_value, show
from corsgate.config.model.secret import Secret
from corsgate.config.model.values import Credentials, Upstream
from corsgate.config.sections.exposure import warn_of_exposed
from corsgate.config.sections.secrets import SECRET, Sources
from corsgate.config.toml.keys import AnyKey, Key, Keys, by_hand, list_of, table_key
from corsgate.config.toml.reader import Item, Table
from corsgate.config.toml.shape import Schema, shape, shape_of
from corsgate.config.toml.values import checked, text
from corsgate.errors import BadValue
from corsgate.message.connection_auth import WITHHELD_CHALLENGES

_EXAMPLE = 'set = { X-Api-Version = "2" }'


@shape(
    {
        "type": "string",
        "minLength": 1,
        "description": "Text, which may have {client_ip}, {host}, {request_id} and {route}.",
    }
)
def _plain(raw: object) -> str:
    if isinstance(raw, dict):
        raise BadValue("a secret can't be here", "set it in request_headers.set of an upstream")
    value = text(raw)
    check_value(value)
    return value


def _fields_key(name: str, value: Schema, description: str, example: str, effect: str) -> AnyKey:
    return Key(
        name,
        by_hand({"type": "object", "additionalProperties": value}),
        None,
        description,
        example=example,
        type="table of header fields",
        gives=f"it {effect} {{}}",
        takes=f"it no longer {effect} {{}}",
    )


_TEXT: Schema = shape_of(_plain) or {}
_VALUES = "Values may contain {client_ip}, {host}, {request_id} and {route}."
REQUEST_SET = _fields_key(
    "set",
    # Text is not a secret here, and may have placeholders.
    {"anyOf": [*SECRET["anyOf"][:-1], _TEXT]},
    f"Fields that replace those of the same name. {_VALUES} A value may also be a secret.",
    '{ X-Real-IP = "{client_ip}", X-Api-Key = { env = "API_KEY" } }',
    "has",
)
RESPONSE_SET = _fields_key(
    "set",
    _TEXT,
    f"Fields that replace those of the same name. {_VALUES}",
    '{ X-Frame-Options = "DENY" }',
    "has",
)
ADD = _fields_key(
    "add",
    _TEXT,
    f"Fields that are sent in addition to those of the same name. {_VALUES}",
    '{ X-Gate = "{route}" }',
    "also has",
)
REQUEST_REMOVE = list_of(
    "remove",
    checked(check_request_name),
    "The names of fields that are removed.",
    entry='"Cookie"',
    gives="{} is removed",
    takes="{} is no longer removed",
)
RESPONSE_REMOVE = list_of(
    "remove",
    checked(check_response_name),
    "The names of fields that are removed.",
    entry='"Server"',
    gives="{} is removed",
    takes="{} is no longer removed",
)
REQUEST_HEADERS_KEYS = Keys(
    heading="[upstreams.NAME.request_headers]",
    description="Header fields to set, add or remove in requests to the upstream.",
    keys=(REQUEST_SET, ADD, REQUEST_REMOVE),
    models=(HeaderRules,),
)
REQUEST_HEADERS = table_key(
    "request_headers",
    REQUEST_HEADERS_KEYS,
    example='{ set = { X-Real-IP = "{client_ip}" } }',
)
RESPONSE_HEADERS_KEYS = Keys(
    heading='[routes."PREFIX".response_headers]',
    description="Header fields to set, add or remove in responses of the upstream.",
    keys=(RESPONSE_SET, ADD, RESPONSE_REMOVE),
    models=(HeaderRules,),
)
RESPONSE_HEADERS = table_key(
    "response_headers",
    RESPONSE_HEADERS_KEYS,
    "Header fields to set, add or remove in responses of the upstream. CORS fields belong to the"
    " policy.",
    example='{ set = { X-Frame-Options = "DENY" }, remove = ["Server"] }',
)


def read_request_headers(
    table: Table, credentials: Iterable[Credentials], sources: Sources
) -> HeaderRules:
    """Read ``request_headers`` of an upstream.

    Args:
        table: The table of the upstream.
        credentials: All its credentials, whose fields can't be set, added or removed.
        sources: Where secrets come from.

    Returns:
        The rules. After a fault, which is recorded, the entry is left out.
    """
    part = _part(table, REQUEST_HEADERS)
    if part is None:
        return HeaderRules()
    owned = frozenset[bytes]().union(*map(owned_names, credentials))

    def not_owned(check: Callable[[str], None]) -> Callable[[str], None]:
        def checks(name: str) -> None:
            check(name)
            if normal_name(name) in owned:
                raise BadValue(f"{show(name)} is set by the upstream's credentials", "remove it")

        return checks

    secret = sources.secret(check_field_value)
    found = HeaderRules(
        set=_fields(part, REQUEST_SET, not_owned(check_sent_name), secret, sources),
        add=_fields(part, ADD, not_owned(check_sent_name), named_secret=_set_instead),
        remove=part.list_by(REQUEST_REMOVE, checked(not_owned(check_request_name))) or (),
    )
    part.finish(REQUEST_HEADERS_KEYS)
    return found


def read_response_headers(table: Table) -> HeaderRules:
    """Read ``response_headers`` of a route.

    Args:
        table: The table of the route.

    Returns:
        The rules. After a fault, which is recorded, the entry is left out.
    """
    part = _part(table, RESPONSE_HEADERS)
    if part is None:
        return HeaderRules()
    found = HeaderRules(
        set=_fields(part, RESPONSE_SET, check_response_name),
        add=_fields(part, ADD, check_response_name),
        remove=part.list_of(RESPONSE_REMOVE) or (),
    )
    part.finish(RESPONSE_HEADERS_KEYS)
    return found


def check_withheld(table: Table, rules: HeaderRules, upstreams: Iterable[Upstream]) -> None:
    """Record a fault for each response field that the gate withholds because of credentials.

    Args:
        table: The table of the route.
        rules: Its ``response_headers``.
        upstreams: The upstreams that its requests may go to.
    """
    if not any(each.all_credentials for each in upstreams):
        return
    for key in ("set", "add"):
        for field in getattr(rules, key):
            if normal_name(field.name) in WITHHELD_CHALLENGES:
                table.notes.add(
                    (*table.path, "response_headers", key, field.name),
                    f"{show(field.name)} is withheld, because the upstream has credentials",
                    "remove it",
                )


def _part(table: Table, key: AnyKey) -> Table | None:
    item = table.item(key)
    return None if item is None else item.table(f"write {key.name} = {{ {_EXAMPLE} }}")


def _fields(
    part: Table,
    key: AnyKey,
    check_name: Callable[[str], None],
    secret: Callable[[object], Secret] | None = None,
    sources: Sources | None = None,
    named_secret: Callable[[object], Secret] | None = None,
) -> tuple[HeaderField, ...]:
    """Read a table of names and values.

    Args:
        part: The table that contains it.
        key: The key.
        check_name: Rejects invalid names.
        secret: Reads values that name the source of a secret; None if secrets are not allowed.
        sources: Where secrets come from.
        named_secret: Reads the text of a field with a name like that of a secret; None for
            `secret`.
    """
    named_secret = named_secret or secret
    item = part.item(key)
    table = None if item is None else item.table(f"write {_EXAMPLE}")
    found: dict[bytes, HeaderField] = {}
    for name, raw in () if table is None else table.raw.items():
        at = Item(part.notes, (*part.path, key.name, name), raw)
        try:
            check_name(name)
        except BadValue as error:
            at.wrong(error.problem, error.fix)
            continue
        reader: Callable[[object], str | Secret] = _plain
        if named_secret is not None and isinstance(raw, str) and looks_secret(name, raw):
            reader = named_secret
        elif secret is not None and isinstance(raw, dict):
            reader = secret
        value = at.read(reader)
        if reader is secret and table is not None and sources is not None:
            warn_of_exposed(table, name, sources)
        if normal_name(name) in found:
            at.wrong(f"{show(name)} is already listed", "remove one of them")
        elif value is not None:
            found[normal_name(name)] = HeaderField(name, value)
    return tuple(found.values())


def _set_instead(_raw: object) -> Secret:
    """Reject text whose name is like that of a secret, because here it would not be hidden."""
    raise BadValue("its name suggests that it is a secret", "write it in request_headers.set")
