"""Keep a wrong password from locking an account: decide which request may send it when.

There is one `Guard` for each configured secret, shared by all upstreams that use the secret. It
tracks each server, or other place of login, separately. Code that is about to send the secret asks
for admission first, and records the result::

    place = await guard.admit(server, spot)  # Raises CredentialsRejected during a block.
    try:
        response = await send(...)
        place.responded(response.status)  # Or place.accepted(), or place.rejected().
    finally:
        place.end()  # If there was no verdict.

Requests that wait for a login keep their places. A login that waited for one would deadlock, so it
uses `admit_login`, which never waits. `Lockout` has the rules.
"""

from __future__ import annotations

from functools import partial
from math import ceil
from typing import Final, Protocol
from weakref import ReferenceType, ref

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from corsgate.credentials.lockout import PROOF_S, SILENCE_S, Block, Lockout, Trial
from corsgate.credentials.place import Place
from corsgate.credentials.servers import MAX_SERVERS, remember
from corsgate.credentials.spots import Spot
from corsgate.credentials.upstream_names import UpstreamNames
from corsgate.credentials.waiting_line import Waiter, WaitingLine
from corsgate.errors import CredentialsRejected, UpstreamBusy, UpstreamError

MAX_WAIT_S: Final = 60.0
"""For how many seconds a request waits at most until it may be signed. That is long enough for all
requests of a page at a slow server. The `timeout` of the route also applies."""

MAX_WAITING: Final = 1024
"""How many requests may wait for one server."""

_log = Logger()


class Renewable(Protocol):
    """Credentials that can fetch a new secret."""

    def renew_soon(self) -> None:
        """Start to fetch a new secret, unless that was done recently; return immediately."""


@attrs.frozen(eq=False)
class _Server:
    """A server that has not accepted the credentials, or has rejected them since."""

    line: WaitingLine[Spot | None, Place]
    lockout: Lockout


