"""Plays a case through a whole gate, and writes down all that could be seen of it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from hashlib import shake_256
from typing import Any

import attrs
from twisted.internet.address import IPv4Address

from corsgate.config.model.values import Config
from corsgate.gate.service import GateService
from corsgate.server.alpn import find_http2
from corsgate.shortcuts import ALL, Shortcuts
from tests.differential.clients import FrameWriter, read_frames
from tests.differential.configs import CONFIGS
from tests.differential.script import (
    Case,
    Frames,
    Leave,
    Release,
    Send,
    Step,
    Take,
    Wait,
)
from tests.differential.servers import DATE, ServerEnd
from tests.differential.sockets import FakeReactor, FakeSocket, FakeTransport
from tests.support import parse

# Of the time of day, which a gate asks the machine for.
_NOW = re.compile(rb"(?i)(?<=date: )(?!" + DATE + rb")\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
_STAMP = re.compile(r'(?<="time": ")[^"]*|(?<= - - \[)[^]]*')
_MOST_TURNS = 20_000

MakeService = Callable[[Config, FakeReactor, Callable[[str], None]], GateService]


@attrs.frozen
class Wire:
    """One connection, as its other end saw it.

    Attributes:
        name: Whose it was.
        data: What the gate sent; over HTTP/2, what that said.
        end: Who ended it, and how.
    """

    name: str
    data: bytes
    end: str


@attrs.frozen
class Transcript:
    """All that could be seen of a case.

    Attributes:
        clients: The clients' connections.
        servers: The connections to servers, in the order in which they were made.
        log: The lines of the access log, without the time of day.
    """

    clients: tuple[Wire, ...]
    servers: tuple[Wire, ...]
    log: tuple[str, ...]


class RandomBytes:
    """Random bytes for a gate, the same each time whatever else it asks for in between.

    What names the process is the same for all gates.
    """

    def __init__(self) -> None:
        self._asked: dict[int, int] = {}

    def __call__(self, size: int) -> bytes:
        """Return so many bytes."""
        if size <= 4:
            return b"\x5a" * size
        count = self._asked[size] = self._asked.get(size, 0) + 1
        return shake_256(b"%d %d" % (size, count)).digest(size)


def make_service(
    config: Config,
    reactor: FakeReactor,
    write: Callable[[str], None],
    shortcuts: Shortcuts = ALL,
) -> GateService:
    """Return a gate, which serves with all its shortcuts unless told otherwise."""
    return GateService(
        config, reactor, rng=RandomBytes(), file="gate.toml", write=write, shortcuts=shortcuts
    )


@cache
def _config(name: str) -> Config:
    return parse(CONFIGS[name])


@attrs.frozen
class Manner:
    """How a case is played.

    Attributes:
        make: Makes the gate.
        watch: Returns what is called between any two events of a gate.
        cut: Cuts what clients and servers write into the reads of the gate.
        join: Whether servers send at once what they would send piece by piece.
    """

    make: MakeService = make_service
    watch: Callable[[GateService], Callable[[], object]] | None = None
    cut: Callable[[bytes], Iterable[bytes]] | None = None
    join: bool = False


class _ClientEnd:
    """A client's end of its connection."""

    def __init__(self, socket: FakeSocket, *, http2: bool) -> None:
        self.socket = socket
        self.writer = FrameWriter() if http2 else None
        self.left = ""


