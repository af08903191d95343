"""Simulated servers with Digest authentication, and requests to one that interleave in any way."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from corsgate.credentials.digest.challenge import DigestChallenge
from corsgate.credentials.digest.nonce import Nonce, Turn
from corsgate.credentials.digest.server import DigestServer


@attrs.define(kw_only=True)
class Box:
    """A server that checks nonces, and whether the login is right.

    Attributes:
        slots: How many nonces it keeps; an older one is forgotten. One is a microcontroller.
        uses: For how many requests a nonce is good.
        in_order: Whether a count must be higher than the last one.
        says_stale: Whether it says that a nonce that it knew, or that is gone, is stale.
        is_bound: Whether a nonce is good only with its cookie.
        sends_next: Whether it sends the next nonce with each success, and forgets the last one.
        is_constant: Whether it has one nonce for ever.
        closes: Whether it closes its connections.
        is_right: Whether the gate's password is right.
        public: The requests, by number, that need no login.
        made: How many nonces it has made.
        seen: The nonce and count of each signed request.
        rejections: How often it saw a wrong password.
    """

    slots: int = 1000
    uses: int = 1000
    in_order: bool = False
    says_stale: bool = True
    is_bound: bool = False
    sends_next: bool = False
    is_constant: bool = False
    closes: bool = False
    is_right: bool = True
    public: frozenset[int] = frozenset()
    made: int = 0
    seen: list[tuple[bytes, int]] = attrs.field(factory=list)
    rejections: int = 0
    unsigned: int = 0
    _good: dict[bytes, list[int]] = attrs.field(factory=dict)

    def forget(self) -> None:
        """Forget all nonces."""
        self._good.clear()

    def answer(self, number: int, nonce: Nonce | None, count: int, cookie: bytes | None) -> Reply:
        """Return the response to a request.

        Args:
            number: The request's number.
            nonce: What it is signed with, or None.
            count: The number of the nonce's use.
            cookie: The nonce whose cookie it has, or None.
        """
        if number in self.public:
            return Reply(200)
        stale = False
        if nonce is None:
            self.unsigned += 1
        else:
            value = nonce.offer.nonce
            self.seen.append((value, count))
            if not self.is_right:
                self.rejections += 1
            else:
                counts = self._good.get(value)
                if counts is not None and self._takes(value, counts, count, cookie):
                    counts.append(count)
                    if not self.sends_next:
                        return Reply(200)
                    del self._good[value]
                    return Reply(200, following=self._make())
                stale = self.says_stale
        return Reply(401, offer(self._make(), stale=stale))

    def _takes(self, value: bytes, counts: list[int], count: int, cookie: bytes | None) -> bool:
        return (
            len(counts) < self.uses
            and count not in counts
            and not (self.in_order and counts and count < max(counts))
            and not (self.is_bound and cookie != value)
        )

    def _make(self) -> bytes:
        self.made += 0 if self.is_constant and self.made else 1
        value = b"n%d" % self.made
        self._good.setdefault(value, [])
        while len(self._good) > self.slots:
            del self._good[next(iter(self._good))]
        return value


@attrs.frozen
class Reply:
    """A response: its status, its challenge, and the next nonce."""

    status: int
    offer: DigestChallenge | None = None
    following: bytes | None = None


def offer(nonce: bytes, *, stale: bool = False) -> DigestChallenge:
    """Return a challenge."""
    return DigestChallenge(
        realm=b"box",
        nonce=nonce,
        opaque=None,
        algorithm=None,
        qop=b"auth",
        userhash=False,
        stale=stale,
    )


class Play:
    """Requests to a box, whose steps another chooses.

    A request waits, or is sent and reaches the box, or its response arrives. Only the two last are
    steps: what waits goes as soon as it is admitted.

    Args:
        box: The server.
        requests: How many requests begin together.
        server: What is known about the server.

    Attributes:
        statuses: What each request got in the end; None while it is under way.
        tries: How often each was sent.
    """

    def __init__(self, box: Box, requests: int, server: DigestServer | None = None) -> None:
        self.box = box
        self.server = server or DigestServer()
        self.now = 0.0
        self.turns = [Turn() for _ in range(requests)]
        self.statuses: list[int | None] = [None] * requests
        self.tries = [0] * requests
        self._waiting = list(range(requests))
        self._sent: dict[int, tuple[Nonce | None, int, bytes | None]] = {}
        self._replies: dict[int, Reply] = {}
        self._wake()

    @property
    def steps(self) -> list[int]:
        """The requests that can proceed: what was sent reaches the box, or a reply arrives."""
        return sorted([*self._sent, *self._replies])

    def step(self, number: int) -> None:
        """Let a request proceed."""
        if number in self._sent:
            nonce, count, cookie = self._sent.pop(number)
            self._replies[number] = self.box.answer(number, nonce, count, cookie)
            return
        reply, turn = self._replies.pop(number), self.turns[number]
        again = False
        if reply.offer is None:
            self.server.passed(turn, self.now, succeeded=True, closes=self.box.closes)
            if reply.following is not None:
                self.server.take_next(turn, offer(reply.following), None, self.now)
        else:
            again = self.server.refused(turn, reply.offer, self.now, bound=self.box.is_bound)
        if again and self.server.admit(turn, self.now, is_proven=True):
            self._send(number)
        elif again:
            self._waiting.append(number)
        else:
            self.server.leave(turn)
            self.statuses[number] = reply.status
        self._wake()

    def hurry(self) -> None:
        """Let one that waits go, as after a second without a response."""
        number = self._waiting.pop(0)
        self.server.hurry(self.turns[number])
        self._send(number)

    def run(self, choose: Callable[[list[int]], int]) -> list[int | None]:
        """Proceed until all have ended; return their statuses."""
        while steps := self.steps:
            self.step(choose(steps))
        assert not self._waiting, "a request waits for nothing"
        return self.statuses

    def _wake(self) -> None:
        went = True
        while went:
            went = False
            for number in list(self._waiting):
                if self.server.admit(self.turns[number], self.now, is_proven=True):
                    self._waiting.remove(number)
                    self._send(number)
                    went = True

    def _send(self, number: int) -> None:
        turn = self.turns[number]
        if turn.is_hopeless:
            self.server.leave(turn)
            self.statuses[number] = 502
            return
        nonce = self.server.sign(turn)
        own = turn.own
        cookie = own.offer.nonce if own is not None and nonce is own and turn.count == 1 else None
        self._sent[number] = (nonce, turn.count, cookie)
        self.tries[number] += 1


def every_order(begin: Callable[[], Play]) -> list[Play]:
    """Return what comes of each order of the steps."""
    found: list[Play] = []
    prefixes: list[list[int]] = [[]]
    while prefixes:
        prefix = prefixes.pop()
        play, done = begin(), 0
        while steps := play.steps:
            if done < len(prefix):
                chosen = prefix[done]
            else:
                chosen = steps[0]
                prefixes += [[*prefix, other] for other in steps[1:]]
                prefix = [*prefix, chosen]
            play.step(chosen)
            done += 1
        found.append(play)
    return found
