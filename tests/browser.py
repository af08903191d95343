"""A real Chromium without a window, for tests of what a browser does.

Starting Chromium takes about a second of CPU time, so browsers that need no options of their own on
the command line take turns in a process. Each gets a browser context: cookies, caches, connections
and permissions of its own, which end with it.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar
from unittest import SkipTest
from urllib.request import urlopen

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait
from websockets.sync.client import connect

T = TypeVar("T")

CHROMIUM: Final = Path("/usr/bin/chromium")
DRIVER: Final = Path("/usr/bin/chromedriver")
WAIT_S: Final = 60.0

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
"""Flags of a Chromium without a window, which runs as any user and reaches only this machine."""


def need_browser() -> None:
    """Skip the test if Chromium or its driver isn't installed; in CI, fail.

    Raises:
        SkipTest: One of them isn't installed.
        AssertionError: One of them isn't installed, in CI.
    """
    missing = [str(path) for path in (CHROMIUM, DRIVER) if not os.access(path, os.X_OK)]
    if not missing:
        return
    reason = f"not installed: {', '.join(missing)}"
    if os.environ.get("CI"):
        raise AssertionError(reason)
    raise SkipTest(reason)


class _Process:
    """A Chromium with its driver, and a browser context that is replaced between two tests.

    Args:
        arguments: More flags of its command line.
        preferences: Chromium's preferences that differ from the defaults.
    """

    def __init__(
        self, arguments: tuple[str, ...] = (), preferences: Mapping[str, object] | None = None
    ) -> None:
        self._profile = tempfile.mkdtemp(prefix="corsgate-browser-")
        options = ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for argument in (*FLAGS, *arguments, f"--user-data-dir={self._profile}"):
            options.add_argument(argument)
        if preferences:
            options.add_experimental_option("prefs", dict(preferences))
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self._context: str | None = None
        try:
            # Given both paths, selenium neither searches for a driver nor downloads one.
            self.driver = Chrome(options=options, service=Service(executable_path=str(DRIVER)))
        except BaseException:
            shutil.rmtree(self._profile, ignore_errors=True)
            raise
        self.driver.set_page_load_timeout(WAIT_S)
        self.driver.set_script_timeout(WAIT_S)
        atexit.register(self.quit)

    def quit(self) -> None:
        """End the process and remove its profile."""
        atexit.unregister(self.quit)
        try:
            self.driver.quit()
        finally:
            shutil.rmtree(self._profile, ignore_errors=True)

    def renew(self) -> None:
        """Close all windows with all that they have stored, and open one in a new context."""
        address = self.driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
        with urlopen(f"http://{address}/json/version", timeout=WAIT_S) as answer:
            url = json.load(answer)["webSocketDebuggerUrl"]
        with connect(url) as connection:

            def command(method: str, **parameters: object) -> dict[str, str]:
                connection.send(json.dumps({"id": 1, "method": method, "params": parameters}))
                answer = json.loads(connection.recv(timeout=WAIT_S))
                while "id" not in answer:
                    answer = json.loads(connection.recv(timeout=WAIT_S))
                result: dict[str, str] = answer["result"]
                return result

            old, self._context = (
                self._context,
                command("Target.createBrowserContext")["browserContextId"],
            )
            target = command(
                "Target.createTarget", url="about:blank", browserContextId=self._context
            )
            if old is None:
                self.driver.close()  # The window that Chromium opens when it starts.
            # Chromium ends with its last window: the old one is closed after the new has opened.
            self.driver.switch_to.window(target["targetId"])
            if old is not None:
                command("Target.disposeBrowserContext", browserContextId=old)
        for log in ("performance", "browser"):
            self.driver.get_log(log)


_idle: Final[list[_Process]] = []
"""Processes without options of their own that no `Browser` uses."""


def _fresh() -> _Process:
    process = _Process()
    try:
        # The first of its tests has a browser context, too: pages behave differently in one.
        process.renew()
    except BaseException:
        process.quit()
        raise
    return process


class Browser:
    """A browser that knows nothing of an earlier test's; each method blocks, for a bounded time.

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
        """Take an idle process, or start one.

        Args:
            width: Width of the window in CSS pixels.
            height: Height of the window in CSS pixels.
            dark: Whether its user prefers a dark page.
            trusting: Whether it accepts any server's certificate.
            third_party_cookies: Whether it keeps cookies of other sites than the page's: the
                default of Chromium, but not of Debian's.
            flags: More flags of its command line.
        """
        self._is_shared = not (trusting or third_party_cookies or flags)
        if self._is_shared:
            self._process = _idle.pop() if _idle else _fresh()
        else:
            if trusting:
                flags = (*flags, "--ignore-certificate-errors")
            cookies = {
                "profile.cookie_controls_mode": 0,
                "profile.block_third_party_cookies": False,
            }
            self._process = _Process(flags, cookies if third_party_cookies else None)
        self.driver = self._process.driver
        self._is_open = True
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def close(self) -> None:
        """End it with all that it has stored; calling it again has no effect."""
        if not self._is_open:
            return
        self._is_open = False
        if self._is_shared:
            # A process that fails here, since its browser has crashed, is of no more use.
            with contextlib.suppress(Exception):
                self._process.renew()
                _idle.append(self._process)
                return
        self._process.quit()

    def open(self, url: str) -> None:
        """Go to a page and wait until it has loaded."""
        self.driver.get(url)

    def find(self, css: str) -> WebElement:
        """Return the first element that matches a selector."""
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def wait_for_text(self, css: str, text: str) -> str:
        """Wait until an element's visible text contains this text, and return all of it."""

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
