"""The daemon starts, or says why not, with the streams and statuses that a supervisor expects."""

from __future__ import annotations

import re
from pathlib import Path

from tests.peers import request
from tests.processes.case import ProcessTestCase
from tests.support import LISTEN
from tests.twistd import Daemon

STARTS = 5


class Starting(ProcessTestCase):
    """What each start does."""

    async def test_again_and_again(self) -> None:
        """It serves once it says that it listens, on a port that was in use a moment ago."""
        upstream = await self.upstream()
        port = 0
        for _ in range(STARTS):
            daemon = self.configured(
                f'listen = ["tcp:{port}:interface=127.0.0.1"]\n'
                f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n'
            )
            port = await daemon.port()
            client = await self.client(daemon)
            client.send(request())
            self.assertEqual((await client.response()).status, 200)
            daemon.signal("TERM")
            self.assertEqual(await daemon.ended(), 0, daemon.said)
            self.assertEqual(daemon.errors, "")
            self.assertNotRegex(daemon.said, re.compile("warn|error|critical|Traceback", re.I))

    async def test_killed(self) -> None:
        """After SIGKILL under a client, the next start gets the port, and serves."""
        upstream = await self.upstream()
        text = (
            'listen = ["tcp:{port}:interface=127.0.0.1"]\n'
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n'
        )
        daemon = self.configured(text.format(port=0))
        port = await daemon.port()
        client = await self.client(daemon)
        client.send(request())
        await client.response()
        self.assertEqual(await daemon.kill(), -9)
        again = self.configured(text.format(port=port))
        client = await self.client(again)
        client.send(request())
        self.assertEqual((await client.response()).status, 200)

    async def test_two(self) -> None:
        """A second one on the same port ends with its fault; the first one goes on."""
        upstream = await self.upstream()
        text = (
            'listen = ["tcp:{port}:interface=127.0.0.1"]\n'
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n'
        )
        first = self.configured(text.format(port=0))
        second = self.configured(text.format(port=await first.port()))
        self.assertEqual(await second.ended(), 1)
        self.assertIn("Address already in use", second.errors)
        client = await self.client(first)
        client.send(request())
        self.assertEqual((await client.response()).status, 200)

    async def assert_faults(self, daemon: Daemon, *faults: str) -> None:
        """Assert that it ends, and says these faults, one a line, on standard error alone."""
        self.assertNotEqual(await daemon.ended(), 0)
        lines = daemon.errors.splitlines()
        self.assertEqual(len(lines), len(faults), daemon.said)
        for line, fault in zip(lines, faults, strict=True):
            self.assertIn(fault, line)
        self.assertNotIn("listens", daemon.said)

    async def test_faults(self) -> None:
        """A file's faults are on standard error, one a line, and nothing else is.

        A fault of syntax also has its line, with a caret below it.
        """
        directory = Path(self.mktemp()).absolute()
        await self.assert_faults(
            self.configured(
                f'{LISTEN}[upstreams.a]\nservers = ["http://127.0.0.1:1"]\nodd = 1\n'
                '[routes."/"]\nupstream = "b"\n'
            ),
            ":4: upstreams.a.odd",
            ':6: routes."/".upstream',
        )
        await self.assert_faults(
            self.configured("listen = [\n"), ":1: the array listen", "1 | listen = [", "^"
        )
        await self.assert_faults(self.daemon("--config", str(directory)), str(directory))
