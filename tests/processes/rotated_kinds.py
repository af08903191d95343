"""Each kind of credentials, and how a box tells with which secret it was used."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from hashlib import md5
from itertools import count
from typing import Any
from urllib.parse import parse_qs, unquote
from urllib.request import parse_http_list, parse_keqv_list

import attrs
from spnego._ntlm_raw.crypto import ntowfv1, ntowfv2

from tests.credentials_matrix.kinds.aws_sigv4 import is_signed
from tests.peers import Message, response

Accepts = Callable[[Message, str], bool]
"""Returns whether a request was made with a secret."""


@attrs.frozen
class Kind:
    """A kind of credentials.

    Attributes:
        keys: The lines of its upstream. ``SECRET`` stands in the place of the secret, ``BOX`` for
            the URL of the box.
        accepts: For a kind without a login, whether a request has a secret.
        logs_in: For a kind with a login, whether that has a secret.
        challenge: What the box asks for.
    """

    keys: str
    accepts: Accepts | None = None
    logs_in: Accepts | None = None
    challenge: bytes = b'Digest realm="box", nonce="%d", qop="auth"'


def has(name: bytes, value: Callable[[str], bytes]) -> Accepts:
    """Return whether a request has a field that is made of a secret."""
    return lambda asked, secret: asked.fields.get(name) == [value(secret)]


def is_digest_of(asked: Message, secret: str) -> bool:
    """Return whether a request is signed with a password (RFC 7616 3.4.1)."""
    scheme, _, rest = asked.fields.get(b"authorization", [b""])[0].decode().partition(" ")
    if scheme != "Digest":
        return False
    given = parse_keqv_list(parse_http_list(rest))

    def hashed(*parts: str) -> str:
        return md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()

    expected = hashed(
        hashed("admin", "box", secret),
        *(given[name] for name in ("nonce", "nc", "cnonce", "qop")),
        hashed(asked.method.decode(), asked.target.decode()),
    )
    return given["response"] == expected


def parameter(asked: Message, name: str) -> str:
    """Return a parameter of the query; empty if it is not there once."""
    given = parse_qs(asked.target.partition(b"?")[2].decode()).get(name, [])
    return given[0] if len(given) == 1 else ""


def in_form(name: str) -> Accepts:
    """Return whether a form has a secret under a name."""
    return lambda asked, secret: parse_qs(asked.body.decode()).get(name) == [secret]


def pair(asked: Message) -> str:
    """Return the password of Basic."""
    value = asked.fields.get(b"authorization", [b""])[0].removeprefix(b"Basic ")
    return unquote(b64decode(value).decode().partition(":")[2])


_BASIC = has(b"authorization", lambda s: b"Basic " + b64encode(f"admin:{s}".encode()))
_BEARER = has(b"authorization", lambda s: f"Bearer {s}".encode())
_KEY = has(b"x-api-key", str.encode)
_OAUTH2 = 'type = "oauth2", client_id = "gate", token_url = "BOX/login/NAME"'
_SESSION = 'type = "session", login_url = "/login/NAME"'

KINDS: Mapping[str, Kind] = {
    "basic": Kind(
        'credentials = { type = "basic", username = "admin", password = SECRET }', _BASIC
    ),
    "bearer": Kind('credentials = { type = "bearer", token = SECRET }', _BEARER),
    "header": Kind('credentials = { type = "header", name = "X-Api-Key", value = SECRET }', _KEY),
    "headers": Kind(
        'credentials = { type = "header", headers = { X-Api-Key = SECRET, X-Tenant = "7" } }', _KEY
    ),
    "query": Kind(
        'credentials = { type = "query", name = "api_key", value = SECRET }',
        lambda asked, secret: parameter(asked, "api_key") == secret,
    ),
    "digest": Kind(
        'credentials = { type = "digest", username = "admin", password = SECRET }', is_digest_of
    ),
    "auto": Kind(
        'credentials = { type = "auto", username = "admin", password = SECRET }', is_digest_of
    ),
    "several": Kind(
        'credentials = [{ type = "header", name = "X-Api-Key", value = SECRET },'
        ' { type = "digest", username = "admin", password = SECRET }]',
        lambda asked, secret: _KEY(asked, secret) and is_digest_of(asked, secret),
    ),
    "aws": Kind(
        'credentials = { type = "aws_sigv4", region = "eu-central-1", service = "s3",'
        ' access_key = "AKID", secret_key = SECRET }',
        lambda asked, secret: is_signed(asked.method, asked.target, asked.fields, secret),
    ),
    "ntlm": Kind(
        'credentials = { type = "ntlm", username = "admin", password = SECRET }',
        challenge=b"NTLM",
    ),
    "origins": Kind(
        'credentials_by_origin = { "https://app.example" = "NAME" }\n'
        '[credentials.NAME]\ntype = "bearer"\ntoken = SECRET',
        _BEARER,
    ),
    "oauth2": Kind(
        f"credentials = {{ {_OAUTH2}, client_secret = SECRET, grant = 'client_credentials' }}",
        logs_in=lambda asked, secret: pair(asked) == secret,
    ),
    "refresh": Kind(
        f"credentials = {{ {_OAUTH2}, refresh_token = SECRET, grant = 'refresh_token' }}",
        logs_in=in_form("refresh_token"),
    ),
    "cookies": Kind(
        f"credentials = {{ {_SESSION}, form = {{ user = 'u', pass = SECRET }} }}",
        logs_in=in_form("pass"),
    ),
    "token": Kind(
        f"credentials = {{ {_SESSION}, basic = true, username = 'u', password = SECRET,"
        " token_path = 'token', query = 'token' }",
        logs_in=lambda asked, secret: pair(asked) == secret,
    ),
}
"""Each kind; a new one is added here."""


class Logins:
    """The sessions, tokens and connections of a box, each with the secret that it came from.

    Args:
        challenge: The second message of any NTLM handshake.
    """

    def __init__(self, challenge: bytes) -> None:
        self._challenge = challenge
        self._numbers = count(1)
        self._secrets: dict[bytes, str] = {}
        self._connections: dict[Any, str] = {}

    def log_in(self, secret: str) -> bytes:
        """Return the response with a new session and a new token."""
        token = b"token-%d-end" % next(self._numbers)
        self._secrets[token] = secret
        text = json.dumps({"token": token.decode(), "access_token": token.decode()})
        fields = [(b"Set-Cookie", b"sid=%b; Path=/" % token)]
        return response(200, [(b"Content-Type", b"application/json"), *fields], text.encode())

    def secret_of(self, asked: Message) -> str:
        """Return the secret of a request's session or token; empty if there is none."""
        given = [
            asked.target,
            *asked.fields.get(b"cookie", []),
            *asked.fields.get(b"authorization", []),
        ]
        for token, secret in self._secrets.items():
            if any(token in each for each in given):
                return secret
        return ""

    def ntlm_challenge(self, asked: Message) -> bytes | None:
        """Return the second message of a handshake, if the request has the first."""
        message = _ntlm(asked)
        return b"NTLM " + b64encode(self._challenge) if message[8:9] == b"\1" else None

    def ntlm_accepts(self, asked: Message, secret: str) -> bool:
        """Return whether a connection belongs to who knows a password (MS-NLMP 3.3.2)."""
        message = _ntlm(asked)
        if message[8:9] == b"\3":
            self._connections.pop(asked.connection, None)
            answer, domain, user = (_part(message, offset) for offset in (20, 28, 36))
            key = ntowfv2(user.decode("utf-16-le"), ntowfv1(secret), domain.decode("utf-16-le"))
            proof = hmac.digest(key, self._challenge[24:32] + answer[16:], "md5")
            if proof == answer[:16]:
                self._connections[asked.connection] = secret
        return self._connections.get(asked.connection) == secret


def _ntlm(asked: Message) -> bytes:
    scheme, _, token = asked.fields.get(b"authorization", [b""])[0].partition(b" ")
    return b64decode(token) if scheme == b"NTLM" else b""


def _part(message: bytes, offset: int) -> bytes:
    """Return a part of the third message, whose length and place are at an offset."""
    length = int.from_bytes(message[offset : offset + 2], "little")
    start = int.from_bytes(message[offset + 4 : offset + 8], "little")
    return message[start : start + length]
