"""A real browser's cookies: what the gate makes of them, and what `explain` says of that."""

from __future__ import annotations

from typing import Any

from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.threads import deferToThread
from twisted.web.server import Site
from twisted.web.static import Data

from corsgate.config.model.values import Config, Route
from corsgate.explain.call import Call
from corsgate.explain.cookies import CHROMIUM, cookies_of_route
from corsgate.explain.url import Url
from tests.browser import Browser, need_browser
from tests.gate.test_http2 import Http2TestCase
from tests.gate.test_tls import FIRST, config
from tests.peers import reactor, response
from tests.support import Gate, parse

MODES = ("adapt", "pass")

LOAD = """
    const [url, done] = arguments;
    const image = new Image();
    image.onload = image.onerror = () => done("settled");
    image.src = url;
"""


def tables(port: int, server: str) -> str:
    """Return an upstream and a route for each of `MODES`, and the policy of a page."""
    made = f'[cors.page]\nallow_origins = ["http://localhost:{port}"]\nallow_credentials = true\n'
    for mode in MODES:
        made += (
            f'[upstreams.{mode}]\nservers = ["{server}"]\ncookies = "{mode}"\n'
            f'[routes."/{mode}"]\nupstream = "{mode}"\ncors = "page"\nstrip_prefix = true\n'
        )
    return made


class InChromium(Http2TestCase):
    """Chromium, a page, and gates with and without TLS."""

    timeout = 120

    async def test_cookies(self) -> None:
        """A session works where the gate adapts its cookie and has TLS; nobody else rides on it."""
        need_browser()
        upstream = await self.upstream()
        upstream.answer = lambda message: response(
            200,
            [(b"Set-Cookie", b"seen=1; Path=/")],
            b",".join(message.fields.get(b"cookie", [b"none"])),
        )
        site = Site(Data(b"<!doctype html><title>page</title>", "text/html"))
        page = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(site)
        self.addCleanup(page.stopListening)
        address: Any = page.getHost()
        rest = tables(address.port, upstream.url)
        configs = {
            "https": config(f'servers = ["{upstream.url}"]', FIRST, rest=rest),
            "http": parse('listen = ["tcp:0:interface=127.0.0.1"]\n' + rest),
        }
        gates = {scheme: self.serve_config(each) for scheme, each in configs.items()}
        urls = self.urls(gates)
        browser = await deferToThread(Browser, trusting=True, third_party_cookies=True)
        self.addCleanup(deferToThread, browser.close)

        def visit() -> dict[str, str]:
            browser.open(f"http://localhost:{address.port}/")
            got = {}
            for url in urls:
                browser.fetch(url, credentials="include")
                got[url] = browser.fetch(url, credentials="include")["text"]
            # A page of another site, which no policy names.
            browser.open(f"http://127.0.0.1:{address.port}/")
            browser.driver.execute_async_script(LOAD, urls[0] + "/ridden")
            return got

        got = await deferToThread(visit)
        for url, text in got.items():
            expected = self.expected(configs[url.partition(":")[0]], address.port, url)
            self.assertEqual(text == "seen=1", expected, url)
        self.assertEqual(got[urls[0]], "seen=1")
        ridden = [asked for asked in upstream.requests if asked.start.startswith(b"GET /ridden")]
        self.assertEqual(ridden, [])
        self.assertIn("cross-site", "".join(gates["https"].lines))

    def urls(self, gates: dict[str, Gate]) -> list[str]:
        """Return the URLs to call; the first one is adapted, and over TLS.

        Each has a host of its own, since cookies don't know ports.
        """
        hosts = iter(("localhost", "a.localhost", "127.0.0.1", "b.localhost"))
        return [
            f"{scheme}://{next(hosts)}:{gate.port}/{mode}"
            for mode in MODES
            for scheme, gate in gates.items()
        ]

    def expected(self, served: Config, port: int, url: str) -> bool:
        """Return whether `explain` says that Chromium keeps the cookie."""
        call = Call(
            origin=f"http://localhost:{port}".encode(),
            method=b"GET",
            url=Url.parse(url),
            credentials=True,
        )
        route: Route = next(each for each in served.routes if url.endswith(each.prefix))
        (kept,) = [
            each.kept
            for each in cookies_of_route(call, route, shared=route.shares_cookies)
            if each.browser == CHROMIUM
        ]
        return kept
