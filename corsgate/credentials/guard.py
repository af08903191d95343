"""Keeps a wrong password from locking an account: says who may send it when.

There is one `Guard` for each credentials object, so for each configured secret; it judges each
server, or other place of login, on its own. Whoever is about to send the secret asks first, and
says how it went::

    place = await guard.admit(server)  # Raises CredentialsRejected during a block.
    try:
        response = await send(...)
        place.responded(response.status)  # Or place.accepted(), or place.rejected().
    finally:
        place.end()

`Lockout` has the rules.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from corsgate.credentials.lockout import SILENCE_S, Lockout, Turn
from corsgate.errors import CredentialsRejected, UpstreamBusy, UpstreamError

PROOF_S: Final = 300.0
"""How long an unused server's acceptance is relied on; the password may have been changed since."""

MAX_SERVERS: Final = 1000
"""How many servers are remembered; discovery may bring ever new ones."""

MAX_WAIT_S: Final = 10.0
"""How long a request waits at most until it may be signed."""

MAX_WAITING: Final = 1024
"""How many requests wait for one server at most."""

_NO_VERDICT: Final = frozenset((429, 502, 503, 504))
"""Statuses that say nothing of the credentials: the server may not have looked at them, or comes
from a gateway before it (RFC 6585 4, RFC 9110 15.6)."""

_log = Logger()


@attrs.frozen(kw_only=True)
class Block:
    """A time in which nothing is signed for a server.

    Attributes:
        left_s: For how many more seconds.
        rejections: How many rejections came in a row.
    """

    left_s: float
    rejections: int


