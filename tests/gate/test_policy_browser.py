"""What a real browser makes of a policy's further keys."""

from __future__ import annotations

from typing import Any

from twisted.internet.threads import deferToThread
from twisted.web.resource import Resource
from twisted.web.server import Request, Site
from twisted.web.static import Data

from tests.browser import Browser, need_browser
from tests.peers import reactor, response
from tests.support import BASIC, GateTestCase

EMBED = """
    const [url, done] = arguments;
    const script = document.createElement("script");
    script.onload = () => done("loaded");
    script.onerror = () => done("failed");
    script.src = url;
    document.head.append(script);
"""
UPLOAD = """
    const [url, done] = arguments;
    const request = new XMLHttpRequest();
    request.upload.onprogress = () => {};
    request.onload = () => done(request.status);
    request.onerror = () => done("failed");
    request.open("PUT", url);
    request.send("x");
"""
SCRIPT = response(200, [(b"Content-Type", b"text/javascript")], b"var x = 1;")


class _Away(Resource):
    """Redirects every request to `target`, its method kept."""

    isLeaf = True
    target = b""

    def __init__(self) -> None:
        super().__init__()
        self.methods: list[bytes] = []

    def render(self, request: Request) -> bytes:
        """Return a request, and note its method."""
        self.methods.append(request.method)
        request.setResponseCode(307)
        request.setHeader(b"Location", self.target)
        return b""


class ChromiumTestCase(GateTestCase):
    """A page on one port of localhost, another page on a second, and a gate on a third."""

    timeout = 120

    def page(self) -> str:
        """Return the origin of a page on a port of its own."""
        root = Resource()
        root.putChild(b"", Data(b"<!doctype html><title>page</title>", "text/html"))
        port: Any = reactor.listenTCP(0, Site(root), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return f"http://localhost:{port.getHost().port}"

    async def browser(self) -> Browser:
        """Start a browser, to be closed with the test."""
        need_browser()
        browser = await deferToThread(Browser)
        self.addCleanup(deferToThread, browser.close)
        return browser


class InChromium(ChromiumTestCase):
    """What a policy's further keys come to."""

    async def test_console_names_the_cause(self) -> None:
        """With debug its console says what is missing, and the request is refused all the same."""
        browser, page = await self.browser(), self.page()
        upstream = await self.upstream(response(200), response(200), response(200))
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/v1"]\nupstream = "a"\n'
            f'cors = {{ allow_origins = ["{page}"], allow_headers = ["X-A"], debug = true }}\n'
        )
        url = f"http://localhost:{gate.port}/v1/x"

        def visit() -> tuple[list[object], str]:
            browser.open(page)
            outcomes: list[object] = [
                browser.fetch(url, method="PATCH").get("error"),
                browser.fetch(url, headers={"X-A": "1", "X-B": "1"}).get("error"),
                browser.driver.execute_async_script(UPLOAD, url),
                browser.fetch(url, headers={"X-A": "1"}).get("status"),
            ]
            entries: Any = browser.driver.get_log("browser")
            return outcomes, "\n".join(entry["message"] for entry in entries)

        outcomes, console = await deferToThread(visit)
        failed = "TypeError: Failed to fetch"
        self.assertEqual(outcomes, [failed, failed, "failed", 200])
        self.assertIn("Method PATCH is not allowed by Access-Control-Allow-Methods", console)
        self.assertIn("Method PUT is not allowed by Access-Control-Allow-Methods", console)
        self.assertIn("header field x-b is not allowed by Access-Control-Allow-Headers", console)
        self.assertEqual([each.method for each in upstream.requests], [b"GET"])

    async def test_no_star_for_authorization(self) -> None:
        """What is refused without debug is refused with it: Chromium takes a star for all names."""
        browser, page = await self.browser(), self.page()
        upstream = await self.upstream()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/v1"]\nupstream = "a"\n'
            f'cors = {{ allow_origins = ["{page}"], allow_headers = ["*"], debug = true }}\n'
        )

        def visit() -> list[object]:
            browser.open(page)
            url = f"http://localhost:{gate.port}/v1/x"
            asked = ({"Authorization": "Bearer t"}, {"Authorization": "Bearer t", "X-A": "1"})
            return [browser.fetch(url, headers=headers).get("error") for headers in asked]

        outcomes = await deferToThread(visit)
        self.assertEqual(outcomes, ["TypeError: Failed to fetch"] * 2)
        self.assertEqual(upstream.requests, [])

    async def test_form_of_its_own(self) -> None:
        """A form on the gate's own page works where it has no referrer, and so the origin null.

        The box sees its own origin: the browser says that the page is the gate's.
        """
        browser = await self.browser()
        html = [(b"Content-Type", b"text/html")]
        page = b"<!doctype html><form method=post action=/v1/sent><button>Send</button></form>"
        upstream = await self.upstream(
            response(200, [*html, (b"Referrer-Policy", b"no-referrer")], page),
            response(200, html, b"<p>Sent.</p>"),
        )
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n{BASIC}\n'
            '[routes."/v1"]\nupstream = "a"\ncors = { allow_origins = ["https://app.example"] }\n'
        )

        def send() -> None:
            browser.open(f"http://localhost:{gate.port}/v1/page")
            browser.find("button").click()
            browser.wait_for_text("body", "Sent.")

        await deferToThread(send)
        sent = upstream.requests[-1]
        own = b"http://" + upstream.authority
        self.assertEqual((sent.method, sent.one(b"Origin")), (b"POST", own))

    async def test_form_by_way_of_another(self) -> None:
        """Where another site redirects such a form to the gate, it is the gate's own no more."""
        browser = await self.browser()
        away = _Away()
        port: Any = reactor.listenTCP(0, Site(away), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        url = f"http://127.0.0.1:{port.getHost().port}/"
        page = f"<!doctype html><form method=post action={url}><button>Send</button></form>"
        private = [(b"Content-Type", b"text/html"), (b"Referrer-Policy", b"no-referrer")]
        upstream = await self.upstream(response(200, private, page.encode()))
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n{BASIC}\n'
            '[routes."/v1"]\nupstream = "a"\ncors = { allow_origins = ["https://app.example"] }\n'
        )
        away.target = f"http://localhost:{gate.port}/v1/sent".encode()

        def send() -> None:
            browser.open(f"http://localhost:{gate.port}/v1/page")
            browser.find("button").click()
            browser.wait_for_text("body", "403")

        await deferToThread(send)
        self.assertEqual(away.methods, [b"POST"])
        self.assertEqual([each.method for each in upstream.requests], [b"GET"])

    async def test_siblings(self) -> None:
        """A page of another port embeds with the gate's credentials only where it is allowed."""
        browser, allowed, other = await self.browser(), self.page(), self.page()
        upstream = await self.upstream(SCRIPT)
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n{BASIC}\n'
            f'[routes."/v1"]\nupstream = "a"\ncors = {{ allow_origins = ["{allowed}"] }}\n'
        )

        def embed(page: str) -> object:
            browser.open(page)
            return browser.driver.execute_async_script(
                EMBED, f"http://localhost:{gate.port}/v1/x.js"
            )

        self.assertEqual(await deferToThread(embed, other), "failed")
        self.assertEqual(upstream.requests, [])
        self.assertEqual(await deferToThread(embed, allowed), "loaded")
        self.assertEqual(len(upstream.requests), 1)
        self.assertIn(b"authorization", upstream.requests[0].fields)
