"""Keeps a wrong password from locking an account: says who may send it when.

There is one `Guard` for each configured secret, which all upstreams that have it share; it judges
each server, or other place of login, on its own. Whoever is about to send the secret asks first,
and says how it went::

    place = await guard.admit(server)  # Raises CredentialsRejected during a block.
    try:
        response = await send(...)
        place.responded(response.status)  # Or place.accepted(), or place.rejected().
    finally:
        place.end()  # If there was no verdict.

Requests may wait for one that logs in, and keep their places meanwhile. So a login uses
`admit_login`, which never waits. `Lockout` has the rules.
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
"""How long an unused server's acceptance is relied on; the password may have been changed since."""

MAX_SERVERS: Final = 1000
"""How many servers are remembered; discovery may bring ever new ones."""

MAX_WAIT_S: Final = 10.0
"""How long a request waits at most until it may be signed."""

MAX_WAITING: Final = 1024
"""How many requests wait for one server at most."""

_log = Logger()


class Renewable(Protocol):
    """Credentials that can look for another secret."""

    def renew_soon(self) -> None:
        """Begin to look for another secret, unless that was done recently; return at once."""


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
        upstream: The name of an upstream whose credentials they are, for the log.
        clock: Tells the time and calls back.

    Attributes:
        proven: When each server that has accepted the credentials, and not rejected them since,
            was last sent them, in the clock's seconds. A request to one of these may be sent
            without `admit` unless that is longer ago than `PROOF_S`; who does that sets the time,
            and calls `rejected` on a 401.
        upstream: As above.
        clock: As above.
        version: Counts the changes of the secret. What was signed before one must be signed again.
    """

    def __init__(self, upstream: str, clock: IReactorTime) -> None:
        self.proven: dict[str, float] = {}
        self.version = 0
        self._renewable: tuple[ReferenceType[Renewable], ...] = ()
        self.upstream = upstream
        self.clock = clock
        self._servers: dict[str, _Server] = {}

    def renew_by(self, renewable: Renewable) -> None:
        """Have another secret looked for whenever a block keeps a request from being signed.

        Args:
            renewable: Looks for it, as long as it is in use.
        """
        # A reload's thread may do this, so the tuple is replaced as a whole.
        known = (each for each in self._renewable if each() is not None)
        self._renewable = (*known, ref(renewable))

    def is_proven(self, server: str) -> bool:
        """Return whether any number of requests may be sent the credentials at once.

        Args:
            server: As for `check`.
        """
        used_s = self.proven.get(server)
        return used_s is not None and self.clock.seconds() - used_s <= PROOF_S

    def would_wait(self, server: str) -> bool:
        """Return whether `admit` would wait now, rather than return or fail.

        Args:
            server: As for `check`.
        """
        found, now = self._servers.get(server), self.clock.seconds()
        if found is None or self.is_proven(server) or found.lockout.left_s(now):
            return False
        return bool(found.waiters) or not found.lockout.has_room(now)

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

    def admit_login(self, server: str) -> Place:
        """Return a place for a login at once; its `end` must be called.

        Who calls this makes one login after the other, so that not many are rejected at once.

        Args:
            server: As for `check`.

        Raises:
            CredentialsRejected: No login is tried now.
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

        It may wait: as long as the server has not accepted the credentials, few requests may be
        under way. Cancelling the wait gives it up.

        Args:
            server: As for `check`.

        Raises:
            CredentialsRejected: Nothing is signed for the server now.
            UpstreamBusy: It took too long, or too many wait.
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
        self.note_rejected(server, None)

    def forget(self) -> None:
        """Start anew: the secret has changed."""
        self.version += 1
        self.proven.clear()
        for server, found in list(self._servers.items()):
            found.lockout.reset()
            self._wake(server)

    # What a `Place` records. Requests to a proven server have no term.

    def note_accepted(self, server: str, term: Term | None) -> None:
        """Record that a server accepted the credentials."""
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
                upstream=self.upstream,
                server=server,
            )
        self._wake(server)

    def note_rejected(
        self, server: str, term: Term | None, *, in_doubt: bool = False, again: bool = False
    ) -> None:
        """Record that a server rejected the credentials, or may have; see `Place`."""
        lockout, now = (
            (self._servers.get(server) or self._new(server)).lockout,
            self.clock.seconds(),
        )
        if in_doubt and term is not None:
            begins = lockout.doubted(term, now, again=again)
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
                upstream=self.upstream,
                server=server,
                count=lockout.rejections,
                seconds=lockout.block_s,
            )
        self._wake(server)

    def note_challenged(self, server: str, term: Term) -> bool:
        """Record a doubtful refusal; return whether the request keeps its place for another try.

        Where no others wait for one, another kind of queue may have to decide who goes first.
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
        """Record that nobody waits for the verdict on a request any more."""
        found = self._servers.get(server)
        if found is not None and term is not None:
            found.lockout.given_up(term, self.clock.seconds())
            self._wake(server)

    def is_current(self, server: str, term: Term) -> bool:
        """Return whether what ends in this term still counts."""
        found = self._servers.get(server)
        return found is not None and found.lockout.term is term

    # Those that wait.

    def _check(self, lockout: Lockout) -> None:
        left_s = lockout.left_s(self.clock.seconds())
        if left_s:
            for each in self._renewable:
                renewable = each()
                if renewable is not None:
                    renewable.renew_soon()
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
