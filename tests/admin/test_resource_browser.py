"""What pages of other origins get of the admin listener in a real browser: nothing."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.threads import deferToThread

from corsgate.admin.resource import AdminResource, AdminRoot, respond
from corsgate.server.request import GateRequest
from tests.admin.support import ADMIN, AdminTestCase, port_of
from tests.browser import Browser, need_browser
from tests.peers import response

ATTACKS = """
const [admin, done] = arguments;
const target = admin + '/api/status';
const found = {};
const element = (name, attributes) => new Promise((resolve) => {
  const made = document.createElement(name);
  made.onload = () => resolve('loaded');
  made.onerror = () => resolve('error');
  Object.assign(made, attributes);
  document.body.append(made);
});
const source = (events) => new Promise((resolve) => {
  events.onmessage = events.onopen = () => resolve('open');
  events.onerror = () => resolve('error');
});
const said = (promise) => promise.then(
  async (response) => response.type + ' ' + (await response.text()),
  (error) => error.name,
);
(async () => {
  const json = {'Content-Type': 'application/json'};
  found.fetch = await said(fetch(target));
  found.credentials = await said(fetch(target, {credentials: 'include'}));
  found.opaque = await said(fetch(target, {mode: 'no-cors'}));
  found.posted = await said(fetch(target, {method: 'POST', mode: 'no-cors', body: '{}'}));
  found.preflight = await said(fetch(target, {method: 'POST', headers: json, body: '{}'}));
  found.script = await element('script', {src: target});
  found.image = await element('img', {src: target});
  found.style = await element('link', {rel: 'stylesheet', href: target});
  found.events = await source(new EventSource(target));
  found.socket = await source(new WebSocket(target.replace('http', 'ws')));
  navigator.sendBeacon(target, 'x');
  const frame = document.createElement('iframe');
  frame.name = 'frame';
  frame.src = admin + '/';
  await new Promise((resolve) => { frame.onload = resolve; document.body.append(frame); });
  const form = document.createElement('form');
  Object.assign(form, {action: target, method: 'POST', enctype: 'text/plain', target: 'frame'});
  document.body.append(form);
  await new Promise((resolve) => { frame.onload = resolve; form.submit(); });
  try {
    found.frame = String(frame.contentDocument && frame.contentDocument.body.textContent);
  } catch (error) {
    found.frame = error.name;
  }
  done(found);
})();
"""


class _Noting(AdminResource):
    """Notes what it serves."""

    methods: ClassVar[tuple[bytes, ...]] = (b"GET", b"HEAD", b"POST")

    def __init__(self, served: list[tuple[bytes, bytes]]) -> None:
        super().__init__()
        self._served = served

    def serve(self, request: GateRequest) -> None:
        """Respond with what a script, a picture or a frame could show that it came."""
        self._served.append((request.method, request.path))
        respond(request, b"text/html", b"<title>status</title>secret")


class ForeignPageTests(AdminTestCase):
    """A page of another port, and one of another host."""

    timeout = 120

    async def test_nothing(self) -> None:
        """Whatever such a page does, no address is served but the status page in its own window."""
        need_browser()
        served: list[tuple[bytes, bytes]] = []
        gate = self.front(await self.upstream(), rest=ADMIN)

        def populate(root: AdminRoot) -> None:
            root.add(b"api/status", _Noting(served))
            root.add(b"", _Noting(served))

        admin = f"http://localhost:{port_of(self.admin(gate, populate))}"
        page = await self.upstream(response(200, [(b"Content-Type", b"text/html")], b"page"))
        browser = await deferToThread(Browser)
        self.addCleanup(deferToThread, browser.close)

        def attack(url: str) -> dict[str, Any]:
            browser.open(url)
            found: dict[str, Any] = browser.driver.execute_async_script(ATTACKS, admin)
            return found

        for url in (f"http://localhost:{page.port}/", f"http://127.0.0.1:{page.port}/"):
            with self.subTest(url=url):
                found = await deferToThread(attack, url)
                self.assertEqual(
                    found,
                    {
                        **dict.fromkeys(("fetch", "credentials", "preflight"), "TypeError"),
                        # Stopped by Cross-Origin-Resource-Policy.
                        **dict.fromkeys(("opaque", "posted"), "TypeError"),
                        **dict.fromkeys(("script", "image", "style", "events", "socket"), "error"),
                        "frame": "null",
                    },
                )
                self.assertEqual(served, [])

        def follow() -> tuple[list[Any], str]:
            driver = browser.driver
            driver.execute_script(f"window.opened = window.open('{admin}/')")
            browser._wait(lambda _: len(driver.window_handles) == 2 or None, "a window")
            browser._wait(lambda _: bool(served) or None, "the page")
            # Once the browser has read the page's head; that is a moment after it was served.
            closed = "return opened.closed || null"
            browser._wait(lambda _: driver.execute_script(closed), "the opener's loss of it")
            seen = driver.execute_script("return [opened.closed, opened.length]")
            driver.switch_to.window(driver.window_handles[1])
            return seen, driver.execute_script("return String(window.opener)")

        # A link leads to the page, in a window that its opener has no hold on.
        seen, opener = await deferToThread(follow)
        self.assertEqual(served, [(b"GET", b"/")])
        self.assertEqual((seen, opener), ([True, 0], "null"))
