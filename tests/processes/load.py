"""Clients that send requests as fast as they are answered, and account for every one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory

from tests.peers import Client, Message, Upstream, Watched, reactor, request, response


@attrs.frozen(kw_only=True)
class Unanswered:
    """A request without a whole response.

    Attributes:
        target: The request's.
        data: What came of a response.
        reused: Whether an earlier request was answered on the same connection. A client may send
            it again then if nothing came back (RFC 9112 9.3.1).
    """

    target: bytes
    data: bytes
    reused: bool


class Load(Watched):
    """Clients of one gate, and the upstream that they reach through it.

    Args:
        upstream: Responds with the target of each request.
        connecting: Returns the port to connect to.
        keeping: How many clients keep their connections.
        opening: How many open a connection for each request.

    Attributes:
        clients: How many clients there are.
        statuses: How many whole responses had each status.
        wrong: Targets of requests that got another request's response.
        unanswered: Requests without a whole response.
        refused: How many connections were refused, which is before a request is sent.
    """

    def __init__(
        self,
        upstream: Upstream,
        connecting: Callable[[], int],
        *,
        keeping: int = 8,
        opening: int = 4,
    ) -> None:
        super().__init__()
        self.clients = keeping + opening
        self._keeping = keeping
        self._upstream = upstream
        self._connecting = connecting
        self._numbers = count(1)
        self._stopped = False
        self._done: Deferred[Any] | None = None
        self._open: set[Client] = set()
        self.statuses: Counter[int] = Counter()
        self.wrong: list[bytes] = []
        self.unanswered: list[Unanswered] = []
        self.refused = 0
        upstream.answer = lambda asked: response(body=asked.target)

    @property
    def answered(self) -> int:
        """How many requests got a whole response."""
        return self.statuses.total()

    @property
    def lost(self) -> list[Unanswered]:
        """Requests that the upstream may have acted on, but whose client doesn't know."""
        reached = {asked.target for asked in self._upstream.requests}
        return [each for each in self.unanswered if each.target in reached or each.data]

    @property
    def cut_on_arrival(self) -> list[Unanswered]:
        """Requests that were the first on their connections, and got nothing."""
        return [each for each in self.unanswered if not each.reused]

    def start(self) -> None:
        """Begin to send."""
        tasks = [self._work(keep=number < self._keeping) for number in range(self.clients)]
        self._done = gatherResults(
            [Deferred.fromCoroutine(task) for task in tasks], consumeErrors=True
        )

    def more(self, amount: int) -> Deferred[bool]:
        """Return a Deferred that fires when so many more requests have been answered."""
        goal = self.answered + amount
        return self.when(lambda: self.answered >= goal)

    async def stop(self) -> None:
        """Send no more, and wait for the responses to what was sent."""
        self._stopped = True
        await self.ended()
        for client in list(self._open):
            await client.close()

    async def ended(self) -> None:
        """Wait until no client sends any more: it was stopped, or its connection was refused."""
        assert self._done is not None
        await self._done

    async def _work(self, *, keep: bool) -> None:
        client: Client | None = None
        reused = False
        while not self._stopped:
            if client is None:
                try:
                    client, reused = await self._connect(), False
                except ConnectError:
                    self.refused += 1
                    self.changed()
                    return
            found = await self._ask(client, reused=reused)
            reused = True
            if found is None or not keep or found.fields.get(b"connection") == [b"close"]:
                await client.close()
                self._open.discard(client)
                client = None

    async def _connect(self) -> Client:
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self._connecting())
        client: Any = await endpoint.connect(Factory.forProtocol(Client))
        assert isinstance(client, Client)
        self._open.add(client)
        return client

    async def _ask(self, client: Client, *, reused: bool) -> Message | None:
        """Return the response to one request; None where there is none."""
        target = b"/%d" % next(self._numbers)
        client.send(request(target=target))
        try:
            found = await client.response()
        except EOFError:
            self.unanswered.append(Unanswered(target=target, data=client.data, reused=reused))
            return None
        finally:
            self.changed()
        self.statuses[found.status] += 1
        if found.status == 200 and found.body != target:
            self.wrong.append(target)
        return found
