"""Read the section ``[credentials.NAME]``: a reader for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from corsgate.config.model import ntlm, rules
from corsgate.config.model.credentials import check_aws_name, parts_of
from corsgate.config.model.header_rules import looks_secret
from corsgate.config.model.values import (
    AUTO_SCHEMES,
    DIGEST_ALGORITHMS,
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
from corsgate.config.sections.exposure import warn_of_exposed
from corsgate.config.sections.oauth2 import read_oauth2
from corsgate.config.sections.secrets import Sources
from corsgate.config.sections.session import read_session
from corsgate.config.toml.reader import Item, Named, Table, boolean, checked, text
from corsgate.config.toml.shape import shape, shape_of
from corsgate.errors import BadValue

_HEADERS = 'headers = { "X-Api-Key" = { env = "NAME" } }'


def read_credentials(table: Table, sources: Sources) -> Credentials | None:
    """Read a table ``[credentials.NAME]``, or one written where it is used.

    Args:
        table: The table of the credentials.
        sources: Where secrets come from.

    Returns:
        The credentials, or None after recording their faults.
    """
    kind = table.need("type", _type, f"write type = {rules.one_of(KINDS)}")
    if kind is None:
        return None  # The valid keys depend on the type.
    credentials = _READERS[kind](table, sources)
    table.finish()
    return credentials


def _basic(table: Table, sources: Sources) -> BasicCredentials | None:
    username = read_username(table, rules.check_basic_username)
    password = read_secret(table, "password", rules.check_secret, sources)
    if username is None or password is None:
        return None
    return BasicCredentials(username=username, password=password)


def _digest(table: Table, sources: Sources) -> DigestCredentials | None:
    username = read_username(table, rules.check_username)
    password = read_secret(table, "password", rules.check_secret, sources)
    min_algorithm = table.get("min_algorithm", _algorithm, DIGEST_ALGORITHMS[0])
    require_qop = table.get("require_qop", boolean, False)
    if username is None or password is None:
        return None
    return DigestCredentials(
        username=username,
        password=password,
        min_algorithm=min_algorithm,
        require_qop=require_qop,
    )


def _auto(table: Table, sources: Sources) -> AutoCredentials | None:
    allow = table.list_of("allow", _scheme, '"digest"')
    if allow == ():
        fix = 'write allow = ["digest"], or remove the key'
        table.notes.add((*table.path, "allow"), "nothing is allowed", fix)
    allow = allow or AUTO_SCHEMES
    check = rules.check_basic_username if "basic" in allow else rules.check_username
    username = read_username(table, check)
    password = read_secret(table, "password", rules.check_secret, sources)
    min_algorithm = table.get("min_algorithm", _algorithm, DIGEST_ALGORITHMS[0])
    require_qop = table.get("require_qop", boolean, False)
    in_clear = table.get("dangerously_allow_basic_in_clear", boolean, False)
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


@shape({"enum": list(AUTO_SCHEMES)})
def _scheme(raw: object) -> str:
    value = text(raw)
    rules.check_choice(value, AUTO_SCHEMES)
    return value


@shape({"enum": list(DIGEST_ALGORITHMS)})
def _algorithm(raw: object) -> str:
    value = text(raw)
    rules.check_choice(value, DIGEST_ALGORITHMS)
    return value


def _bearer(table: Table, sources: Sources) -> BearerCredentials | None:
    token = read_secret(table, "token", rules.check_bearer_token, sources)
    return None if token is None else BearerCredentials(token=token)


def _header(table: Table, sources: Sources) -> Credentials | None:
    secret = sources.secret(rules.check_field_value)
    values = {"type": "object", "minProperties": 1, "additionalProperties": shape_of(secret)}
    table.notes.ask((*table.path, "headers"), shape(values)(lambda raw: raw))
    item = table.item("headers")
    if item is not None:
        for key in ("name", "value"):
            table.refuse(key, "it can't be combined with headers", "add it to headers")
        return _headers(item, secret, sources)
    name = table.need("name", checked(rules.check_field_name), 'write name = "X-Api-Key"')
    value = read_secret(table, "value", rules.check_field_value, sources)
    for key in ("name", "value"):  # Not required by the schema, since `headers` may replace them.
        table.notes.ask((*table.path, key), required=False)
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
    password = read_secret(table, "password", ntlm.check_password, sources)
    domain = table.get("domain", checked(ntlm.check_name), None)
    workstation = table.get("workstation", checked(ntlm.check_name), None)
    if username is None or password is None:
        return None
    if domain is not None and "\\" in username:
        table.notes.add(
            (*table.path, "domain"),
            "the user name has a domain already",
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
        # What stands beside a secret is often no secret, such as the number of a tenant.
        if isinstance(raw, str) and (looks_secret(name, raw) or not is_elsewhere):
            warn_of_exposed(inside, name, sources)
    if not inside.raw:
        item.wrong("there are no headers", f"write {_HEADERS}")
    if len(found) < len(inside.raw):
        return None
    return combined(item, found)


def _query(table: Table, sources: Sources) -> QueryCredentials | None:
    name = table.need("name", checked(rules.check_plain), 'write name = "api_key"')
    value = read_secret(table, "value", rules.check_secret, sources)
    return None if name is None or value is None else QueryCredentials(name=name, value=value)


def _aws_sigv4(table: Table, sources: Sources) -> AwsCredentials | None:
    name = checked(check_aws_name)
    region = table.need("region", name, 'write region = "us-east-1"')
    service = table.need("service", name, 'write service = "s3"')
    access_key = read_secret(table, "access_key", rules.check_bearer_token, sources)
    secret_key = read_secret(table, "secret_key", rules.check_secret, sources)
    session_token = table.get("session_token", sources.secret(rules.check_field_value), None)
    warn_of_exposed(table, "session_token", sources)
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
    """Read where credentials are used: a name, a table, or an array of both.

    Args:
        item: The value.
        credentials: The credentials that it may name.

    Returns:
        The credentials, those of an array as one value; None after recording a fault.
    """
    item.notes.ask(item.path, may_be_several=True)
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
        # Not shown: it may be a password, beside a user name.
        known = f"write one of {rules.one_of(credentials.entries)}" if credentials.entries else ""
        fix = rules.did_you_mean(name, credentials.entries, known)
        entry.wrong("there is no such name under [credentials]", fix)
        return None
    return credentials.resolve(entry)


def combined(item: Item, found: Sequence[Credentials]) -> Credentials | None:
    """Return credentials as one value; None if there are none, or after recording a fault.

    Args:
        item: Where they are written.
        found: The credentials. Those that consist of several are taken apart.
    """
    parts = [part for each in found for part in parts_of(each)]
    if len(parts) < 2:
        return parts[0] if parts else None
    try:
        return SeveralCredentials(parts=tuple(parts))
    except BadValue as error:
        item.wrong(error.problem, error.fix)
        return None


def read_secret(
    table: Table, key: str, check: Callable[[str], None], sources: Sources
) -> Secret | None:
    """Read a key that must have a secret; warn if others can read it in this file.

    Args:
        table: The table of the credentials.
        key: The key.
        check: A rule whose BadValue never shows the text.
        sources: Where secrets come from.

    Returns:
        The secret, or None after recording the fault.
    """
    found = table.need(key, sources.secret(check), f'write {key} = {{ env = "NAME" }}')
    if found is not None:
        warn_of_exposed(table, key, sources)
    return found


def read_username(table: Table, check: Callable[[str], None]) -> str | None:
    """Read the key ``username``; return None after recording a fault.

    Args:
        table: The table of the credentials.
        check: The rule for the kind.
    """
    return table.need("username", checked(check), 'write username = "NAME"')


_READERS: Mapping[str, Callable[[Table, Sources], Credentials | None]] = {
    "basic": _basic,
    "digest": _digest,
    "auto": _auto,
    "bearer": _bearer,
    "header": _header,
    "query": _query,
    "aws_sigv4": _aws_sigv4,
    "oauth2": read_oauth2,
    "session": read_session,
    "ntlm": _ntlm,
}


KINDS = tuple(_READERS)
"""The kinds of credentials, as ``type`` has them."""


@shape({"enum": list(KINDS)})
def _type(raw: object) -> str:
    kind = text(raw)
    if kind not in KINDS:
        fix = rules.did_you_mean(kind, KINDS, f"write {rules.one_of(KINDS)}")
        raise BadValue(f"{rules.show(kind)} is unknown", fix)
    return kind
