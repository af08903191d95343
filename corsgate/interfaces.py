"""The seams at which more than one implementation stands."""

from __future__ import annotations

from collections.abc import Awaitable

from zope.interface import Attribute, Interface

from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed


class ICredentials(Interface):
    """Signs the requests of an upstream, or of several; it keeps what it learns by server."""

    header_names = Attribute(
        """The lower-cased names (frozenset of bytes) of the fields that belong to these
        credentials: a client's fields of these names are dropped before a request is signed."""
    )
    fixed = Attribute(
        """The fields (tuple of name and value) that sign every request, if these are always the
        same and nothing is learned from responses, so that `begin` need not be called; else
        None."""
    )
    may_be_challenged = Attribute(
        """Whether a request may be sent again after a response, or its signature may cover its
        body, so that a small body is kept before the request is signed."""
    )

    def begin(server: str) -> IAttempt:
        """Begin a client's request to one server; `end` must be called on what is returned.

        Args:
            server: The server's origin, such as ``http://10.0.0.11:8000``.
        """


class ILogin(Interface):
    """Credentials that log in somewhere before they can sign; provided beside `ICredentials`."""

    login_failure = Attribute(
        """Why the last login failed, with ``time_s``, ``words`` and ``count``; None if it did not
        fail."""
    )


class IAttempt(Interface):
    """One request of a client on its way to one server: signed, and again after a challenge."""

    async def sign(head: RequestHead, body: bytes | None) -> Signed:
        """Return the signed request; this may wait for a token, a login or a challenge.

        Args:
            head: The head to send, without fields of `header_names`. Its target is the one that
                goes on the wire.
            body: The whole body, empty if there is none; None if it is streamed, so that it is
                unknown and can be sent once only.

        Raises:
            UpstreamError: The request can't be signed now.
        """

    def responded(signed: Signed, response: ResponseHead) -> bool | Awaitable[bool]:
        """Learn from a response; return whether signing the request again may help.

        An awaitable of that means that other secrets are looked for, after a rejection.

        Args:
            signed: What `sign` returned for the request that was sent.
            response: The response, with any status.

        Raises:
            UpstreamError: The server asks for something that these credentials can't do.
        """

    def client_head(response: ResponseHead) -> ResponseHead:
        """Return the head of the last response without what belongs to the gate, such as cookies.

        Args:
            response: The head as the server sent it, with any status.
        """

    def end() -> None:
        """Let go of what others wait for; the last response's head has come, or none will."""


class ILogOut(Interface):
    """Credentials that leave something behind at servers, such as a session."""

    def log_out() -> Awaitable[None]:
        """End what is left behind, once no request that was begun needs it.

        Returns:
            A Deferred that fires then. Failures are logged; it has no time limit.
        """
