"""A nonce of a server with Digest authentication, and a request signed with one."""

from __future__ import annotations

import attrs

from corsgate.credentials.digest.answer import Session
from corsgate.credentials.digest.challenge import DigestChallenge


@attrs.define(kw_only=True, eq=False)
class Nonce:
    """A nonce of a server.

    Attributes:
        offer: The challenge that contained it.
        made_at: When it arrived, in seconds.
        seen: How many challenges the server had sent until then, including this one.
        is_sole: Whether no other request was in flight when the server made it. Then every other
            challenge is certainly older or newer.
        is_bound: Whether cookies came with it, which are sent only with the first request that it
            signs.
        is_next: Whether it came with the response to an accepted request (nextnonce), or is left
            from a request that could not be resent.
        session: The session that signs with it; made by the caller at the first use.
        count: How many requests it has signed.
        refusals: How many of these requests got a 401.
        passes: How many of these requests got another response.
        is_accepted: Whether one of those responses showed that the login is correct.
        is_rejected: Whether the login was rejected although the nonce was valid.
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
    """One request to the server.

    Attributes:
        own: The challenge of its last 401.
        used: The nonce that it is signed with; None if it is unsigned.
        count: The number of this use of the nonce.
        is_answer: Whether it is the first use of the nonce of its own challenge. Only then are the
            cookies of that challenge sent with it.
        tries: How many 401s it got.
        sent: How many requests had been sent when it was sent, including this one.
        has_company: Whether another request was in flight when it was sent.
        doubts: How many of its refusals were attributed to other requests' challenges without
            proof.
        suspects: How strongly its last refusal suggests single-use nonces, 0 to 2.
    """

    own: Nonce | None = None
    used: Nonce | None = None
    count: int = 0
    is_answer: bool = False
    tries: int = 0
    sent: int = 0
    has_company: bool = False
    doubts: int = 0
    suspects: int = 0

    @property
    def is_hopeless(self) -> bool:
        """Whether another request has shown, after its refusal, that the login is wrong."""
        return self.own is not None and self.used is not None and self.used.is_rejected

    @property
    def lacks_cookies(self) -> bool:
        """Whether it was sent without the cookies that came with its nonce."""
        return self.used is not None and self.used.is_bound and not self.is_answer
