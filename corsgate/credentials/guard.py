"""Keep a wrong password from locking an account: decide which request may send it when.

There is one `Guard` for each configured secret, shared by all upstreams that use the secret. It
tracks each server, or other place of login, separately. Code that is about to send the secret asks
for admission first, and records the result::

    place = await guard.admit(server)  # Raises CredentialsRejected during a block.
    try:
        response = await send(...)
        place.responded(response.status)  # Or place.accepted(), or place.rejected().
    finally:
        place.end()  # If there was no verdict.

Requests that wait for a login keep their places. A login that waited for one would deadlock, so it
uses `admit_login`, which never waits. `Lockout` has the rules.
"""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import Final, Protocol
from weakref import ReferenceType, ref

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from corsgate.credentials.lockout import SILENCE_S, Block, Lockout, Term
from corsgate.credentials.place import Place
from corsgate.errors import CredentialsRejected, UpstreamBusy, UpstreamError

PROOF_S: Final = 300.0
"""For how many seconds an acceptance counts if the server is unused; then the password may have
changed."""

MAX_SERVERS: Final = 1000
"""How many servers are remembered at most, since discovery may keep adding servers."""

MAX_WAIT_S: Final = 10.0
"""For how many seconds a request waits at most until it may be signed."""

MAX_WAITING: Final = 1024
"""How many requests may wait for one server."""

_log = Logger()


class Renewable(Protocol):
    """Credentials that can fetch a new secret."""

    def renew_soon(self) -> None:
        """Start to fetch a new secret, unless that was done recently; return immediately."""


