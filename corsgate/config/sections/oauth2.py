"""Read ``[credentials.NAME]`` with ``type = "oauth2"``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
from corsgate.config.sections.credential_keys import kind_keys
from corsgate.config.sections.exposure import CLEAR_FIX, read_secret
from corsgate.config.sections.secrets import SECRET, Sources, secret_key
from corsgate.config.toml.keys import Key, by_hand, table_key
from corsgate.config.toml.lines import Path
from corsgate.config.toml.reader import Item, Notes, Table
from corsgate.config.toml.shape import shape
from corsgate.config.toml.values import boolean, checked, choice, text
from corsgate.errors import BadValue

_GRANT = 'write grant = "client_credentials" or "refresh_token"'
_URL = 'write token_url = "https://login.example/token"'
_ID = 'write client_id = "NAME"'


@shape({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
def _resource(raw: object) -> tuple[str, ...]:
    """Return one or several identifiers of APIs."""
    found = tuple(text(each) for each in raw) if isinstance(raw, list) else (text(raw),)
    for each in found:
        check_resource(each)
    return found


def _check_token_file(path: str) -> None:
    """Reject a path that is not absolute, since the daemon may run in any directory."""
    rules.check_plain(path)
    if not path.startswith("/") or path.endswith("/"):
        raise BadValue(
            f"{rules.show(path)} is not the absolute path of a file",
            'write one such as "/var/lib/corsgate/refresh-token"',
        )


GRANT = Key(
    "grant",
    choice(GRANTS),
    None,
    "How the gate gets a token: for itself, or with a refresh token.",
    example='"client_credentials"',
    fix=_GRANT,
)
TOKEN_URL = Key(
    "token_url",
    checked(check_token_url),
    None,
    "The URL of the token server.",
    example='"https://login.example.com/token"',
    fix=_URL,
    type="URL",
)
CLIENT_ID = Key(
    "client_id",
    checked(rules.check_plain),
    None,
    "The gate's name at the token server.",
    example='"gate"',
    fix=_ID,
)
AUTH_METHOD = Key(
    "auth_method",
    choice(AUTH_METHODS),
    None,
    "How the gate authenticates at the token server. The default depends on which of private_key,"
    " client_secret and client_certificate is set.",
    example='"post"',
)
CLIENT_SECRET = secret_key(
    "client_secret", "The secret for basic and post.", example='{ env = "OAUTH_SECRET" }'
)
PRIVATE_KEY = secret_key(
    "private_key",
    "The private key for private_key_jwt, in PEM.",
    example='{ file = "/etc/corsgate/oauth-key.pem" }',
)
KEY_ID = Key(
    "key_id",
    checked(rules.check_plain),
    None,
    "The name of the private key at the token server (kid).",
    example='"gate-2026"',
)
ALGORITHM = Key(
    "algorithm",
    choice(ALGORITHMS),
    None,
    "The signature algorithm of the assertion. By default it is the usual one for the key.",
    example='"PS256"',
)
ASSERTION_AUDIENCE = Key(
    "assertion_audience",
    checked(rules.check_plain),
    None,
    "The audience of the assertion (aud). By default it is token_url.",
    example='"https://login.example.com"',
)
CERTIFICATE_KEYS = tls.certificate_keys(
    "[credentials.NAME.client_certificate]",
    "The certificate that the gate shows to the token server.",
)
CLIENT_CERTIFICATE = table_key(
    "client_certificate",
    CERTIFICATE_KEYS,
    "The certificate that the gate shows to the token server.",
    example='{ chain = "/etc/corsgate/client.pem", key = "/etc/corsgate/client-key.pem" }',
)
CA = Key(
    "ca",
    by_hand({"type": "string"}),
    None,
    "The file with the certificates of a private authority, in PEM, for verifying the token server."
    " By default the system's authorities are trusted.",
    example='"/etc/corsgate/ca.pem"',
    type="path",
    field="ca_pem",
)
ALLOW_HTTP = Key(
    "allow_http",
    boolean,
    False,
    "Whether token_url may be plain http to another machine.",
    example="true",
)
SCOPE = Key("scope", checked(check_scope), None, "The scopes to request.", example='"read write"')
AUDIENCE = Key(
    "audience",
    checked(rules.check_plain),
    None,
    "The API that the token is for, as Auth0 and some others require it.",
    example='"https://api.example.com"',
)
RESOURCE = Key(
    "resource",
    _resource,
    (),
    "The API that the token is for (RFC 8707), or an array of several.",
    example='"https://api.example.com"',
    type="text, or array of text",
)
TOKEN_PARAMS = Key(
    "token_params",
    by_hand({"type": "object", "additionalProperties": SECRET}),
    None,
    "Additional parameters of the token request.",
    example='{ tenant = "7" }',
    type="table of secrets",
)
REFRESH_TOKEN = secret_key(
    "refresh_token",
    "The first refresh token. Later ones come from the token server.",
    example='{ file = "/etc/corsgate/refresh-token" }',
)
TOKEN_FILE = Key(
    "token_file",
    checked(_check_token_file),
    None,
    "The file that keeps the newest refresh token over restarts.",
    example='"/var/lib/corsgate/refresh-token"',
    type="absolute path",
)
OAUTH2_KEYS = kind_keys(
    "oauth2",
    "Tokens from a token server (OAuth 2.0, RFC 6749).",
    (
        *(GRANT, TOKEN_URL, CLIENT_ID, AUTH_METHOD, CLIENT_SECRET, PRIVATE_KEY, KEY_ID),
        *(ALGORITHM, ASSERTION_AUDIENCE, CLIENT_CERTIFICATE, CA, ALLOW_HTTP, SCOPE, AUDIENCE),
        *(RESOURCE, TOKEN_PARAMS, REFRESH_TOKEN, TOKEN_FILE),
    ),
    OAuth2Credentials,
)


def read_oauth2(table: Table, sources: Sources) -> OAuth2Credentials | None:
    """Read the keys of OAuth2 credentials.

    Args:
        table: The table of the credentials.
        sources: Where secrets and certificates come from.

    Returns:
        The credentials, or None after recording all faults.
    """
    before = len(table.notes.faults)
    grant = table.get(GRANT)
    token_url = table.get(TOKEN_URL)
    client_id = table.get(CLIENT_ID)
    auth_method = table.get(AUTH_METHOD)
    client_secret = read_secret(table, CLIENT_SECRET, rules.check_secret, sources)
    check_key = _anything if sources.stands_in else check_private_key
    private_key = read_secret(table, PRIVATE_KEY, check_key, sources)
    key_id = table.get(KEY_ID)
    algorithm = table.get(ALGORITHM)
    assertion_audience = table.get(ASSERTION_AUDIENCE)
    client_certificate = tls.read_client_certificate(table, sources, CLIENT_CERTIFICATE)
    ca_pem = tls.read_ca(table, sources, CA)
    allow_http = table.get(ALLOW_HTTP)
    scope = table.get(SCOPE)
    audience = table.get(AUDIENCE)
    resource = table.get(RESOURCE)
    token_params = _token_params(table, sources)
    refresh_token = read_secret(table, REFRESH_TOKEN, rules.check_secret, sources)
    token_file = table.get(TOKEN_FILE)
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
    """Record a fault for each file that different refresh tokens would share.

    Args:
        notes: Where the faults are recorded.
        named: The entries of ``[credentials]``.
        upstreams: The upstreams, which may have inline credentials.
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
        # Credentials that upstreams name appear once by name, and once for each upstream.
        if found.refreshed_by not in (other.refreshed_by, *reported):
            reported.add(found.refreshed_by)
            notes.add(
                (*path, "token_file"),
                f"{rules.show(found.token_file)} is also the token_file of other credentials",
                "give each refresh token its own file",
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
            "run pip install 'corsgate[oauth2]'",
        )
        fits = False
    return fits


