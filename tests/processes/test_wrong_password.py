"""A wrong password as a user of curl sees it: the daemon in front of Apache."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread

from tests.apache import ApacheDigest
from tests.processes.case import ProcessTestCase
from tests.programs import output, require
from tests.support import APP, LISTEN, POLICY
from tests.twistd import Daemon

AT_ONCE = 24
RIGHT, WRONG = "the-password-of-today", "the-password-of-last-year"


class WrongPassword(ProcessTestCase):
    """A password that is wrong, then corrected."""

    async def curl(self, port: int, *options: str) -> str:
        """Return what curl prints of a response."""
        origin = f"Origin: {APP.decode()}"
        arguments = ["-sS", "-i", "-H", origin, *options, f"http://127.0.0.1:{port}/v1/x"]
        return await output(require("curl", "curl"), arguments)

    async def statuses(self, port: int) -> Counter[str]:
        """Return the statuses of many requests at once, and how often each came."""
        asked = [self.curl(port, "--max-time", "60") for _ in range(AT_ONCE)]
        shown = await gatherResults([Deferred.fromCoroutine(each) for each in asked])
        return Counter(each.split(" ", 2)[1] for each in shown)

    async def test_wrong_password(self) -> None:
        """Apache sees few failed logins, curl gets 502 and why, and a reload ends the block."""
        apache = await deferToThread(ApacheDigest, users={"admin": RIGHT}, files={"x": b"{}"})
        self.addCleanup(deferToThread, apache.stop)
        file = Path(self.mktemp()).absolute()
        text = (
            f'{LISTEN}[upstreams.a]\nservers = ["{apache.origin}"]\n'
            f'credentials = {{ type = "digest", username = "admin", password = "{WRONG}" }}\n'
            f'{POLICY}[routes."/v1"]\nupstream = "a"\ncors = "app"\nstrip_prefix = true\n'
        )
        file.write_text(text)
        file.chmod(0o600)
        daemon: Daemon = self.daemon("--config", str(file))
        port = await daemon.port()
        statuses = await self.statuses(port)
        # Two, and a few more where Apache takes seconds on a busy machine.
        self.assertLess(statuses["401"], AT_ONCE / 3)
        self.assertEqual(statuses["401"] + statuses["502"], AT_ONCE)
        self.assertLess(await deferToThread(apache.failed_logins), AT_ONCE / 3)
        shown = await self.curl(port)
        self.assertIn("HTTP/1.1 502 Bad Gateway", shown)
        self.assertIn("Retry-After: ", shown)
        self.assertIn(f"Access-Control-Allow-Origin: {APP.decode()}", shown)
        self.assertIn("The upstream rejects the gate's credentials.", shown)
        await daemon.when(lambda: "times; to keep the account" in daemon.said)
        file.write_text(text.replace(WRONG, RIGHT))
        daemon.signal("HUP")
        await daemon.when(lambda: "upstreams.a" in daemon.said and "credentials" in daemon.said)
        await daemon.when(lambda: daemon.said.count("reload") >= 1)
        self.assertEqual(await self.statuses(port), {"200": AT_ONCE})
        for secret in (RIGHT, WRONG):
            self.assertNotIn(secret, daemon.said)
