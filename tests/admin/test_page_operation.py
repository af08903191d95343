"""The status page in a browser through reloads, refused credentials, failures and a drain."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThread

from tests.admin.page_case import BANNER, ROWS, STATE, StatusPageTestCase, in_thread
from tests.admin.pages import Chromium, accessibility_faults, firefox
from tests.apache import ApacheDigest
from tests.certificates import Authority
from tests.peers import request, response
from tests.ports import free_port
from tests.processes.test_ending import SWITCH, UPGRADE
from tests.twistd import Daemon

ATTENTION = "document.querySelector('#attention').innerText"
CONFIGURATION = "document.querySelector('#configuration-body').innerText"
SERVERS = "document.querySelector('#upstreams-list').innerText"
CALM = f"{ATTENTION}.includes('Nothing needs attention')"


class OperationTestCase(StatusPageTestCase):
    """A gate whose configuration changes."""

    timeout = 120

    def write(self, change: Callable[[str], str]) -> None:
        """Write another configuration."""
        self.config = change(self.config)
        self.file.write_text(self.config, "utf-8")

    def reload(self, change: Callable[[str], str]) -> None:
        """Write another configuration, and have the gate read it."""
        self.write(change)
        self.gate.signal("HUP")

    async def status(self) -> Any:
        """Return `/api/status`."""
        url = f"{self.url}api/status"

        def read() -> Any:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)

        return await in_thread(read)


class ReloadTests:
    """Reloads, in whichever browser."""

    async def test_reload(self: Any) -> None:
        """Changes are shown; a removed route has no row, and the counters of others go on."""
        more = '[routes."/old"]\nupstream = "box"\n'
        self.reload(lambda text: text + more)
        page = await self.page()
        for _ in range(3):
            self.assertEqual(await self.call(), 200)
        await in_thread(page.wait, f"{ROWS}.join().includes('3 requests')")
        await in_thread(page.wait, f"{ROWS}.length === 2")
        self.assertIn("not watched", await in_thread(page.run, CONFIGURATION))
        listen = f'listen = ["tcp:{free_port()}:interface=127.0.0.1", '
        new = '[routes."/new"]\nupstream = "box"\n'
        self.reload(lambda text: text.replace(more, new).replace("listen = [", listen, 1))
        rows = await in_thread(page.wait, f"{ROWS}.join().includes('/new') && {ROWS}")
        self.assertEqual(len(rows), 2)
        self.assertNotIn("/old", "".join(rows))
        self.assertIn("3 requests", "".join(rows))
        said = await in_thread(page.run, CONFIGURATION)
        self.assertRegex(said, r"SIGHUP: succeeded \(2 succeeded, 0 failed\)")
        self.assertRegex(said, r"In force since\s+\d\d:\d\d:\d\d, \d+ s ago")
        self.assertIn('- routes."/old": the route to upstream box is removed', said)
        self.assertEqual(said.count(" no TLS, HTTP"), 2, said)
        self.assertTrue(await in_thread(page.run, CALM))

    async def test_failed_reload(self: Any) -> None:
        """All faults are shown in full, until a reload succeeds; the old routes go on."""
        page = await self.page()
        good = self.config
        bad = good.replace("allow_origins", "allow_origin").replace('cors = "app"', 'cors = "ap"')
        self.reload(lambda text: bad)
        await in_thread(page.wait, f"{CONFIGURATION}.includes('0 succeeded, 1 failed')")
        faults = (await self.status())["config"]["last_reload"]["faults"]
        self.assertGreater(len(faults), 1)
        said = await in_thread(page.run, CONFIGURATION)
        for fault in faults:
            self.assertIn(fault, said)
            self.assertIn(f"{self.file}:", fault)
        attention = await in_thread(page.run, ATTENTION)
        self.assertIn("failed, so the old configuration stays in force", attention)
        self.assertIn(faults[0], attention)
        self.assertIn(
            "failed", await in_thread(page.run, "document.querySelector('#said').innerText")
        )
        self.assertEqual(await self.call(), 200)
        ready = await self.send_to(self.admin_port, request(b"GET", b"/readyz"))
        self.assertEqual((ready.status, ready.body), (200, b"ready\n"))
        self.reload(lambda text: good)
        await in_thread(page.wait, f"{CONFIGURATION}.includes('1 succeeded, 1 failed')")
        await in_thread(page.wait, CALM)

    async def test_watch(self: Any) -> None:
        """Whether the file is watched is shown, and that its change was the reason of a reload."""
        page = await self.page()
        self.reload(lambda text: "watch = true\n" + text)
        await in_thread(page.wait, f"{CONFIGURATION}.includes(', watched: changes are loaded')")
        self.write(lambda text: text + '[routes."/v2"]\nupstream = "box"\n')
        await in_thread(page.wait, f"{ROWS}.length === 2")
        self.assertIn(", a file has changed: succeeded", await in_thread(page.run, CONFIGURATION))
        self.write(lambda text: text.replace("watch = true", "watch = false"))
        await in_thread(page.wait, f"{CONFIGURATION}.includes(', not watched')")


class ReloadsInChromium(ReloadTests, OperationTestCase):
    """In Chromium."""

    start = Chromium


class ReloadsInFirefox(ReloadTests, OperationTestCase):
    """In Firefox."""

    start = staticmethod(firefox)


class Attention(OperationTestCase):
    """What needs attention."""

    start = Chromium

    async def accessible(self, page: Any, dark: Any) -> None:
        """Assert that axe finds nothing wrong, in both colour schemes."""
        for each in (page, dark):
            self.assertEqual(await in_thread(accessibility_faults, each), [])

    async def test_refused_credentials(self) -> None:
        """A box that refuses the gate's credentials is named until it accepts them."""
        apache = await in_thread(ApacheDigest, users={"gate": "right"}, files={"x": b"{}"})
        self.addCleanup(deferToThread, apache.stop)
        self.reload(
            lambda text: (
                f"""{text}
[upstreams.apache]
servers = ["{apache.origin}"]
credentials = {{ type = "digest", username = "gate", password = "wrong" }}
[routes."/x"]
upstream = "apache"
cors = "app"
"""
            )
        )
        self.file.chmod(0o600)
        page, dark = await self.page(), await self.page(dark=True)
        await in_thread(page.wait, f"{ROWS}.length === 2")
        self.assertEqual(await self.call(target=b"/x"), 401)
        said = await in_thread(page.wait, f"{ATTENTION}.includes('credentials') && {ATTENTION}")
        words = "the server refused the gate's credentials: it asks for Digest"
        self.assertIn(f"Upstream apache: {words}", said)
        self.assertIn(words, await in_thread(page.run, SERVERS))
        for status in (401, 502):
            self.assertEqual(await self.call(target=b"/x"), status)
        blocked = "requests get 502 until"
        await in_thread(page.wait, f"{ATTENTION}.includes('Requests get 502')")
        self.assertIn(blocked, await in_thread(page.run, SERVERS))
        await self.accessible(page, dark)
        self.reload(lambda text: text.replace('"wrong"', '"right"'))
        await in_thread(page.wait, f"{CONFIGURATION}.includes('2 succeeded')")
        self.assertEqual(await self.call(target=b"/x"), 200)
        await in_thread(page.wait, f"!{ATTENTION}.includes('credentials')")
        for each in (words, blocked):
            self.assertNotIn(each, await in_thread(page.run, SERVERS))

    async def test_accounts(self) -> None:
        """Kinds of single origins are shown, and why there is no token."""
        nowhere = f"http://127.0.0.1:{free_port()}"
        self.write(
            lambda text: (
                text
                + f"""
[credentials.reader]
type = "basic"
username = "gate"
password = "p"
[upstreams.shared]
servers = ["{nowhere}"]
credentials_by_origin = {{ "http://localhost:4200" = "reader" }}
[upstreams.cloud]
servers = ["{nowhere}"]
[upstreams.cloud.credentials]
type = "oauth2"
grant = "client_credentials"
token_url = "{nowhere}/token"
client_id = "gate"
client_secret = "s"
[routes."/shared"]
upstream = "shared"
cors = {{ allow_origins = ["http://localhost:4200"] }}
[routes."/cloud"]
upstream = "cloud"
cors = "app"
"""
            )
        )
        self.file.chmod(0o600)
        self.gate.signal("HUP")
        page, dark = await self.page(), await self.page(dark=True)
        await in_thread(page.wait, f"{ROWS}.length === 3")
        self.assertEqual(await self.call(target=b"/cloud"), 502)
        words = 'no token for client "gate"'
        await in_thread(page.wait, f"{ATTENTION}.includes('{words}')")
        said = await in_thread(page.run, SERVERS)
        self.assertIn("credentials: basic for http://localhost:4200", said)
        self.assertIn(words, said)
        await self.accessible(page, dark)

    async def test_blocked_account(self) -> None:
        """Of several accounts, the page says which pages' one is blocked."""
        box = await self.upstream(response(401))
        self.reload(
            lambda text: (
                f"""{text}
[upstreams.closed]
servers = ["{box.url}"]
credentials_by_origin = {{ "https://app.example" = "one" }}
[credentials.one]
type = "bearer"
token = "wrong"
[routes."/x"]
upstream = "closed"
cors = "app"
"""
            )
        )
        page = await self.page()
        await in_thread(page.wait, f"{ROWS}.length === 2")
        for _ in range(2):
            self.assertEqual(await self.call(target=b"/x"), 401)
        said = await in_thread(page.wait, f"{ATTENTION}.includes('get 502') && {ATTENTION}")
        words = "for requests from https://app.example. Requests get 502"
        self.assertIn(words, said)
        upstreams = await in_thread(page.run, SERVERS)
        self.assertIn("credentials: bearer for https://app.example, 403 for all others", upstreams)
        self.assertIn("requests from https://app.example get 502 until", upstreams)

    async def test_faults_are_accessible(self) -> None:
        """A failed reload, and a page without any request."""
        page, dark = await self.page(), await self.page(dark=True)
        await self.accessible(page, dark)
        self.reload(lambda text: text.replace("allow_origins", "allow_origin"))
        for each in (page, dark):
            await in_thread(each.wait, f"{CONFIGURATION}.includes('1 failed')")
        await self.accessible(page, dark)

    async def test_certificate(self) -> None:
        """A certificate that expires soon is named, with the day; another one is not."""
        authority, folder = Authority.make(), Path(self.mktemp()).absolute()
        folder.mkdir()
        for name, days in (("soon", 5), ("later", 100)):
            issued = authority.issue(f"DNS:{name}.example", ends=timedelta(days=days))
            (folder / f"{name}.pem").write_bytes(issued.pem)
            (folder / f"{name}-key.pem").write_bytes(issued.key_pem)
            (folder / f"{name}-key.pem").chmod(0o600)
        both = "".join(
            f'[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\ncertificates = [{{ chain ='
            f' "{folder}/{name}.pem", key = "{folder}/{name}-key.pem" }}]\n'
            for name in ("soon", "later")
        )
        plain = '[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
        _, rest = self.config.split("\n[admin]", 1)
        self.reload(lambda text: f"{plain}{both}[admin]{rest}")
        page = await self.page()
        said = await in_thread(page.wait, f"{ATTENTION}.includes('soon') && {ATTENTION}")
        self.assertRegex(said, r"The certificate of .*soon\.example expires on \d{4}-\d\d-\d\d, in")
        self.assertNotIn("later", said)
        self.assertIn("later.example", await in_thread(page.run, CONFIGURATION))

    async def test_servers(self) -> None:
        """What is down is named with the reason; what is ejected counts down to its end."""
        gone = f"http://127.0.0.1:{free_port()}"
        health = '\nhealth = { path = "/", interval = "1s" }'
        # A server that is added would otherwise get few requests at first.
        both = f'"{self.box.url}", "{gone}"]\nslow_start = "0s"'
        self.reload(lambda text: text.replace(f'"{self.box.url}"]', both))
        page = await self.page()
        await in_thread(page.wait, f"{SERVERS}.includes('of 2 servers up')")
        for _ in range(20):
            await self.call()
        await in_thread(page.wait, f"{ATTENTION}.includes('{gone} is ejected: ')")
        counts = f"{SERVERS}.match(/Ejected[^]*?until \\d\\d:\\d\\d:\\d\\d \\(in (\\d+) s\\)/)?.[1]"
        first = int(await in_thread(page.wait, counts))
        await in_thread(page.wait, f"Number({counts}) < {first}")
        self.reload(lambda text: text.replace("[cors.app]", f"{health}\n[cors.app]"))
        said = await in_thread(
            page.wait, f"{ATTENTION}.includes('{gone} is down: ') && {ATTENTION}"
        )
        # The server is named once.
        self.assertEqual(said.count(gone), 1, said)

    async def test_draining(self) -> None:
        """While a WebSocket drains the page goes on; then the gate is gone."""
        self.reload(lambda text: text.replace("[admin]", '[limits]\ntunnel_grace = "60s"\n[admin]'))
        page, dark = await self.page(), await self.page(dark=True)
        await in_thread(page.wait, f"{CONFIGURATION}.includes('1 succeeded')")
        self.box.script(SWITCH)
        client = await self.connect_to(self.port)
        fields = [(b"Origin", b"https://app.example"), *UPGRADE]
        client.send(request(b"GET", b"/v1/live", fields, host=f"localhost:{self.port}".encode()))
        await client.when(lambda: b"\r\n\r\n" in client.data)
        self.assertIn(b" 101 ", client.data)
        await in_thread(page.wait, f"{SERVERS}.includes('1 tunnel')")
        self.gate.signal("TERM")
        for each in (page, dark):
            await in_thread(each.wait, f"{STATE} === 'Draining'")
        self.assertIn("The gate is draining", await in_thread(page.run, ATTENTION))
        self.assertIn("draining", await in_thread(page.run, "document.title"))
        await self.accessible(page, dark)
        await client.close()
        self.assertEqual(await self.gate.ended(), 0)
        self.assertIn("was lost at", await in_thread(page.wait, BANNER))


