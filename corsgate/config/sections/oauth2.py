"""Read ``[credentials.NAME]`` with ``type = "oauth2"``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from corsgate.config.model import rules
from corsgate.config.model.certificates import parse_key
from corsgate.config.model.credentials import Credentials, parts_of
from corsgate.config.model.jwt_algorithms import ALGORITHMS, check_algorithm
from corsgate.config.model.oauth2 import (
    AUTH_METHODS,
    GRANTS,
    OAuth2Credentials,
    TokenParam,
    check_parameter_name,
    check_private_key,
    check_resource,
    check_scope,
    check_token_url,
    is_confidential,
    misfits,
    parse_token_url,
    usual_auth_method,
)
from corsgate.config.model.secret import Secret
from corsgate.config.model.values import Upstream
from corsgate.config.sections import tls
from corsgate.config.sections.exposure import CLEAR_FIX, warn_of_exposed
from corsgate.config.sections.secrets import SECRET, Sources
from corsgate.config.toml.lines import Path
from corsgate.config.toml.reader import Notes, Table, boolean, checked, text
from corsgate.config.toml.shape import shape
from corsgate.errors import BadValue

_GRANT = 'write grant = "client_credentials" or "refresh_token"'
_URL = 'write token_url = "https://login.example/token"'
_ID = 'write client_id = "NAME"'


def read_oauth2(table: Table, sources: Sources) -> OAuth2Credentials | None:
    """Read the keys of OAuth2 credentials.

    Args:
        table: The table of the credentials.
        sources: Where secrets and certificates come from.

    Returns:
        The credentials, or None after recording all faults.
    """
    before = len(table.notes.faults)
    grant = table.need("grant", _choice(GRANTS), _GRANT)
    token_url = table.need("token_url", checked(check_token_url), _URL)
    client_id = table.need("client_id", checked(rules.check_plain), _ID)
    auth_method = table.get("auth_method", _choice(AUTH_METHODS), None)
    client_secret = _secret(table, "client_secret", rules.check_secret, sources)
    check_key = _anything if sources.stands_in else check_private_key
    private_key = _secret(table, "private_key", check_key, sources)
    key_id = table.get("key_id", checked(rules.check_plain), None)
    algorithm = table.get("algorithm", _choice(ALGORITHMS), None)
    assertion_audience = table.get("assertion_audience", checked(rules.check_plain), None)
    client_certificate = tls.read_client_certificate(table, sources)
    ca_pem = tls.read_ca(table, sources)
    allow_http = table.get("allow_http", boolean, False)
    scope = table.get("scope", checked(check_scope), None)
    audience = table.get("audience", checked(rules.check_plain), None)
    resource = table.get("resource", _resource, ())
    token_params = _token_params(table, sources)
    refresh_token = _secret(table, "refresh_token", rules.check_secret, sources)
    token_file = table.get("token_file", checked(_check_token_file), None)
    if grant is None or token_url is None or client_id is None:
        return None
    if auth_method is None and "auth_method" not in table.raw:
        auth_method = usual_auth_method(table.raw)
    if auth_method is None or not _fits(table, {**table.raw, "auth_method": auth_method}, sources):
        return None
    _warn_of_clear(table, token_url)
    _check_algorithm(table, algorithm, private_key, sources)
    if len(table.notes.faults) > before:
        return None
    return OAuth2Credentials(
        grant=grant,
        token_url=token_url,
        client_id=client_id,
        auth_method=auth_method,
        client_secret=client_secret,
        private_key=private_key,
        key_id=key_id,
        algorithm=algorithm,
        assertion_audience=assertion_audience,
        client_certificate=client_certificate,
        ca_pem=ca_pem,
        allow_http=allow_http,
        scope=scope,
        audience=audience,
        resource=resource,
        token_params=token_params,
        refresh_token=refresh_token,
        token_file=token_file,
    )


def check_token_files(
    notes: Notes, named: Mapping[str, Credentials | None], upstreams: Iterable[Upstream]
) -> None:
    """Record a fault for each file in which two refresh tokens would replace each other.

    Args:
        notes: Gets the faults.
        named: The entries of ``[credentials]``.
        upstreams: The upstreams, which may have credentials of their own.
    """
    places: list[tuple[Path, Credentials | None]] = [
        *((("credentials", name), each) for name, each in named.items()),
        *((("upstreams", each.name, "credentials"), each.credentials) for each in upstreams),
    ]
    first: dict[str, OAuth2Credentials] = {}
    reported: set[object] = set()
    for path, found in ((path, part) for path, each in places for part in parts_of(each)):
        if not isinstance(found, OAuth2Credentials) or found.token_file is None:
            continue
        other = first.setdefault(found.token_file, found)
        # Credentials that upstreams name come once by name, and once for each upstream.
        if found.refreshed_by not in (other.refreshed_by, *reported):
            reported.add(found.refreshed_by)
            notes.add(
                (*path, "token_file"),
                f"{rules.show(found.token_file)} is the token_file of other credentials too",
                "give each refresh token a file of its own",
            )


def _fits(table: Table, values: dict[str, object], sources: Sources) -> bool:
    """Return whether the keys fit each other; record a fault for each that doesn't."""
    fits = True
    for key, problem, fix in misfits(values):
        table.notes.add((*table.path, key), problem, fix)
        fits = False
    if values["auth_method"] == "private_key_jwt" and not sources.has_jose:
        table.notes.add(
            (*table.path, "auth_method" if "auth_method" in table.raw else "private_key"),
            "private_key_jwt needs joserfc, which is not installed",
            "run: pip install corsgate[oauth2]",
        )
        fits = False
    return fits


