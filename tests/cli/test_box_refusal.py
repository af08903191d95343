"""``corsgate explain --live`` where a box refuses the gate's own credentials."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.threads import deferToThread

from corsgate.cli.box_refusal import box_refusal
from corsgate.cli.live import send
from corsgate.cli.load import load
from corsgate.explain.call import Call
from corsgate.explain.url import Url
from tests.apache import ApacheDigest
from tests.cli.commands import corsgate
from tests.cli.servers import Server
from tests.support import APP, BASIC, DIGEST, PASSWORD, POLICY, GateTestCase

CONFIG = """
listen = ["tcp:1:interface=127.0.0.1"]
[upstreams.ml]
servers = ["{origin}"]
{credentials}
{policy}
[routes."/v1"]
upstream = "ml"
cors = "app"
{route}
"""
HEADER = 'credentials = { type = "header", name = "X-Api-Key", value = { env = "PASSWORD" } }'


class BoxRefusalTests(GateTestCase):
    """From a page's 401 to its cause, through a real gate."""

    async def explain(
        self,
        origin: str,
        credentials: str,
        *,
        debug: bool = False,
        route: str = "",
        config: bool = False,
        method: str = "GET",
    ) -> str:
        """Return what the command says of a call through a gate in front of a server."""
        policy = POLICY + ("debug = true\n" if debug else "")
        text = CONFIG.format(origin=origin, credentials=credentials, policy=policy, route=route)
        gate = self.serve(text.replace("tcp:1:", "tcp:0:"))
        # The command's own secrets are stand-ins: it does not need them.
        file = Path(self.mktemp())
        file.write_text(text)
        arguments = ["explain", "--live", "--origin", APP.decode(), "--method", method]
        if config:
            arguments += ["--config", str(file)]
        url = f"http://localhost:{gate.port}/v1"
        done = await deferToThread(corsgate, *arguments, url)
        self.assertNotIn(PASSWORD, done.out + done.err)
        return str(done.out)

    def apache(self, password: str) -> ApacheDigest:
        """Return a box that asks for Digest."""
        apache = ApacheDigest(users={"admin": password}, files={"v1": b"{}", "index": b"{}"})
        self.addCleanup(apache.stop)
        return apache

    def directly(self, origin: str) -> str:
        """Return what is known of a refusal by a server that may not be there."""
        file = Path(self.mktemp())
        text = CONFIG.format(origin=origin, credentials=BASIC, policy=POLICY, route="")
        file.write_text(text)
        call = Call(origin=APP, method=b"GET", url=Url.parse("http://localhost:1/v1"))
        (words,) = box_refusal(load(str(file)).config, call, 401, send)
        return words

    async def test_apache(self) -> None:
        """With the gate's file it names the wrong kind, and the wrong password."""
        right, other = self.apache(PASSWORD), self.apache("another")
        said = await self.explain(right.origin, BASIC, config=True)
        self.assertIn(f"Upstream ml, server {right.origin}: the server refused the gate's", said)
        self.assertIn("it asks for Digest, the gate has basic.", said)
        for method in ("GET", "PUT", "DELETE"):
            said = await self.explain(other.origin, DIGEST, config=True, method=method)
            self.assertIn('it asks for Digest (realm "closed box"), which the gate has', said)
            self.assertIn("the user name or the password is probably wrong.", said)
        self.assertEqual({m for _, m, _ in other.requests() if m == "DELETE"}, {"DELETE"})
        self.assertTrue((other.files / "v1").exists())
        said = await self.explain(right.origin, DIGEST, config=True)
        self.assertNotIn("credentials:", said)

    async def test_debug(self) -> None:
        """With `debug` in the policy, the gate itself says it, and no file is needed."""
        apache = self.apache(PASSWORD)
        said = await self.explain(apache.origin, BASIC, debug=True)
        self.assertIn(
            "The gate's reason: the server refused the gate's credentials: it asks for", said
        )

    async def test_hint(self) -> None:
        """With neither, it says where the reason is."""
        apache = self.apache(PASSWORD)
        said = await self.explain(apache.origin, BASIC)
        self.assertIn("refused the gate's own credentials, not the page's", said)
        self.assertIn("add --config with the gate's file", said)

    async def test_mapped(self) -> None:
        """The box is asked for the path that it would get, without credentials or a page."""
        box = Server(lambda method, path: (401, (("WWW-Authenticate", 'Basic realm="b"'),)))
        self.addCleanup(box.stop)
        said = await self.explain(
            f"{box.url}/base", HEADER, config=True, route="strip_prefix = true"
        )
        self.assertIn("it asks for Basic, the gate has the header X-Api-Key.", said)
        method, path, fields = box.seen[-1]
        self.assertEqual((method, path), ("GET", "/base/"))
        for name in ("Origin", "X-Api-Key", "Authorization"):
            self.assertNotIn(name, fields)

    async def test_others(self) -> None:
        """A 403, a box that does not ask, and a route without credentials of the gate's own."""
        box = Server(lambda method, path: (403, ()))
        self.addCleanup(box.stop)
        said = await self.explain(box.url, BASIC, config=True)
        self.assertIn("although it got the gate's credentials (basic)", said)
        picky = Server(
            lambda method, path: (401 if "Authorization" in picky.seen[-1][2] else 200, ())
        )
        self.addCleanup(picky.stop)
        said = await self.explain(picky.url, BASIC, config=True)
        self.assertIn("without credentials it responds with 200 instead of 401", said)
        unix = "unix:/nowhere/box.sock"
        self.assertIn(
            f"for what it asks for: from here, {unix} is a Unix socket", self.directly(unix)
        )
        self.assertIn("refuses connections", self.directly("http://127.0.0.1:9"))
        words = self.directly("dns+http://box.test:1")
        self.assertIn("(basic). See the gate's log for what it asks for: the file names no", words)
        closed = Server(lambda method, path: (401, (("WWW-Authenticate", "Basic realm=b"),)))
        self.addCleanup(closed.stop)
        said = await self.explain(closed.url, "", config=True)
        self.assertNotIn("gate's credentials", said)