def _warn_of_clear(table: Table, token_url: str) -> None:
    """Warn if others on the network can read the traffic with the token server."""
    if not is_confidential(parse_token_url(token_url)):
        problem = (
            "the secret and the token are sent unencrypted:"
            " anyone on the network path can read them"
        )
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
        pem = private_key.reveal().encode("utf-8", "surrogateescape")
        check_algorithm(algorithm, parse_key(pem, is_checked=True))
    except BadValue as error:
        key = "private_key" if algorithm is None else "algorithm"
        table.notes.add((*table.path, key), error.problem, error.fix)


def _token_params(table: Table, sources: Sources) -> tuple[TokenParam, ...]:
    """Read the table ``token_params``, with text or a secret for each name."""
    read = sources.secret(rules.check_secret)
    item = table.item(TOKEN_PARAMS)
    inner = None if item is None else item.table('write { NAME = "VALUE" }')
    found: list[TokenParam] = []
    for name, raw in () if inner is None else inner.raw.items():
        assert inner is not None
        try:
            check_parameter_name(name)
        except BadValue as error:
            inner.notes.add((*inner.path, name), error.problem, error.fix)
            continue
        value = Item(inner.notes, (*inner.path, name), raw).read(read)
        if value is not None:
            found.append(TokenParam(name, value))
    return tuple(found)
