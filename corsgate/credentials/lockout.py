"""Decide how many requests with credentials a server may get now, so that it locks no account.

Servers commonly lock an account after about five failed logins, and any request in flight may be
one. A `Lockout` is in one of these states:

- *Unknown*, at first. Two requests may be in flight (`Trial`), and more if there is no response for
  some time. Requests to paths that the server has accepted (`Spots`) don't count.
- *In doubt*, after a failure: a rejection, or a refusal with a doubtful reason. No more requests
  are in flight than may fail until the next state begins.
- *Blocked*, after two rejections or four failures. Only requests that the server probably accepts
  are sent.
- *On trial*, when the time of the block is over: one request tries the credentials. If it fails, a
  block of twice the time begins.

All of them end in a reset when the server proves that it accepts the credentials. A 200 proves that
only where the server checks them: of a login, or of a request that it has challenged or rejected
before. A public path accepts any password, so otherwise many paths must be accepted. After the
reset, the guard sends without limits, and asks here again only after a rejection.
"""

from __future__ import annotations

from typing import Final

import attrs

from corsgate.credentials.spots import Spot, Spots

MAX_REJECTIONS: Final = 2
"""How many rejections in a row start a block. Until a server accepts the credentials, the number of
requests in flight is limited to the rejections that are left."""

MAX_FAILURES: Final = 4
"""How many failures in a row start a block if some may have a reason other than wrong credentials,
such as a nonce that another request has used up. It is also how many requests may soon be in flight
if the server is slow to respond."""

TRIAL_FAILURES: Final = 2
"""The same number, after a block."""

FIRST_BLOCK_S: Final = 5.0
MAX_BLOCK_S: Final = 300.0

SILENCE_S: Final = 1.0
"""After this time without a response, one more request may be sent, so that a slow response doesn't
delay all others. The time doubles with each, because some servers delay rejections on purpose."""

LONG_SILENCE_S: Final = 10.0
"""The same time if `MAX_FAILURES` are in flight. Hardly any server delays a rejection so long, but
many delay other responses for minutes, such as those to long polls."""

DOUBTFUL_SILENCE_S: Final = 5.0
"""The same time after a failure, or after a block, when one request tries the credentials again."""

LOST_S: Final = (1.0, 1.0, 10.0, 20.0, 30.0)
"""For how many seconds an abandoned request keeps its place: the first, the second and so on. The
server may respond to nobody, and still count rejections."""

OTHERS_FIRST_S: Final = 5.0
"""For how many seconds after a block a rejected path leaves the trial to other paths, if there were
requests to them. Otherwise a path that is always rejected could prolong the block."""

PROOF_S: Final = 300.0
"""For how many seconds an acceptance counts if the server is unused; then the password may have
changed. After the same time without a rejection, an acceptance of any path ends the limits."""


@attrs.frozen(kw_only=True)
class Block:
    """A period in which no request to a server is signed.

    Attributes:
        left_s: How many seconds of it are left.
        rejections: How many rejections in a row there were.
    """

    left_s: float
    rejections: int


@attrs.frozen(eq=False)
class Trial:
    """A request in flight that tries the credentials: its response may reject them.

    Attributes:
        spot: Where it goes; None for a login.
    """

    spot: Spot | None = None