def _warn_of_clear(table: Table, token_url: str) -> None:
    """Warn about a token server that others on the network can listen to."""
    if not is_confidential(parse_token_url(token_url)):
        problem = "the secret and the token are sent unencrypted: anyone on the way can read them"
        table.notes.warn((*table.path, "token_url"), problem, CLEAR_FIX)


def _anything(text: str) -> None:
    """Accept any text."""


def _check_algorithm(
    table: Table, algorithm: str | None, private_key: Secret | None, sources: Sources
) -> None:
    """Record a fault if the key can't sign, or not with this algorithm."""
    if private_key is None or sources.stands_in:
        return
    try:
        check_algorithm(
            algorithm, parse_key(private_key.reveal().encode("utf-8", "surrogateescape"))
        )
    except BadValue as error:
        key = "private_key" if algorithm is None else "algorithm"
        table.notes.add((*table.path, key), error.problem, error.fix)


def _secret(
    table: Table, key: str, check: Callable[[str], None], sources: Sources
) -> Secret | None:
    """Read a key that may have a secret; warn if others can read it in this file."""
    found = table.get(key, sources.secret(check), None)
    warn_of_exposed(table, key, sources)
    return found


def _token_params(table: Table, sources: Sources) -> tuple[TokenParam, ...]:
    """Read the table ``token_params``: a text or a secret for each name."""
    read = sources.secret(rules.check_secret)
    item = table.item("token_params")
    table.notes.ask((*table.path, "token_params"), _params)
    inner = None if item is None else item.table('write { NAME = "VALUE" }')
    found: list[TokenParam] = []
    for name in () if inner is None else inner.raw:
        assert inner is not None
        try:
            check_parameter_name(name)
        except BadValue as error:
            inner.notes.add((*inner.path, name), error.problem, error.fix)
            continue
        value = inner.get(name, read, None)
        if value is not None:
            found.append(TokenParam(name, value))
    return tuple(found)


@shape({"type": "object", "additionalProperties": SECRET})
def _params(raw: object) -> object:
    """Return the value; only its shape is of use."""
    return raw


@shape({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
def _resource(raw: object) -> tuple[str, ...]:
    """Return one or several identifiers of APIs."""
    found = tuple(text(each) for each in raw) if isinstance(raw, list) else (text(raw),)
    for each in found:
        check_resource(each)
    return found


def _check_token_file(path: str) -> None:
    """Reject a path that is not absolute: a daemon may run anywhere."""
    rules.check_plain(path)
    if not path.startswith("/") or path.endswith("/"):
        raise BadValue(
            f"{rules.show(path)} is not the absolute path of a file",
            'write one such as "/var/lib/corsgate/refresh-token"',
        )


def _choice(choices: tuple[str, ...]) -> Callable[[object], str]:
    """Make a reader of one of some words."""

    @shape({"enum": list(choices)})
    def reader(raw: object) -> str:
        value = text(raw)
        rules.check_choice(value, choices)
        return value

    return reader
