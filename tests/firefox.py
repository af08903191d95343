"""A real Firefox without a window, driven by WebDriver BiDi, for which it needs no driver."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.programs import require

WAIT_S = 30.0
_LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
_PREFERENCES = """\
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("layout.css.prefers-color-scheme.content-override", %d);
"""


class Firefox:
    """One browser with a profile of its own; each method blocks, for a bounded time.

    Args:
        width: The page's width in CSS pixels.
        height: Its height.
        dark: Whether its user prefers a dark page.
    """

    def __init__(self, *, width: int = 1280, height: int = 1000, dark: bool = False) -> None:
        program = require("firefox-esr", "firefox-esr")
        self._profile = Path(tempfile.mkdtemp(prefix="corsgate-firefox-"))
        (self._profile / "user.js").write_text(_PREFERENCES % (0 if dark else 1))
        flags = ["--headless", "--no-remote", "--remote-debugging-port", "0"]
        self._said = self._profile / "said"
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [program, *flags, "--profile", str(self._profile), "about:blank"],
                stdout=said,
                stderr=said,
                env={"HOME": str(self._profile), "PATH": "/usr/bin:/bin"},
            )
        self._number = 0
        self._events: list[Mapping[str, Any]] = []
        self._socket: ClientConnection | None = None
        try:
            self._socket = connect(f"{self._address()}/session", max_size=None, legacy=True)
            self._command("session.new", capabilities={})
            # The first window has the focus in its address bar. Then text can be typed into the
            # page, but no key presses a button.
            self._context = self._command("browsingContext.create", type="window")["context"]
            self._command("session.subscribe", events=["network.beforeRequestSent"])
            self.resize(width, height)
        except BaseException:
            self.close()
            raise

    def _address(self) -> str:
        ends = time.monotonic() + WAIT_S
        while time.monotonic() < ends and self._process.poll() is None:
            found = _LISTENS.search(self._said.read_text("utf-8", "replace"))
            if found:
                return found[1]
            time.sleep(0.05)
        raise AssertionError(f"Firefox did not start:\n{self._said.read_text()}")

    def _command(self, method: str, **parameters: object) -> Any:
        assert self._socket is not None
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(timeout=WAIT_S))
            if answer.get("id") == self._number:
                break
            self._events.append(answer)
        if answer["type"] != "success":
            raise AssertionError(f"{method}: {answer}")
        return answer["result"]

    def close(self) -> None:
        """End the browser and remove its profile."""
        if self._socket is not None:
            self._socket.close()
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def resize(self, width: int, height: int) -> None:
        """Give the page another size, in CSS pixels."""
        size = {"width": width, "height": height}
        self._command("browsingContext.setViewport", context=self._context, viewport=size)

    def before_page(self, script: str) -> None:
        """Run statements in each page before its own scripts."""
        self._command("script.addPreloadScript", functionDeclaration=f"() => {{ {script} }}")

    def open(self, url: str) -> None:
        """Go to a page and wait until it has loaded."""
        self._command("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def run(self, expression: str) -> Any:
        """Return the value of an expression in the page, or what it promises."""
        found = self._command(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self._context},
            awaitPromise=True,
        )
        if found["type"] != "success":
            raise AssertionError(f"{expression}: {found['exceptionDetails']['text']}")
        text = found["result"].get("value")
        return None if text is None else json.loads(text)

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true in the page; return its value."""
        ends = time.monotonic() + WAIT_S
        while time.monotonic() < ends:
            found = self.run(expression)
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"waited for {expression}")

    def press(self, *keys: str) -> None:
        """Press keys one after the other: characters, such as selenium's ``Keys.TAB``."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        self._command("input.performActions", context=self._context, actions=[keyboard])

    def requested(self) -> list[str]:
        """Return the URLs that pages have requested."""
        self.run("0")
        return [
            event["params"]["request"]["url"]
            for event in self._events
            if event.get("method") == "network.beforeRequestSent"
        ]

    def screenshot(self, path: Path) -> None:
        """Write the whole page as PNG."""
        taken = self._command(
            "browsingContext.captureScreenshot", context=self._context, origin="document"
        )
        path.write_bytes(base64.b64decode(taken["data"]))
