"""What a login and its session send and read: pure, in bytes."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlencode

from corsgate.config.model.secret import Secret
from corsgate.config.model.session import Call, FieldValue, SessionCredentials, parse_call
from corsgate.credentials.session.cookie_jar import cookie_name, set_cookies
from corsgate.credentials.static import utf8
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import Header

SAFE_METHODS = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))
"""Methods that change nothing, so that boxes want no CSRF token for them (RFC 9110 9.2.1)."""

MAX_TOKEN_BYTES = 16 * 1024

MIN_SCRUBBED_BYTES = 8
"""A shorter token is anywhere by chance, such as in a Content-Length."""

_VALUE = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_NO_VERDICT = frozenset((404, 405, 406, 408, 410, 411, 413, 414, 415))
_ASKED = frozenset((b"fetch", b"required"))


def login_head(credentials: SessionCredentials, call: Call) -> tuple[RequestHead, bytes]:
    """Return the head and the body of the login.

    Args:
        credentials: What to log in with.
        call: The parsed ``login_url``.
    """
    fields: list[Header] = []
    body = b""
    if credentials.form:
        fields.append((b"Content-Type", b"application/x-www-form-urlencoded"))
        body = urlencode([(name, _form_text(value)) for name, value in credentials.form]).encode()
    elif credentials.json:
        fields.append((b"Content-Type", b"application/json"))
        body = json.dumps({n: _json_value(v) for n, v in credentials.json}).encode()
    if credentials.token_path:
        fields.append((b"Accept", b"application/json"))
    if credentials.basic:
        fields.append(basic_field(credentials))
    return own_head(call, "POST" if body else "GET", fields), body


def own_head(call: Call, method: str, fields: Iterable[Header] = ()) -> RequestHead:
    """Return the head of a request of the gate's own.

    Args:
        call: Where it goes.
        method: The method if the call has none.
        fields: Its fields.
    """
    method = call.method or method
    return RequestHead(method.encode("ascii"), call.target.encode("ascii"), list(fields))


def basic_field(credentials: SessionCredentials) -> Header:
    """Return the Authorization of Basic credentials (RFC 7617)."""
    password = "" if credentials.password is None else credentials.password.reveal()
    pair = utf8(credentials.username) + b":" + utf8(password)
    return (b"Authorization", b"Basic " + b64encode(pair))


def _form_text(value: FieldValue) -> str | bytes:
    if isinstance(value, Secret):
        return utf8(value.reveal())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json_value(value: FieldValue) -> object:
    return value.reveal() if isinstance(value, Secret) else value


def json_at(body: bytes, path: str) -> Any:
    """Return what is at a dotted path of JSON; None if there is nothing, or no JSON.

    Args:
        body: The text.
        path: Names of members, and indexes of arrays, joined by dots.
    """
    try:
        found = json.loads(body)
        for step in path.split("."):
            found = found[int(step)] if isinstance(found, list) else found[step]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return found


def json_code(body: bytes, path: str) -> int | None:
    """Return the whole number at a dotted path of JSON, also one in quotes; None for none."""
    found = json_at(body, path)
    try:
        return int(found)
    except (ValueError, TypeError, OverflowError):
        return None


def token_in(body: bytes, path: str) -> bytes | None:
    """Return the token at a path of JSON, if there is one that a field can carry.

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
    """Return a server's word if it can be the value of a field, else None."""
    return value if len(value) <= MAX_TOKEN_BYTES and _VALUE.fullmatch(value) else None


