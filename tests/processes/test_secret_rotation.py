"""Secrets that are replaced while the daemon runs and clients send: no request is lost."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread

from tests.ntlm_box import challenge_message
from tests.peers import Client, Message, Upstream, request, response
from tests.processes.case import ProcessTestCase
from tests.processes.rotated_kinds import KINDS, Logins
from tests.support import FROM_APP, LISTEN, POLICY
from tests.twistd import Daemon

OLD, NEW, THIRD = "old-secret", "new-secret", "third-secret"

CLIENTS = 8
"""How many clients of each kind send requests at once."""


def write(path: Path, text: str) -> None:
    """Empty a file and write it again, as a shell does."""
    path.write_text(text)


class Box:
    """A server that knows which secrets are valid, and counts who got in with which.

    Args:
        upstream: Its sockets.
        logins: Its sessions.

    Attributes:
        valid: The secrets that are valid.
        accepted: How many requests of each kind had each of them.
        lost: The requests of clients that got no 200.
    """

    def __init__(self, upstream: Upstream, logins: Logins) -> None:
        self.upstream = upstream
        self.valid = [OLD]
        self.accepted: Counter[tuple[str, str]] = Counter()
        self.lost: list[str] = []
        self._logins = logins
        upstream.answer = self.answer

    def answer(self, asked: Message) -> bytes:
        """Return 200 for a valid secret, and a challenge for any other."""
        first, _, rest = asked.target[1:].decode().partition("/")
        name = rest.partition("?")[0] if first == "login" else first
        kind, logins = KINDS[name], self._logins
        for secret in self.valid:
            if first == "login":
                assert kind.logs_in is not None, "it has a login"
                if kind.logs_in(asked, secret):
                    return logins.log_in(secret)
            elif kind.accepts is not None:
                if kind.accepts(asked, secret):
                    return self._accepted(name, secret, asked)
            elif logins.secret_of(asked) == secret or logins.ntlm_accepts(asked, secret):
                return self._accepted(name, secret, asked)
        challenge = logins.ntlm_challenge(asked) or kind.challenge
        if b"%d" in challenge:
            challenge %= len(self.upstream.requests)
        return response(401, [(b"WWW-Authenticate", challenge)], b"rejected")

    def _accepted(self, name: str, secret: str, asked: Message) -> bytes:
        self.accepted[name, secret] += 1
        self.upstream.changed()
        return response(body=asked.target.partition(b"?")[0])

    def got(self, secret: str) -> Deferred[bool]:
        """Return a Deferred that fires once each kind has come with a secret.

        It fails with the first request that was lost.
        """

        def has_got() -> bool:
            assert not self.lost, self.lost[0]
            return all(self.accepted[kind, secret] for kind in KINDS)

        return self.upstream.when(has_got)


class RotationTestCase(ProcessTestCase):
    """A daemon with each kind of credentials, and clients of each."""

    async def start(self, source: Callable[[str], str], top: str = "", **environ: str) -> None:
        """Start it; `source` returns where the secret of a kind comes from."""
        self.box = Box(await self.upstream(), Logins(challenge_message(self)))
        self.toml = top + LISTEN + POLICY
        for name, kind in KINDS.items():
            keys = kind.keys.replace("SECRET", source(name)).replace("NAME", name)
            self.toml += (
                f'[upstreams.{name}]\nservers = ["{self.box.upstream.url}"]\n'
                f"{keys.replace('BOX', self.box.upstream.url)}\n"
                f'[routes."/{name}"]\nupstream = "{name}"\ncors = "app"\n'
            )
        self.file = Path(self.mktemp()).absolute()
        self.file.write_text(self.toml)
        self.gate = Daemon("--config", str(self.file), environ=environ)
        self.addCleanup(self.gate.kill)
        self.port = await self.gate.port()
        self.statuses: Counter[int] = Counter()
        self.stopped = False
        self.clients = [
            Deferred.fromCoroutine(self.ask_on(await self.connect_to(self.port), name))
            for name in KINDS
            for _ in range(CLIENTS)
        ]
        await self.box.got(OLD)

    async def ask_on(self, client: Client, name: str) -> None:
        """Send requests until the end of the test."""
        number = 0
        while not self.stopped:
            number += 1
            target = f"/{name}/{number}".encode()
            body = b"x" * 100 if number % 3 == 0 else None
            client.send(request(b"PUT" if body else b"GET", target, [FROM_APP], body=body))
            found = await client.response()
            self.statuses[found.status] += 1
            if found.status != 200:
                self.box.lost.append(f"{target!r}: {found.raw!r}\n{self.gate.said}")
                self.box.upstream.changed()
            self.assertEqual(found.status, 200, (target, found.raw))
            self.assertEqual(found.body, target)

    async def end(self) -> None:
        """Send no more; every request has got its response."""
        self.stopped = True
        await gatherResults(self.clients, consumeErrors=True)
        self.assertEqual(set(self.statuses), {200})
        for secret in (OLD, NEW, THIRD):
            self.assertNotIn(secret, self.gate.said)

    async def said(self, text: str) -> None:
        """Wait for a line of its log."""
        await self.gate.when(lambda: text in self.gate.said)


class FileTests(RotationTestCase):
    """Files and systemd's credentials, for a box that accepts both secrets for a while."""

    async def rotate(self, replace: Callable[[str], None]) -> None:
        """Replace the secret, and have the box forget the old one once the new one has come."""
        self.box.valid.append(NEW)
        replace(NEW)
        await self.box.got(NEW)
        # A secret is used by requests as soon as the reload has ended, and never again before it.
        await self.said("reload (a secret has changed) took")
        while len(self.box.valid) > 1:
            self.box.accepted.clear()
            await self.box.got(NEW)
            if not any(self.box.accepted[kind, OLD] for kind in KINDS):
                self.box.valid.remove(OLD)
        self.box.accepted.clear()
        await self.box.got(NEW)
        await self.end()

    async def test_file(self) -> None:
        """A file is replaced by another one, as ``mv`` does it."""
        path = Path(self.mktemp()).absolute()
        path.write_text(OLD)
        await self.start(lambda _: f'{{ file = "{path}" }}')

        def replace(secret: str) -> None:
            path.with_suffix(".new").write_text(secret)
            path.with_suffix(".new").replace(path)

        await self.rotate(replace)

    async def test_file_in_place(self) -> None:
        """A file is emptied and written again, as ``>`` does it."""
        path = Path(self.mktemp()).absolute()
        path.write_text(OLD)
        await self.start(lambda _: f'{{ file = "{path}" }}')
        await self.rotate(partial(write, path))

    async def test_kubernetes(self) -> None:
        """The directory of the file is a link that leads elsewhere, as Kubernetes does it."""
        mount = Path(self.mktemp()).absolute()
        for name, secret in (("old", OLD), ("new", NEW)):
            (mount / name).mkdir(parents=True)
            (mount / name / "password").write_text(secret)
        (mount / "..data").symlink_to("old")
        (mount / "password").symlink_to("..data/password")
        await self.start(lambda _: f'{{ file = "{mount}/password" }}')

        def replace(secret: str) -> None:
            (mount / "..tmp").symlink_to("new")
            (mount / "..tmp").replace(mount / "..data")

        await self.rotate(replace)

    async def test_systemd(self) -> None:
        """A credential of systemd is replaced, beside a configuration that has become faulty."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        (directory / "box").write_text(OLD)
        await self.start(lambda _: '{ systemd = "box" }', CREDENTIALS_DIRECTORY=str(directory))
        self.file.write_text("faulty")

        def replace(secret: str) -> None:
            (directory / "new").write_text(secret)
            (directory / "new").replace(directory / "box")

        await self.rotate(replace)

    async def test_watched(self) -> None:
        """With ``watch = true``, a faulty configuration does not keep a secret back either."""
        path = Path(self.mktemp()).absolute()
        path.write_text(OLD)
        await self.start(lambda _: f'{{ file = "{path}" }}', "watch = true\n")
        self.file.write_text("faulty")
        await self.rotate(partial(write, path))

    async def test_faulty(self) -> None:
        """A secret that is gone or can't be used is logged once, and the old one stays."""
        path = Path(self.mktemp()).absolute()
        path.write_text(OLD)
        await self.start(lambda _: f'{{ file = "{path}" }}')
        path.write_text("\x01 is no secret")
        await self.said("the old configuration stays in force")
        self.box.accepted.clear()
        await self.box.got(OLD)
        await self.rotate(partial(write, path))
        self.assertEqual(self.gate.said.count("the old configuration stays in force"), 1)


