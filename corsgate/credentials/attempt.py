"""An attempt that adds the same fields to every request."""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import implementer

from corsgate.interfaces import IAttempt
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import Header
from corsgate.message.signed import Signed


@implementer(IAttempt)
class FixedAttempt:
    """Adds the same fields to every request, and learns nothing from responses.

    Args:
        fields: The fields.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Sequence[Header]) -> None:
        self._fields = fields

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Return the head with the fields appended.

        Args:
            head: The head to send.
            body: Its body, which is not used.
        """
        return Signed(head=with_fields(head, self._fields))

    def responded(self, signed: Signed, response: ResponseHead) -> bool:
        """Return False: a refused field would be refused again.

        Args:
            signed: The request that was sent.
            response: The response.
        """
        return False

    def client_head(self, response: ResponseHead) -> ResponseHead:
        """Return the head unchanged.

        Args:
            response: The head.
        """
        return response

    def end(self) -> None:
        """Do nothing, since no other request waits for this one."""


def with_fields(head: RequestHead, fields: Sequence[Header]) -> RequestHead:
    """Return a copy of a head with fields appended.

    Args:
        head: The head, which is not changed.
        fields: The fields to add.
    """
    return RequestHead(method=head.method, target=head.target, headers=[*head.headers, *fields])
