"""Requests sent for real, one at a time, to whatever server answers them."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from time import monotonic

from corsgate.errors import BadUpstreamResponse, CorsgateError
from corsgate.explain.trace import Answer, Request, text
from corsgate.explain.url import Url
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.upstream.parser import ResponseParser

TIMEOUT_S = 10.0
"""How long an answer's head may take in all, however slowly it comes."""

_WITH_BODY = (b"POST", b"PUT", b"PATCH")
_PIECE_BYTES = 64 * 1024
_UNSENDABLE = re.compile(rb"[\r\n\0]")


class NoAnswer(CorsgateError):
    """A server gave no answer that can be judged; the message says why."""


def send(request: Request, timeout_s: float = TIMEOUT_S) -> Answer:
    """Send a request without a body; answer its answer's head, follow no redirect.

    Cookies are not sent, since the browser's are not known.

    Args:
        request: What is sent.
        timeout_s: How long it may take in all.

    Raises:
        NoAnswer: There was no answer.
    """
    url = request.url
    try:
        head = _ask(url, request.method, _request(request), monotonic() + timeout_s)
    except (OSError, BadUpstreamResponse, ValueError) as error:
        raise NoAnswer(f"{url.scheme}://{url.authority} {_why(error)}") from error
    server = b" ".join(value for name, value in head.headers if name.lower() == b"server")
    return Answer(status=head.status, headers=tuple(head.headers), by=text(server))


def _request(request: Request) -> bytes:
    """Return a request as it stands on the wire."""
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
            raise ValueError(f"the value of {text(name)} has a line end in it")
    target = url.target.encode("ascii")
    return RequestHead(method=request.method, target=target, headers=headers).to_bytes()


def _ask(url: Url, method: bytes, request: bytes, deadline: float) -> ResponseHead:
    """Send a request; return the head of its final response."""
    reader = ResponseParser(_ignore)
    reader.expect(method, upgrade=False)
    with _connection(url, deadline) as connection:
        connection.sendall(request)
        while reader.head is None:
            connection.settimeout(_left(deadline))
            piece = connection.recv(_PIECE_BYTES)
            if not piece:
                raise ConnectionResetError("no answer")
            try:
                reader.feed(piece)
            except BadUpstreamResponse:
                # What is wrong with a body is of no matter once there is a head.
                if reader.head is None:
                    raise
    return reader.head


def _ignore(head: ResponseHead) -> None:
    """An interim response is none that a script sees."""


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@contextmanager
def _connection(url: Url, deadline: float) -> Iterator[socket.socket]:
    """Open a connection to a URL's server, as a browser would trust it."""
    host = url.host.strip("[]")
    port = url.port or (443 if url.scheme == "https" else 80)
    with socket.create_connection((host, port), _left(deadline)) as plain:
        if url.scheme == "http":
            yield plain
            return
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        plain.settimeout(_left(deadline))
        with context.wrap_socket(plain, server_hostname=host) as connection:
            yield connection


def _why(error: Exception) -> str:
    """Return in words why there was no answer."""
    match error:
        case ssl.SSLCertVerificationError():
            why = error.verify_message.rstrip(".")
            return f"shows a certificate that a browser would not accept: {why}"
        case ssl.SSLError():
            return f"does not speak TLS here: {error.reason or error}"
        case socket.gaierror():
            return "has a name that can't be found"
        case TimeoutError():
            return f"did not answer within {TIMEOUT_S:g} s"
        case ConnectionRefusedError():
            return "refuses connections: no server listens there"
        case BadUpstreamResponse():
            return f"does not answer in HTTP: {error}"
        case ConnectionError():
            return "closed the connection without an answer"
        case OSError():
            return f"can't be reached: {error.strerror or error}"
    return f"can't be asked this: {error}"
