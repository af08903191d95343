"""The fault matrix: each way in which a server can fail, met by each kind of request.

The first of two servers fails, the second is well. Of each case it is asserted what the client
gets and which requests each server saw.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred, gatherResults

from tests.peers import ABORTED, Client, Message, Upstream, hanging, reactor, request, response
from tests.support import GateTestCase

LIMITS = ("connect_timeout", "first_byte_timeout", "response_idle_timeout", "tunnel_idle_timeout")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
CUT = "cut"
"""The client's connection was reset in the midst of a response, or of a tunnel."""

KINDS: dict[str, list[bytes]] = {
    "GET": [request(target=b"/v1/GET")],
    "POST": [request(b"POST", b"/v1/POST", body=b"pay once")],
    "stream": [
        b"POST /v1/stream HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"4\r\npay \r\n",
        b"4\r\nonce\r\n0\r\n\r\n",
    ],
    "WebSocket": [
        request(
            target=b"/v1/WebSocket",
            headers=[
                (b"Connection", b"Upgrade"),
                (b"Upgrade", b"websocket"),
                (b"Sec-WebSocket-Version", b"13"),
                (b"Sec-WebSocket-Key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
            ],
        )
    ],
}
"""What a client sends, in pieces."""


@attrs.frozen
class Case:
    """What one kind of request meets.

    Attributes:
        outcome: The status that the client gets, or `CUT`.
        bad: How often the failing server saw the request.
        good: How often the other did.
        cause: By what it came to the other, as the access log says it: a time-out is one that
            took its time and no longer.
    """

    outcome: int | str
    bad: int
    good: int
    cause: str = ""


def limits(short: tuple[str, ...]) -> str:
    """Return limits that no server meets by being slow, except for those that are to end."""
    times = [f'{name} = "{"500ms" if name in short else "20s"}"\n' for name in LIMITS]
    return f'[limits]\ntimeout = "20s"\n{"".join(times)}'


def passed_on(bad: int, cause: str, **others: Case) -> dict[str, Case]:
    """Return the cases of a fault after which the other server serves.

    Args:
        bad: How often the failing server saw each request.
        cause: What the access log says of it.
        others: The kinds that fare otherwise.
    """
    cases = {kind: Case(200, bad, 1, cause) for kind in KINDS}
    return {**cases, "WebSocket": Case(101, bad, 1, cause), **others}


def once(outcome: int | str, **others: Case) -> dict[str, Case]:
    """Return the cases of a fault after which nothing is sent again."""
    return {**{kind: Case(outcome, 1, 0) for kind in KINDS}, **others}


def wanted(got: Message) -> bytes:
    """Return what a server that is well answers."""
    return SWITCH if got.target == b"/v1/WebSocket" else response(body=b"good")


def half(got: Message) -> bytes:
    """Return the first half of a response; of a WebSocket, its handshake."""
    return SWITCH if got.target == b"/v1/WebSocket" else response(body=b"half", length=8)


class Faults(GateTestCase):
    """Each method is a row of the matrix."""

    async def outcome(self, client: Client) -> int | str:
        """Return what became of a request."""
        await client.when(lambda: b"\r\n\r\n" in client.data or client.outcome)
        if client.data.startswith(b"HTTP/1.1 101"):
            return CUT if client.outcome == ABORTED else 101
        try:
            return (await client.response()).status
        except EOFError:
            return CUT

    async def meet(
        self,
        bad: str,
        good: Upstream,
        kind: str,
        meanwhile: Callable[[Client], None],
        short: tuple[str, ...],
    ) -> tuple[int | str, str]:
        """Return what one kind of request gets of a gate of its own, and why it was sent on."""
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{bad}", "{good.url}"]\n'
            f'[routes."/v1"]\nupstream = "a"\n{limits(short)}'
        )
        client = await self.connect(gate)
        meanwhile(client)
        for piece in KINDS[kind]:
            client.send(piece)
        outcome = await self.outcome(client)
        await client.close()
        tried = json.loads(await gate.logged()).get("tried", [])
        return outcome, " ".join(each.removeprefix(f"{bad} ") for each in tried)

    async def assert_row(
        self,
        bad: Upstream,
        expected: dict[str, Case],
        url: str | None = None,
        meanwhile: Callable[[Client], None] = lambda _: None,
        short: tuple[str, ...] = (),
    ) -> None:
        """Assert what each kind of request meets, all at once.

        Args:
            bad: The server that fails.
            expected: A case for each of `KINDS`.
            url: Where that server is, if it isn't one at all.
            meanwhile: Gets the client before anything is sent.
            short: The limits that the server exceeds.
        """
        good = await self.upstream()
        good.answer = wanted
        outcomes = await gatherResults(
            [
                Deferred.fromCoroutine(self.meet(url or bad.url, good, kind, meanwhile, short))
                for kind in KINDS
            ]
        )
        saw = [Counter(got.target.decode()[4:] for got in each.requests) for each in (bad, good)]
        found = {
            kind: Case(outcome, saw[0][kind], saw[1][kind], cause)
            for kind, (outcome, cause) in zip(KINDS, outcomes, strict=True)
        }
        self.assertEqual(found, expected)
        for got in (*bad.requests, *good.requests):
            if got.method == b"POST":
                self.assertEqual(got.body, b"pay once")

    async def test_refuses(self) -> None:
        """Nothing was sent: every request goes to the other server."""
        bad = await self.upstream()
        await bad.refuse()
        await self.assert_row(bad, passed_on(0, "connect"))

    async def test_hangs_on_connect(self) -> None:
        """The same, after the time to connect."""
        with hanging() as url:
            await self.assert_row(
                await self.upstream(), passed_on(0, "connect"), url, short=("connect_timeout",)
            )

    async def test_hangs_before_the_head(self) -> None:
        """What can't act twice is sent again once time is up; a POST gets 504."""
        failed = Case(504, 1, 0)
        await self.assert_row(
            await self.upstream(None),
            passed_on(1, "timeout", POST=failed, stream=failed),
            short=("first_byte_timeout",),
        )

    async def test_hangs_in_the_body(self) -> None:
        """The client has its beginning: nothing is sent again, and its connection is cut."""
        bad = await self.upstream()
        bad.answer = half
        await self.assert_row(
            bad,
            once(CUT, WebSocket=Case(101, 1, 0)),
            short=("response_idle_timeout", "tunnel_idle_timeout"),
        )

    async def test_resets_before_the_head(self) -> None:
        """What can't act twice is sent again; a POST gets 502."""
        bad = await self.upstream()

        def reset(got: Message) -> None:
            got.connection.close()

        bad.answer = reset
        failed = Case(502, 1, 0)
        await self.assert_row(bad, passed_on(1, "reset", POST=failed, stream=failed))

    async def test_resets_in_the_body(self) -> None:
        """The client's connection is cut, and nothing is sent again."""
        bad = await self.upstream()
        bad.answer = half

        def reset_after(client: Client) -> None:
            """Reset the servers' connections once this client has the beginning."""
            client.when(lambda: b"\r\n\r\n" in client.data).addCallback(
                lambda _: [peer.close() for peer in bad.connections if not peer.outcome]
            )

        await self.assert_row(bad, once(CUT, WebSocket=Case(101, 1, 0)), meanwhile=reset_after)

    async def test_500(self) -> None:
        """The application's own answer is passed on, and asked for once."""
        await self.assert_row(await self.upstream(response(500)), once(500))

    async def test_503(self) -> None:
        """What can't act twice is sent again; a POST's answer is passed on."""
        failed = Case(503, 1, 0)
        await self.assert_row(
            await self.upstream(response(503)), passed_on(1, "503", POST=failed, stream=failed)
        )

    async def test_slow(self) -> None:
        """A response that comes in small pieces is waited for, and asked for once."""
        bad = await self.upstream()

        def dribble(got: Message) -> None:
            data = wanted(got)

            def send(at: int) -> None:
                if at < len(data) and not got.connection.outcome:
                    got.connection.send(data[at : at + 9])
                    reactor.callLater(0, send, at + 9)

            send(0)

        bad.answer = dribble
        await self.assert_row(bad, once(200, WebSocket=Case(101, 1, 0)))