class QuickModeTests(StatusPageTestCase):
    """The page of a gate without a configuration file."""

    start = Chromium

    async def started(self) -> Daemon:
        """Start a gate by options; its admin listener is on by default."""
        options = ["--upstream", self.box.url, "--allow-origin", "https://app.example"]
        gate = self.daemon(*options, "--listen", "tcp:0:interface=127.0.0.1")
        self.port = await gate.port()
        found = re.search(r"status and metrics: http://127\.0\.0\.1:(\d+)/", gate.said)
        assert found is not None, gate.said
        self.admin_port = int(found[1])
        return gate

    async def test_command_line(self) -> None:
        """It says where the configuration comes from, and which option allows a refused call."""
        page = await self.page()
        self.assertIn("is from the command line", await in_thread(page.run, CONFIGURATION))
        await self.call(b"https://app.example.evil.test")
        refused = "document.querySelector('.refusal')?.innerText"
        said = await in_thread(page.wait, refused)
        self.assertIn("Look-alike another site: app.example.evil.test belongs to evil.test", said)
        self.assertIn("To also allow this other origin, start the gate with:", said)
        self.assertIn("--allow https://app.example.evil.test", said)
        await in_thread(page.run, "document.querySelector('.refusal .actions button').click()")
        said = await in_thread(page.wait, "document.querySelector('#explain-result').innerText")
        self.assertIn("policy of the command line", said)
        self.assertEqual(await in_thread(accessibility_faults, page), [])
