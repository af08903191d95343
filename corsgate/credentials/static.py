"""Credentials that are the same in every request: basic, bearer and a field of one's own."""

from __future__ import annotations

import unicodedata
from base64 import b64encode

import attrs
from zope.interface import implementer

from corsgate.config.model.values import BasicCredentials, BearerCredentials, HeaderCredentials
from corsgate.interfaces import ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import Header


@implementer(ICredentials)
@attrs.frozen(kw_only=True)
class StaticSigner:
    """Adds one field, whose bytes were made when the configuration was read.

    Attributes:
        header_names: The field's name, and always Authorization: a client's own never goes to a
            server that gets credentials from here.
        fixed: The field.
        may_be_challenged: False, as another try would send the same field.
    """

    header_names: frozenset[bytes]
    may_be_challenged: bool = attrs.field(default=False, init=False)
    fixed: tuple[Header, ...] = attrs.field(repr=False)

    async def authorize(self, head: RequestHead, server: str) -> RequestHead:
        """Return the head with the field at its end.

        Args:
            head: What is to be sent, without fields of `header_names`.
            server: The server's origin; all get the same.
        """
        return RequestHead(
            method=head.method, target=head.target, headers=[*head.headers, *self.fixed]
        )

    def challenged(self, sent: RequestHead, response: ResponseHead, server: str) -> bool:
        """Return False: what was refused once would be refused again.

        Args:
            sent: The head that `authorize` answered.
            response: What came back.
            server: The server's origin.
        """
        return False


def basic(credentials: BasicCredentials) -> StaticSigner:
    """Return what sends a user name and password, in UTF-8 (RFC 7617 2, 2.1).

    Args:
        credentials: The user name and password.
    """
    pair = utf8(credentials.username) + b":" + utf8(credentials.password.reveal())
    return _signer(b"Authorization", b"Basic " + b64encode(pair))


def bearer(credentials: BearerCredentials) -> StaticSigner:
    """Return what sends a token (RFC 6750 2.1).

    Args:
        credentials: The token.
    """
    return _signer(b"Authorization", b"Bearer " + utf8(credentials.token.reveal()))


def header(credentials: HeaderCredentials) -> StaticSigner:
    """Return what sends a secret in a field of the operator's choice.

    Args:
        credentials: The field's name and value.
    """
    return _signer(credentials.name.encode("ascii"), utf8(credentials.value.reveal()))


def utf8(text: str) -> bytes:
    """Return the text's bytes as the UTF-8 schemes want them: in form NFC (RFC 7617 2.1).

    Bytes of an environment variable that are no UTF-8 come out as they went in.

    Args:
        text: A user name, a password or the like.
    """
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogateescape")


def _signer(name: bytes, value: bytes) -> StaticSigner:
    """Return the signer that adds this field."""
    return StaticSigner(
        header_names=frozenset((name.lower(), b"authorization")), fixed=((name, value),)
    )