class Place:
    """One use of the credentials. Exactly one verdict counts; `end` must be called."""

    __slots__ = ("_guard", "_server", "_turn")

    def __init__(self, guard: Guard, server: str, turn: Turn | None) -> None:
        self._guard: Guard | None = guard
        self._server = server
        self._turn = turn

    def responded(self, status: int, *, is_fresh: bool = True) -> None:
        """Record the verdict that a response's status is.

        Args:
            status: The status. 401 rejects the credentials, most others accept them.
            is_fresh: Whether a 401 rejects the credentials themselves, rather than a nonce, token
                or session that may have expired.
        """
        if status == 401:
            if is_fresh:
                self.rejected()
        elif status not in _NO_VERDICT:
            self.accepted()

    def accepted(self) -> None:
        """Record that the server accepted the credentials."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard._accepted(self._server, self._turn)

    def rejected(self) -> None:
        """Record that the server rejected the credentials."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard._rejected(self._server, self._turn)

    def end(self) -> None:
        """Give the place back, if there was no verdict. Again does no harm."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard._ended(self._server, self._turn)


@attrs.define(eq=False)
class _Waiter:
    """A request that waits for its place.

    Attributes:
        until_s: When it gives up.
        came: Fires with the place.
    """

    until_s: float
    came: Deferred[Place]


@attrs.define(eq=False)
class _Server:
    """A server that has not accepted the credentials, or has rejected them since."""

    lockout: Lockout = attrs.Factory(Lockout)
    waiters: deque[_Waiter] = attrs.Factory(deque)
    call: IDelayedCall | None = None
    waking: bool = False


class Guard:
    """Says when the credentials may be sent to a server.

    Args:
        where: What uses the credentials, for the log, such as ``upstream box``.
        clock: Tells the time and calls back.

    Attributes:
        proven: When each server that has accepted the credentials, and not rejected them since,
            was last sent them, in the clock's seconds. A request to one of these may be sent
            without `admit` unless that is longer ago than `PROOF_S`; who does that sets the time,
            and calls `rejected` on a 401.
    """

    def __init__(self, where: str, clock: IReactorTime) -> None:
        self.proven: dict[str, float] = {}
        self._where = where
        self._clock = clock
        self._servers: dict[str, _Server] = {}

    def check(self, server: str) -> None:
        """Raise an error during a block, for who would do something else before `admit`.

        Args:
            server: The server's origin, or the URL of another place of login.

        Raises:
            CredentialsRejected: Nothing is signed for the server now.
        """
        found = self._servers.get(server)
        if found is not None:
            self._check(found.lockout)

    def block(self, server: str) -> Block | None:
        """Return the block of a server; None if requests to it are signed.

        Args:
            server: As for `check`.
        """
        found = self._servers.get(server)
        left_s = 0.0 if found is None else found.lockout.left_s(self._clock.seconds())
        if found is None or not left_s:
            return None
        return Block(left_s=left_s, rejections=found.lockout.rejections)

    async def admit(self, server: str) -> Place:
        """Return a place once the credentials may be sent; its `end` must be called.

        It may wait: as long as the server has not accepted the credentials, few requests may be
        under way. Cancelling the wait gives it up.

        Args:
            server: As for `check`.

        Raises:
            CredentialsRejected: Nothing is signed for the server now.
            UpstreamBusy: It took too long, or too many wait.
        """
        now, used_s = self._clock.seconds(), self.proven.get(server)
        if used_s is not None:
            if now - used_s <= PROOF_S:
                self.proven[server] = now
                return Place(self, server, None)
            del self.proven[server]
        found = self._servers.get(server)
        if found is None:
            found = self._new(server)
        self._check(found.lockout)
        turn = None if found.waiters else found.lockout.begin(now)
        if turn is not None:
            return Place(self, server, turn)
        if len(found.waiters) >= MAX_WAITING:
            raise UpstreamBusy("too many requests wait until the credentials are tried")
        # After a block the verdict on the trial is awaited, but no longer than it usually takes.
        wait_s = SILENCE_S if found.lockout.block_s else MAX_WAIT_S
        waiter = _Waiter(now + wait_s, Deferred(lambda _: self._give_up(server, waiter)))
        found.waiters.append(waiter)
        self._wake(server)
        return await waiter.came

    def rejected(self, server: str) -> None:
        """Record a rejection by a proven server that was sent the credentials without `admit`.

        Args:
            server: As for `check`.
        """
        self._rejected(server, None)

    def forget(self) -> None:
        """Start anew: the secret has changed."""
        self.proven.clear()
        for server, found in list(self._servers.items()):
            found.lockout.reset()
            self._wake(server)

    # Verdicts. Requests to a proven server have no turn.

    def _accepted(self, server: str, turn: Turn | None) -> None:
        if turn is None:
            # Others that were sent at the same time may have been rejected since.
            return
        found = self._servers.get(server)
        if found is None or not found.lockout.block_s:
            was_blocked = False
        else:
            was_blocked = turn.term == found.lockout.term
        if found is not None and found.lockout.accepted(turn):
            while len(self.proven) >= MAX_SERVERS:
                del self.proven[next(iter(self.proven))]
            self.proven[server] = self._clock.seconds()
            if was_blocked:
                _log.info(
                    "{where}, server {server}: box accepted the gate's credentials; requests are"
                    " signed again",
                    where=self._where,
                    server=server,
                )
            self._wake(server)

    def _rejected(self, server: str, turn: Turn | None) -> None:
        self.proven.pop(server, None)
        found = self._servers.get(server)
        if found is None:
            found = self._new(server)
        lockout, now = found.lockout, self._clock.seconds()
        if turn is None:
            if lockout.block_s:
                # It was sent before the block.
                return
            # It had no place, so it gets one for its verdict.
            lockout.under_way += 1
            turn = Turn(lockout.term)
        if lockout.rejected(turn, now):
            _log.warn(
                "{where}, server {server}: box rejected the gate's credentials {count} times in a"
                " row; to keep the account from being locked, nothing is signed for {seconds:g} s"
                " and requests get 502: correct the secret, or see whether the account is locked",
                where=self._where,
                server=server,
                count=lockout.rejections,
                seconds=lockout.block_s,
            )
        self._wake(server)

    def _ended(self, server: str, turn: Turn | None) -> None:
        found = self._servers.get(server)
        if found is not None and turn is not None:
            found.lockout.ended(turn, self._clock.seconds())
            self._wake(server)

    # Those that wait.

    def _check(self, lockout: Lockout) -> None:
        left_s = lockout.left_s(self._clock.seconds())
        if left_s:
            raise _rejection(lockout.rejections, left_s)

    def _wake(self, server: str) -> None:
        """Let those that wait go on, or fail; and look again later if any are left."""
        found = self._servers.get(server)
        if found is None or found.waking:
            return
        # What one does at once when it is let go must not nest.
        found.waking = True
        try:
            while found.waiters and self._wake_one(server, found):
                pass
        finally:
            found.waking = False
        if found.call is not None:
            found.call.cancel()
            found.call = None
        if found.waiters:
            now = self._clock.seconds()
            due_s = min(found.lockout.next_s(now), found.waiters[0].until_s - now)
            found.call = self._clock.callLater(max(due_s, 0.0), self._look, server)
        elif found.lockout.is_idle:
            del self._servers[server]

    def _wake_one(self, server: str, found: _Server) -> bool:
        """Let the first one that waits go on, or fail; return whether it did either."""
        waiter, lockout, now = found.waiters[0], found.lockout, self._clock.seconds()
        error: UpstreamError | None = None
        place: Place | None = None
        if server in self.proven:
            place = Place(self, server, None)
        elif left_s := lockout.left_s(now):
            error = _rejection(lockout.rejections, left_s)
        elif turn := lockout.begin(now):
            place = Place(self, server, turn)
        elif now >= waiter.until_s:
            error = UpstreamBusy("no verdict on the gate's credentials came in time")
            if lockout.block_s:
                error = _rejection(lockout.rejections, 1.0)
        else:
            return False
        found.waiters.popleft()
        if place is not None:
            waiter.came.callback(place)
        elif error is not None:
            waiter.came.errback(error)
        return True

    def _look(self, server: str) -> None:
        found = self._servers[server]
        found.call = None
        self._wake(server)

    def _give_up(self, server: str, waiter: _Waiter) -> None:
        self._servers[server].waiters.remove(waiter)
        self._wake(server)

    def _new(self, server: str) -> _Server:
        """Begin to watch a server; the one that has been watched longest makes way for it."""
        if len(self._servers) >= MAX_SERVERS:
            for other, found in self._servers.items():
                if not found.waiters and not found.lockout.under_way:
                    del self._servers[other]
                    break
        made = self._servers[server] = _Server()
        return made


def _rejection(rejections: int, left_s: float) -> CredentialsRejected:
    return CredentialsRejected(
        f"the server rejected the gate's credentials {rejections} times in a row; nothing is signed"
        f" for another {left_s:.0f} s: correct the secret, or see whether the account is locked",
        left_s,
    )
