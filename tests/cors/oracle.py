"""A browser by the letter of the Fetch standard: slow, simple, and without the gate's code.

Each function is one algorithm of https://fetch.spec.whatwg.org, with its steps in order and its
anchor in the docstring. Parts without relevance to CORS, such as redirects and caches, are left
out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import attrs

Header = tuple[bytes, bytes]

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
UNSAFE_BYTES = frozenset(b'"():<>?@[\\]{}\x7f') | (frozenset(range(0x20)) - {0x09})
LANGUAGE_BYTES = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz *,-.;=")
NORMALIZED = (b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT")
FORBIDDEN_METHODS = (b"CONNECT", b"TRACE", b"TRACK")
FORBIDDEN_NAMES = (
    *(b"accept-charset", b"accept-encoding", b"access-control-request-headers"),
    *(b"access-control-request-method", b"connection", b"content-length", b"cookie", b"cookie2"),
    *(b"date", b"dnt", b"expect", b"host", b"keep-alive", b"origin", b"referer", b"set-cookie"),
    *(b"te", b"trailer", b"transfer-encoding", b"upgrade", b"via"),
)
SAFELISTED_RESPONSE = (
    *(b"cache-control", b"content-language", b"content-length", b"content-type", b"expires"),
    *(b"last-modified", b"pragma"),
)
SIMPLE_TYPES = (b"application/x-www-form-urlencoded", b"multipart/form-data", b"text/plain")


@attrs.frozen
class Response:
    """A response: its status and header list."""

    status: int
    headers: Sequence[Header]


@attrs.frozen(kw_only=True)
class Request:
    """A script's ``fetch(url, {mode: "cors", ...})``.

    Attributes:
        origin: The script's, serialized.
        target_origin: That of the URL.
        method: As the script wrote it.
        headers: As the script wrote them.
        include: Whether the credentials mode is ``include``; else it is ``omit``.
        listens: Whether the use-CORS-preflight flag is set, as it is for an XMLHttpRequest whose
            upload has a listener.
    """

    origin: bytes
    target_origin: bytes
    method: bytes
    headers: Sequence[Header] = ()
    include: bool = False
    listens: bool = False


@attrs.frozen
class NetworkError:
    """The failure that the script sees, and the step of it."""

    step: str


Server = Callable[[bytes, Sequence[Header]], Response]
"""Returns a method and a header list."""


def fetch(request: Request, server: Server) -> Response | NetworkError | None:
    """``#fetch-method`` and ``#http-fetch``; None if scripts can't make the request."""
    if not TOKEN.fullmatch(request.method) or is_forbidden_method(request.method):
        return None
    method = normalize(request.method)
    headers = [(name, value) for name, value in request.headers if not is_forbidden(name, value)]
    sent = [*headers, *appended_origin(method, request)]
    if request.origin == request.target_origin:
        # #main-fetch: the response tainting stays "basic".
        return server(method, sent)
    if request.listens or method not in (b"GET", b"HEAD", b"POST") or unsafe_names(headers):
        failure = preflight(request, method, headers, server)
        if failure is not None:
            return failure
    response = server(method, sent)
    if not cors_check(request, response):
        return NetworkError("CORS check")
    return Response(response.status, filtered(request, response))


def preflight(
    request: Request, method: bytes, headers: Sequence[Header], server: Server
) -> NetworkError | None:
    """``#cors-preflight-fetch``; None if the request may be made."""
    asked: list[Header] = [
        (b"Accept", b"*/*"),
        (b"Access-Control-Request-Method", method),
    ]
    unsafe = unsafe_names(headers)
    if unsafe:
        asked.append((b"Access-Control-Request-Headers", b",".join(unsafe)))
    response = server(b"OPTIONS", [*asked, (b"Origin", request.origin)])
    if not cors_check(request, response):
        return NetworkError("preflight: CORS check")
    if not 200 <= response.status <= 299:
        return NetworkError("preflight: status")
    methods = extract(b"Access-Control-Allow-Methods", response.headers)
    names = extract(b"Access-Control-Allow-Headers", response.headers)
    if methods is FAILURE or names is FAILURE:
        return NetworkError("preflight: syntax")
    if methods is None and request.listens:
        methods = [method]
    methods, names = methods or [], names or []
    if (
        method not in methods
        and method not in (b"GET", b"HEAD", b"POST")
        and (request.include or b"*" not in methods)
    ):
        return NetworkError("preflight: method")
    lowered = [name.lower() for name in names]
    for name, _ in headers:
        # #cors-non-wildcard-request-header-name
        if name.lower() == b"authorization" and b"authorization" not in lowered:
            return NetworkError("preflight: Authorization")
    for name in unsafe:
        if name not in lowered and (request.include or b"*" not in lowered):
            return NetworkError("preflight: header")
    return None


