"""The seams at which more than one implementation stands."""

from __future__ import annotations

from zope.interface import Attribute, Interface

from corsgate.message.head import RequestHead, ResponseHead


class ICredentials(Interface):
    """What signs the requests of one upstream; it keeps what it learns by server."""

    header_names = Attribute(
        """The lower-cased names (frozenset of bytes) of fields that are this object's own:
        a client's fields of these names are dropped before signing."""
    )
    fixed = Attribute(
        """The fields (tuple of name and value) that sign every request, where these are always
        the same and nothing is learned from responses, so that neither method need be called;
        else None."""
    )
    may_be_challenged = Attribute(
        """Whether a request may come back for another try, so that its body must be kept or
        a request without a body sent ahead."""
    )

    async def authorize(head: RequestHead, server: str) -> RequestHead:
        """Return the head with this object's fields added.

        Args:
            head: What is to be sent, its target the very one that goes on the wire.
            server: The server's origin, ``http://10.0.0.11:8000``.
        """

    def challenged(sent: RequestHead, response: ResponseHead, server: str) -> bool:
        """Take in a response; return whether signing the request anew may bring another answer.

        Args:
            sent: The head that `authorize` answered.
            response: What came back, whatever its status.
            server: The server's origin that it came from.

        Raises:
            UpstreamError: The server challenges in a way that gets no answer.
        """
