"""Read the response of a token server: a token, or the reason for none (RFC 6749 5)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from math import isfinite

import attrs

from corsgate.credentials.echoed_secrets import repeats
from corsgate.errors import NoToken, TokenRefused
from corsgate.message.head import ResponseHead

MAX_TOKEN_CHARS = 16 * 1024
"""The maximum length of a token; most servers reject heads of that size."""

MAX_SHOWN = 200
"""How many characters of a token server's own text are shown."""

_TOKEN = re.compile(r"[\x21-\x7e]+")
# A refresh token goes into a form, so it may contain spaces (RFC 6749 A.17).
_REFRESH_TOKEN = re.compile(r"[\x20-\x7e]+")
# Apigee names the type "BearerToken".
_BEARER = frozenset(("bearer", "bearertoken"))
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")
_ERROR_CODE = re.compile(r"[a-zA-Z_]{1,40}")
_MEANINGS: Mapping[str, str] = {
    "invalid_client": "client_id or the secret is wrong, or it wants another auth_method",
    "invalid_grant": "the refresh token has expired, was revoked, or was used before",
    "invalid_scope": "this client may not have the scope",
    "invalid_target": "it does not know the resource or audience",
    "unauthorized_client": "this client may not use the grant",
    "unsupported_grant_type": "it does not support the grant",
    "invalid_request": "it wants other parameters, or another auth_method",
    "access_denied": "this client may not have the token",
}
_UNKNOWN_CLIENT: Mapping[str, str] = {
    "private_key_jwt": "it does not know client_id, the key or key_id, or it wants another"
    " assertion_audience or auth_method",
    "tls": "it does not know client_id or the certificate, or it wants another auth_method",
    "none": "it does not know client_id, or it wants a secret",
}
"""The meaning of invalid_client for some values of ``auth_method``."""

_PASSING = frozenset(("temporarily_unavailable", "server_error", "slow_down"))


@attrs.frozen(kw_only=True)
class Grant:
    """The tokens that a token server returned.

    Attributes:
        access_token: The token.
        lifetime_s: For how many seconds it is valid; None if unknown.
        refresh_token: The refresh token that replaces the used one; None to keep that one.
    """

    access_token: str = attrs.field(repr=False)
    lifetime_s: float | None
    refresh_token: str | None = attrs.field(default=None, repr=False)


def read_grant(
    head: ResponseHead, body: bytes, secrets: Iterable[str] = (), auth_method: str = "basic"
) -> Grant:
    """Return the tokens in a token server's response.

    Args:
        head: The head of its response.
        body: The body.
        secrets: The secrets sent to it. Its own text is not shown if it contains one of these.
        auth_method: How the gate identified itself.

    Raises:
        TokenRefused: The server rejects the request.
        NoToken: The response is unusable, or reports a temporary failure.
    """
    status = head.status
    if 300 <= status < 400:
        raise NoToken(f"it responds {status}, a redirect, which is not followed: correct token_url")
    if status == 429 or status >= 500:
        raise NoToken(f"it responds {status}", _retry_after_s(head))
    fields, secrets = _json_object(body), tuple(secrets)
    code = fields.get("error") if fields is not None else None
    if code is not None or status in (400, 401, 403):
        raise _refusal(status, fields or {}, secrets, auth_method)
    if not 200 <= status < 300:
        raise NoToken(f"it responds {status}: token_url is probably wrong")
    if fields is None:
        raise NoToken(f"it responds {status} without a JSON object: token_url is probably wrong")
    return _grant(fields, secrets)


def _json_object(body: bytes) -> Mapping[str, object] | None:
    """Return the members of a JSON object; None for anything else."""
    try:
        # JSON has no byte order mark, but accept one.
        found = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _grant(fields: Mapping[str, object], secrets: Iterable[str]) -> Grant:
    token = fields.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise NoToken("its response has no usable access_token")
    if len(token) > MAX_TOKEN_CHARS:
        raise NoToken(f"its access_token has more than {MAX_TOKEN_CHARS:,} characters")
    # RFC 6749 5.1 requires the type, but some servers leave it out.
    kind = fields.get("token_type") or "Bearer"
    if not isinstance(kind, str) or kind.lower() not in _BEARER:
        is_shown = isinstance(kind, str) and not repeats(kind, (*secrets, token))
        shown = f" {_printable(str(kind), 40)!r}" if is_shown else ""
        raise NoToken(f"it gives a token of another type{shown}, not Bearer")
    refresh = fields.get("refresh_token")
    usable = isinstance(refresh, str) and _REFRESH_TOKEN.fullmatch(refresh) is not None
    return Grant(
        access_token=token,
        lifetime_s=_lifetime_s(fields.get("expires_in")),
        refresh_token=refresh if isinstance(refresh, str) and usable else None,
    )


def _lifetime_s(value: object) -> float | None:
    """Return the value of expires_in; None if it is not a positive number.

    A token of unknown lifetime is used until the API rejects it.
    """
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if isfinite(seconds) and seconds > 0 else None


def _refusal(
    status: int, fields: Mapping[str, object], secrets: Iterable[str], auth_method: str
) -> TokenRefused | NoToken:
    """Return the error for an error response (RFC 6749 5.2)."""
    raw = fields.get("error")
    code = raw if isinstance(raw, str) and _ERROR_CODE.fullmatch(raw) else ""
    meaning = _MEANINGS.get(code, "")
    if code == "invalid_client":
        meaning = _UNKNOWN_CLIENT.get(auth_method, meaning)
    if code not in _PASSING and not meaning and repeats(code, secrets):
        code = ""
    shown = f"it responds {status} ({code})" if code else f"it responds {status}"
    words = f"{shown}: {meaning}" if meaning else shown
    description = fields.get("error_description")
    if isinstance(description, str) and description:
        shown = _printable(description, MAX_SHOWN)
        if not repeats(shown, secrets):
            words += f'; it says "{shown}"'
    return NoToken(words) if code in _PASSING else TokenRefused(words)


def _printable(text: str, most: int) -> str:
    """Return text, shortened, as printable ASCII without quotes."""
    shown = "".join(char if " " <= char <= "~" and char not in '"\\' else "?" for char in text)
    return shown if len(shown) <= most else f"{shown[:most]}..."


def _retry_after_s(head: ResponseHead) -> float:
    """Return Retry-After in seconds (RFC 9110 10.2.3); 0 for a date or if it is missing."""
    for name, value in head.headers:
        if name.lower() == b"retry-after" and re.fullmatch(rb"[0-9]{1,9}", value):
            return float(value)
    return 0.0
