"""What a page in a real browser sees when its gate is restarted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from tests.browser import Browser, need_browser
from tests.gate.test_drain_bodies import EVENTS, chunk
from tests.gate.websocket import EchoServer
from tests.peers import Message, response
from tests.support import Gate, GateTestCase

TOML = """
listen = ["tcp:{port}:interface=127.0.0.1"]
[upstreams.page]
servers = ["{page}"]
[upstreams.echo]
servers = ["{echo}"]
[routes."/"]
upstream = "page"
[routes."/echo"]
upstream = "echo"
[limits]
tunnel_grace = "{grace}"
"""

PAGE = b"""<!doctype html><title>page</title><link rel=icon href=data:,><script>
const seen = [], ends = [];
const events = new EventSource("/events");
events.onmessage = (event) => seen.push(event.data);
const socket = new WebSocket(`ws://${location.host}/echo`, ["chat"]);
socket.onmessage = (message) => seen.push(message.data);
socket.onclose = (end) => ends.push([end.code, end.wasClean]);
socket.onerror = () => ends.push("error");
</script>"""


class Restarted(GateTestCase):
    """Chromium, and a gate that stops and starts again."""

    timeout = 120

    async def test_restart(self) -> None:
        """A WebSocket closes cleanly with 1001, and an EventSource finds the new gate."""
        need_browser()
        page = await self.upstream()
        echo = await EchoServer().start()
        self.addCleanup(lambda: Deferred.fromCoroutine(echo.stop()))
        asked: list[Message] = []

        def answer(got: Message) -> bytes:
            if got.target != b"/events":
                return response(headers=[(b"Content-Type", b"text/html")], body=PAGE)
            asked.append(got)
            event = b"retry: 50\nid: %d\ndata: event %d\n\n" % (len(asked), len(asked))
            return EVENTS + chunk(event)

        page.answer = answer

        def start(port: int) -> Gate:
            urls = {"page": page.url, "echo": echo.url}
            return self.serve(TOML.format(port=port, grace="200ms", **urls))

        gate = start(0)
        browser = await deferToThread(Browser)
        self.addCleanup(deferToThread, browser.close)

        def until(script: str, done: Callable[[Any], bool]) -> Any:
            """Return what a script returns, once that is what is waited for."""
            return browser._wait(
                lambda _: [found] if done(found := browser.driver.execute_script(script)) else None,
                script,
            )[0]

        def visit() -> Any:
            browser.open(f"http://localhost:{gate.port}/")
            until("return seen", lambda seen: "event 1" in seen)
            until("return socket.readyState", lambda state: state == 1)
            browser.driver.execute_script("socket.send('x'.repeat(100000) + 'hello')")
            return until("return seen", lambda seen: len(seen) == 2)

        self.assertTrue((await deferToThread(visit))[1].endswith("xhello"))
        port = gate.port
        await gate.stop()
        ends = await deferToThread(until, "return ends", bool)
        self.assertEqual(ends, [[1001, True]])
        self.assertEqual(echo.speakers[0].speaks.close_code, 1001)
        start(port)
        seen = await deferToThread(until, "return seen", lambda seen: len(seen) > 2)
        self.assertEqual(seen[2], "event 2")
        self.assertEqual(asked[1].one(b"Last-Event-ID"), b"1")
        outcomes = sorted(str(json.loads(line).get("outcome")) for line in gate.lines)
        self.assertIn("a drain closed the WebSocket with 1001", outcomes)
        self.assertIn("a drain ended the event stream", outcomes)
