"""What a person sees in a real browser: the demo's page, the real gate and the closed box."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ServerFactory
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.server import Site
from twisted.web.static import Data

from corsgate.demo.box import FIRST_DOCUMENT, FIRST_NAME
from corsgate.demo.child import Ports
from corsgate.demo.run import Demo, IDemoReactor
from tests.browser import Browser, need_browser

T = TypeVar("T")

TARGET = "/v1/documents?uri=/test.json"
NEW_TEXT = '{"title": "Changed in a browser", "by": "é"}'


async def in_thread(function: Callable[..., T], *arguments: object, **options: Any) -> T:
    """Return what a blocking call answers, while the reactor serves what it asks for."""
    return cast(T, await deferToThread(function, *arguments, **options))


class BrowserTests(TestCase):
    """The demo as a person meets it, and as a stranger does."""

    timeout = 180

    async def setUp(self) -> None:  # type: ignore[override]  # trial awaits it
        """Start the demo on free ports, and a browser."""
        need_browser()
        from twisted.internet import reactor

        self.reactor = cast(IDemoReactor, reactor)
        self.log: list[bytes] = []
        self.demo = Demo(self.reactor, Ports(box=0, gate=0, app=0), self.log.append)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.demo.stop()))
        await self.demo.start()
        self.browser = await self.start_browser()
        self.page = f"http://localhost:{self.demo.ports.app}"
        self.gate_url = f"http://localhost:{self.demo.ports.gate}{TARGET}"

    async def start_browser(self, **options: Any) -> Browser:
        """Start a browser, to be closed with the test."""
        browser = await in_thread(Browser, **options)
        self.addCleanup(deferToThread, browser.close)
        return browser

    def held(self) -> bytes:
        """Return the document as the box holds it."""
        return self.demo.box.documents[FIRST_NAME].body

    async def test_read_edit_write(self) -> None:
        """The box alone is refused; through the gate its document is read, changed, read again."""

        def visit() -> dict[str, str]:
            browser = self.browser
            browser.open(self.page)
            seen = {
                "direct": browser.wait_for_text("#direct", "The browser refused"),
                "gated": browser.wait_for_text("#gated", "Hello from the closed box"),
            }
            text = browser.wait_for_enabled("#text")
            seen["text"] = str(text.get_property("value"))
            text.send_keys(Keys.CONTROL, "a")
            text.send_keys(NEW_TEXT)
            browser.find("#save").click()
            seen["change"] = browser.wait_for_text("#change", "Saved")
            seen["stored"] = browser.find("#change pre").text
            with tempfile.TemporaryDirectory() as directory:
                shot = Path(directory) / "demo.png"
                browser.screenshot(shot)
                self.assertEqual(shot.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
            browser.driver.refresh()
            seen["again"] = browser.wait_for_text("#gated", "Changed in a browser")
            return seen

        seen = await in_thread(visit)
        self.assertIn("Access-Control-Allow-Origin", seen["direct"])
        self.assertIn("TypeError", seen["direct"])
        self.assertNotIn("Hello from", seen["direct"])
        self.assertIn("200 OK", seen["gated"])
        self.assertIn("application/json", seen["gated"])
        self.assertEqual(seen["text"].encode(), FIRST_DOCUMENT)
        self.assertIn("204 No Content", seen["change"])
        self.assertEqual(seen["stored"], NEW_TEXT)
        self.assertEqual(self.held().decode(), NEW_TEXT)

    async def test_errors_can_be_read(self) -> None:
        """The box's own refusal reaches the page, with its status and its words."""

        def visit() -> str:
            self.browser.open(self.page)
            text = self.browser.wait_for_enabled("#text")
            text.send_keys(Keys.CONTROL, "a")
            text.send_keys("{ not JSON")
            self.browser.find("#save").click()
            return self.browser.wait_for_text("#change", "400 Bad Request")

        self.assertIn("The document is not JSON.", await in_thread(visit))
        self.assertEqual(self.held(), FIRST_DOCUMENT)

    async def test_no_password_in_the_browser(self) -> None:
        """No request of the browser's has credentials, and no answer through the gate asks."""

        def visit() -> list[dict[str, Any]]:
            self.browser.open(self.page)
            self.browser.wait_for_text("#direct", "The browser refused")
            self.browser.wait_for_enabled("#save").click()
            self.browser.wait_for_text("#change", "Saved")
            entries = self.browser.driver.get_log("performance")
            return [json.loads(entry["message"])["message"] for entry in entries]

        messages = await in_thread(visit)
        sent = [
            message["params"].get("headers") or message["params"]["request"]["headers"]
            for message in messages
            if message["method"].startswith("Network.requestWillBeSent")
        ]
        self.assertGreater(len(sent), 5)
        for headers in sent:
            self.assertNotIn("authorization", {name.lower() for name in headers})
        answers = [
            message["params"]["response"]
            for message in messages
            if message["method"] == "Network.responseReceived"
        ]
        through_gate = [answer for answer in answers if answer["url"] == self.gate_url]
        self.assertGreaterEqual(len(through_gate), 3)
        for answer in through_gate:
            self.assertNotIn("www-authenticate", {name.lower() for name in answer["headers"]})

    async def check_stranger(self, origin: str) -> None:
        """Assert that scripts of a page can neither read nor write through the gate."""
        before = self.demo.box.requests
        put = {"method": "PUT", "body": "{}"}
        attempts: dict[str, dict[str, object]] = {
            "read": {},
            "read with cookies": {"credentials": "include"},
            "write": {**put, "headers": {"Content-Type": "application/json"}},
            "write simply": {**put, "headers": {"Content-Type": "text/plain"}},
            "post": {"method": "POST", "body": "{}"},
            "head": {"method": "HEAD"},
        }

        def visit() -> dict[str, dict[str, Any]]:
            self.browser.open(origin)
            said = self.browser.driver.execute_script("return location.origin")
            self.assertEqual(said, origin)
            return {
                name: self.browser.fetch(self.gate_url, **options)
                for name, options in attempts.items()
            }

        for name, answer in (await in_thread(visit)).items():
            with self.subTest(name):
                self.assertEqual(answer.keys(), {"error"}, answer)
                self.assertIn("TypeError", answer["error"])
        self.assertEqual(self.demo.box.requests, before)
        self.assertEqual(self.held(), FIRST_DOCUMENT)

    def serve_stranger(self) -> int:
        """Serve an empty page on a port of its own, and answer that port."""
        site = Site(Data(b"<!doctype html><title>stranger</title>", "text/html"), timeout=5)
        port = self.reactor.listenTCP(0, cast(ServerFactory, site), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return cast(IPv4Address, port.getHost()).port

    async def test_stranger_by_port(self) -> None:
        """A page of another port is another origin: it gets nothing and changes nothing."""
        await self.check_stranger(f"http://localhost:{self.serve_stranger()}")

    async def test_stranger_by_name(self) -> None:
        """So is a page of another name for the same machine."""
        await self.check_stranger(f"http://127.0.0.1:{self.serve_stranger()}")

    async def test_page_of_a_stranger(self) -> None:
        """The same page under another origin says that the gate refused it, and offers no edit."""

        def visit() -> tuple[str, bool]:
            self.browser.open(self.page.replace("localhost", "127.0.0.1"))
            seen = self.browser.wait_for_text("#gated", "does not allow this origin")
            return seen, self.browser.find("#save").is_enabled()

        seen, can_save = await in_thread(visit)
        self.assertIn("http://127.0.0.1", seen)
        self.assertNotIn("Hello from", seen)
        self.assertFalse(can_save)

    async def test_small_and_dark(self) -> None:
        """The page fits a telephone, and goes dark where its reader likes that."""
        phone = await self.start_browser(width=360, height=740, dark=True)

        def visit() -> tuple[int, int, str]:
            phone.open(self.page)
            phone.wait_for_text("#direct", "The browser refused")
            phone.wait_for_enabled("#save").click()
            phone.wait_for_text("#change", "Saved")
            script = """
                const root = document.documentElement;
                return [root.scrollWidth, root.clientWidth,
                        getComputedStyle(document.body).backgroundColor];
            """
            wide, window, colour = phone.driver.execute_script(script)
            return wide, window, colour

        wide, window, colour = await in_thread(visit)
        self.assertLessEqual(wide, window)
        self.assertEqual(colour, "rgb(16, 18, 26)")

    async def explained(self, *expected: str, page: str, url: str) -> None:
        """Assert that the page shows the console's message and a command that explains it."""

        def visit() -> tuple[str, str, str]:
            self.browser.open(page)
            self.browser.wait_for_text("#ask", url)
            self.browser.wait_for_text("#direct", "The browser refused")
            console = "\n".join(
                entry["message"] for entry in self.browser.driver.get_log("browser")
            )
            find = self.browser.find
            return console, find("#message").text, find("#command").text

        console, message, command = await in_thread(visit)
        self.assertIn(message, console)
        self.assertIn(message, command)
        # As its reader's shell would run it, in the folder where the demo was started.
        done = await in_thread(
            subprocess.run, ["sh", "-c", command], capture_output=True, text=True, timeout=60
        )
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        for text in expected:
            self.assertIn(text, done.stdout)

    async def test_box_explained(self) -> None:
        """The refusal of the box is explained, as the console has it."""
        url = f"http://localhost:{self.demo.ports.box}{TARGET}"
        allowed = f'allow_origins = ["{self.page}"]'
        await self.explained("no Access-Control-Allow-Origin", allowed, page=self.page, url=url)

    async def test_gate_explained(self) -> None:
        """For a page of another origin, the gate's configuration says why it refuses."""
        stranger = self.page.replace("localhost", "127.0.0.1")
        words = f"origin '{stranger}' is not allowed"
        await self.explained(words, str(self.demo.config), page=stranger, url=self.gate_url)

    async def test_save_says_what_it_needs(self) -> None:
        """While Save is disabled, the page says why; afterwards it doesn't."""

        def visit() -> tuple[str, str, bool]:
            self.browser.open(self.page.replace("localhost", "127.0.0.1"))
            refused = self.browser.wait_for_text("#hint", "does not let a page of this origin")
            described = self.browser.find("#save").get_attribute("aria-describedby")
            self.browser.open(self.page)
            self.browser.wait_for_enabled("#save")
            return refused, str(described), self.browser.find("#hint").is_displayed()

        refused, described, is_shown = await in_thread(visit)
        self.assertIn("Save is disabled", refused)
        self.assertEqual(described, "hint")
        self.assertFalse(is_shown)

    async def test_controls_have_names(self) -> None:
        """What a reader can use has a name that a screen reader can say."""

        def visit() -> list[str]:
            self.browser.open(self.page)
            self.browser.wait_for_text("#gated", "Hello from the closed box")
            controls = self.browser.driver.find_elements(
                By.CSS_SELECTOR, "a, button, textarea, [tabindex]"
            )
            return [control.accessible_name for control in controls]

        names = await in_thread(visit)
        self.assertGreaterEqual(len(names), 7)
        self.assertNotIn("", names)