class CommandTests(RotationTestCase):
    """Commands, for a box that accepts one secret at a time."""

    async def test_rejected(self) -> None:
        """The rejected request itself is signed with the new secret: the client sees nothing."""
        path = Path(self.mktemp()).absolute()
        path.write_text(OLD)
        await self.start(lambda _: f'{{ command = ["cat", "{path}"] }}')
        path.write_text(NEW)
        self.box.valid = [NEW]
        await self.box.got(NEW)
        await self.end()
        rotated = 'a secret was rejected; "cat" printed a new one, which is used from now on'
        await self.gate.when(lambda: self.gate.messages.count(rotated) == len(KINDS))

    async def test_reloaded(self) -> None:
        """A reload runs the command, too."""
        path = Path(self.mktemp()).absolute()
        path.write_text(OLD)
        await self.start(lambda _: f'{{ command = ["cat", "{path}"] }}')
        path.write_text(NEW)
        self.box.valid.append(NEW)
        self.gate.signal("HUP")
        await self.box.got(NEW)
        await self.end()
        self.assertNotIn("rejected", self.gate.said)

    async def test_wrong(self) -> None:
        """A secret that stays wrong has the command run once, not for each request."""
        path, runs = (Path(self.mktemp()).absolute() for _ in range(2))
        path.write_text(OLD)
        script = path.with_suffix(".sh")
        script.write_text(f"#!/bin/sh\necho >> {runs}\ncat {path}\n")
        script.chmod(0o700)
        await self.start(lambda _: f'{{ command = ["{script}"] }}')
        self.stopped = True
        await gatherResults(self.clients)
        self.box.valid = []
        for _ in range(8):
            for name in KINDS:
                found = await self.send_to(
                    self.port, request(target=f"/{name}/1".encode(), headers=[FROM_APP])
                )
                self.assertIn(found.status, (401, 502))
        # Once for all upstreams at the start, and once after the first rejection.
        self.assertEqual(runs.read_text().count("\n"), 2)

    async def test_hanging(self) -> None:
        """A command that hangs does not keep the gate from ending."""
        fifo, script = (Path(self.mktemp()).absolute() for _ in range(2))
        os.mkfifo(fifo)
        script.write_text(
            f"#!/bin/sh\nif [ -e {script}.ran ]; then echo $$ > {fifo}; exec sleep 3600; fi\n"
            f"touch {script}.ran; echo {OLD}\n"
        )
        script.chmod(0o700)
        await self.start(lambda _: f'{{ command = ["{script}"], timeout = "60s" }}')
        self.stopped = True
        await gatherResults(self.clients)
        self.box.valid = []
        client = await self.connect_to(self.port)
        client.send(request(target=b"/basic/1"))
        pid = int(await deferToThread(fifo.read_text))
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        for said in ("stopping: no new connections", "stopping at once"):
            self.gate.signal("TERM")
            await self.said(said)
        await self.gate.ended()
        # Nobody has waited for it, nor for the end of its time.
        os.kill(pid, 0)
