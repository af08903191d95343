"""Credentials in the query: a parameter after the client's own."""

from __future__ import annotations

import re

import attrs
from zope.interface import implementer

from corsgate.config.model.values import QueryCredentials
from corsgate.credentials.attempt import BaseAttempt
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.query import add_parameter, drop_parameters, normal_name, parameter
from corsgate.message.signed import Signed

MIN_MASKED_BYTES = 6
"""A secret of at least this length is masked wherever it occurs in a response field. A shorter one
could occur by chance, so it is removed only together with its name."""

_MASK = b"***"


@implementer(ICredentials)
@attrs.frozen(kw_only=True, eq=False)
class QuerySigner:
    """Adds a parameter, and removes it from responses that repeat it.

    Attributes:
        header_names: Authorization. A client's own never goes to a server that gets the gate's
            credentials.
        fixed: None, since the parameter is in the target, not in a field.
        may_be_challenged: False, since another attempt would send the same parameter.
    """

    header_names: frozenset[bytes] = attrs.field(default=frozenset((b"authorization",)), init=False)
    fixed: None = attrs.field(default=None, init=False)
    may_be_challenged: bool = attrs.field(default=False, init=False)
    _name: bytes
    _added: bytes = attrs.field(repr=False)
    _echo: Echo = attrs.field(repr=False)

    @classmethod
    def of(cls, credentials: QueryCredentials) -> QuerySigner:
        """Return a signer.

        Args:
            credentials: The name and value of the parameter.
        """
        name, value = credentials.name, credentials.value.reveal()
        added = parameter(name, value)
        return cls(
            name=normal_name(added.partition(b"=")[0]),
            added=added,
            echo=Echo(
                name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape")
            ),
        )

    def begin(self, server: str) -> QueryAttempt:
        """Return an attempt that adds the parameter.

        Args:
            server: The server's origin; every server gets the same parameter.
        """
        return QueryAttempt(self._name, self._added, self._echo)


@implementer(IAttempt)
class QueryAttempt(BaseAttempt):
    """Adds the parameter to one request.

    Args:
        name: The parameter's name, as `normal_name` returns it.
        added: The parameter, encoded.
        echo: Removes it from responses.
    """

    __slots__ = ("_added", "_echo", "_name")

    def __init__(self, name: bytes, added: bytes, echo: Echo) -> None:
        self._name = name
        self._added = added
        self._echo = echo

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Return the head with the parameter after the client's query.

        A client's parameter of that name is dropped, in any spelling that a server could decode to
        it: some servers use the first one, others the last one.

        Args:
            head: The head to send.
            body: Its body, which is not used.
        """
        target = drop_parameters(head.target, self._name.__eq__)
        signed = add_parameter(target, self._added)
        return Signed(
            head=RequestHead(method=head.method, target=signed, headers=head.headers),
            has_credentials=signed != target,
        )

    def client_head(self, response: ResponseHead) -> ResponseHead:
        """Return the head without the parameter, since redirects often repeat it.

        Args:
            response: The head.
        """
        headers = [(name, self._echo.removed(value)) for name, value in response.headers]
        reason = self._echo.removed(response.reason)
        if headers == response.headers and reason == response.reason:
            return response
        return ResponseHead(status=response.status, reason=reason, headers=headers)


class Echo:
    """Finds a parameter in text that repeats a request's URL, encoded any number of times.

    Args:
        name: The parameter's name, not encoded.
        value: Its secret value, not encoded.
    """

    def __init__(self, name: bytes, value: bytes) -> None:
        secret = b"".join(map(_any_spelling, value))
        self._is_long = len(value) >= MIN_MASKED_BYTES
        self._secret = re.compile(secret)
        pair = b"".join(map(_any_spelling, name)) + _any_spelling(ord("=")) + secret
        separator = rb"(?:[&;]|%(?:25)*(?:26|3[bB]))"
        ends = rb"(?=[&;#\s\"'<>,]|%(?:25)*(?:2[36]|3[bB])|\Z)"
        # Keep the "?" if another parameter follows. Also keep a ";" after the parameter, because it
        # may end a cookie's value, with the cookie's attributes after it.
        self._pair = re.compile(
            rb"(\?|%%(?:25)*3[fF])%b(?:(&|%%(?:25)*26|(?=;\S|%%(?:25)*3[bB]))|%b)|%b%b%b"
            % (pair, ends, separator, pair, ends)
        )

    def removed(self, text: bytes) -> bytes:
        """Return text without the parameter, and with its value masked elsewhere.

        Args:
            text: The value of a field.
        """
        if self._secret.search(text) is None:
            return text
        text = self._pair.sub(_without, text)
        return self._secret.sub(_MASK, text) if self._is_long else text


def _without(found: re.Match[bytes]) -> bytes:
    """Return the replacement of a match: the start of the query if that is significant."""
    if found[1] and (found[2] is not None or not found.start()):
        # A reference of only a query differs from an empty reference (RFC 3986 5.2.2).
        return found[1]
    return b""


def _any_spelling(byte: int) -> bytes:
    """Return a pattern for a byte, either raw or percent-encoded any number of times."""
    if byte == ord("%"):
        return rb"%(?:25)*"
    high, low = (b"[%c%c]" % (digit, digit | 0x20) for digit in b"%02X" % byte)
    space = rb"|\+|%(?:25)*2[bB]" if byte == ord(" ") else b""
    return rb"(?:%b|%%(?:25)*%b%b%b)" % (re.escape(bytes((byte,))), high, low, space)