@attrs.define(eq=False)
class _Waiter:
    """A request that waits for a place.

    Attributes:
        until_s: When it gives up, in the clock's seconds.
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
    """Decides when the credentials may be sent to a server.

    Args:
        upstream: The name of an upstream with these credentials, for the log.
        clock: The reactor, or a clock in tests.

    Attributes:
        proven: The servers that have accepted the credentials and not rejected them since, each
            with the time when they were last sent, in the clock's seconds. A request to one of
            these may be sent without `admit`, unless that time is longer ago than `PROOF_S`. The
            caller then updates the time, and calls `rejected` on a 401.
        upstream: As above.
        clock: As above.
        version: Counts changes of the secret; a request signed before one must be signed again.
    """

    def __init__(self, upstream: str, clock: IReactorTime) -> None:
        self.proven: dict[str, float] = {}
        self.version = 0
        self._renewable: tuple[ReferenceType[Renewable], ...] = ()
        self.upstream = upstream
        self.clock = clock
        self._servers: dict[str, _Server] = {}

    def renew_by(self, renewable: Renewable) -> None:
        """Register credentials that fetch a new secret when a block stops a request.

        Args:
            renewable: The credentials, which are only referenced weakly.
        """
        # A thread of a reload may do this, so replace the tuple instead of changing a list.
        known = (each for each in self._renewable if each() is not None)
        self._renewable = (*known, ref(renewable))

    def is_proven(self, server: str) -> bool:
        """Return whether any number of concurrent requests may carry the credentials.

        Args:
            server: As for `check`.
        """
        used_s = self.proven.get(server)
        return used_s is not None and self.clock.seconds() - used_s <= PROOF_S

    def would_wait(self, server: str) -> bool:
        """Return whether `admit` would wait now, instead of returning or failing immediately.

        Args:
            server: As for `check`.
        """
        found, now = self._servers.get(server), self.clock.seconds()
        if found is None or self.is_proven(server) or found.lockout.left_s(now):
            return False
        return bool(found.waiters) or not found.lockout.has_room(now)

    def check(self, server: str) -> None:
        """Raise an error during a block, for callers that do other work before `admit`.

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

    def admit_login(self, server: str) -> Place:
        """Return a place for a login without waiting; its `end` must be called.

        The caller must make only one login at a time, or many could be rejected before a block.

        Args:
            server: As for `check`.

        Raises:
            CredentialsRejected: There is a block, so no login may be tried now.
        """
        now = self.clock.seconds()
        if self.is_proven(server):
            self.proven[server] = now
            return Place(self, server, None)
        self.proven.pop(server, None)
        lockout = (self._servers.get(server) or self._new(server)).lockout
        self._check(lockout)
        return Place(self, server, lockout.begin(now, at_once=True))

    async def admit(self, server: str) -> Place:
        """Return a place once the credentials may be sent; its `end` must be called.

        This may wait: until the server has accepted the credentials, only a few requests may be in
        flight. The wait can be cancelled.

        Args:
            server: As for `check`.

        Raises:
            CredentialsRejected: Nothing is signed for the server now.
            UpstreamBusy: The wait took too long, or too many requests wait.
        """
        now = self.clock.seconds()
        if self.is_proven(server):
            self.proven[server] = now
            return Place(self, server, None)
        self.proven.pop(server, None)
        found = self._servers.get(server)
        if found is None:
            found = self._new(server)
        self._check(found.lockout)
        term = None if found.waiters else found.lockout.begin(now)
        if term is not None:
            return Place(self, server, term)
        if len(found.waiters) >= MAX_WAITING:
            raise UpstreamBusy("too many requests wait until the credentials are tried")
        # After a block, wait for the trial's verdict only as long as one usually takes.
        wait_s = SILENCE_S if found.lockout.block_s else MAX_WAIT_S
        waiter = _Waiter(now + wait_s, Deferred(lambda _: self._give_up(server, waiter)))
        found.waiters.append(waiter)
        self._wake(server)
        return await waiter.came

    def rejected(self, server: str) -> None:
        """Record that a proven server rejected a request that was sent without `admit`.

        Args:
            server: As for `check`.
        """
        self.note_rejected(server, None)

    def forget(self) -> None:
        """Reset all servers, because the secret has changed."""
        self.version += 1
        self.proven.clear()
        for server, found in list(self._servers.items()):
            found.lockout.reset()
            self._wake(server)

    # Results recorded by a `Place`. Requests to a proven server have no term.

    def note_accepted(self, server: str, term: Term | None) -> None:
        """Record that a server accepted the credentials."""
        found = self._servers.get(server)
        if found is None or term is None:
            # Ignore it: others that were sent at the same time may have been rejected since.
            return
        was_blocked = bool(found.lockout.block_s)
        if not found.lockout.accepted(term):
            return
        if len(self.proven) >= MAX_SERVERS:
            del self.proven[next(iter(self.proven))]
        self.proven[server] = self.clock.seconds()
        if was_blocked:
            _log.info(
                "upstream {upstream}, server {server}: the server accepted the gate's credentials;"
                " requests are signed again",
                upstream=self.upstream,
                server=server,
            )
        self._wake(server)

    def note_rejected(
        self, server: str, term: Term | None, *, in_doubt: bool = False, again: bool = False
    ) -> None:
        """Record that a server rejected the credentials, or may have done so; see `Place`."""
        lockout, now = (
            (self._servers.get(server) or self._new(server)).lockout,
            self.clock.seconds(),
        )
        if in_doubt and term is not None:
            begins = lockout.doubted(term, now, again=again)
        else:
            if self.proven.pop(server, None) is not None:
                # The server accepted another request sent at the same time, so this is the first
                # rejection in a row.
                term = None
            begins = lockout.rejected(term, now)
        if begins:
            _log.warn(
                "upstream {upstream}, server {server}: the server rejected the gate's credentials"
                " {count} times in a row; to keep the account from being locked, nothing is signed"
                " for {seconds:g} s and requests get 502: correct the secret, or see whether the"
                " account is locked",
                upstream=self.upstream,
                server=server,
                count=lockout.rejections,
                seconds=lockout.block_s,
            )
        self._wake(server)

    def note_challenged(self, server: str, term: Term) -> bool:
        """Record a doubtful refusal; return whether the request keeps its place for a retry.

        It keeps the place only if others wait here; if not, Digest's own queue decides who is next.
        """
        found = self._servers.get(server)
        keeps = False
        if found is not None and found.waiters:
            keeps = found.lockout.may_repeat(self.clock.seconds())
        self.note_rejected(server, term, in_doubt=True, again=keeps)
        return keeps

    def note_ended(self, server: str, term: Term | None) -> None:
        """Record the end of a request without a verdict."""
        found = self._servers.get(server)
        if found is not None and term is not None:
            found.lockout.ended(term, self.clock.seconds())
            self._wake(server)

    def note_given_up(self, server: str, term: Term | None) -> None:
        """Record that no one waits for the response to a request any longer."""
        found = self._servers.get(server)
        if found is not None and term is not None:
            found.lockout.given_up(term, self.clock.seconds())
            self._wake(server)

    def is_current(self, server: str, term: Term) -> bool:
        """Return whether a result in this term still counts."""
        found = self._servers.get(server)
        return found is not None and found.lockout.term is term

    # The waiting requests.

    def _check(self, lockout: Lockout) -> None:
        left_s = lockout.left_s(self.clock.seconds())
        if left_s:
            for each in self._renewable:
                renewable = each()
                if renewable is not None:
                    renewable.renew_soon()
            raise _rejection(lockout.rejections, left_s)

    def _wake(self, server: str) -> None:
        """Admit or fail waiting requests, and set a timer if any are left."""
        found = self._servers.get(server)
        if found is None or found.waking:
            return
        # An admitted request may call this again immediately, which must not recurse.
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
        """Admit or fail the first waiting request; return whether either happened."""
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
        """Start to track a server; above the maximum, drop the oldest that no request uses."""
        if len(self._servers) >= MAX_SERVERS:
            for other, found in self._servers.items():
                if not found.waiters and not found.lockout.under_way:
                    del self._servers[other]
                    break
        made = self._servers[server] = _Server()
        return made


def _rejection(rejections: int, left_s: float) -> CredentialsRejected:
    """Return the error for a request during a block or the trial after it."""
    until = f"nothing is signed for another {ceil(left_s)} s" if left_s else "they are being tried"
    return CredentialsRejected(
        f"the server rejected the gate's credentials {rejections} times in a row; {until}: correct"
        " the secret, or see whether the account is locked",
        max(left_s, SILENCE_S),
    )
