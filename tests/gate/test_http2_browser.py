"""A real browser's HTTP/2: what a page may do, and what it may not."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.threads import deferToThread
from twisted.web.server import Site
from twisted.web.static import Data

from tests.browser import Browser, need_browser
from tests.gate.test_http2 import Http2TestCase
from tests.peers import reactor, response

PAGE = """
[cors.page]
allow_origins = ["http://localhost:{port}"]
allow_methods = ["GET", "PUT", "POST"]
allow_headers = ["X-Asked"]
[routes."/page"]
upstream = "a"
cors = "page"
[routes."/page/small"]
upstream = "a"
cors = "page"
limits.max_body_bytes = "1KiB"
"""

UPLOAD = """
    const [url, done] = arguments;
    const pieces = ["one", "two", "three"];
    const body = new ReadableStream({
      async pull(controller) {
        const piece = pieces.shift();
        if (piece === undefined) return controller.close();
        controller.enqueue(new TextEncoder().encode(piece));
      },
    });
    fetch(url, {method: "POST", body, duplex: "half"})
      .then((response) => response.text()).then(done, (error) => done(String(error)));
"""


class InChromium(Http2TestCase):
    """Chromium, a page, and a gate of another origin."""

    timeout = 120

    async def test_fetch(self) -> None:
        """A page reads, writes with a preflight, and streams an upload, all by HTTP/2."""
        need_browser()
        upstream = await self.upstream()
        upstream.answer = lambda message: response(body=message.method + b" " + message.body)
        site = Site(Data(b"<!doctype html><title>page</title>", "text/html"))
        page = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(site)
        self.addCleanup(page.stopListening)
        address: Any = page.getHost()
        gate = self.over_tls(upstream, rest=PAGE.format(port=address.port))
        browser = await deferToThread(Browser, trusting=True)
        self.addCleanup(deferToThread, browser.close)

        def visit() -> list[Any]:
            browser.open(f"http://localhost:{address.port}/")
            url = f"https://localhost:{gate.port}/page"
            asked = {"X-Asked": "yes"}
            return [
                browser.fetch(f"{url}/get"),
                browser.fetch(f"{url}/put", method="PUT", headers=asked, body="x" * 100_000),
                browser.driver.execute_async_script(UPLOAD, f"{url}/stream"),
                # The answer comes before the upload has ended, and what is left of it is refused.
                browser.fetch(f"{url}/small", method="PUT", headers=asked, body="x" * 5_000_000),
                # The route /v1 allows another origin.
                browser.fetch(f"https://localhost:{gate.port}/v1/x"),
                browser.driver.get_log("performance"),
            ]

        got, put, streamed, early, foreign, entries = await deferToThread(visit)
        self.assertEqual((got["status"], got["text"]), (200, "GET "))
        self.assertEqual((put["status"], put["text"]), (200, "PUT " + "x" * 100_000))
        self.assertEqual(streamed, "POST onetwothree")
        self.assertEqual(early["status"], 413)
        self.assertIn("TypeError", foreign["error"])
        self.assertEqual([each.method for each in upstream.requests], [b"GET", b"PUT", b"POST"])
        answers = [
            message["params"]["response"]
            for message in (json.loads(entry["message"])["message"] for entry in entries)
            if message["method"] == "Network.responseReceived"
        ]
        spoken = {each["protocol"] for each in answers if each["url"].startswith("https:")}
        self.assertEqual(spoken, {"h2"})