class Guard:
    """Decides when the credentials may be sent to a server.

    Args:
        upstream: The name for the log if no upstream was given to `names`.
        clock: The reactor, or a clock in tests.

    Attributes:
        proven: The servers that have accepted the credentials and not rejected them since, each
            with the time when they were last sent, in the clock's seconds. A request to one of
            these may be sent without `admit`, unless that time is longer ago than `PROOF_S`. The
            caller then updates the time, and calls `rejected` on a 401.
        names: Names the upstreams with these credentials, for the log.
        clock: As above.
        version: Counts changes of the secret; a request signed before one must be signed again.
    """

    def __init__(self, upstream: str, clock: IReactorTime) -> None:
        self.proven: dict[str, float] = {}
        self.version = 0
        self._renewable: tuple[ReferenceType[Renewable], ...] = ()
        self.names = UpstreamNames(upstream)
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
        return bool(found.line) or not found.lockout.has_room(now)

    def has_rejections(self, server: str) -> bool:
        """Return whether a server has rejected the credentials since it last accepted them.

        Args:
            server: As for `check`.
        """
        found = self._servers.get(server)
        return found is not None and bool(found.lockout.failures)

    def check(self, server: str, spot: Spot | None = None) -> None:
        """Raise an error during a block, for callers that do other work before `admit`.

        Args:
            server: The server's origin, or the URL of another place of login.
            spot: Where at the server the request goes; None for a login.

        Raises:
            CredentialsRejected: Nothing is signed for the server now.
        """
        found = self._servers.get(server)
        if found is not None:
            self._check(found.lockout, spot)

    def block(self, server: str) -> Block | None:
        """Return the block of a server; None if there is none.

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
        if self._uses_proof(server):
            return Place(self, server, None)
        now = self.clock.seconds()
        lockout = (self._servers.get(server) or self._new(server)).lockout
        self._check(lockout, None)
        return Place(self, server, lockout.begin(now, at_once=True))

    async def admit(self, server: str, spot: Spot | None = None) -> Place:
        """Return a place once the credentials may be sent; its `end` must be called.

        This may wait: until the server has accepted the credentials, only a few requests may be in
        flight. The wait can be cancelled.

        Args:
            server: As for `check`.
            spot: As for `check`.

        Raises:
            CredentialsRejected: Nothing is signed for the server now.
            UpstreamBusy: The wait took too long, or too many requests wait.
        """
        if self._uses_proof(server):
            return Place(self, server, None, spot)
        now = self.clock.seconds()
        found = self._servers.get(server) or self._new(server)
        lockout = found.lockout
        if lockout.passes(now, spot):
            return Place(self, server, None, spot)
        self._check(lockout, spot)
        trial = None if found.line else lockout.begin(now, spot)
        if trial is not None:
            return Place(self, server, trial, spot)
        if len(found.line) >= MAX_WAITING:
            raise UpstreamBusy("too many requests wait until the credentials are tried")
        # After a block, wait for the trial's verdict only as long as one usually takes.
        is_doubtful = lockout.block_s and not lockout.spots.is_apart(spot)
        return await found.line.join(spot, SILENCE_S if is_doubtful else MAX_WAIT_S)

    def doubt(self, server: str) -> None:
        """Let only a few requests try the credentials until the server accepts them again.

        Args:
            server: As for `check`.
        """
        self.proven.pop(server, None)

    def rejected(self, server: str, spot: Spot | None = None) -> None:
        """Record that a proven server rejected a request that was sent without `admit`.

        Args:
            server: As for `check`.
            spot: As for `check`.
        """
        self.note_rejected(server, None, spot)

    def forget(self) -> None:
        """Reset all servers, because the secret has changed."""
        self.version += 1
        self.proven.clear()
        for server, found in list(self._servers.items()):
            found.lockout.reset()
            self._changed(server)

    # Results recorded by a `Place`. Requests to a proven server have no trial.

    def note_accepted(
        self,
        server: str,
        trial: Trial | None,
        spot: Spot | None = None,
        *,
        is_served: bool = True,
        is_proof: bool = False,
    ) -> None:
        """Record that a server accepted a request; see `Lockout.accepted`."""
        found, now = self._servers.get(server), self.clock.seconds()
        if found is None:
            return
        was_blocked = bool(found.lockout.block_s)
        is_proven = found.lockout.accepted(trial, now, spot, is_served=is_served, is_proof=is_proof)
        if is_proven:
            remember(self.proven, server, now, MAX_SERVERS)
        if is_proven and was_blocked:
            _log.info(
                "upstream {upstream}, server {server}: the server accepted the gate's credentials;"
                " requests are signed again",
                upstream=self.names.of(server),
                server=server,
            )
        self._changed(server)

    def note_rejected(
        self,
        server: str,
        trial: Trial | None,
        spot: Spot | None = None,
        *,
        in_doubt: bool = False,
        again: bool = False,
    ) -> None:
        """Record that a server rejected the credentials, or may have done so; see `Place`."""
        lockout = (self._servers.get(server) or self._new(server)).lockout
        now = self.clock.seconds()
        if in_doubt and trial is not None:
            begins = lockout.doubted(trial, now, again=again)
        else:
            if self.proven.pop(server, None) is not None:
                # The server accepted another request sent at the same time, so this is the first
                # rejection in a row.
                trial = None
            begins = lockout.rejected(trial, now, spot)
        if begins:
            _log.warn(
                "upstream {upstream}, server {server}: the server rejected the gate's credentials"
                " {count} times; to keep the account from being locked, nothing is signed for"
                " {seconds:g} s, except for paths that it accepts, and requests get 502: correct"
                " the secret, or see whether the account is locked",
                upstream=self.names.of(server),
                server=server,
                count=lockout.rejections,
                seconds=lockout.block_s,
            )
        self._changed(server)

    def note_challenged(self, server: str, trial: Trial) -> bool:
        """Record a doubtful refusal; return whether the request keeps its place for a retry.

        It keeps the place only if others wait here; if not, Digest's own queue decides who is next.
        """
        found = self._servers.get(server)
        keeps = False
        if found is not None and found.line:
            keeps = found.lockout.may_repeat(self.clock.seconds())
        self.note_rejected(server, trial, in_doubt=True, again=keeps)
        return keeps

    def note_ended(self, server: str, trial: Trial | None) -> None:
        """Record the end of a request without a verdict."""
        found = self._servers.get(server)
        if found is not None and trial is not None:
            found.lockout.ended(trial, self.clock.seconds())
            self._changed(server, only_room=True)

    def note_given_up(self, server: str, trial: Trial | None) -> None:
        """Record that no one waits for the response to a request any longer."""
        found = self._servers.get(server)
        if found is not None and trial is not None:
            found.lockout.given_up(trial, self.clock.seconds())
            self._changed(server, only_room=True)

    def is_current(self, server: str, trial: Trial) -> bool:
        """Return whether the response to a request in flight will still count."""
        found = self._servers.get(server)
        return found is not None and trial in found.lockout.trials

    def _uses_proof(self, server: str) -> bool:
        """Return whether a server is proven, and record the use; an expired proof is dropped."""
        if self.is_proven(server):
            self.proven[server] = self.clock.seconds()
            return True
        self.proven.pop(server, None)
        return False

    # The waiting requests.

    def _check(self, lockout: Lockout, spot: Spot | None) -> None:
        stopped_s = lockout.stopped_s(self.clock.seconds(), spot)
        if stopped_s:
            for each in self._renewable:
                renewable = each()
                if renewable is not None:
                    renewable.renew_soon()
            raise _rejection(lockout.rejections, stopped_s)

    def _decide(
        self, server: str, lockout: Lockout, waiter: Waiter[Spot | None, Place]
    ) -> Place | UpstreamError | None:
        """Return a place or an error for a waiting request; None if it has to wait."""
        now, spot = self.clock.seconds(), waiter.ask
        if server in self.proven or lockout.passes(now, spot):
            return Place(self, server, None, spot)
        if stopped_s := lockout.stopped_s(now, spot):
            return _rejection(lockout.rejections, stopped_s)
        if trial := lockout.begin(now, spot):
            return Place(self, server, trial, spot)
        if now < waiter.until_s:
            return None
        if lockout.block_s:
            return _rejection(lockout.rejections, 0.0)
        return UpstreamBusy("no verdict on the gate's credentials came in time")

    def _changed(self, server: str, *, only_room: bool = False) -> None:
        """Let waiting requests go if they may; forget a server about which nothing is known."""
        found = self._servers.get(server)
        if found is None:
            return
        found.line.wake(only_room=only_room)
        is_idle = not found.line and found.lockout.is_idle(self.clock.seconds())
        if is_idle and self._servers.get(server) is found:
            del self._servers[server]

    def _new(self, server: str) -> _Server:
        """Start to track a server; above the maximum, drop the oldest that no request uses."""
        if len(self._servers) >= MAX_SERVERS:
            for other, found in self._servers.items():
                if not found.line and not found.lockout.trials:
                    del self._servers[other]
                    break
        lockout = Lockout()
        line: WaitingLine[Spot | None, Place] = WaitingLine(
            self.clock,
            partial(self._decide, server, lockout),
            lockout.tried,
            lambda: lockout.next_s(self.clock.seconds()),
        )
        made = self._servers[server] = _Server(line, lockout)
        return made


def _rejection(rejections: int, left_s: float) -> CredentialsRejected:
    """Return the error for a request during a block or the trial after it."""
    until = f"nothing is signed for another {ceil(left_s)} s" if left_s else "they are being tried"
    return CredentialsRejected(
        f"the server rejected the gate's credentials {rejections} times; {until}: correct the"
        " secret, or see whether the account is locked",
        max(left_s, SILENCE_S),
    )
