"""Decide which requests may be sent to a server with Digest authentication, and with which nonce.

A server may accept a nonce many times or only once. It may also have a single current nonce, which
each 401 replaces. Then two requests that both fetch a challenge invalidate each other's nonces
forever. Servers don't announce any of this, so it is learned from their responses:

- While there is no nonce, one request is sent unsigned to fetch a challenge, and the others wait.
  Then all use its nonce.
- If a nonce is refused at its first use or soon after, requests are sent one by one with the newest
  nonce, until one is accepted. If nonces may be single-use, this takes two accepted requests.
- Until the server has accepted the login, or after a long idle time, signed requests are sent one
  by one. A wrong login then causes few rejections, and an expired nonce only one.
- If nonces turn out to be single-use, each request fetches its own challenge. These requests are
  sent one by one if their challenges replace each other, or if the server closes the connection
  after each response. After `LEARNED_FOR_S` the gate checks again.

Waiting is limited: after a second without any response, the caller lets one more go (`hurry`).
"""

from __future__ import annotations

import attrs

from corsgate.credentials.digest.answer import Session
from corsgate.credentials.digest.challenge import DigestChallenge
from corsgate.credentials.digest.nonce import Nonce, Turn

MAX_TRIES = 8
"""How often one request is sent at most: unsigned, then with nonces that others replace."""

LEARNED_FOR_S = 600.0
"""For how many seconds the gate remembers that a server's nonces are single-use."""

YOUNG_S = 10.0
"""A nonce that is refused at a lower age did not expire, so nonces may be single-use."""

FRESH_S = 30.0
"""For how many seconds a nonce is assumed to be valid without asking the server first."""

_MAX_COUNT = 0xFFFFFFFF
# One for the requests that were in flight, one for the newest nonce among their challenges.
_MOST_DOUBTS = 2


