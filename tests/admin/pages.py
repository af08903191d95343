"""Chromium and Firefox with the same few methods, for tests of the status page in both."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from selenium.webdriver.common.action_chains import ActionChains

from tests.browser import Browser, need_browser
from tests.firefox import Firefox

KEEP_VIOLATIONS = """
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) =>
      violations.push(`${event.violatedDirective} ${event.blockedURI}`));
    window.failures = [];
    addEventListener("error", (event) => failures.push(event.message));
    addEventListener("unhandledrejection", (event) => failures.push(String(event.reason)));
"""
"""Keeps what the page's Content-Security-Policy stopped, and the errors of its scripts."""


class Page(Protocol):
    """A browser with one page."""

    def open(self, url: str) -> None:
        """Go to a page."""

    def run(self, expression: str) -> Any:
        """Return the value of an expression in the page."""

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true in the page; return its value."""

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""

    def requested(self) -> list[str]:
        """Return the URLs that pages have requested."""

    def screenshot(self, path: Path) -> None:
        """Write the whole page as PNG."""

    def close(self) -> None:
        """End the browser."""


class Chromium(Browser):
    """Chromium as a `Page`."""

    def __init__(self, **options: Any) -> None:
        need_browser()
        super().__init__(**options)
        self._requested: list[str] = []
        source = {"source": KEEP_VIOLATIONS}
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)

    def run(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        return self.driver.execute_script(f"return (async () => ({expression}))()")

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true in the page; return its value."""
        return self._wait(lambda _: self.run(expression) or None, expression)

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def requested(self) -> list[str]:
        """Return the URLs that pages have requested."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self._requested.append(message["params"]["request"]["url"])
        return self._requested


def firefox(**options: Any) -> Firefox:
    """Start Firefox as a `Page`."""
    browser = Firefox(**options)
    browser.before_page(KEEP_VIOLATIONS)
    return browser


def accessibility_faults(page: Chromium) -> list[str]:
    """Return what axe finds wrong with the page as it is now."""
    page.driver.execute_script((files("axe_core_python") / "axe.min.js").read_text("utf-8"))
    found = page.run("(await axe.run()).violations")
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]
