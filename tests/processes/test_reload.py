"""The configuration changes while the daemon runs and clients send as fast as they can."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from twisted.internet.error import ConnectError
from twisted.internet.utils import getProcessOutputAndValue

from tests.peers import Client, Upstream, reactor, request, response
from tests.processes.case import ProcessTestCase
from tests.processes.load import Load
from tests.processes.logs import targets
from tests.support import LISTEN
from tests.tree import ROOT, outside
from tests.twistd import Daemon

READY = request(target=b"/readyz")
STATUS = re.compile(r"status and metrics: http://127\.0\.0\.1:(\d+)/")
FAULT = "upstreams.a.odd: the key is unknown"
"""What `Reload.broken` has."""


class Reload(ProcessTestCase):
    """A file is broken and fixed, with one daemon and its clients."""

    def setUp(self) -> None:
        """Have a place for the file."""
        self.file = Path(self.mktemp()).absolute()

    def text(self, upstream: Upstream, version: int, more: str = "") -> str:
        """Return a configuration, whose version is in each response."""
        return (
            f'{more}{LISTEN}[upstreams.a]\nservers = ["{upstream.url}"]\n'
            f'[routes."/"]\nupstream = "a"\n'
            f'response_headers = {{ set = {{ X-Version = "{version}" }} }}\n'
        )

    def broken(self, upstream: Upstream, version: int) -> str:
        """Return one with a fault."""
        return self.text(upstream, version).replace("servers", "odd = 1\nservers")

    async def started(self, upstream: Upstream, more: str = "") -> Daemon:
        """Return a daemon that serves version 1."""
        self.file.write_text(self.text(upstream, 1, more))
        daemon = self.daemon("--config", str(self.file))
        await daemon.port()
        self.pid = daemon.process.pid
        return daemon

    async def reload(self) -> tuple[int, str]:
        """Run ``corsgate reload``; return its exit status and what it wrote."""
        pid = str(self.pid)
        out, errors, status = await getProcessOutputAndValue(
            sys.executable,
            ["-m", "corsgate", "reload", "--pid", pid],
            env={**outside(), "PYTHONPATH": str(ROOT)},
            reactor=reactor,
        )
        text: bytes = out + errors
        return status, text.decode()

    async def served(self, client: Client) -> int:
        """Return the version that a connection is served."""
        client.send(request(target=b"/version"))
        answer = await client.response()
        self.assertEqual(answer.status, 200)
        return int(answer.one(b"X-Version"))

    async def test_broken_and_fixed(self) -> None:
        """A broken file changes nothing, and says so; a fixed one is used, on open connections."""
        upstream = await self.upstream()
        daemon = await self.started(upstream)
        port = await daemon.port()
        # Few, so that the command, a process too, has its share of the machine.
        load = Load(upstream, lambda: port, keeping=1, opening=1)
        load.start()
        kept = await self.client(daemon)
        self.assertEqual(await self.served(kept), 1)
        for version in (2, 3):
            self.file.write_text(self.broken(upstream, version))
            status, said = await self.reload()
            self.assertEqual(status, 1, said)
            self.assertIn(f"{self.file}:3: {FAULT}", said)
            self.assertEqual(await self.served(kept), version - 1)
            await load.more(50)
            self.file.write_text(self.text(upstream, version))
            status, said = await self.reload()
            self.assertEqual(status, 0, said)
            self.assertEqual(await self.served(kept), version)
            await load.more(50)
        await load.stop()
        self.assertEqual((load.unanswered, load.wrong, set(load.statuses)), ([], [], {200}))
        self.assertEqual(load.refused, 0)
        self.assertEqual(daemon.said.count(FAULT), 2)
        self.assertNotIn("Traceback", daemon.said)

    async def test_signal(self) -> None:
        """SIGHUP alone does the same, and the log says what came of it."""
        upstream = await self.upstream()
        daemon = await self.started(upstream)
        kept = await self.client(daemon)
        self.file.write_text(self.broken(upstream, 2))
        daemon.signal("HUP")
        await daemon.when(lambda: FAULT in daemon.said)
        self.assertEqual(await self.served(kept), 1)
        self.file.write_text(self.text(upstream, 3))
        daemon.signal("HUP")
        while await self.served(kept) != 3:
            self.assertEqual(kept.outcome, "")

    async def test_watched(self) -> None:
        """With ``watch = true`` nobody has to say that the file has changed."""
        upstream = await self.upstream()
        daemon = await self.started(upstream, "watch = true\n")
        kept = await self.client(daemon)
        self.replace(self.broken(upstream, 2))
        await daemon.when(lambda: FAULT in daemon.said)
        self.assertEqual(await self.served(kept), 1)
        self.replace(self.text(upstream, 3, "watch = true\n"))
        while await self.served(kept) != 3:
            self.assertEqual(kept.outcome, "")

    def replace(self, text: str) -> None:
        """Put another file in the place of the file, as editors do."""
        other = self.file.with_suffix(".new")
        other.write_text(text)
        other.rename(self.file)

    async def test_in_flight(self) -> None:
        """What has begun under the old configuration ends under it: a request, an upload."""
        upstream = await self.upstream(None)
        daemon = await self.started(upstream)
        asking, sending = await self.client(daemon), await self.client(daemon)
        asking.send(request(target=b"/slow"))
        slow = await upstream.arrived()
        sending.send(b"PUT /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nhalf")
        await upstream.when(lambda: upstream.data.endswith(b"half"))
        self.file.write_text(self.text(upstream, 2))
        status, said = await self.reload()
        self.assertEqual(status, 0, said)
        sending.send(b"more")
        sent = await upstream.arrived(2)
        self.assertEqual(sent.body, b"halfmore")
        for arrived, client in ((sent, sending), (slow, asking)):
            arrived.connection.send(response(body=b"done"))
            answer = await client.response()
            self.assertEqual((answer.body, answer.one(b"X-Version")), (b"done", b"1"))
        upstream.script(response(body=b"ok"))
        self.assertEqual([await self.served(each) for each in (asking, sending)], [2, 2])

    async def test_access_log_moves(self) -> None:
        """Another access log: each request has one line, in the one file or the other."""
        upstream = await self.upstream()
        logs = [Path(self.mktemp()).absolute() for _ in range(2)]
        daemon = await self.started(upstream, f'access_log = "{logs[0]}"\n')
        port = await daemon.port()
        load = Load(upstream, lambda: port, keeping=1, opening=1)
        load.start()
        await load.more(200)
        self.file.write_text(self.text(upstream, 2, f'access_log = "{logs[1]}"\n'))
        status, said = await self.reload()
        self.assertEqual(status, 0, said)
        await load.more(200)
        await load.stop()
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        sent = [b"/%d" % number for number in range(1, load.answered + 1)]
        self.assertEqual(sorted(targets(*logs)), sorted(sent))
        self.assertTrue(targets(logs[0]))
        self.assertTrue(targets(logs[1]))

    async def test_while_it_ends(self) -> None:
        """During a drain, neither SIGHUP nor the command keeps it from ending, with status 0."""
        upstream = await self.upstream(None)
        daemon = await self.started(upstream)
        client = await self.client(daemon)
        client.send(request())
        arrived = await upstream.arrived()
        daemon.signal("TERM")
        await daemon.when(lambda: "stopping" in daemon.said)
        daemon.signal("HUP")
        status, said = await self.reload()
        self.assertNotEqual(status, 0, said)
        arrived.connection.send(response(body=b"done"))
        self.assertEqual((await client.response()).body, b"done")
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertNotIn("Traceback", daemon.said)

    async def test_nobody_there(self) -> None:
        """``corsgate reload`` of a process that has ended, or is none, says so."""
        daemon = await self.started(await self.upstream())
        await daemon.kill()
        status, said = await self.reload()
        self.assertEqual(status, 2, said)
        self.assertNotIn("Traceback", said)

    async def test_admin(self) -> None:
        """[admin] comes, moves and goes; a reload that can't open it changes nothing at all."""
        upstream = await self.upstream()
        daemon = await self.started(upstream)
        kept = await self.client(daemon)
        port = await daemon.port()
        admin = '[admin]\nlisten = "tcp:{}:interface=127.0.0.1"\n'
        self.file.write_text(self.text(upstream, 2) + admin.format(upstream.port))
        status, said = await self.reload()
        self.assertEqual(status, 1, said)
        self.assertIn("admin.listen: can't listen on", said)
        self.assertEqual(await self.served(kept), 1)
        self.file.write_text(self.text(upstream, 3) + admin.format(0))
        status, said = await self.reload()
        self.assertEqual(status, 0, said)
        found = await daemon.when(lambda: STATUS.search(daemon.said))
        assert found is not None, "that was waited for"
        first = int(found[1])
        self.assertEqual((await self.send_to(first, READY)).status, 200)
        self.assertEqual(await self.served(kept), 3)
        # To where the gate listens itself, and the gate to where the admin listener is.
        for text, key in (
            (self.text(upstream, 4) + admin.format(port), "admin.listen"),
            (self.text(upstream, 4).replace("tcp:0", f"tcp:{first}"), "listen[0]"),
        ):
            self.file.write_text(text)
            status, said = await self.reload()
            self.assertEqual(status, 1, said)
            self.assertIn(f"{key}: can't listen on", said)
            self.assertEqual(await self.served(kept), 3)
            self.assertEqual((await self.send_to(first, READY)).status, 200)
        self.file.write_text(self.text(upstream, 5))
        status, said = await self.reload()
        self.assertEqual(status, 0, said)
        with self.assertRaises(ConnectError):
            await self.connect_to(first)
        self.assertEqual(await self.served(kept), 5)
        self.assertNotIn("Traceback", daemon.said)
