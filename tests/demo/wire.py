"""Talks to a twisted.web resource through bytes alone, as a client on a socket would."""

from __future__ import annotations

import re
from urllib.request import (
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    Request,
    parse_http_list,
    parse_keqv_list,
)

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport, StringTransportWithDisconnection
from twisted.web.resource import IResource
from twisted.web.server import Site

from corsgate.message.headers import HeaderIndex, index_headers

_BASE = "http://box.example"


@attrs.frozen
class Answer:
    """A response: the status, the fields by lower-cased name, and the body."""

    status: int
    fields: HeaderIndex
    body: bytes

    def one(self, name: bytes) -> bytes:
        """Return the only value of a field."""
        (value,) = self.fields[name]
        return value


def ask(
    root: IResource,
    method: str,
    target: str,
    *headers: tuple[str, str],
    body: bytes = b"",
) -> Answer:
    """Send one request on a connection of its own, and return the response.

    Args:
        root: The resource that is served.
        method: The request's method.
        target: The request target.
        headers: Further fields.
        body: Sent with a Content-Length where it isn't empty.
    """
    return answer_in(begin(root, method, target, *headers, body=body).value())


def begin(
    root: IResource,
    method: str,
    target: str,
    *headers: tuple[str, str],
    body: bytes = b"",
) -> StringTransport:
    """Send one request as `ask` does; return its connection, for a later response."""
    site = Site(root, timeout=None, reactor=Clock())
    peer = IPv4Address("TCP", "127.0.0.1", 1)
    protocol = site.buildProtocol(peer)
    transport = StringTransportWithDisconnection(peerAddress=peer)
    transport.protocol = protocol
    protocol.makeConnection(transport)
    fields = [("Host", "localhost:8000"), ("Connection", "close"), *headers]
    if body:
        fields.append(("Content-Length", str(len(body))))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    protocol.dataReceived("\r\n".join([*lines, "", ""]).encode() + body)
    return transport


def answer_in(data: bytes) -> Answer:
    """Parse bytes as a response; a chunked body is not decoded."""
    head, _, content = data.partition(b"\r\n\r\n")
    status, *rest = head.split(b"\r\n")
    pairs = (line.partition(b":") for line in rest)
    index = index_headers((name, value.strip()) for name, _, value in pairs)
    return Answer(int(status.split()[1]), index, content)


@attrs.define
class DigestClient:
    """Signs requests with the standard library's digest code, which the box does not use."""

    challenge: str
    username: str = "admin"
    password: str = "admin"
    _handler: HTTPDigestAuthHandler = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        passwords = HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, _BASE, self.username, self.password)
        self._handler = HTTPDigestAuthHandler(passwords)

    def sign(self, method: str, target: str) -> str:
        """Return an Authorization value; the nonce count goes up with each."""
        _, _, parameters = self.challenge.partition(" ")
        challenge = parse_keqv_list(parse_http_list(parameters))
        request = Request(_BASE + target, method=method)
        signed = self._handler.get_authorization(request, challenge)
        # It leaves qop and algorithm as RFC 2617 has them, and the box takes both.
        return f"Digest {signed}"


def with_field(authorization: str, name: str, value: str) -> str:
    """Return an Authorization value with one quoted parameter changed."""
    changed, count = re.subn(rf'\b{name}="[^"]*"', f'{name}="{value}"', authorization)
    assert count == 1, authorization
    return changed
