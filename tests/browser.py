"""A real Chromium without a window, for tests that ask what a browser does."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from unittest import SkipTest

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

T = TypeVar("T")

CHROMIUM: Final = Path("/usr/bin/chromium")
DRIVER: Final = Path("/usr/bin/chromedriver")
WAIT_S: Final = 30.0

FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    # Names other than the loopback's don't resolve: the browser reaches this machine only.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost,"
    " EXCLUDE 127.0.0.1",
)
"""Those of a Chromium that has no window, runs as any user and keeps to this machine."""


def need_browser() -> None:
    """Skip the test where there is no browser, but not in CI, where one has to be.

    Raises:
        SkipTest: Chromium or its driver isn't installed.
        AssertionError: The same, in CI.
    """
    missing = [str(path) for path in (CHROMIUM, DRIVER) if not os.access(path, os.X_OK)]
    if not missing:
        return
    reason = f"not installed: {', '.join(missing)}"
    if os.environ.get("CI"):
        raise AssertionError(reason)
    raise SkipTest(reason)


class Browser:
    """One browser with a profile of its own; each method blocks, for a bounded time.

    Run it in a thread where the reactor serves what it opens.
    """

    def __init__(
        self,
        *,
        width: int = 1280,
        height: int = 1000,
        dark: bool = False,
        trusting: bool = False,
        third_party_cookies: bool = False,
        flags: tuple[str, ...] = (),
    ) -> None:
        """Start it.

        Args:
            width: The window's, in CSS pixels.
            height: The window's, in CSS pixels.
            dark: Whether its user prefers a dark page.
            trusting: Whether any server's certificate will do.
            third_party_cookies: Whether cookies of other sites than the page's are kept, which is
                Chromium's default, but not Debian's.
            flags: More flags of its command line.
        """
        self._profile = tempfile.mkdtemp(prefix="corsgate-browser-")
        options = ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for flag in (*FLAGS, *flags, f"--user-data-dir={self._profile}"):
            options.add_argument(flag)
        if trusting:
            options.add_argument("--ignore-certificate-errors")
        if third_party_cookies:
            cookies = {
                "profile.cookie_controls_mode": 0,
                "profile.block_third_party_cookies": False,
            }
            options.add_experimental_option("prefs", cookies)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        try:
            # With both paths given selenium looks for nothing, and so downloads nothing.
            self.driver = Chrome(options=options, service=Service(executable_path=str(DRIVER)))
        except BaseException:
            self._forget()
            raise
        self.driver.set_page_load_timeout(WAIT_S)
        self.driver.set_script_timeout(WAIT_S)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def _forget(self) -> None:
        shutil.rmtree(self._profile, ignore_errors=True)

    def close(self) -> None:
        """End the browser and remove its profile."""
        try:
            self.driver.quit()
        finally:
            self._forget()

    def open(self, url: str) -> None:
        """Go to a page and wait until it has loaded."""
        self.driver.get(url)

    def find(self, css: str) -> WebElement:
        """Return the first element that matches a selector."""
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def wait_for_text(self, css: str, text: str) -> str:
        """Wait until an element's visible text contains this text, and answer all of it."""

        def contained(driver: object) -> str | None:
            whole = self.find(css).text
            return whole if text in whole else None

        return self._wait(contained, f"{text!r} in {css}")

    def wait_for_enabled(self, css: str) -> WebElement:
        """Wait until a control can be used, and return it."""

        def enabled(driver: object) -> WebElement | None:
            element = self.find(css)
            return element if element.is_enabled() else None

        return self._wait(enabled, f"{css} to be enabled")

    def wait_until(self, condition: Callable[[object], bool], what: str) -> None:
        """Wait until a condition holds."""
        self._wait(lambda driver: condition(driver) or None, what)

    def _wait(self, condition: Callable[[object], T | None], what: str) -> T:
        stale = (StaleElementReferenceException,)
        wait = WebDriverWait(self.driver, WAIT_S, poll_frequency=0.05, ignored_exceptions=stale)
        found = wait.until(condition, f"waited for {what}")
        assert found is not None
        return found

    def fetch(self, url: str, **options: object) -> dict[str, Any]:
        """Let the page's script call fetch.

        Args:
            url: What to fetch.
            options: Fetch's own, such as ``method`` or ``body``.

        Returns:
            ``status``, ``type`` and ``text`` of the response, or ``error``, as far as the script
            may know them.
        """
        script = """
            const [url, options, done] = arguments;
            fetch(url, options).then(
              async (response) =>
                done({status: response.status, type: response.type, text: await response.text()}),
            ).catch((error) => done({error: String(error)}));
        """
        answer: dict[str, Any] = self.driver.execute_async_script(script, url, options)
        return answer

    def console(self) -> list[str]:
        """Return what its console says, from the last call on."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]

    def screenshot(self, path: Path) -> None:
        """Write the whole page, not only what fits the window, as PNG."""
        height = self.driver.execute_script("return document.documentElement.scrollHeight")
        width = self.driver.execute_script("return innerWidth")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        path.write_bytes(self.driver.get_screenshot_as_png())
