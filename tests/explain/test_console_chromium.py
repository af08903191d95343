"""Chromium's console messages."""

from __future__ import annotations

import contextlib
from urllib.parse import urlsplit

from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadValue
from corsgate.explain.block_causes import Cause
from corsgate.explain.console import read_message
from tests.browser import Browser, need_browser
from tests.cli.servers import Server
from tests.explain.console_messages import console_messages

FETCH = "fetch('{}').catch(() => 0)"
SOCKET = "try {{ new WebSocket('{}') }} catch {{}}"
STREAM = "new EventSource('{}')"


class SeenTests(SynchronousTestCase):
    """What a real Chromium printed once."""

    def test_seen(self) -> None:
        """It is known as Chromium's, unless others print it too."""
        seen = [said for said in console_messages() if said.seen and "Chromium" in said.place]
        self.assertGreater(len(seen), 50)
        for said in seen:
            self.assertIn(read_message(said.text).browser, ("chromium", ""), said.text)


class RealTests(SynchronousTestCase):
    """What the installed Chromium prints now."""

    def page(self, csp: str = "") -> str:
        """Return the URL of a page."""
        fields = {"Content-Type": "text/html", "Content-Security-Policy": csp}
        server = Server(lambda method, path: (200, fields))
        self.addCleanup(server.stop)
        return server.url

    def api(self, status: int = 200) -> str:
        """Return the URL of an API that allows every origin."""
        server = Server(lambda method, path: (status, {"Access-Control-Allow-Origin": "*"}))
        self.addCleanup(server.stop)
        return server.url

    def check(self, browser: Browser, *cases: tuple[str, Cause]) -> None:
        """Compare the causes of calls, as soon as the console has the message."""
        for expression, cause in cases:
            browser.console()
            browser.driver.execute_script(expression)
            lines: list[str] = []

            def found(_: object, lines: list[str] = lines, cause: Cause = cause) -> bool:
                # The console's log is filled by another process of the browser.
                lines.extend(browser.console())
                with contextlib.suppress(BadValue):
                    return read_message("\n".join(lines)).cause is cause
                return False

            browser.wait_until(found, f"{cause} of {expression}: {lines}")

    def test_not_cors(self) -> None:
        """Calls that fail for other reasons than CORS are told apart."""
        need_browser()
        page, api, teapot = self.page(), self.api(), self.api(418)
        gone = Server(lambda method, path: (200, {}))
        gone.stop()
        browser = Browser()
        self.addCleanup(browser.close)
        browser.open(page)
        socket = api.replace("http:", "ws:")
        self.check(
            browser,
            (FETCH.format(gone.url), Cause.REFUSED),
            (FETCH.format(api.replace("http:", "https:")), Cause.TLS),
            (FETCH.format("http://nowhere.invalid/"), Cause.NAME),
            (FETCH.format(teapot), Cause.STATUS),
            (SOCKET.format(socket), Cause.SOCKET_STATUS),
            (SOCKET.format(gone.url.replace("http:", "ws:")), Cause.REFUSED),
            (STREAM.format(api), Cause.STREAM_TYPE),
        )
        browser.open(self.page("connect-src 'self'"))
        self.check(
            browser,
            (FETCH.format(api), Cause.CSP),
            (SOCKET.format(socket), Cause.CSP),
        )

    def test_local_network(self) -> None:
        """Local Network Access blocks calls of a public page, and names the reason."""
        need_browser()
        page, api = self.page(), self.api()
        public = f"--ip-address-space-overrides={urlsplit(page).netloc}=public"
        browser = Browser(flags=(public,))
        self.addCleanup(browser.close)
        browser.open(page)
        self.check(
            browser,
            (FETCH.format(api), Cause.LOCAL_NETWORK),
            (SOCKET.format(api.replace("http:", "ws:")), Cause.LOCAL_NETWORK),
            (STREAM.format(api), Cause.LOCAL_NETWORK),
            (
                f"fetch('{api}', {{targetAddressSpace: 'local'}}).catch(() => 0)",
                Cause.LOCAL_NETWORK_TARGET,
            ),
        )
