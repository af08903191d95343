"""The request for an access token (RFC 6749 4.4.2 and 6)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, unquote, urlencode

from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.values import Server
from corsgate.credentials.outside import Outside
from corsgate.message.head import RequestHead
from corsgate.message.headers import Header

_PUBLIC = frozenset(
    ("grant_type", "client_id", "client_assertion_type", "scope", "audience", "resource")
)
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def token_server(credentials: OAuth2Credentials) -> Outside:
    """Return the token server of credentials, with the settings to verify it.

    Args:
        credentials: The credentials.
    """
    url = credentials.url
    return Outside(
        server=Server(scheme=url.scheme, host=url.host, port=url.port),
        ca_pem=credentials.ca_pem,
        client_certificate=credentials.client_certificate,
    )


def token_request(
    credentials: OAuth2Credentials, *, refresh_token: str | None = None, assertion: str = ""
) -> tuple[RequestHead, bytes]:
    """Return the head of a token request, and the form as its body.

    Args:
        credentials: The client and what it asks for.
        refresh_token: The refresh token, for that grant.
        assertion: The signed assertion, for ``private_key_jwt``.
    """
    parameters = list(_parameters(credentials, refresh_token, assertion))
    form = urlencode(parameters, errors="surrogateescape")
    server = token_server(credentials).server
    headers: list[Header] = [
        (b"Host", server.host_value),
        (b"User-Agent", b"corsgate"),
        (b"Accept", b"application/json"),
        (b"Content-Type", b"application/x-www-form-urlencoded"),
    ]
    if credentials.auth_method == "basic":
        headers.append((b"Authorization", b"Basic " + _pair(credentials)))
    head = RequestHead(
        method=b"POST", target=credentials.url.target.encode("ascii"), headers=headers
    )
    return head, form.encode("ascii")


def secrets_in(head: RequestHead, body: bytes) -> Iterator[str]:
    """Return the secrets in a token request, which no message may contain.

    Args:
        head: The head.
        body: The form.
    """
    for key, text in parse_qsl(body.decode("ascii"), errors="surrogateescape"):
        if key not in _PUBLIC:
            yield text
    for name, value in head.headers:
        if name == b"Authorization":
            pair = value.rpartition(b" ")[2]
            yield pair.rstrip(b"=").decode("ascii")
            secret = b64decode(pair).decode("ascii").partition(":")[2]
            yield unquote(secret, errors="surrogateescape")


def _parameters(
    credentials: OAuth2Credentials, refresh_token: str | None, assertion: str
) -> Iterator[tuple[str, str]]:
    """Return the parameters of the form; `resource` may occur more than once (RFC 8707 2)."""
    yield "grant_type", credentials.grant
    if refresh_token is not None:
        yield "refresh_token", refresh_token
    if credentials.auth_method != "basic":
        # A client must not use more than one way to identify itself (RFC 6749 2.3).
        yield "client_id", credentials.client_id
    if credentials.auth_method == "post" and credentials.client_secret is not None:
        yield "client_secret", credentials.client_secret.reveal()
    if credentials.auth_method == "private_key_jwt":
        yield "client_assertion_type", _ASSERTION
        yield "client_assertion", assertion
    if credentials.scope is not None:
        yield "scope", credentials.scope
    if credentials.audience is not None:
        yield "audience", credentials.audience
    for each in credentials.resource:
        yield "resource", each
    for param in credentials.token_params:
        yield param.name, param.value.reveal()


def _pair(credentials: OAuth2Credentials) -> bytes:
    """Return the base64 of the id and the secret, each form-encoded first (RFC 6749 2.3.1)."""
    secret = "" if credentials.client_secret is None else credentials.client_secret.reveal()
    # Encode a space as %20: some servers, such as Authlib, don't decode "+".
    pair = f"{_encoded(credentials.client_id)}:{_encoded(secret)}"
    return b64encode(pair.encode("ascii"))


def _encoded(text: str) -> str:
    """Return text percent-encoded, including bytes of a variable that are not UTF-8."""
    return quote(text, safe="", errors="surrogateescape")