def cors_check(request: Request, response: Response) -> bool:
    """``#cors-check``"""
    origin = get(b"Access-Control-Allow-Origin", response.headers)
    if origin is None:
        return False
    if not request.include and origin == b"*":
        return True
    if request.origin != origin:
        return False
    if not request.include:
        return True
    return get(b"Access-Control-Allow-Credentials", response.headers) == b"true"


def filtered(request: Request, response: Response) -> list[Header]:
    """``#concept-filtered-response-cors``"""
    exposed = extract(b"Access-Control-Expose-Headers", response.headers)
    exposed = exposed if isinstance(exposed, list) else []
    if not request.include and b"*" in exposed:
        exposed = [name for name, _ in response.headers]
    lowered = {name.lower() for name in exposed}
    return [
        (name, value)
        for name, value in response.headers
        if name.lower() not in (b"set-cookie", b"set-cookie2")
        and (name.lower() in SAFELISTED_RESPONSE or name.lower() in lowered)
    ]


def get(name: bytes, headers: Sequence[Header]) -> bytes | None:
    """``#concept-header-list-get``"""
    values = [value for other, value in headers if other.lower() == name.lower()]
    return b", ".join(values) if values else None


FAILURE: list[bytes] = [b"failure"]


def extract(name: bytes, headers: Sequence[Header]) -> list[bytes] | None:
    """``#extract-header-list-values`` for lists of tokens; `FAILURE` for a malformed list."""
    value = get(name, headers)
    if value is None:
        return None
    members = [member.strip(b" \t") for member in value.split(b",")]
    members = [member for member in members if member]
    return members if all(TOKEN.fullmatch(member) for member in members) else FAILURE


def normalize(method: bytes) -> bytes:
    """``#concept-method-normalize``"""
    return method.upper() if method.upper() in NORMALIZED else method


def is_forbidden_method(method: bytes) -> bool:
    """``#forbidden-method``"""
    return method.upper() in FORBIDDEN_METHODS


def is_forbidden(name: bytes, value: bytes) -> bool:
    """``#forbidden-request-header``"""
    name = name.lower()
    if name in FORBIDDEN_NAMES or name.startswith((b"proxy-", b"sec-")):
        return True
    if name in (b"x-http-method", b"x-http-method-override", b"x-method-override"):
        return any(is_forbidden_method(part.strip(b" \t")) for part in value.split(b","))
    return False


def appended_origin(method: bytes, request: Request) -> list[Header]:
    """``#append-a-request-origin-header`` for requests in mode ``cors``"""
    if request.origin != request.target_origin or method not in (b"GET", b"HEAD"):
        return [(b"Origin", request.origin)]
    return []


def unsafe_names(headers: Sequence[Header]) -> list[bytes]:
    """``#cors-unsafe-request-header-names``"""
    unsafe: list[bytes] = []
    potentially: list[bytes] = []
    size = 0
    for name, value in headers:
        if is_safelisted(name, value):
            potentially.append(name)
            size += len(value)
        else:
            unsafe.append(name)
    if size > 1024:
        unsafe += potentially
    # #convert-header-names-to-a-sorted-lowercase-set
    return sorted({name.lower() for name in unsafe})


def is_safelisted(name: bytes, value: bytes) -> bool:
    """``#cors-safelisted-request-header``"""
    if len(value) > 128:
        return False
    match name.lower():
        case b"accept":
            return not UNSAFE_BYTES & frozenset(value)
        case b"accept-language" | b"content-language":
            return frozenset(value) <= LANGUAGE_BYTES
        case b"content-type":
            if UNSAFE_BYTES & frozenset(value):
                return False
            return value.partition(b";")[0].strip(b" \t").lower() in SIMPLE_TYPES
        case b"range":
            found = re.fullmatch(rb"bytes=([0-9]+)-([0-9]*)", value)
            return found is not None and not (found[2] and int(found[1]) > int(found[2]))
    return False
