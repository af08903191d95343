"""Credentials in the query: a parameter behind the client's own."""

from __future__ import annotations

import re

import attrs
from zope.interface import implementer

from corsgate.config.model.values import QueryCredentials
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.query import add_parameter, drop_parameters, normal_name, parameter
from corsgate.message.signed import Signed

MIN_MASKED_BYTES = 6
"""The length from which a secret is masked wherever it occurs in a field of a response. A shorter
one could occur by chance, so it is only removed together with its name."""

_MASK = b"***"


@implementer(ICredentials)
@attrs.frozen(kw_only=True, eq=False)
class QuerySigner:
    """Adds a parameter, and removes it from what the server's responses repeat of it.

    Attributes:
        header_names: Authorization: a client's own never goes to a server that gets the gate's
            credentials.
        fixed: None, since the target is signed, and not the fields.
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
class QueryAttempt:
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
        """Return the head with the parameter behind the client's query.

        A client's own parameter of that name is dropped, in any spelling that a server could take
        for it: the first one would count for some servers, the last one for others.

        Args:
            head: The head to send.
            body: Its body, which doesn't matter.
        """
        target = drop_parameters(head.target, self._name.__eq__)
        signed = add_parameter(target, self._added)
        return Signed(
            head=RequestHead(method=head.method, target=signed, headers=head.headers),
            has_credentials=signed != target,
        )

    def responded(self, signed: Signed, response: ResponseHead) -> bool:
        """Return False: a refused parameter would be refused again.

        Args:
            signed: What was sent.
            response: The response.
        """
        return False

    def client_head(self, response: ResponseHead) -> ResponseHead:
        """Return the head without the parameter, which redirects often repeat.

        Args:
            response: The head.
        """
        headers = [(name, self._echo.removed(value)) for name, value in response.headers]
        reason = self._echo.removed(response.reason)
        if headers == response.headers and reason == response.reason:
            return response
        return ResponseHead(status=response.status, reason=reason, headers=headers)

    def end(self) -> None:
        """Do nothing: nobody waits."""


class Echo:
    """Finds a parameter in text that repeats a request's URL, however often it was encoded.

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
        # What starts the query stays if another parameter follows. A ";" behind it stays too: it
        # may end a cookie's value, and is followed by its attributes.
        self._pair = re.compile(
            rb"(\?|%%(?:25)*3[fF])%b(?:(&|%%(?:25)*26|(?=;\S|%%(?:25)*3[bB]))|%b)|%b%b%b"
            % (pair, ends, separator, pair, ends)
        )

    def removed(self, text: bytes) -> bytes:
        """Return text without the parameter, and without its value anywhere else.

        Args:
            text: The value of a field.
        """
        if self._secret.search(text) is None:
            return text
        text = self._pair.sub(_without, text)
        return self._secret.sub(_MASK, text) if self._is_long else text


def _without(found: re.Match[bytes]) -> bytes:
    """Return what remains of a match: the start of a query, if that means something."""
    if found[1] and (found[2] is not None or not found.start()):
        # A reference that begins with its query is not the same as an empty one (RFC 3986 5.2.2).
        return found[1]
    return b""


def _any_spelling(byte: int) -> bytes:
    """Return a pattern of a byte, as it is or percent-encoded any number of times."""
    if byte == ord("%"):
        return rb"%(?:25)*"
    high, low = (b"[%c%c]" % (digit, digit | 0x20) for digit in b"%02X" % byte)
    space = rb"|\+|%(?:25)*2[bB]" if byte == ord(" ") else b""
    return rb"(?:%b|%%(?:25)*%b%b%b)" % (re.escape(bytes((byte,))), high, low, space)
