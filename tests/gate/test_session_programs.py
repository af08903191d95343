"""A gate that logs in to real servers, with their documented configurations."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import Deferred, gatherResults

from tests.peers import Message
from tests.session_boxes import documented
from tests.session_programs import Server, Syncthing, Transmission
from tests.support import PASSWORD, Gate, GateTestCase

_Server = TypeVar("_Server", bound=Server)
SECRETS = (PASSWORD.encode(), b64encode(f"gate:{PASSWORD}".encode()))
RPC = b'{"method": "session-get", "arguments": {"fields": ["version"]}}'


class ProgramTests(GateTestCase):
    """Servers of Debian."""

    async def start(self, kind: type[_Server]) -> _Server:
        """Return a server that serves until the test has ended."""
        server = kind(Path(self.mktemp()))
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        await server.start()
        return server

    async def rpc(self, gate: Gate, body: bytes = RPC) -> Message:
        """Ask Transmission."""
        return await self.ask(gate, b"POST", b"/transmission/rpc", body=body)

    def check(self, answer: Message, gate: Gate) -> None:
        """Assert that a response is a success, and shows nothing of the session."""
        self.assertEqual(answer.status, 200, answer.raw)
        names = {name.lower() for name, _ in answer.headers}
        self.assertEqual(names & {b"set-cookie", b"x-transmission-session-id"}, set())
        for secret in SECRETS:
            self.assertNotIn(secret, answer.raw)
            self.assertNotIn(secret, "".join(gate.lines).encode())

    async def test_transmission(self) -> None:
        """The token of a 409 is used by all requests, and a new one after a restart."""
        server = await self.start(Transmission)
        gate = self.serve(documented("Transmission", f"http://127.0.0.1:{server.port}"))
        for _ in range(2):
            answer = await self.rpc(gate)
            self.check(answer, gate)
            self.assertEqual(json.loads(answer.body)["result"], "success")
            asked = [Deferred.fromCoroutine(self.rpc(gate)) for _ in range(32)]
            for answer in await gatherResults(asked):
                self.check(answer, gate)
            await server.stop()
            await server.start()

    async def test_transmission_wrong_password(self) -> None:
        """Transmission counts wrong passwords; a client gets its 401 without the challenge."""
        server = await self.start(Transmission)
        text = documented("Transmission", f"http://127.0.0.1:{server.port}")
        gate = self.serve(text.replace('username = "gate"', 'username = "other"'))
        answer = await self.rpc(gate)
        self.assertIn(answer.status, (401, 502))
        self.assertNotIn(b"www-authenticate", answer.fields)

    async def test_syncthing(self) -> None:
        """Its session and its CSRF token are cookies; both are new after a restart."""
        server = await self.start(Syncthing)
        text = documented("Syncthing", f"http://127.0.0.1:{server.port}")
        gate = self.serve(text.replace("ABCDE", server.device))
        for _ in range(2):
            for method in (b"GET", b"POST"):
                answer = await self.ask(gate, method, b"/rest/system/ping", body=b"")
                self.check(answer, gate)
                self.assertEqual(json.loads(answer.body), {"ping": "pong"})
            ping = [
                Deferred.fromCoroutine(self.ask(gate, b"GET", b"/rest/system/ping"))
                for _ in range(32)
            ]
            for answer in await gatherResults(ping):
                self.check(answer, gate)
            await server.stop()
            await server.start()

    async def test_syncthing_wrong_password(self) -> None:
        """Two wrong logins, then none."""
        server = await self.start(Syncthing)
        text = documented("Syncthing", f"http://127.0.0.1:{server.port}")
        gate = self.serve(
            text.replace("ABCDE", server.device).replace('username = "gate"', 'username = "other"')
        )
        for _ in range(4):
            answer = await self.ask(gate, b"GET", b"/rest/system/ping")
            self.assertEqual(answer.status, 502)
