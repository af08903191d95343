"""Read the section ``[credentials.NAME]``: a reader for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from corsgate.config.model import ntlm, rules
from corsgate.config.model.credentials import parts_of
from corsgate.config.model.header_rules import looks_secret
from corsgate.config.model.values import (
    AUTO_SCHEMES,
    AutoCredentials,
    AwsCredentials,
    BasicCredentials,
    BearerCredentials,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
    NtlmCredentials,
    QueryCredentials,
    Secret,
    SeveralCredentials,
)
from corsgate.config.sections import credential_keys as keys
from corsgate.config.sections.credential_keys import KINDS
from corsgate.config.sections.exposure import read_secret, warn_of_exposed
from corsgate.config.sections.oauth2 import OAUTH2_KEYS, read_oauth2
from corsgate.config.sections.secrets import Sources
from corsgate.config.sections.session import SESSION_KEYS, read_session
from corsgate.config.toml.keys import Key, Keys, by_hand, tables_by_name
from corsgate.config.toml.reader import Item, Named, Table
from corsgate.config.toml.shape import Schema
from corsgate.config.toml.values import checked, text
from corsgate.errors import BadValue

_HEADERS = 'headers = { "X-Api-Key" = { env = "NAME" } }'


def read_credentials(table: Table, sources: Sources) -> Credentials | None:
    """Read a table ``[credentials.NAME]``, or an inline table in an upstream.

    Args:
        table: The table of the credentials.
        sources: Where secrets come from.

    Returns:
        The credentials, or None after recording their faults.
    """
    kind = table.get_by(keys.BASIC_KEYS.keys[0], _type)
    if kind is None:
        return None  # The valid keys depend on the type.
    known, read = _KINDS[kind]
    credentials = read(table, sources)
    table.finish(known)
    return credentials


def _basic(table: Table, sources: Sources) -> BasicCredentials | None:
    username = read_username(table, rules.check_basic_username)
    password = read_secret(table, keys.PASSWORD, rules.check_secret, sources)
    if username is None or password is None:
        return None
    return BasicCredentials(username=username, password=password)


def _digest(table: Table, sources: Sources) -> DigestCredentials | None:
    username = read_username(table, rules.check_username)
    password = read_secret(table, keys.PASSWORD, rules.check_secret, sources)
    min_algorithm = table.get(keys.MIN_ALGORITHM)
    require_qop = table.get(keys.REQUIRE_QOP)
    if username is None or password is None:
        return None
    return DigestCredentials(
        username=username,
        password=password,
        min_algorithm=min_algorithm,
        require_qop=require_qop,
    )


def _auto(table: Table, sources: Sources) -> AutoCredentials | None:
    allow = table.list_of(keys.ALLOW)
    if allow == ():
        fix = 'write allow = ["digest"], or remove the key'
        table.notes.add((*table.path, "allow"), "nothing is allowed", fix)
    allow = allow or AUTO_SCHEMES
    check = rules.check_basic_username if "basic" in allow else rules.check_username
    username = read_username(table, check)
    password = read_secret(table, keys.PASSWORD, rules.check_secret, sources)
    min_algorithm = table.get(keys.MIN_ALGORITHM)
    require_qop = table.get(keys.REQUIRE_QOP)
    in_clear = table.get(keys.BASIC_IN_CLEAR)
    if username is None or password is None:
        return None
    return AutoCredentials(
        username=username,
        password=password,
        allow=allow,
        min_algorithm=min_algorithm,
        require_qop=require_qop,
        dangerously_allow_basic_in_clear=in_clear,
    )


def _bearer(table: Table, sources: Sources) -> BearerCredentials | None:
    token = read_secret(table, keys.TOKEN, rules.check_bearer_token, sources)
    return None if token is None else BearerCredentials(token=token)


def _header(table: Table, sources: Sources) -> Credentials | None:
    secret = sources.secret(rules.check_field_value)
    item = table.item(keys.HEADERS)
    if item is not None:
        for key in ("name", "value"):
            table.refuse(key, "it can't be combined with headers", "add it to headers")
        return _headers(item, secret, sources)
    name = table.get(keys.HEADER_NAME)
    value = read_secret(table, keys.HEADER_VALUE, rules.check_field_value, sources)
    if name is None or value is None:
        return None
    return HeaderCredentials(name=name, value=value)


def _ntlm(table: Table, sources: Sources) -> NtlmCredentials | None:
    if not sources.has_spnego:
        table.notes.add(
            (*table.path, "type"),
            "NTLM needs pyspnego, which is not installed",
            "run pip install 'corsgate[ntlm]'",
        )
    username = read_username(table, ntlm.check_name)
    password = read_secret(table, keys.PASSWORD, ntlm.check_password, sources)
    domain = table.get(keys.DOMAIN)
    workstation = table.get(keys.WORKSTATION)
    if username is None or password is None:
        return None
    if domain is not None and "\\" in username:
        table.notes.add(
            (*table.path, "domain"),
            "the user name already has a domain",
            "write the domain once",
        )
        return None
    return NtlmCredentials(
        username=username, password=password, domain=domain, workstation=workstation
    )


def _headers(
    item: Item, secret: Callable[[object], Secret], sources: Sources
) -> Credentials | None:
    """Read the table ``headers`` of names and secrets."""
    inside = item.table(f"write {_HEADERS}")
    if inside is None:
        return None
    found = []
    is_elsewhere = any(isinstance(raw, dict) for raw in inside.raw.values())
    for name, raw in inside.raw.items():
        entry = Item(item.notes, (*item.path, name), raw)
        try:
            rules.check_field_name(name)
        except BadValue as error:
            entry.wrong(error.problem, error.fix)
            continue
        try:
            found.append(HeaderCredentials(name=name, value=secret(raw)))
        except BadValue as error:
            entry.wrong(error.problem, error.fix)
        # Text next to a secret is often not a secret, such as the number of a tenant.
        if isinstance(raw, str) and (looks_secret(name, raw) or not is_elsewhere):
            warn_of_exposed(inside, name, sources)
    if not inside.raw:
        item.wrong("there are no headers", f"write {_HEADERS}")
    if len(found) < len(inside.raw):
        return None
    return combined(item, found)


def _query(table: Table, sources: Sources) -> QueryCredentials | None:
    name = table.get(keys.QUERY_NAME)
    value = read_secret(table, keys.QUERY_VALUE, rules.check_secret, sources)
    return None if name is None or value is None else QueryCredentials(name=name, value=value)


def _aws_sigv4(table: Table, sources: Sources) -> AwsCredentials | None:
    region = table.get(keys.REGION)
    service = table.get(keys.SERVICE)
    access_key = read_secret(table, keys.ACCESS_KEY, rules.check_bearer_token, sources)
    secret_key = read_secret(table, keys.SECRET_KEY, rules.check_secret, sources)
    session_token = read_secret(table, keys.SESSION_TOKEN, rules.check_field_value, sources)
    if region is None or service is None or access_key is None or secret_key is None:
        return None
    return AwsCredentials(
        region=region,
        service=service,
        access_key=access_key,
        secret_key=secret_key,
        session_token=session_token,
    )


def resolve_credentials(item: Item, credentials: Named[Credentials]) -> Credentials | None:
    """Read the value of a key that uses credentials: a name, a table, or an array of both.

    Args:
        item: The value.
        credentials: The credentials that it may name.

    Returns:
        The credentials, with those of an array combined; None after recording a fault.
    """
    if not isinstance(item.raw, list):
        return credentials.resolve(item)
    entries = item.items("write names under [credentials]") or []
    if not entries:
        item.wrong("there are no credentials", "add a name, or remove the key")
    found = [_resolve_entry(entry, credentials) for entry in entries]
    known = [each for each in found if each is not None]
    return combined(item, known) if len(known) == len(found) else None


def _resolve_entry(entry: Item, credentials: Named[Credentials]) -> Credentials | None:
    name = entry.raw
    if isinstance(name, str) and name not in credentials.entries:
        # The name is not shown, because it may be a password next to a user name.
        known = f"write one of {rules.one_of(credentials.entries)}" if credentials.entries else ""
        fix = rules.did_you_mean(name, credentials.entries, known)
        entry.wrong("there is no such name under [credentials]", fix)
        return None
    return credentials.resolve(entry)


def combined(item: Item, found: Sequence[Credentials]) -> Credentials | None:
    """Return credentials as one value; None if there are none, or after recording a fault.

    Args:
        item: Their place in the file.
        found: The credentials. Combined ones are split into their parts.
    """
    parts = [part for each in found for part in parts_of(each)]
    if len(parts) < 2:
        return parts[0] if parts else None
    try:
        return SeveralCredentials(parts=tuple(parts))
    except BadValue as error:
        item.wrong(error.problem, error.fix)
        return None


def read_username(table: Table, check: Callable[[str], None]) -> str | None:
    """Read the key ``username``; return None after recording a fault.

    Args:
        table: The table of the credentials.
        check: The rule for the kind.
    """
    return table.get_by(keys.USERNAME, checked(check))


def _type(raw: object) -> str:
    kind = text(raw)
    if kind not in KINDS:
        fix = rules.did_you_mean(kind, KINDS, f"write {rules.one_of(KINDS)}")
        raise BadValue(f"{rules.show(kind)} is unknown", fix)
    return kind


_KINDS: Mapping[str, tuple[Keys, Callable[[Table, Sources], Credentials | None]]] = {
    "basic": (keys.BASIC_KEYS, _basic),
    "digest": (keys.DIGEST_KEYS, _digest),
    "auto": (keys.AUTO_KEYS, _auto),
    "bearer": (keys.BEARER_KEYS, _bearer),
    "header": (keys.HEADER_KEYS, _header),
    "query": (keys.QUERY_KEYS, _query),
    "aws_sigv4": (keys.AWS_KEYS, _aws_sigv4),
    "oauth2": (OAUTH2_KEYS, read_oauth2),
    "session": (SESSION_KEYS, read_session),
    "ntlm": (keys.NTLM_KEYS, _ntlm),
}

CREDENTIALS_SCHEMA: Schema = {"anyOf": [_KINDS[kind][0].schema for kind in KINDS]}
"""The schema of a table ``[credentials.NAME]``."""

_REFERENCE: Schema = {"$ref": "#/$defs/credentials"}
_NAME_OR_TABLE = [{"type": "string"}, _REFERENCE]

CREDENTIALS = Key(
    "credentials",
    tables_by_name(_REFERENCE),
    None,
    "The credentials that upstreams name: a table [credentials.NAME] for each.",
    example='{ box = { type = "bearer", token = { env = "API_TOKEN" } } }',
    type="tables",
    tables=tuple(_KINDS[kind][0] for kind in KINDS),
)
CREDENTIALS_USED = Key(
    "credentials",
    by_hand(
        {
            "anyOf": [
                *_NAME_OR_TABLE,
                {"type": "array", "minItems": 1, "items": {"anyOf": _NAME_OR_TABLE}},
            ]
        }
    ),
    None,
    "The credentials for every request to the servers: a name under [credentials], a table, or an"
    " array of these.",
    example='"box"',
    type="name or table, or an array of these",
)
