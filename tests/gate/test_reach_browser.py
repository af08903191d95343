"""What a map viewer in a real browser gets through a route with ``by_url``."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from twisted.internet.threads import deferToThread

from tests.browser import Browser, need_browser
from tests.peers import Message, response
from tests.support import BASIC, GateTestCase

HOSTILE = b"<script>document.title = 'ran'</script>hello"


class InChromium(GateTestCase):
    """A viewer on one port of localhost, a gate on another, and a box behind that."""

    timeout = 120

    async def test_viewer(self) -> None:
        """Layers load, through redirects too; what is refused can be read; a page runs nothing."""
        need_browser()
        browser = await deferToThread(Browser)
        self.addCleanup(deferToThread, browser.close)
        viewer = await self.upstream(response(200, [(b"Content-Type", b"text/html")], b"viewer"))
        box = await self.upstream()

        def answer(message: Message) -> bytes:
            if message.target == b"/moved":
                return response(302, [(b"Location", b"/layer?id=1")])
            return response(200, [(b"Content-Type", b"text/html")], HOSTILE)

        box.answer = answer
        gate = self.serve(
            f'[upstreams.box]\nservers = ["{box.url}"]\n{BASIC}\n'
            f'[routes."/proxy"]\nby_url = ["box"]\n'
            f'cors = {{ allow_origins = ["{viewer.url}"], allow_headers = ["X-Layer"] }}\n'
            'allow_paths = ["GET /layer", "GET /moved"]\n'
        )
        proxy = f"http://localhost:{gate.port}/proxy"

        def visit() -> tuple[list[Any], str]:
            browser.open(viewer.url)
            found = [
                browser.fetch(target, headers={"X-Layer": "1"})
                for target in (
                    f"{proxy}?{box.url}/layer?id=1",
                    f"{proxy}?url={quote(box.url + '/moved', safe='')}",
                    f"{proxy}/{box.url}/layer",
                    f"{proxy}?url={quote(box.url + '/other', safe='')}",
                    f"{proxy}?http://evil.example/",
                )
            ]
            browser.open(f"{proxy}?{box.url}/layer")
            return found, str(browser.driver.title)

        found, title = await deferToThread(visit)
        self.assertEqual([each.get("status") for each in found], [200, 200, 200, 403, 403])
        self.assertIn("does not allow this path", str(found[3]))
        self.assertIn("not within the servers", str(found[4]))
        self.assertNotEqual(title, "ran")
        self.assertEqual(
            [each.target for each in box.requests],
            [b"/layer?id=1", b"/moved", b"/layer?id=1", b"/layer", b"/layer"],
        )