def csrf_in(head: ResponseHead, name: str) -> bytes | None:
    """Return the CSRF token in a field of a response; None if there is none.

    Args:
        head: The response's head.
        name: The field's name. UniFi sends the next one with ``X-Updated-`` before it.
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
    """Return the CSRF token in a cookie, decoded as the scripts of pages decode it."""
    return sendable(unquote_to_bytes(value))


def asks_for_csrf(head: ResponseHead, name: str) -> bool:
    """Return whether a response says that a CSRF token is required, as SAP does."""
    wanted = name.lower().encode("ascii")
    return any(n.lower() == wanted and v.lower() == b"required" for n, v in head.headers)


def readable(head: RequestHead) -> RequestHead:
    """Return a head that asks for no compression but gzip, so that errors can be read."""
    headers = [
        (name, b"gzip" if b"gzip" in value.lower() else b"identity")
        if name.lower() == b"accept-encoding"
        else (name, value)
        for name, value in head.headers
    ]
    return RequestHead(head.method, head.target, headers)


def with_query(target: bytes, name: str, token: bytes) -> bytes:
    """Return a target with a parameter behind its query; the client's own of that name goes.

    Args:
        target: The target.
        name: The parameter's name, which needs no encoding.
        token: Its value.
    """
    path, mark, query = target.partition(b"?")
    wanted = name.encode("ascii")
    kept = [
        each
        for each in query.split(b"&")
        if unquote_to_bytes(each.partition(b"=")[0].replace(b"+", b" ")) != wanted
    ]
    own = b"%b=%b" % (wanted, quote(token, safe="").encode())
    return path + b"?" + b"&".join([*(kept if mark and query else ()), own])


def scrubbed(headers: Iterable[Header], token: bytes | None) -> list[Header]:
    """Return fields of a response without a token that the box has put into them.

    Args:
        headers: The fields, such as the Location of a redirect that repeats the query.
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
    """Return the head of a response, also of an interim one, without what belongs to a session.

    Args:
        response: The head.
        names: The names of the session's cookies.
        csrf: The name of the field with the CSRF token; empty for none.
        token: The session's token; None without one.
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


def location_path(head: ResponseHead) -> str | None:
    """Return the path that a redirect leads to; None if the response is none."""
    if not 300 <= head.status < 400:
        return None
    for name, value in head.headers:
        if name.lower() == b"location":
            text = value.decode("ascii", "replace")
            text = re.sub(r"^(?:[a-zA-Z]+:)?//[^/?#]*", "", text)
            return re.split("[?#;]", text, maxsplit=1)[0] or "/"
    return None


def login_problem(credentials: SessionCredentials, head: ResponseHead, token: bytes | None) -> str:
    """Return why the response to a login is no session; empty if it is one.

    A 2xx is a login, and so is a redirect with a cookie that doesn't lead back to the login page.

    Args:
        credentials: What was logged in with.
        head: The response's head.
        token: The token that its body has; None for none.
    """
    status = head.status
    if status >= 400 or status < 200:
        return _refusal(status)
    if credentials.token_path:
        if token is not None:
            return ""
        return f"it responded {status}, without a token at {credentials.token_path} of a JSON body"
    names = {cookie_name(value) for value in set_cookies(head)}
    if credentials.csrf is not None:
        # A page that says that the login failed has a new CSRF token.
        names.discard(credentials.csrf.cookie.encode("ascii"))
    if not names:
        return f"it responded {status} without a session cookie"
    if status >= 300 and expiry_of(credentials)(head):
        return f"it responded {status}, which leads back to the login page"
    return ""


def fetch_problem(status: int, *, has_token: bool) -> str:
    """Return why the response to the fetch of a CSRF token begins no session.

    Args:
        status: Its status. Some servers send the token with 404 or 405.
        has_token: Whether it has the token.
    """
    if status == 401 or (status >= 400 and not has_token):
        return _refusal(status)
    return "" if has_token else f"it responded {status} without a CSRF token"


def is_rejection(status: int) -> bool:
    """Return whether a failed login was probably rejected for its credentials.

    Otherwise the status speaks of the URL or the form, or the server is in trouble.
    """
    return status < 500 and status not in _NO_VERDICT


def _refusal(status: int) -> str:
    words = {
        401: "the user name or the password is probably wrong",
        403: "the user name or the password may be wrong, or the account locked",
        404: "there is no such URL",
        405: "write another method before the URL",
        423: "the account is probably locked",
        429: "it gets too many logins",
    }
    more = words.get(status)
    return f"it responded {status}" + (f"; {more}" if more else "")


def expiry_of(credentials: SessionCredentials) -> Callable[[ResponseHead], bool]:
    """Return a function that says whether a response's head means that the session has ended.

    Args:
        credentials: What they say of it. A redirect to ``login_url`` says it too.
    """
    texts = filter(None, (credentials.expired.location, credentials.login_url))
    pages = {path for path in (parse_call(text).path for text in texts) if path != "/"}
    statuses = frozenset(credentials.expired.status)

    def has_expired(head: ResponseHead) -> bool:
        if head.status in statuses:
            return True
        path = location_path(head)
        return path is not None and any(is_at(path, page) for page in pages)

    return has_expired


def is_at(path: str, page: str) -> bool:
    """Return whether a path is that of a page, behind the server's own path or not.

    Args:
        path: The path, such as that of a redirect.
        page: The page's path, not ``/``.
    """
    return f"{path.rstrip('/')}/".endswith(f"{page.rstrip('/')}/")
