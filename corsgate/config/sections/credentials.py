"""Read the section ``[credentials.NAME]``: a reader for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from corsgate.config.model import rules
from corsgate.config.model.values import (
    AUTO_SCHEMES,
    DIGEST_ALGORITHMS,
    AutoCredentials,
    BasicCredentials,
    BearerCredentials,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
    Secret,
)
from corsgate.config.sections.exposure import warn_of_exposed
from corsgate.config.sections.secrets import Sources
from corsgate.config.toml.reader import Table, boolean, checked, text
from corsgate.config.toml.shape import shape


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
    allow = table.list_of("allow", _scheme, '"digest"') or AUTO_SCHEMES
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


def _header(table: Table, sources: Sources) -> HeaderCredentials | None:
    name = table.need("name", checked(rules.check_field_name), 'write name = "X-Api-Key"')
    value = read_secret(table, "value", rules.check_field_value, sources)
    if name is None or value is None:
        return None
    return HeaderCredentials(name=name, value=value)


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
}


KINDS = tuple(_READERS)
"""The kinds of credentials, as ``type`` has them."""


@shape({"enum": list(KINDS)})
def _type(raw: object) -> str:
    kind = text(raw)
    rules.check_choice(kind, KINDS)
    return kind
