"""Requests sent for real, one at a time, to whatever server answers them."""

from __future__ import annotations

import socket
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from importlib.metadata import version

from corsgate.cors.trace import Answer, Request, text
from corsgate.errors import CorsgateError

TIMEOUT_S = 10.0
_WITH_BODY = (b"POST", b"PUT", b"PATCH")


class NoAnswer(CorsgateError):
    """A server gave no answer that can be judged; the message says why."""


def send(request: Request) -> Answer:
    """Send a request without a body; answer its answer's head, follow no redirect.

    Cookies are not sent, since the browser's are not known.

    Raises:
        NoAnswer: There was no answer.
    """
    url = request.url
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.host.strip("[]"), url.port, timeout=TIMEOUT_S)
    try:
        method = request.method.decode("ascii")
        connection.putrequest(method, url.target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", url.authority)
        names = {name.lower() for name, _ in request.headers}
        for name, value in request.headers:
            connection.putheader(name, value)
        if b"accept" not in names:
            connection.putheader("Accept", "*/*")
        if b"user-agent" not in names:
            connection.putheader("User-Agent", f"corsgate/{version('corsgate')}")
        if request.method in _WITH_BODY:
            connection.putheader("Content-Length", "0")
        connection.putheader("Connection", "close")
        connection.endheaders()
        response = connection.getresponse()
        headers = tuple(
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in response.getheaders()
        )
    except (OSError, HTTPException, ValueError) as error:
        raise NoAnswer(f"{url.scheme}://{url.authority} {_why(error)}") from error
    finally:
        connection.close()
    server = b" ".join(value for name, value in headers if name.lower() == b"server")
    return Answer(status=response.status, headers=headers, by=text(server))


def _why(error: Exception) -> str:
    """Answer in words why there was no answer."""
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
        case HTTPException() | ConnectionError():
            return f"closed the connection or did not answer in HTTP ({type(error).__name__})"
        case OSError():
            return f"can't be reached: {error.strerror or error}"
    return f"can't be asked this: {error}"
