"""Sends single requests to a live server."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from time import monotonic

from corsgate.errors import BadUpstreamResponse, CorsgateError
from corsgate.explain.trace import Answer, Request, text
from corsgate.explain.url import Url
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.host import is_localhost
from corsgate.upstream.hosts import LOOPBACK
from corsgate.upstream.lenient_parser import LenientParser

TIMEOUT_S = 10.0
"""The maximum time for a request and the head of its response, in seconds."""

_WITH_BODY = (b"POST", b"PUT", b"PATCH")
_PIECE_BYTES = 64 * 1024
_MAX_ERROR_BYTES = 16 * 1024
_ERROR_TIMEOUT_S = 2.0
_UNSENDABLE = re.compile(rb"[\r\n\0]")
# The reasons of OpenSSL's errors for data that is not TLS.
_NO_TLS = frozenset(("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"))


class NoAnswer(CorsgateError):
    """The server gave no usable response; the message has the reason."""


def send(request: Request, timeout_s: float = TIMEOUT_S) -> Answer:
    """Send a request without a body; return the head of the response, and the body of an error.

    Redirects are not followed. No cookies are sent, since those of the browser are unknown.

    Args:
        request: The request.
        timeout_s: The maximum time for the whole exchange, in seconds.

    Raises:
        NoAnswer: There is no usable response.
    """
    url = request.url
    try:
        head, body = _ask(url, request.method, _request(request), monotonic() + timeout_s)
    except (OSError, BadUpstreamResponse, ValueError) as error:
        raise NoAnswer(f"{url.scheme}://{url.authority} {_why(error)}") from error
    server = b" ".join(value for name, value in head.headers if name.lower() == b"server")
    return Answer(status=head.status, headers=tuple(head.headers), body=body, by=text(server))


def _request(request: Request) -> bytes:
    """Return the bytes of a request."""
    url, names = request.url, {name.lower() for name, _ in request.headers}
    headers = [(b"Host", url.authority.encode("ascii")), *request.headers]
    if b"accept" not in names:
        headers.append((b"Accept", b"*/*"))
    if b"user-agent" not in names:
        headers.append((b"User-Agent", f"corsgate/{version('corsgate')}".encode("ascii")))
    if request.method in _WITH_BODY:
        headers.append((b"Content-Length", b"0"))
    headers.append((b"Connection", b"close"))
    for name, value in headers:
        if _UNSENDABLE.search(value):
            raise ValueError(f"the value of {text(name)} contains a line break")
    target = url.target.encode("ascii")
    return RequestHead(method=request.method, target=target, headers=headers).to_bytes()


def _ask(url: Url, method: bytes, request: bytes, deadline: float) -> tuple[ResponseHead, bytes]:
    """Send a request; return the head of its final response, and the body of a small error page."""
    reader = LenientParser(_ignore)
    reader.expect(method, upgrade=False)
    with _connection(url, deadline) as connection:
        connection.sendall(request)
        while reader.head is None:
            connection.settimeout(_left(deadline))
            piece = connection.recv(_PIECE_BYTES)
            if not piece:
                raise ConnectionResetError("no response")
            try:
                reader.feed(piece)
            except BadUpstreamResponse:
                # Once the head is complete, a malformed body does not matter.
                if reader.head is None:
                    raise
                break
        body = _error_page(connection, reader, min(deadline, monotonic() + _ERROR_TIMEOUT_S))
    return reader.head, body


def _error_page(connection: socket.socket, reader: LenientParser, deadline: float) -> bytes:
    """Return what arrives in time of an error's body; empty for other responses."""
    assert reader.head is not None
    if reader.head.status < 400:
        return b""
    body = reader.body
    with suppress(OSError, BadUpstreamResponse):
        while not reader.complete and len(body) < _MAX_ERROR_BYTES:
            connection.settimeout(_left(deadline))
            piece = connection.recv(_PIECE_BYTES)
            if not piece:
                break
            reader.feed(piece)
            body += reader.body
    return body[:_MAX_ERROR_BYTES]


def _ignore(head: ResponseHead) -> None:
    """Ignore an interim response, which scripts never see."""


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@contextmanager
def _connection(url: Url, deadline: float) -> Iterator[socket.socket]:
    """Open a connection to a URL's server, and verify its certificate as a browser does."""
    host = url.host.strip("[]")
    port = url.port or (443 if url.scheme == "https" else 80)
    with _reach(host, port, deadline) as plain:
        if url.scheme == "http":
            yield plain
            return
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        plain.settimeout(_left(deadline))
        with context.wrap_socket(plain, server_hostname=host) as connection:
            yield connection


def _reach(host: str, port: int, deadline: float) -> socket.socket:
    """Connect to a host; ``localhost`` is loopback without a look-up (RFC 6761 6.3)."""
    if not is_localhost(host.encode("utf-8")):
        return socket.create_connection((host, port), _left(deadline))
    first, second = LOOPBACK
    try:
        return socket.create_connection((first, port), _left(deadline))
    except OSError:
        return socket.create_connection((second, port), _left(deadline))


def _why(error: Exception) -> str:
    """Describe why there is no response."""
    match error:
        case ssl.SSLCertVerificationError():
            why = error.verify_message.rstrip(".")
            return f"shows a certificate that browsers reject: {why}"
        case ssl.SSLError(reason=str(reason)) if reason not in _NO_TLS:
            words = reason.lower().replace("_", " ")
            return f"does not use TLS in a way that browsers accept: {words}"
        case ssl.SSLError():
            return f"does not use TLS on this port: {error.reason or error}"
        case socket.gaierror():
            return "can't be found: its name can't be resolved"
        case TimeoutError():
            return f"did not respond within {TIMEOUT_S:g} s"
        case ConnectionRefusedError():
            return "refuses connections: no server listens there"
        case BadUpstreamResponse():
            return f"sent a response that is not HTTP: {error}"
        case ConnectionError():
            return "closed the connection without a response"
        case OSError():
            return f"can't be reached: {error.strerror or error}"
    return f"can't be sent this request: {error}"
