"""Keeps a wrong password from locking an account: says who may send it when.

There is one `Guard` for each credentials object, so for each configured secret; it judges each
server, or other place of login, on its own. Whoever is about to send the secret asks first, and
says how it went::

    place = await guard.admit(server)  # Raises CredentialsRejected during a block.
    try:
        response = await send(...)
        place.responded(response.status)  # Or place.accepted(), or place.rejected().
    finally:
        place.end()  # If there was no verdict.

`Lockout` has the rules.
"""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from corsgate.credentials.lockout import SILENCE_S, Lockout, Term
from corsgate.errors import ConnectFailed, CredentialsRejected, UpstreamBusy, UpstreamError

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
    """One use of the credentials. What is recorded first counts; `end` must be called."""

    __slots__ = ("_guard", "_server", "_term", "_version")

    def __init__(self, guard: Guard, server: str, term: Term | None) -> None:
        self._guard: Guard | None = guard
        self._server = server
        self._term = term
        self._version = guard.version

    def responded(self, status: int) -> None:
        """Record the verdict that a response's status is.

        Args:
            status: The status. 401 rejects the credentials, most others accept them.
        """
        if status == 401:
            self.rejected()
        elif status in _NO_VERDICT:
            self.unjudged()
        else:
            self.accepted()

    def failed(self, error: UpstreamError) -> None:
        """Record why there is no response.

        Args:
            error: Why. If nothing was sent, the place is given back at once.
        """
        if isinstance(error, ConnectFailed | UpstreamBusy):
            self.unjudged()

    def accepted(self) -> None:
        """Record that the server accepted the credentials."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard._accepted(self._server, self._term)

    def rejected(self) -> None:
        """Record that the server rejected the credentials, unless the secret is another one now."""
        guard, self._guard = self._guard, None
        if guard is not None and self._version == guard.version:
            guard._rejected(self._server, self._term)

    def doubted(self) -> None:
        """Record a refusal that may have another reason, such as a nonce that has expired.

        It doesn't count where the server has accepted the credentials before. Elsewhere four in a
        row are like two rejections.
        """
        guard, self._guard = self._guard, None
        if guard is not None and self._term is not None:
            guard._rejected(self._server, self._term, in_doubt=True)

    def unjudged(self) -> None:
        """Give the place back: the server got nothing, or its response says nothing of them."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard._ended(self._server, self._term)

    def end(self) -> None:
        """Give the place back soon if nothing else was recorded; the server may reject it yet."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard._given_up(self._server, self._term)


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
        upstream: The name of the upstream whose credentials they are, for the log.
        clock: Tells the time and calls back.

    Attributes:
        proven: When each server that has accepted the credentials, and not rejected them since,
            was last sent them, in the clock's seconds. A request to one of these may be sent
            without `admit` unless that is longer ago than `PROOF_S`; who does that sets the time,
            and calls `rejected` on a 401.
        clock: As above.
        version: Counts the changes of the secret.
    """

    def __init__(self, upstream: str, clock: IReactorTime) -> None:
        self.proven: dict[str, float] = {}
        self.version = 0
        self._upstream = upstream
        self.clock = clock
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
        left_s = 0.0 if found is None else found.lockout.left_s(self.clock.seconds())
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
        now, used_s = self.clock.seconds(), self.proven.get(server)
        if used_s is not None:
            if now - used_s <= PROOF_S:
                self.proven[server] = now
                return Place(self, server, None)
            del self.proven[server]
        found = self._servers.get(server)
        if found is None:
            found = self._new(server)
        self._check(found.lockout)
        term = None if found.waiters else found.lockout.begin(now)
        if term is not None:
            return Place(self, server, term)
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
        self.version += 1
        self.proven.clear()
        for server, found in list(self._servers.items()):
            found.lockout.reset()
            self._wake(server)

    # Verdicts. Requests to a proven server have no term.

    def _accepted(self, server: str, term: Term | None) -> None:
        found = self._servers.get(server)
        if found is None or term is None:
            # Others that were sent at the same time may have been rejected since.
            return
        was_blocked = bool(found.lockout.block_s)
        if not found.lockout.accepted(term):
            return
        if len(self.proven) >= MAX_SERVERS:
            del self.proven[next(iter(self.proven))]
        self.proven[server] = self.clock.seconds()
        if was_blocked:
            _log.info(
                "upstream {upstream}, server {server}: box accepted the gate's credentials;"
                " requests are signed again",
                upstream=self._upstream,
                server=server,
            )
        self._wake(server)

    def _rejected(self, server: str, term: Term | None, *, in_doubt: bool = False) -> None:
        lockout, now = (
            (self._servers.get(server) or self._new(server)).lockout,
            self.clock.seconds(),
        )
        if in_doubt and term is not None:
            begins = lockout.doubted(term, now)
        else:
            if self.proven.pop(server, None) is not None:
                # Another that was sent at the same time was accepted: this is a first rejection.
                term = None
            begins = lockout.rejected(term, now)
        if begins:
            _log.warn(
                "upstream {upstream}, server {server}: box rejected the gate's credentials {count}"
                " times in a row; to keep the account from being locked, nothing is signed for"
                " {seconds:g} s and requests get 502: correct the secret, or see whether the"
                " account is locked",
                upstream=self._upstream,
                server=server,
                count=lockout.rejections,
                seconds=lockout.block_s,
            )
        self._wake(server)

    def _ended(self, server: str, term: Term | None) -> None:
        found = self._servers.get(server)
        if found is not None and term is not None:
            found.lockout.ended(term, self.clock.seconds())
            self._wake(server)

    def _given_up(self, server: str, term: Term | None) -> None:
        found = self._servers.get(server)
        if found is not None and term is not None:
            found.lockout.given_up(term, self.clock.seconds())
            self._wake(server)

    # Those that wait.

    def _check(self, lockout: Lockout) -> None:
        left_s = lockout.left_s(self.clock.seconds())
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
            now = self.clock.seconds()
            due_s = min(found.lockout.next_s(now), found.waiters[0].until_s - now)
            found.call = self.clock.callLater(max(due_s, 0.0), self._look, server)
        elif found.lockout.is_idle(self.clock.seconds()) and self._servers.get(server) is found:
            del self._servers[server]

    def _wake_one(self, server: str, found: _Server) -> bool:
        """Let the first one that waits go on, or fail; return whether it did either."""
        waiter, lockout, now = found.waiters[0], found.lockout, self.clock.seconds()
        error: UpstreamError | None = None
        place: Place | None = None
        if server in self.proven:
            place = Place(self, server, None)
        elif left_s := lockout.left_s(now):
            error = _rejection(lockout.rejections, left_s)
        elif term := lockout.begin(now):
            place = Place(self, server, term)
        elif now >= waiter.until_s:
            error = UpstreamBusy("no verdict on the gate's credentials came in time")
            if lockout.block_s:
                error = _rejection(lockout.rejections, 0.0)
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
    """Return the error of a request during a block, or of one that waits for a trial after it."""
    until = f"nothing is signed for another {ceil(left_s)} s" if left_s else "they are being tried"
    return CredentialsRejected(
        f"the server rejected the gate's credentials {rejections} times in a row; {until}: correct"
        " the secret, or see whether the account is locked",
        max(left_s, SILENCE_S),
    )
