"""Credentials that are the same in every request: Basic, Bearer and a custom field."""

from __future__ import annotations

import unicodedata
from base64 import b64encode

import attrs
from zope.interface import implementer

from corsgate.config.model.values import BasicCredentials, BearerCredentials, HeaderCredentials
from corsgate.credentials.attempt import FixedAttempt
from corsgate.interfaces import ICredentials
from corsgate.message.headers import Header


@implementer(ICredentials)
@attrs.frozen(kw_only=True)
class StaticSigner:
    """Adds one field, which is encoded when the configuration is loaded.

    Attributes:
        header_names: The field's name and Authorization. A client's own Authorization never goes
            to a server that gets the gate's credentials.
        fixed: The field.
        may_be_challenged: False, since another attempt would send the same field.
    """

    header_names: frozenset[bytes]
    may_be_challenged: bool = attrs.field(default=False, init=False)
    fixed: tuple[Header, ...] = attrs.field(repr=False)

    def begin(self, server: str) -> FixedAttempt:
        """Return an attempt that adds the field.

        Args:
            server: The server's origin; every server gets the same field.
        """
        return FixedAttempt(self.fixed)


def basic(credentials: BasicCredentials) -> StaticSigner:
    """Return a signer that sends a user name and password in UTF-8 (RFC 7617 2, 2.1).

    Args:
        credentials: The user name and password.
    """
    pair = utf8(credentials.username) + b":" + utf8(credentials.password.reveal())
    return _signer(b"Authorization", b"Basic " + b64encode(pair))


def bearer(credentials: BearerCredentials) -> StaticSigner:
    """Return a signer that sends a token (RFC 6750 2.1).

    Args:
        credentials: The token.
    """
    return _signer(b"Authorization", b"Bearer " + utf8(credentials.token.reveal()))


def header(credentials: HeaderCredentials) -> StaticSigner:
    """Return a signer that sends a secret in a configured field.

    Args:
        credentials: The field's name and value.
    """
    return _signer(credentials.name.encode("ascii"), utf8(credentials.value.reveal()))


def utf8(text: str) -> bytes:
    """Return the text in UTF-8, normalized to NFC (RFC 7617 2.1).

    Bytes from an environment variable that are not UTF-8 are kept unchanged.

    Args:
        text: A user name, a password, or a similar value.
    """
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogateescape")


def _signer(name: bytes, value: bytes) -> StaticSigner:
    """Return a signer that adds this field."""
    return StaticSigner(
        header_names=frozenset((name.lower(), b"authorization")), fixed=((name, value),)
    )
