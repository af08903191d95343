"""The explainer's page in Chromium: pasted by hand, attacked, and read by keyboard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain_web.form import MAX_HAR_LENGTH
from tests.browser import Browser, need_browser
from tests.cli.test_explain_web import WebServer, web_server
from tests.explain_web.hars import BOX, PAGE, entry, har, preflight

MESSAGE = (
    f"Access to fetch at '{BOX}' from origin '{PAGE}' has been blocked by CORS policy: No"
    " 'Access-Control-Allow-Origin' header is present on the requested resource."
)
XSS = (
    "<img src=x onerror=document.title='broken'><script>document.title='broken'</script>"
    "<svg onload=document.title='broken'>"
)

CONTRAST = """
function channels(text) { return text.match(/[0-9.]+/g).map(Number); }
function luminance([r, g, b]) {
  const [x, y, z] = [r, g, b].map((c) => c / 255).map(
    (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}
function back(node) {
  for (; node; node = node.parentElement) {
    const found = channels(getComputedStyle(node).backgroundColor);
    if (found.length < 4 || found[3] > 0) return found;
  }
  return [255, 255, 255];
}
const low = [];
for (const node of document.querySelectorAll("body *")) {
  const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  if (!own || !node.checkVisibility() || node.matches(".off-screen, .skip")) continue;
  const [a, b] = [luminance(channels(getComputedStyle(node).color)), luminance(back(node))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) low.push(`${ratio.toFixed(2)} ${node.outerHTML.slice(0, 60)}`);
}
return low;
"""
"""Returns the texts whose contrast is below 4.5 to 1 (WCAG 2.2, 1.4.3)."""

UNNAMED = """
return [...document.querySelectorAll("input, textarea, button, select")]
  .filter((node) => !node.labels?.length && !node.textContent.trim() && !node.ariaLabel)
  .map((node) => node.outerHTML);
"""
"""Returns the controls that have no name for a screen reader."""

WIDER = """
const limit = document.documentElement.clientWidth;
return [document.documentElement.scrollWidth - limit, [...document.querySelectorAll("body *")]
  .filter((node) => node.checkVisibility() && !node.closest("pre, .off-screen, .skip")
    && node.getBoundingClientRect().right > limit + 1)
  .map((node) => node.outerHTML.slice(0, 80))];
"""
"""Returns by how much the page is wider than its window, and what sticks out."""


class PageTestCase(SynchronousTestCase):
    """A server and a browser."""

    def setUp(self) -> None:
        """Find the server."""
        need_browser()
        self.server = web_server()

    def open(self, **options: Any) -> Browser:
        """Return a browser that shows the page."""
        browser = Browser(**options)
        self.addCleanup(browser.close)
        browser.open(self.server.url)
        return browser

    def fill(self, browser: Browser, **fields: str) -> None:
        """Fill in fields at once, as pasting does."""
        for name, value in fields.items():
            script = "const [id, text] = arguments; document.getElementById(id).value = text;"
            browser.driver.execute_script(script, name, value)

    def explain(self, browser: Browser, **fields: str) -> None:
        """Clear the form, fill in fields, and ask for an explanation."""
        browser.find("button[type=reset]").click()
        self.fill(browser, **fields)
        browser.find("#explain").click()

    def wait_until_idle(self, browser: Browser) -> None:
        """Wait until the page has shown the response to what it asked."""
        browser.driver.execute_async_script(
            "const done = arguments[0]; const button = document.getElementById('explain');"
            "const look = () => button.hasAttribute('aria-busy') ? setTimeout(look, 5) : done();"
            "look();"
        )


class PageTests(PageTestCase):
    """What the page shows."""

    def test_a_message(self) -> None:
        """A pasted message gives the verdict, the fix and the steps, and gets the focus."""
        browser = self.open()
        self.explain(browser, paste=MESSAGE)
        text = browser.wait_for_text("#result", "Blocked")
        self.assertIn("What the server must send", text)
        self.assertIn(f"corsgate run http://localhost:8000 --allow {PAGE}", text)
        self.assertIn("Step by step", text)
        self.assertEqual(browser.driver.switch_to.active_element.get_attribute("id"), "result")
        self.assertIn("Blocked", browser.find("#said").get_attribute("textContent") or "")
        names = [
            each.text for each in browser.driver.find_elements(By.CSS_SELECTOR, ".fix summary")
        ]
        self.assertEqual(len(names), 11)
        self.assertEqual(browser.console(), [])

    def test_a_har(self) -> None:
        """A file is opened, and each of its calls can be looked at."""
        path = Path(self.mktemp()).absolute()
        right = {"Access-Control-Allow-Origin": PAGE}
        path.write_text(har(entry(url=f"{BOX}/a", came=right), preflight({}, 405)))
        browser = self.open()
        browser.find("#file").send_keys(str(path))
        browser.wait_for_text("#verdict", "Blocked")
        self.assertIn("PUT", browser.find(".verdict .call").text)
        browser.find(".calls li:nth-child(1) button").click()
        browser.wait_for_text("#verdict", "Allowed")
        self.assertIn("GET", browser.find(".verdict .call").text)

    def test_errors(self) -> None:
        """An error is shown at its field, which gets the focus, in a part that opens."""
        self.server = WebServer()
        self.addCleanup(self.server.end)
        browser = self.open()
        self.explain(browser)
        browser.wait_for_text("#paste-error", "Paste a message")
        self.explain(browser, url=BOX, origin="localhost:4200")
        self.assertIn("Did you mean", browser.wait_for_text("#origin-error", "has no scheme"))
        origin = browser.find("#origin")
        self.assertEqual(origin.get_attribute("aria-invalid"), "true")
        self.assertEqual(browser.driver.switch_to.active_element.get_attribute("id"), "origin")
        self.server.end()
        self.explain(browser, paste=MESSAGE)
        browser.wait_for_text("#form-error", "does not respond")

    def test_keyboard(self) -> None:
        """The form can be filled in, sent and cleared without a mouse."""
        browser = self.open()
        box = browser.find("#paste")
        box.send_keys(MESSAGE)
        box.send_keys(Keys.CONTROL, Keys.ENTER)
        browser.wait_for_text("#result", "Blocked")
        clear = browser.find("button[type=reset]")
        clear.send_keys(Keys.SPACE)
        self.assertFalse(browser.find("#result").is_displayed())
        self.assertEqual(box.get_attribute("value"), "")
        self.assertEqual(browser.driver.switch_to.active_element.get_attribute("id"), "paste")

    def test_the_gate(self) -> None:
        """A pasted configuration is tried with the call."""
        browser = self.open()
        toml = (
            'listen = ["tcp:5555:interface=127.0.0.1"]\n[upstreams.a]\nservers = ["http://h"]\n'
            '[routes."/"]\nupstream = "a"\ncors = { allow_origins = ["http://localhost:4201"] }\n'
        )
        self.explain(browser, url="http://localhost:5555/x", origin=PAGE, toml=toml)
        text = browser.wait_for_text("#result", "Your corsgate.toml blocks this call")
        self.assertEqual(browser.find("#verdict").text, "Blocked")
        self.assertIn("4201", text)
        self.explain(browser, url="http://localhost:5555/x", origin=PAGE, toml="listen = 5")
        browser.wait_for_text("#result", "Your corsgate.toml has faults")


class LooksTests(PageTestCase):
    """Both colour schemes, and narrow windows."""

    def test_examples(self) -> None:
        """Each example is explained, legible and named in each scheme and width."""
        for dark in (False, True):
            for width in (360, 1100):
                browser = self.open(dark=dark, width=width)
                for name, verdict in (
                    ("message", "Blocked"),
                    ("preflight", "Blocked"),
                    ("curl", "Blocked"),
                ):
                    browser.find(f'[data-example="{name}"]').click()
                    browser.wait_for_text("#verdict", verdict)
                    for details in browser.driver.find_elements(
                        By.CSS_SELECTOR, "details:not([open])"
                    ):
                        browser.driver.execute_script("arguments[0].open = true", details)
                    self.assertEqual(browser.driver.execute_script(CONTRAST), [])
                    self.assertEqual(browser.driver.execute_script(UNNAMED), [])
                    self.assertEqual(browser.driver.execute_script(WIDER), [0, []])
                self.assertEqual(browser.console(), [])
                browser.close()


class AttackTests(PageTestCase):
    """What is pasted may be hostile."""

    def test_markup(self) -> None:
        """Markup in any field stays text."""
        browser = self.open()
        title = browser.driver.title
        fields = {"X-App": XSS, "Location": f"http://h/{XSS}", XSS: XSS}
        wrong = {"Access-Control-Allow-Origin": XSS, "Server": XSS, **fields}
        forms = [
            {"paste": XSS},
            {"paste": MESSAGE.replace(BOX, f"{BOX}/{XSS}".replace(" ", "/"))},
            {"paste": MESSAGE.replace("No '", f"{XSS} No '")},
            {"paste": MESSAGE.replace(PAGE, XSS)},
            {
                "paste": har(
                    preflight(wrong, names=XSS), entry("PUT", f"{BOX}/{XSS}", fields, 200, wrong)
                )
            },
            {"paste": har(entry(XSS, BOX, {"Origin": f"http://{XSS}"}, 0, _error=f"net::{XSS}"))},
            {"paste": f"curl '{BOX}/{XSS.replace(chr(39), '')}' -H 'Origin: {PAGE}'"},
            {
                "url": f"{BOX}/{XSS}",
                "origin": PAGE,
                "headers": "X-App: 1",
                "method": "PUT",
                "response": f"Access-Control-Allow-Origin: {XSS}\nX: {XSS}",
            },
            {"url": XSS, "origin": XSS},
            {"url": BOX, "origin": XSS},
            {"url": BOX, "origin": PAGE, "method": XSS},
            {"url": BOX, "origin": PAGE, "headers": XSS},
            {"url": BOX, "origin": PAGE, "response": XSS},
            {"url": BOX, "origin": PAGE, "toml": f"{XSS} = 1"},
            {"url": BOX, "origin": PAGE, "toml": f"listen = ['{XSS.replace(chr(39), '')}']"},
        ]
        for form in forms:
            self.explain(browser, **form)
            self.wait_until_idle(browser)
            found = browser.driver.execute_script(
                "return document.querySelectorAll('#result img, #result script, #result svg,"
                " form img, form script, form svg').length"
            )
            self.assertEqual((found, browser.driver.title), (0, title), form)
        self.assertEqual([line for line in browser.console() if "422" not in line], [])

    def test_large(self) -> None:
        """A HAR file of 50 MB is refused at once with what to do; one within the bound is read."""
        browser = self.open()
        path = Path(self.mktemp()).absolute()
        path.write_text(" " * 50_000_000)
        browser.find("#file").send_keys(str(path))
        text = browser.wait_for_text("#paste-error", "This has 50 MB. The limit is 10 MB")
        self.assertIn("Filter the network panel", text)
        body = {"text": "x" * (MAX_HAR_LENGTH - 10_000)}
        path.write_text(har(entry(came={"Access-Control-Allow-Origin": "*"}, content=body)))
        browser.find("#file").send_keys(str(path))
        browser.wait_for_text("#result", "Allowed")
        self.assertIn("(10.0 MB)", browser.find("#aside").text)
        self.assertEqual(browser.find("#paste").get_attribute("value"), "")
        self.paste(browser, 50_000_000)
        browser.wait_for_text("#paste-error", "This has 50 MB")
        self.paste(browser, 300_000)
        self.assertIn("Pasted (0.3 MB)", browser.find("#aside").text)
        browser.find("#aside-remove").click()
        self.assertFalse(browser.find("#aside").is_displayed())

    def paste(self, browser: Browser, length: int) -> None:
        """Paste a long line."""
        browser.driver.execute_script(
            "const data = new DataTransfer(); data.setData('text/plain', 'x'.repeat(arguments[0]));"
            "document.getElementById('paste').dispatchEvent(new ClipboardEvent('paste',"
            " {clipboardData: data, cancelable: true}));",
            length,
        )

    def test_deep(self) -> None:
        """Deep JSON and rubbish are named as no HAR file."""
        browser = self.open()
        for paste in ("[" * 200_000, json.dumps({"log": {"entries": [[[[]]]]}}), "{]"):
            self.explain(browser, paste=paste)
            browser.wait_for_text("#paste-error", "HAR file")

    def test_other_pages(self) -> None:
        """A page of another origin, even on loopback, can neither read nor use it."""
        other = WebServer()
        self.addCleanup(other.end)
        browser = self.open()
        browser.open(other.url)
        found = browser.driver.execute_script(
            "return fetch(arguments[0]).then((r) => r.text(), (error) => String(error))",
            self.server.url,
        )
        self.assertIn("TypeError", found)