@attrs.define(kw_only=True, eq=False)
class DigestServer:
    """The learned state of one server.

    | state      | distinguished by           | how requests are sent                |
    | ---------- | -------------------------- | ------------------------------------ |
    | fetching   | no `nonce`                 | one unsigned, while the others wait  |
    | public     | no `nonce`, `asks_nothing` | unsigned, any number at a time       |
    | shared     | `nonce`                    | signed with it, any number at a time |
    | settling   | `_settles`                 | signed with the newest, one by one   |
    | single-use | `one_use`                  | each after its own challenge         |
    | serial     | `one_use`, `_is_serial`    | likewise, but one by one             |

    For each request the caller calls `admit` until that returns True, then `sign`. It calls
    `passed`, `refused` or `unanswerable` for a response, and finally `leave`. After each of these
    except `sign`, others may be admitted.

    Attributes:
        nonce: The nonce that signs requests; None if there is none, or if each needs its own.
        asks_nothing: Whether the last request without a nonce was not refused.
        leaders: The requests that may be sent while others wait.
    """

    nonce: Nonce | None = None
    asks_nothing: bool = False
    leaders: set[Turn] = attrs.field(factory=set, init=False)
    # The requests that were sent and have no response yet.
    _flying: set[Turn] = attrs.field(factory=set, init=False)
    # Whether a nonce was refused so soon that requests are sent one by one for now.
    _settles: bool = attrs.field(default=False, init=False)
    # How strongly refusals suggest single-use nonces, which are assumed from 2 on.
    _suspicion: int = attrs.field(default=0, init=False)
    # Until when that is assumed, in seconds; None if it is not.
    _one_use_until: float | None = attrs.field(default=None, init=False)
    _is_serial: bool = attrs.field(default=False, init=False)
    # How many challenges the server has sent, and how many requests the gate has.
    _seen: int = attrs.field(default=0, init=False)
    _sent: int = attrs.field(default=0, init=False)
    # Learned: a nonce was valid for two requests; a nonce survived another request's challenge.
    _reuses: bool = attrs.field(default=False, init=False)
    _independent: bool = attrs.field(default=False, init=False)
    # After how many seconds a nonce was found expired; at first an assumption.
    _lifetime_s: float = attrs.field(default=FRESH_S, init=False)

    @property
    def one_use(self) -> bool:
        """Whether each request needs its own challenge."""
        return self._one_use_until is not None

    @property
    def is_open(self) -> bool:
        """Whether any number of requests may be sent at the same time."""
        if self.one_use:
            return not self._is_serial
        return self.asks_nothing if self.nonce is None else not self._settles

    def admit(self, turn: Turn, now: float, *, is_proven: bool) -> bool:
        """Return whether a request may be sent now.

        Args:
            turn: The request.
            now: The time in seconds.
            is_proven: Whether the server has accepted the login, see `Guard.is_proven`.
        """
        if self._one_use_until is not None and now >= self._one_use_until:
            self._forget()
        is_unsigned = self.nonce is None and not self.one_use
        if self.is_open and (is_proven or is_unsigned):
            return True
        if self.leaders and turn not in self.leaders:
            return False
        self.leaders.add(turn)
        # A request in flight may get a challenge that replaces the nonce.
        is_alone = not self._flying - {turn}
        return is_alone or not (self._settles or self._is_serial)

    def hurry(self, turn: Turn) -> None:
        """Let a request proceed although those it waits for have no response yet.

        Args:
            turn: The request.
        """
        self.leaders.add(turn)
        # They take so long that the server has already checked their logins.
        self._flying.clear()

    def sign(self, turn: Turn, *, can_resend: bool = True) -> Nonce | None:
        """Return the nonce for an admitted request, which is then sent; None to send it unsigned.

        Args:
            turn: The request; this sets its `used`, `count` and `is_answer`.
            can_resend: Whether it can be sent again after its body was sent.
        """
        nonce, own = self.nonce, turn.own
        if own is not None and not own.count and self._needs_own(turn, own):
            nonce = own
        elif nonce is not None and nonce.count >= _MAX_COUNT:
            # The count has eight digits and must increase (RFC 7616 3.4), so fetch a new nonce.
            self.nonce = nonce = None
            self.leaders = {turn}
        elif nonce is not None and nonce.is_bound and not (can_resend or self._reuses):
            # It is probably good only with cookies that this request must not get.
            nonce = None
        elif self.one_use:
            # A single-use nonce may sign only this request.
            self.nonce = None
        self._sent += 1
        turn.used, turn.sent, turn.has_company = nonce, self._sent, bool(self._flying)
        self._flying.add(turn)
        if nonce is not None:
            nonce.count += 1
            turn.count = nonce.count
            turn.is_answer = nonce is own and turn.count == 1
        return nonce

    def is_fresh(self, turn: Turn) -> bool:
        """Return whether a 401 to a signed request would mean that the login is wrong.

        It need not: another request in flight may get a challenge that replaces this one's nonce.

        Args:
            turn: The request, just signed.
        """
        used = turn.used
        if used is None or turn.count > 1 or used.is_next or turn.lacks_cookies:
            return False
        return self._independent or (used.is_sole and not turn.has_company)

    def awaits_continue(self, turn: Turn, now: float) -> bool:
        """Return whether a request will probably be challenged.

        Args:
            turn: The request, just signed.
            now: The time in seconds.
        """
        used = turn.used
        if used is None or now - used.made_at >= self._lifetime_s:
            return True
        return turn.count > 1 and not self._reuses

    def passed(self, turn: Turn, now: float, *, succeeded: bool, closes: bool) -> None:
        """Record a response other than a 401.

        Args:
            turn: The request that got it.
            now: The time in seconds.
            succeeded: Whether the response shows that the login is correct. A server may send a 5xx
                before it checks the login.
            closes: Whether the server closes the connection.
        """
        self._flying.discard(turn)
        used = turn.used
        if used is None:
            # The target or the whole server is public, until a challenge arrives.
            self.asks_nothing = self.nonce is None
            return
        used.passes += 1
        used.is_accepted = used.is_accepted or succeeded
        if used.is_sole and self._interfered(used):
            self._independent = True
        if used.passes > 1:
            self._reuses, self._suspicion = True, 0
        self._suspicion += turn.suspects
        turn.suspects = 0
        if self._settles and not turn.has_company:
            self.nonce = used
            self._settles = used.passes < 2 and self._suspicion > 0
        if self._suspicion >= 2 and not self.one_use:
            self._one_use_until = now + LEARNED_FOR_S
            self._is_serial = closes
            self.nonce, self._settles, self._reuses = None, False, False
            self.leaders.clear()

    def take_next(
        self, turn: Turn, offer: DigestChallenge, session: Session | None, now: float
    ) -> None:
        """Use the nextnonce from the response to a request (RFC 7616 3.5).

        Args:
            turn: The request, which was accepted.
            offer: The challenge with that nonce.
            session: The session that signs with it.
            now: The time in seconds.
        """
        if self.nonce is turn.used or (self.one_use and self.nonce is None):
            self.nonce = Nonce(
                offer=offer,
                made_at=now,
                seen=self._seen,
                is_next=True,
                session=session,
                is_accepted=True,
            )

    def refused(self, turn: Turn, offer: DigestChallenge, now: float, *, bound: bool) -> bool:
        """Record a challenge; return whether to sign and resend the request.

        Args:
            turn: The request that got it.
            offer: The challenge.
            now: The time in seconds.
            bound: Whether cookies came with it.
        """
        self._flying.discard(turn)
        self._seen += 1
        self.asks_nothing = False
        used, turn.tries = turn.used, turn.tries + 1
        if self.nonce is not None and self.nonce.offer == offer:
            turn.own = self.nonce  # Some servers never change their nonce; its count continues.
        else:
            sole = not turn.has_company and turn.sent == self._sent
            turn.own = Nonce(
                offer=offer, made_at=now, seen=self._seen, is_sole=sole, is_bound=bound
            )
        if used is None:
            again = True
            if self.nonce is None or self._settles:
                self._install(turn)
        else:
            used.refusals += 1
            again = self._refused_signed(turn, used, turn.own, now)
        return again and turn.tries < MAX_TRIES

    def unanswerable(self, turn: Turn) -> None:
        """Record a 401 without an answerable challenge.

        Args:
            turn: The request that got it.
        """
        self._flying.discard(turn)
        if turn.used is None:
            self.asks_nothing = self.nonce is None

    def leave(self, turn: Turn) -> None:
        """Record the end of a request, which got its last response or none, so that others may go.

        Args:
            turn: The request.
        """
        self._flying.discard(turn)
        self.leaders.discard(turn)
        own = turn.own
        if turn.used is None and own is not None and self.one_use and not own.is_bound:
            # It has a challenge, but can't be resent without its body: the next request uses it.
            own.is_next = True
            self.nonce = self.nonce or own

    def _interfered(self, nonce: Nonce) -> bool:
        """Return whether other requests got challenges since a nonce arrived."""
        return self._seen - nonce.seen > nonce.refusals

    def _was_replaced(self, turn: Turn, used: Nonce) -> bool:
        """Return whether another challenge may have replaced a nonce refused at its first use."""
        if used.is_bound:
            return False
        if self._interfered(used):
            return True
        if used.is_sole or turn.doubts == _MOST_DOUBTS:
            return False
        turn.doubts += 1
        return True

    def _needs_own(self, turn: Turn, own: Nonce) -> bool:
        """Return whether a request needs its own challenge instead of the current nonce."""
        if own.is_bound:
            return True
        if self.nonce is None or self._is_serial:
            return own.seen == self._seen
        if self.one_use:
            return True
        # The server may refuse counts out of order, and other requests may always be ahead.
        return turn.tries > (2 if self._independent else 4)

    def _install(self, turn: Turn) -> None:
        """Sign with the request's own challenge from now on."""
        if not self.one_use:
            self.nonce = turn.own

    def _settle(self, turn: Turn, leader: Turn | None = None) -> None:
        """Start to send requests one by one with the newest nonce."""
        self._install(turn)
        if not self._settles:
            self._settles = True
            self.leaders = {leader or turn}

    def _refused_signed(self, turn: Turn, used: Nonce, own: Nonce, now: float) -> bool:
        """Return whether to resend a signed request that was refused."""
        if used.is_rejected and not own.offer.stale:
            return False
        if self.one_use:
            return self._refused_own(turn, used, own)
        if turn.lacks_cookies and own.is_bound:
            # Now it has its own challenge and cookies.
            turn.suspects = 2
            return True
        if not own.offer.stale and not used.is_accepted:
            return self._refused_new(turn, used)
        return self._refused_known(turn, used, own, now)

    def _refused_own(self, turn: Turn, used: Nonce, own: Nonce) -> bool:
        """Return whether to resend a refused request if each has its own challenge."""
        if used.is_next or turn.count > 1 or used.passes:
            return True
        if not own.offer.stale and not self._was_replaced(turn, used):
            used.is_rejected = True
            return False
        if not self._is_serial:
            self._is_serial = True
            self.leaders = {turn}
        return True

    def _refused_new(self, turn: Turn, used: Nonce) -> bool:
        """Return whether to resend after the refusal of a new nonce that is not stale."""
        others = [each for each in self._flying if each.used is used]
        if others:
            # They will show whether the login is wrong: one of them may have used up the nonce.
            self._settle(turn, others[0])
            return True
        if self._was_replaced(turn, used):
            self._settle(turn)
            return True
        # Start the next request without a nonce, in case another node issued this one.
        used.is_rejected = True
        if self.nonce is used or self._settles:
            self.nonce, self._settles = None, False
            self.leaders.clear()
        return False

    def _refused_known(self, turn: Turn, used: Nonce, own: Nonce, now: float) -> bool:
        """Return whether to resend after the refusal of an accepted or stale nonce."""
        if own.offer == used.offer:
            return False  # Signing it again would produce the same request.
        age_s, current = now - used.made_at, self.nonce
        # A single-use nonce fails at its second use.
        died = used.passes == 1 and age_s < YOUNG_S and not self._interfered(used)
        turn.suspects = max(turn.suspects, int(died))
        is_current = used is current or (died and current is not None and current.is_next)
        if self._settles:
            # This challenge is the newest, unless the current nonce was accepted meanwhile.
            if current is None or is_current or not current.passes:
                self._install(turn)
        elif (is_current and (died or self._interfered(used))) or not (used.passes or used.is_next):
            self._settle(turn)
        elif is_current:
            self._lifetime_s = min(self._lifetime_s, max(age_s, 1.0))
            self._install(turn)
        elif current is None:
            self._install(turn)
        return True

    def _forget(self) -> None:
        """Start to check again whether nonces are single-use."""
        self._one_use_until, self._is_serial, self._suspicion = None, False, 1
        self._lifetime_s = FRESH_S
        self.leaders.clear()