@attrs.define(eq=False)
class Lockout:
    """The state of one server: how many requests with the credentials it may get now.

    Attributes:
        rejections: The number of rejections since the server last proved to accept the secret.
        failures: The number of rejections and doubtful refusals since then.
        trials: The requests in flight whose responses will count. When a block starts or the server
            accepts the credentials, those that were sent before no longer count.
        block_s: The length of the current or last block in seconds; 0.0 if there was none since
            the server accepted the credentials.
        until_s: When that block ends, in seconds.
        spots: What is known of the server's paths.
    """

    rejections: int = 0
    failures: int = 0
    trials: set[Trial] = attrs.Factory(set)
    block_s: float = 0.0
    until_s: float = 0.0
    spots: Spots = attrs.Factory(Spots)
    # Since when there has been no response. How long that must last until one more request may be
    # sent. How many more are allowed because of it.
    _quiet_s: float = 0.0
    _wait_s: float = 0.0
    _more: int = 0
    # When the places of abandoned requests become free, and how many there were.
    _held: list[float] = attrs.Factory(list)
    _lost: int = 0
    # When the last request was rejected, and when one was last sent.
    _rejected_s: float = 0.0
    _used_s: float = 0.0
    # Whether the block has stopped requests to other paths than the rejected ones.
    _stopped_others: bool = False

    def is_idle(self, now: float) -> bool:
        """Return whether there is no state to keep.

        Args:
            now: The time in seconds.
        """
        return not (self.rejections or self.failures or self.spots or self._taken(now))

    def left_s(self, now: float) -> float:
        """Return for how many more seconds only accepted paths are signed; 0.0 without a block."""
        return max(self.until_s - now, 0.0) if self.block_s else 0.0

    def stopped_s(self, now: float, spot: Spot | None = None) -> float:
        """Return for how many more seconds a block stops a request; 0.0 if none does.

        Args:
            now: The time in seconds.
            spot: Where it goes; None for a login.
        """
        if not self.block_s or self.spots.accepts(spot):
            return 0.0
        left_s, is_rejected = self.left_s(now), self.spots.rejects(spot)
        if left_s:
            if self.spots.is_apart(spot):
                return 0.0
            self._stopped_others |= not (is_rejected or self.spots.is_any_rejected)
        elif is_rejected and self._stopped_others:
            left_s = max(self.until_s + OTHERS_FIRST_S - now, 0.0)
        return left_s

    def passes(self, now: float, spot: Spot | None) -> bool:
        """Return whether a request needs no place, because the server accepts what it asks for.

        Args:
            now: The time in seconds.
            spot: As for `stopped_s`.
        """
        if now - self._used_s > PROOF_S and not self.rejections:
            self.spots.clear()
        self._used_s = now
        return self.spots.accepts(spot)

    def begin(self, now: float, spot: Spot | None = None, *, at_once: bool = False) -> Trial | None:
        """Start a request if one may be sent now; return None if it has to wait.

        Args:
            now: The time in seconds.
            spot: As for `stopped_s`.
            at_once: Whether to ignore how many are in flight; a block still applies.
        """
        if self.stopped_s(now, spot):
            return None
        taken = self._taken(now)
        if not taken:
            self._begin_silence(now, 0)
        elif taken >= self._limit and now >= self._quiet_s + self._silence_for(taken):
            # Unused allowances don't accumulate.
            self._quiet_s, self._wait_s = now, 2 * self._wait_s
            self._more = min(self._more + 1, taken - self._limit + 1)
        if taken >= self._most(self._more) and not at_once:
            return None
        if not self.spots.rejects(spot):
            self._stopped_others = False
        trial = Trial(spot)
        self.trials.add(trial)
        return trial

    def tried(self) -> set[Spot | None]:
        """Return where the requests in flight go."""
        return {each.spot for each in self.trials}

    def next_s(self, now: float) -> float:
        """Return in how many seconds `begin` may succeed if no response arrives before."""
        taken = self._taken(now)
        due_s = [*self._held]
        if not self._is_in_doubt or taken < MAX_FAILURES - self.failures:
            due_s.append(self._quiet_s + self._silence_for(taken))
        if self.block_s:
            due_s += [self.until_s, self.until_s + OTHERS_FIRST_S]
        return min((each for each in due_s if each > now), default=now + FIRST_BLOCK_S) - now

    def accepted(
        self,
        trial: Trial | None,
        now: float = 0.0,
        spot: Spot | None = None,
        *,
        is_served: bool = True,
        is_proof: bool = False,
    ) -> bool:
        """Record an accepted request; return whether the server now accepts the secret everywhere.

        Args:
            trial: The request; None if it needed no place. A late response to a request from
                before a block doesn't end the block.
            now: The time in seconds.
            spot: As for `stopped_s`. An accepted login is a proof.
            is_served: Whether the response has what was asked for.
            is_proof: Whether the server has checked the credentials, since it had challenged this
                request.
        """
        if trial is not None:
            if trial not in self.trials:
                return False
            if spot is None or is_proof or self.spots.rejects(spot):
                self.reset()
                return True
        elif spot is None or not self.spots.accepts(spot):
            # Others that were sent at the same time have been rejected since.
            return False
        if self.rejections and now - max(self._rejected_s, self.until_s) > PROOF_S:
            self.reset()
        self.spots.accepted(spot, is_served=is_served)
        if self.spots.is_enough():
            self.reset()
            return True
        if trial in self.trials:
            self.trials.remove(trial)
            self._lost = 0
            # Another request may have this place immediately, even if more than usual have one.
            self._responded(now, freed=1)
        return False

    def rejected(self, trial: Trial | None, now: float, spot: Spot | None = None) -> bool:
        """Record that the server rejected the credentials; return whether a block begins.

        Args:
            trial: The request; None if it needed no `begin`, because the server had accepted the
                credentials before. Such a request was sent before any current block.
            now: The time in seconds.
            spot: As for `stopped_s`.
        """
        self.spots.rejected(spot)
        if self.block_s if trial is None else trial not in self.trials:
            return False
        self.rejections += 1
        self._rejected_s = now
        return self._failed(trial, now, is_over=self.rejections >= MAX_REJECTIONS)

    def has_room(self, now: float) -> bool:
        """Return whether `begin` would succeed if there were no block.

        Args:
            now: The time in seconds.
        """
        taken = self._taken(now)
        is_silent = now >= self._quiet_s + self._silence_for(taken)
        return taken < self._most(self._more + is_silent)

    def may_repeat(self, now: float) -> bool:
        """Return whether a request may be resent after the failure that is about to be recorded.

        Otherwise it must wait for the others in flight, since all of them might fail again.

        Args:
            now: The time in seconds.
        """
        return self._taken(now) <= MAX_FAILURES - self.failures - 1

    def doubted(self, trial: Trial, now: float, *, again: bool = False) -> bool:
        """Record a refusal that may have another reason; return whether a block begins.

        Args:
            trial: The request.
            now: The time in seconds.
            again: Whether the request is resent, and so stays in flight.
        """
        return trial in self.trials and self._failed(trial, now, is_over=False, again=again)

    def _failed(
        self, trial: Trial | None, now: float, *, is_over: bool, again: bool = False
    ) -> bool:
        """Count a failure; return whether a block starts."""
        self.failures += 1
        if again:
            self._responded(now)
        elif trial is not None:
            self.ended(trial, now)
        if not is_over and self.failures < MAX_FAILURES:
            return False
        self.rejections = max(self.rejections, MAX_REJECTIONS)
        # Allow the trial after the block a second failure, since its nonce may have expired.
        self.failures = MAX_FAILURES - TRIAL_FAILURES
        self.block_s = min(self.block_s * 2 or FIRST_BLOCK_S, MAX_BLOCK_S)
        self.until_s = now + self.block_s
        self._stopped_others = False
        # The first two abandoned requests had their short time.
        self._lost = max(self._lost, MAX_REJECTIONS)
        self._start_over()
        return True

    def ended(self, trial: Trial, now: float) -> None:
        """Record that a request didn't reach the server, or got a response without a verdict.

        Args:
            trial: The request.
            now: The time in seconds.
        """
        if trial in self.trials:
            self.trials.remove(trial)
            self._responded(now)

    def given_up(self, trial: Trial, now: float) -> None:
        """Record that no one waits for the response to a request any longer.

        The server may still reject it, so its place stays taken for a while. Otherwise many clients
        that leave or time out would let in the same number of others.

        Args:
            trial: The request.
            now: The time in seconds.
        """
        if trial in self.trials:
            self.trials.remove(trial)
            self._held.append(now + max(LOST_S[min(self._lost, len(LOST_S) - 1)], self._silence_s))
            self._lost += 1

    def reset(self) -> None:
        """Reset the state, as if the server were new."""
        self.rejections = self.failures = 0
        self.block_s = 0.0
        self.spots.clear()
        self._lost = 0
        self._stopped_others = False
        self._start_over()

    def _responded(self, now: float, freed: int = 0) -> None:
        self._begin_silence(now, max(0, self._taken(now) + freed - self._limit))

    def _begin_silence(self, now: float, more: int) -> None:
        self._quiet_s, self._wait_s, self._more = now, self._silence_s, more

    def _start_over(self) -> None:
        """Count no response to a request that is in flight now."""
        self.trials.clear()
        self._held.clear()

    def _taken(self, now: float) -> int:
        """Return how many places are taken, including those of abandoned requests."""
        self._held = [each for each in self._held if each > now]
        return len(self.trials) + len(self._held)

    def _most(self, more: int) -> int:
        """Return how many requests may be in flight if the silence allows some more."""
        if self._lost > (MAX_REJECTIONS if self.block_s else 0):
            # Abandoned requests have used these. After a block, two count as such from the start.
            more = 0
        if not self._is_in_doubt:
            return self._limit + more
        return min(self._limit + more, max(MAX_FAILURES - self.failures, 1))

    @property
    def _limit(self) -> int:
        """How many requests may be in flight: the number that may still fail, but at least one."""
        return max(min(MAX_REJECTIONS - self.rejections, MAX_FAILURES - self.failures), 1)

    @property
    def _is_in_doubt(self) -> bool:
        return bool(self.block_s or self.failures)

    @property
    def _silence_s(self) -> float:
        return DOUBTFUL_SILENCE_S if self._is_in_doubt else SILENCE_S

    def _silence_for(self, taken: int) -> float:
        """Return after how many seconds without a response one more request may be sent."""
        return max(self._wait_s, LONG_SILENCE_S if taken >= MAX_FAILURES else 0.0)
