"""A nonce of a server with Digest authentication, and a request that is signed with one."""

from __future__ import annotations

import attrs

from corsgate.credentials.digest.answer import Session
from corsgate.credentials.digest.challenge import DigestChallenge


@attrs.define(kw_only=True, eq=False)
class Nonce:
    """A nonce of a server.

    Attributes:
        offer: The challenge that it came with.
        made_at: When it came, in seconds.
        seen: How many challenges the server had sent by then, this one included.
        is_sole: Whether no other request was under way when the server made it, so that every
            other challenge is certainly older, or came later.
        is_bound: Whether cookies came with it, which only go with the first request it signs.
        is_next: Whether it came with the response to an accepted request (nextnonce), or was left
            by a request that could not be sent again.
        session: What it signs with; made by the caller at the first use.
        count: How many requests it has signed.
        refusals: How many 401s these requests got.
        passes: How many of these requests got another response.
        is_accepted: Whether one of those showed that the login is right.
        is_rejected: Whether the login was refused while the nonce was good.
    """

    offer: DigestChallenge
    made_at: float
    seen: int
    is_sole: bool = True
    is_bound: bool = False
    is_next: bool = False
    session: Session | None = None
    count: int = 0
    refusals: int = 0
    passes: int = 0
    is_accepted: bool = False
    is_rejected: bool = False


@attrs.define(kw_only=True, eq=False)
class Turn:
    """One request on its way to the server.

    Attributes:
        own: The challenge that its last 401 had.
        used: The nonce that it is signed with; None if it is unsigned.
        count: The number of its use.
        tries: How many 401s it got.
        sent: How many requests were sent when it was, this one included.
        has_company: Whether another was under way at that time.
        doubts: How many of its refusals were taken for the work of others' challenges without
            a proof.
        suspects: How much its last refusal speaks for nonces that are good for one use, 0 to 2.
    """

    own: Nonce | None = None
    used: Nonce | None = None
    count: int = 0
    tries: int = 0
    sent: int = 0
    has_company: bool = False
    doubts: int = 0

    @property
    def is_hopeless(self) -> bool:
        """Whether another request has shown that its login is wrong, since it was refused."""
        return self.own is not None and self.used is not None and self.used.is_rejected

    suspects: int = 0
