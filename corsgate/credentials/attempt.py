"""What the attempts of several kinds share, and the attempt that always adds the same fields."""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import implementer

from corsgate.interfaces import IAttempt
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import Header
from corsgate.message.signed import Signed


class BaseAttempt:
    """The methods of an attempt that learns nothing from responses, and hides nothing in them.

    Subclasses define `sign`, and replace the other methods if they need more.
    """

    __slots__ = ()

    def responded(self, signed: Signed, response: ResponseHead) -> bool:
        """Return False: a refused request would be refused again.

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


@implementer(IAttempt)
class FixedAttempt(BaseAttempt):
    """Adds the same fields to every request.

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


def with_fields(head: RequestHead, fields: Sequence[Header]) -> RequestHead:
    """Return a copy of a head with fields appended.

    Args:
        head: The head, which is not changed.
        fields: The fields to add.
    """
    return RequestHead(method=head.method, target=head.target, headers=[*head.headers, *fields])
