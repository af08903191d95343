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
)
from corsgate.config.model.rules import check_field_value, show
from corsgate.config.model.secret import Secret
from corsgate.config.model.values import Credentials, HeaderCredentials, Upstream
from corsgate.config.sections.exposure import warn_of_exposed
from corsgate.config.sections.secrets import Sources
from corsgate.config.toml.reader import Item, Table, checked, text
from corsgate.config.toml.shape import shape, shape_of
from corsgate.errors import BadValue

_WITHHELD = (b"www-authenticate", b"authentication-info")
_NO_SECRET = ("a secret can't be here", "set it in request_headers.set of an upstream")
_EXAMPLE = 'set = { X-Api-Version = "2" }'


def read_request_headers(
    table: Table, credentials: Credentials | None, sources: Sources
) -> HeaderRules:
    """Read ``request_headers`` of an upstream.

    Args:
        table: The table of the upstream.
        credentials: Its credentials, whose fields are not the operator's.
        sources: Where secrets come from.

    Returns:
        The rules. After a fault, which is recorded, the entry is left out.
    """
    part = _part(table, "request_headers")
    if part is None:
        return HeaderRules()
    owned = set()
    if credentials is not None:
        owned.add(b"authorization")
    if isinstance(credentials, HeaderCredentials):
        owned.add(normal_name(credentials.name))

    def not_owned(check: Callable[[str], None]) -> Callable[[str], None]:
        def checks(name: str) -> None:
            check(name)
            if normal_name(name) in owned:
                raise BadValue(f"{show(name)} is set by the upstream's credentials", "remove it")

        return checks

    secret = sources.secret(check_field_value)
    found = HeaderRules(
        set=_fields(part, "set", not_owned(check_sent_name), secret, sources),
        add=_fields(part, "add", not_owned(check_sent_name), is_sent=True),
        remove=part.list_of("remove", checked(not_owned(check_request_name)), '"Cookie"') or (),
    )
    part.finish()
    return found


def read_response_headers(table: Table) -> HeaderRules:
    """Read ``response_headers`` of a route.

    Args:
        table: The table of the route.

    Returns:
        The rules. After a fault, which is recorded, the entry is left out.
    """
    part = _part(table, "response_headers")
    if part is None:
        return HeaderRules()
    found = HeaderRules(
        set=_fields(part, "set", check_response_name),
        add=_fields(part, "add", check_response_name),
        remove=part.list_of("remove", checked(check_response_name), '"Server"') or (),
    )
    part.finish()
    return found


def check_withheld(table: Table, rules: HeaderRules, upstreams: Iterable[Upstream]) -> None:
    """Record a fault for each response field that the gate withholds for its credentials.

    Args:
        table: The table of the route.
        rules: Its ``response_headers``.
        upstreams: Those that its requests may go to.
    """
    if all(each.credentials is None for each in upstreams):
        return
    for key in ("set", "add"):
        for field in getattr(rules, key):
            if normal_name(field.name) in _WITHHELD:
                table.notes.add(
                    (*table.path, "response_headers", key, field.name),
                    f"{show(field.name)} is withheld where the upstream has credentials",
                    "remove it",
                )


def _part(table: Table, key: str) -> Table | None:
    item = table.item(key)
    return None if item is None else item.table(f"write {key} = {{ {_EXAMPLE} }}")


def _fields(
    part: Table,
    key: str,
    check_name: Callable[[str], None],
    secret: Callable[[object], Secret] | None = None,
    sources: Sources | None = None,
    *,
    is_sent: bool = False,
) -> tuple[HeaderField, ...]:
    """Read a table of names and values.

    Args:
        part: What has the table.
        key: The table's key.
        check_name: Rejects names.
        secret: Reads values that are secrets; None where there can be none.
        sources: Knows who can read a secret that is written here.
        is_sent: Whether servers get the fields, so that text in them may be a secret.
    """
    item = part.item(key)
    values = shape_of(secret or _plain)
    part.notes.ask(
        (*part.path, key),
        shape({"type": "object", "additionalProperties": values})(lambda raw: raw),
    )
    table = None if item is None else item.table(f"write {_EXAMPLE}")
    found: dict[bytes, HeaderField] = {}
    for name, raw in () if table is None else table.raw.items():
        at = Item(part.notes, (*part.path, key, name), raw)
        try:
            check_name(name)
        except BadValue as error:
            at.wrong(error.problem, error.fix)
            continue
        value: str | Secret | None
        if is_sent and isinstance(raw, str) and looks_secret(name, raw):
            at.wrong(*_NO_SECRET)
            continue
        if secret is None or (isinstance(raw, str) and not looks_secret(name, raw)):
            value = at.read(_plain)
        else:
            value = at.read(secret)
            if table is not None and sources is not None:
                warn_of_exposed(table, name, sources)
        if normal_name(name) in found:
            at.wrong(f"{show(name)} is already listed", "remove one of them")
        elif value is not None:
            found[normal_name(name)] = HeaderField(name, value)
    return tuple(found.values())


@shape(
    {
        "type": "string",
        "minLength": 1,
        "description": "Text, which may have {client_ip}, {host}, {request_id} and {route}.",
    }
)
def _plain(raw: object) -> str:
    if isinstance(raw, dict):
        raise BadValue(*_NO_SECRET)
    value = text(raw)
    check_value(value)
    return value
