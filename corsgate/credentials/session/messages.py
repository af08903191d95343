"""Make and read the messages of a login and its session, without I/O."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlencode

from corsgate.config.model.login_json import encoded
from corsgate.config.model.secret import Secret
from corsgate.config.model.session import Call, FieldValue, SessionCredentials
from corsgate.credentials.session.cookie_jar import cookie_name, set_cookies
from corsgate.credentials.session.login_urls import leads_to, login_pages
from corsgate.credentials.static import utf8
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import Header
from corsgate.message.query import add_parameter, drop_parameters, normal_name

SAFE_METHODS = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))
"""Methods that change nothing, so servers require no CSRF token for them (RFC 9110 9.2.1)."""

MAX_TOKEN_BYTES = 16 * 1024

MIN_SCRUBBED_BYTES = 8
"""A shorter token could occur by chance, such as in a Content-Length."""

_VALUE = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
# Redirects of the login itself, which is not sent to another URL (RFC 9110 15.4.8 and 15.4.9).
_TO_BE_REPEATED = frozenset((307, 308))
_NO_VERDICT = _TO_BE_REPEATED | {404, 405, 406, 408, 410, 411, 413, 414, 415}
_ASKED = frozenset((b"fetch", b"required"))


def login_head(credentials: SessionCredentials, call: Call) -> tuple[RequestHead, bytes]:
    """Return the head and the body of the login.

    Args:
        credentials: The credentials to log in with.
        call: The parsed ``login_url``.
    """
    fields: list[Header] = []
    body = b""
    if credentials.form:
        fields.append((b"Content-Type", b"application/x-www-form-urlencoded"))
        body = urlencode([(name, _form_text(value)) for name, value in credentials.form]).encode()
    elif credentials.json:
        fields.append((b"Content-Type", b"application/json"))
        body = encoded(credentials.json)
    if credentials.token_path:
        fields.append((b"Accept", b"application/json"))
    if credentials.basic:
        fields.append(basic_field(credentials))
    return own_head(call, "POST" if body else "GET", fields), body


def own_head(call: Call, method: str, fields: Iterable[Header] = ()) -> RequestHead:
    """Return the head of one of the gate's own requests.

    Args:
        call: Its destination.
        method: The method to use if the call has none.
        fields: Its fields.
    """
    method = call.method or method
    return RequestHead(method.encode("ascii"), call.target.encode("ascii"), list(fields))


def basic_field(credentials: SessionCredentials) -> Header:
    """Return the Authorization field of Basic credentials (RFC 7617)."""
    password = "" if credentials.password is None else credentials.password.reveal()
    pair = utf8(credentials.username) + b":" + utf8(password)
    return (b"Authorization", b"Basic " + b64encode(pair))


def _form_text(value: FieldValue) -> str | bytes:
    if isinstance(value, Secret):
        return utf8(value.reveal())
    return str(value).lower() if isinstance(value, bool) else str(value)


def json_at(body: bytes, path: str) -> Any:
    """Return the value at a dotted path of JSON; None if it is missing or this is not JSON.

    Args:
        body: The text.
        path: Member names and array indexes, joined by dots.
    """
    try:
        found = json.loads(body)
        for step in path.split("."):
            found = found[int(step)] if isinstance(found, list) else found[step]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return found


def has_json_error(body: bytes) -> bool:
    """Return whether JSON reports an error as JSON-RPC does (JSON-RPC 2.0, section 5).

    Args:
        body: The text.
    """
    found = json_at(body, "error")
    return isinstance(found, dict) and bool(found)


def json_code(body: bytes, path: str) -> int | None:
    """Return the integer at a dotted path of JSON, which may be a string; None if there is none."""
    found = json_at(body, path)
    try:
        return int(found)
    except (ValueError, TypeError, OverflowError):
        return None


def token_in(body: bytes, path: str) -> bytes | None:
    """Return the token at a path of JSON; None unless a header field can carry it.

    Args:
        body: The JSON.
        path: The dotted path.
    """
    found = json_at(body, path)
    text = str(found) if isinstance(found, int) and not isinstance(found, bool) else found
    if not isinstance(text, str):
        return None
    return sendable(text.encode("utf-8", "replace"))


def sendable(value: bytes) -> bytes | None:
    """Return a server's value if it can be a header field's value, else None."""
    return value if len(value) <= MAX_TOKEN_BYTES and _VALUE.fullmatch(value) else None


def csrf_in(head: ResponseHead, name: str) -> bytes | None:
    """Return the CSRF token in a field of a response; None if there is none.

    Args:
        head: The response's head.
        name: The field's name. UniFi sends a new token with the prefix ``X-Updated-``.
    """
    names = _csrf_names(name)
    for field, value in head.headers:
        if field.lower() in names and value.lower() not in _ASKED:
            return sendable(value)
    return None


def _csrf_names(name: str) -> tuple[bytes, bytes]:
    wanted = name.lower().encode("ascii")
    return wanted, b"x-updated-" + wanted.removeprefix(b"x-")


def csrf_of_cookie(value: bytes) -> bytes | None:
    """Return the CSRF token in a cookie, decoded as scripts of pages decode it."""
    return sendable(unquote_to_bytes(value))


def asks_for_csrf(head: ResponseHead, name: str) -> bool:
    """Return whether a response demands a CSRF token, as SAP does."""
    wanted = name.lower().encode("ascii")
    return any(n.lower() == wanted and v.lower() == b"required" for n, v in head.headers)


def readable(head: RequestHead) -> RequestHead:
    """Return a head that asks for no compression except gzip, so that errors can be read."""
    headers = [
        (name, b"gzip" if b"gzip" in value.lower() else b"identity")
        if name.lower() == b"accept-encoding"
        else (name, value)
        for name, value in head.headers
    ]
    return RequestHead(head.method, head.target, headers)


def with_query(target: bytes, name: str, token: bytes) -> bytes:
    """Return a target with a parameter added to its query, which replaces a client's own.

    Args:
        target: The target.
        name: The parameter's name, which must need no encoding.
        token: Its value.
    """
    wanted = name.encode("ascii")
    own = b"%b=%b" % (wanted, quote(token, safe="").encode())
    return add_parameter(drop_parameters(target, normal_name(wanted).__eq__), own)


def scrubbed(headers: Iterable[Header], token: bytes | None) -> list[Header]:
    """Return response fields with the session's token masked.

    Args:
        headers: The fields, such as a Location that repeats the query.
        token: The token.
    """
    if token is None or len(token) < MIN_SCRUBBED_BYTES:
        return list(headers)
    shown = {token, quote(token, safe="").encode(), quote(token).encode()}
    found = []
    for name, value in headers:
        for each in shown:
            value = value.replace(each, b"***")
        found.append((name, value))
    return found


def without_session(
    response: ResponseHead, names: Collection[bytes], csrf: str, token: bytes | None
) -> ResponseHead:
    """Return a final or interim response without the cookies and tokens of a session.

    Args:
        response: The head.
        names: The names of the session's cookies.
        csrf: The name of the field with the CSRF token; empty if there is none.
        token: The session's token, or None.
    """
    hidden = _csrf_names(csrf)
    headers = scrubbed(
        [
            (name, value)
            for name, value in response.headers
            if name.lower() not in hidden
            and not (name.lower() == b"set-cookie" and cookie_name(value) in names)
        ],
        token,
    )
    if headers == response.headers:
        return response
    return ResponseHead(response.status, response.reason, headers)


def login_problem(
    credentials: SessionCredentials,
    head: ResponseHead,
    token: bytes | None,
    kept: Collection[bytes],
    *,
    has_error: bool = False,
) -> str:
    """Return why a login failed according to its response; empty if it succeeded.

    A 2xx means success, and so does a redirect with a cookie, unless it leads back to the login
    page, or the login would have to be repeated elsewhere. Either must have the token or a session
    cookie.

    Args:
        credentials: The credentials of the login.
        head: The response's head.
        token: The token in its body, or None.
        kept: The names of all cookies that were valid after the response. One that only deletes
            cookies is no login.
        has_error: Whether its JSON reports an error. Some boxes set a cookie nevertheless.
    """
    status = head.status
    if status >= 400 or status < 200 or status in _TO_BE_REPEATED:
        return _refusal(status)
    if credentials.token_path:
        if token is not None:
            return ""
        if has_error:
            return f"it responded {status} with an error in its JSON, and without a token"
        return f"it responded {status}, without a token at {credentials.token_path} of a JSON body"
    if has_error:
        return f"it responded {status} with an error in its JSON"
    names = {cookie_name(value) for value in set_cookies(head)}.intersection(kept)
    if credentials.csrf is not None:
        # A page that reports a failed login also sets a new CSRF cookie.
        names.discard(credentials.csrf.cookie.encode("ascii"))
    if not names:
        return f"it responded {status} without a session cookie"
    if leads_to(head, login_pages(credentials)):
        return f"it responded {status}, which leads back to the login page"
    return ""


def fetch_problem(status: int, *, has_token: bool) -> str:
    """Return why the fetch of a CSRF token did not start a session; empty if it did.

    Args:
        status: The response's status. Some servers send the token with 404 or 405.
        has_token: Whether the response had the token.
    """
    if status == 401 or (status >= 400 and not has_token):
        return _refusal(status)
    return "" if has_token else f"it responded {status} without a CSRF token"


def is_rejection(status: int) -> bool:
    """Return whether a login probably failed because of its credentials.

    Other statuses indicate a wrong URL or form, or a failure of the server.
    """
    return status < 500 and status not in _NO_VERDICT


def _refusal(status: int) -> str:
    words = {
        307: "the login has another URL",
        308: "the login has another URL",
        401: "the user name or the password is probably wrong",
        403: "the user name or the password may be wrong, or the account locked",
        404: "there is no such URL",
        405: "write another method before the URL",
        423: "the account is probably locked",
        429: "there were too many logins",
    }
    more = words.get(status)
    return f"it responded {status}" + (f"; {more}" if more else "")
