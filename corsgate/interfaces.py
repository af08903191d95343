"""Interfaces that have more than one implementation."""

from __future__ import annotations

from collections.abc import Awaitable

from zope.interface import Attribute, Interface

from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed


class ICredentials(Interface):
    """Signs the requests of one or several upstreams, and keeps what it learns for each server."""

    header_names = Attribute(
        """The lower-cased names (frozenset of bytes) of the fields that belong to these
        credentials: a client's fields of these names are dropped before a request is signed."""
    )
    fixed = Attribute(
        """The fields (a tuple of name and value pairs) that sign every request, or None. They are
        always the same, and nothing is learned from responses, so `begin` need not be called."""
    )
    may_be_challenged = Attribute(
        """Whether a request may be resent after a response, or its signature may cover its body.
        If so, a small body is buffered before the request is signed."""
    )

    def begin(server: str) -> IAttempt:
        """Return an attempt to send a client's request to one server; its `end` must be called.

        Args:
            server: The server's origin, such as ``http://10.0.0.11:8000``.
        """


class ILogin(Interface):
    """Credentials that must log in before they can sign; provided in addition to `ICredentials`."""

    login_failure = Attribute(
        """Why the last login failed, with ``time_s``, ``words`` and ``count``; None if it did not
        fail."""
    )


class IAttempt(Interface):
    """One client request to one server: signed, and signed again after a challenge."""

    async def sign(head: RequestHead, body: bytes | None) -> Signed:
        """Return the signed request; this may wait for a token, a login or a challenge.

        Args:
            head: The head to send, without fields of `header_names`, and with the target as sent.
            body: The whole body, empty if there is none; None if it is streamed. Then it is unknown
                and can be sent only once.

        Raises:
            UpstreamError: The request can't be signed now.
        """

    def responded(signed: Signed, response: ResponseHead) -> bool | Awaitable[bool]:
        """Learn from a response; return whether signing the request again may help.

        An awaitable result means that new secrets are being fetched after a rejection.

        Args:
            signed: What `sign` returned for the request that was sent.
            response: The response, with any status.

        Raises:
            UpstreamError: The server asks for something that these credentials can't do.
        """

    def client_head(response: ResponseHead) -> ResponseHead:
        """Return the head of the last response without the gate's own fields, such as its cookies.

        Args:
            response: The head as the server sent it, with any status.
        """

    def end() -> None:
        """End the attempt, so that waiting requests proceed; no response head will follow."""


class ILogOut(Interface):
    """Credentials with state at servers, such as a session."""

    def log_out() -> Awaitable[None]:
        """Log out of all servers, once no started request needs it.

        Returns:
            A Deferred that fires when this is done. Failures are logged; it has no time limit.
        """
