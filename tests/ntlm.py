"""A box that authenticates the connection, as NTLM does, not the request."""

from __future__ import annotations

from typing import Any

from corsgate.message.headers import Header, HeaderList
from tests.peers import Message, Upstream, response

OFFERS: HeaderList = [(b"WWW-Authenticate", b"Negotiate"), (b"WWW-Authenticate", b"NTLM")]
TYPE_2 = (b"WWW-Authenticate", b"NTLM TlRMTVNTUAAC")


def first_leg(scheme: bytes = b"NTLM") -> Header:
    """Return the field that begins a handshake."""
    return (b"Authorization", scheme + b" TYPE1")


def last_leg(user: bytes, scheme: bytes = b"NTLM") -> Header:
    """Return the field that ends a user's handshake."""
    return (b"Authorization", scheme + b" TYPE3-" + user)


def secret(user: bytes) -> bytes:
    """Return what the box tells a user alone."""
    return b"secret data of " + user


class NtlmBox:
    """Answers for an upstream; who has said ``TYPE1`` and then ``TYPE3-user`` is that user.

    Args:
        upstream: It answers by this from now on.
        more: Further fields of each response.
    """

    def __init__(self, upstream: Upstream, *more: Header) -> None:
        self._more = more
        self._users: dict[Any, bytes] = {}
        self._begun: set[Any] = set()
        upstream.answer = self.answer

    def answer(self, message: Message) -> bytes:
        """Return the response to a request."""
        connection = message.connection
        said = message.fields.get(b"authorization", [b""])[0]
        if connection not in self._users:
            if said.endswith(b" TYPE1"):
                self._begun.add(connection)
                scheme = said.partition(b" ")[0]
                return response(401, [(b"WWW-Authenticate", scheme + b" TYPE2"), *self._more])
            _, third, user = said.partition(b" TYPE3-")
            if not third or connection not in self._begun:
                return response(401, [*OFFERS, *self._more])
            self._users[connection] = user
        return response(200, self._more, secret(self._users[connection]))