class Player:
    """Plays one case.

    Args:
        case: What happens.
        manner: How.
    """

    def __init__(self, case: Case, manner: Manner) -> None:
        self._manner = manner
        self._log: list[str] = []
        self._clients: dict[int, _ClientEnd] = {}
        self._servers: list[ServerEnd] = []
        self._script = deque(case.reactions)
        self._connects = deque(case.connects)
        self._reactor = FakeReactor(self._accept)
        self._service = manner.make(_config(case.config), self._reactor, self._log.append)
        self._service.privilegedStartService()
        self._service.startService()
        self._between = None if manner.watch is None else manner.watch(self._service)

    def play(self, steps: Sequence[Step]) -> Transcript:
        """Play the steps, then end the gate; return what could be seen."""
        for step in steps:
            self._do(step)
            self._settle()
        ends = [self._end_of(client) for client in self._clients.values()]
        self._leave()
        pairs = zip(self._clients.items(), ends, strict=True)
        return Transcript(
            tuple(self._client_wire(number, client, end) for (number, client), end in pairs),
            tuple(self._server_wire(server) for server in self._servers),
            tuple(_STAMP.sub("", line) for line in self._log),
        )

    # What happens.

    def _do(self, step: Step) -> None:
        if isinstance(step, Send):
            client = self._client(step.client, http2=False)
            pieces = (b"".join(step.pieces),) if self._manner.join else step.pieces
            for piece in filter(None, pieces):
                self._send(client, piece)
        elif isinstance(step, Frames):
            client = self._client(step.client, http2=True)
            assert client.writer is not None
            self._send(client, client.writer.write(step.frames))
        elif isinstance(step, Leave):
            client = self._clients[step.client]
            client.left = "reset by the client" if step.reset else "closed by the client"
            client.socket.incoming.append(ConnectionResetError(104, "reset") if step.reset else b"")
        elif isinstance(step, Take):
            self._client(step.client, http2=False).socket.room = step.size
        elif isinstance(step, Release):
            for server in self._servers:
                server.release()
        else:
            assert isinstance(step, Wait)
            for _ in range(step.seconds):
                self._reactor.advance(1)
                self._settle()

    def _client(self, number: int, *, http2: bool) -> _ClientEnd:
        """Return a client, which connects if it has not yet."""
        if number not in self._clients:
            reactor, socket = self._reactor, self._reactor.socket()
            peer = IPv4Address("TCP", "127.0.0.10", 40000 + number)
            host = IPv4Address("TCP", "127.0.0.1", 5555)
            protocol: Any = reactor.factories[0].buildProtocol(peer)
            if http2:
                # Over TLS the two would have agreed on it; the site is told of the change.
                channel, make = protocol, find_http2()
                assert make is not None
                protocol = make(channel.context)
                channel.context.connections.hand_over(channel, protocol)
            FakeTransport(reactor, protocol, socket, host, peer)
            self._clients[number] = _ClientEnd(socket, http2=http2)
        return self._clients[number]

    def _send(self, client: _ClientEnd, data: bytes) -> None:
        for read in (data,) if self._manner.cut is None else self._manner.cut(data):
            client.socket.incoming.append(read)
            self._settle()

    def _accept(self, socket: FakeSocket, port: int) -> str:
        outcome = self._connects.popleft() if self._connects else "accept"
        if outcome == "accept":
            self._servers.append(ServerEnd(socket, port, self._script, self._manner.cut))
        return outcome

    def _settle(self) -> None:
        """Let all happen that can, one thing after the other."""
        for _ in range(_MOST_TURNS):
            if self._between is not None:
                self._between()
            moved = self._reactor.turn()
            for server in self._servers:
                moved = server.react(join=self._manner.join) or moved
            if not moved:
                return
        raise AssertionError("the gate goes round in circles")

    def _leave(self) -> None:
        """Have all clients leave, and the gate end; nothing may be left behind."""
        for client in self._clients.values():
            if client.socket.open:
                client.socket.room = None
                client.socket.incoming.append(b"")
        self._settle()
        stopped = self._service.stopService()
        self._settle()
        # A client with requests in a queue is not read from, so its leaving isn't noticed.
        self._service.abort()
        self._settle()
        assert stopped.called, "the gate does not end"
        assert not self._reactor.getDelayedCalls(), self._reactor.getDelayedCalls()

    # What was seen.

    def _end_of(self, client: _ClientEnd) -> str:
        socket = client.socket
        unread = sum(len(data) for data in socket.incoming if isinstance(data, bytes))
        return ", ".join(
            [*filter(None, (client.left, socket.end and f"{socket.end} by the gate"))] or ["open"]
        ) + (f", {unread} bytes unread" if unread else "")

    def _client_wire(self, number: int, client: _ClientEnd, end: str) -> Wire:
        data = bytes(client.socket.sent)
        name = f"client {number}"
        if client.writer is not None:
            data, name = read_frames(data), f"{name} (HTTP/2)"
        return Wire(name, _NOW.sub(b"(now)", data), end)

    def _server_wire(self, server: ServerEnd) -> Wire:
        end = server.ended or ("aborted" if server.socket.end == "aborted" else "")
        return Wire(server.label, bytes(server.socket.sent), end)


def play(
    case: Case, manner: Manner | None = None, steps: Sequence[Step] | None = None
) -> Transcript:
    """Play a case.

    Args:
        case: The case.
        manner: How; by default, as it is served.
        steps: What happens instead of the case's own steps.
    """
    return Player(case, manner or Manner()).play(case.steps if steps is None else steps)
