"""A real Firefox without a window, driven by WebDriver BiDi, for which it needs no driver."""

from __future__ import annotations

import atexit
import base64
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

from tests.programs import require

WAIT_S = 60.0
_LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
_PREFERENCES = """\
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("layout.css.prefers-color-scheme.content-override", %d);
"""


class _Process:
    """A Firefox with a profile of its own, and the connection that controls it.

    Args:
        dark: Whether its user prefers a dark page.
    """

    def __init__(self, *, dark: bool) -> None:
        program = require("firefox-esr", "firefox-esr")
        self._profile = Path(tempfile.mkdtemp(prefix="corsgate-firefox-"))
        (self._profile / "user.js").write_text(_PREFERENCES % (0 if dark else 1))
        flags = ["--headless", "--no-remote", "--remote-debugging-port", "0"]
        self._output = self._profile / "output"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [program, *flags, "--profile", str(self._profile), "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"HOME": str(self._profile), "PATH": "/usr/bin:/bin"},
            )
        atexit.register(self.kill)
        self._number = 0
        self.events: list[Mapping[str, Any]] = []
        self._socket: ClientConnection | None = None
        try:
            self._socket = connect(f"{self._address()}/session", max_size=None, legacy=True)
            self.command("session.new", capabilities={})
            self.command("session.subscribe", events=["network.beforeRequestSent"])
        except BaseException:
            self.kill()
            raise

    def _address(self) -> str:
        ends = time.monotonic() + WAIT_S
        while time.monotonic() < ends and self._process.poll() is None:
            found = _LISTENS.search(self._output.read_text("utf-8", "replace"))
            if found:
                return found[1]
            time.sleep(0.05)
        raise AssertionError(f"Firefox did not start:\n{self._output.read_text()}")

    def command(self, method: str, **parameters: object) -> Any:
        """Return the result of a command of WebDriver BiDi; keep the events until then."""
        assert self._socket is not None
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(timeout=WAIT_S))
            if answer.get("id") == self._number:
                break
            self.events.append(answer)
        if answer["type"] != "success":
            raise AssertionError(f"{method}: {answer}")
        return answer["result"]

    def kill(self) -> None:
        """End the process and remove its profile."""
        atexit.unregister(self.kill)
        if self._socket is not None:
            self._socket.close()
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)


_idle: Final[dict[bool, list[_Process]]] = {False: [], True: []}
"""Processes that no `Firefox` uses, by whether their user prefers a dark page."""


class Firefox:
    """A browser that knows nothing of an earlier test's; each method blocks, for a bounded time.

    Starting Firefox takes about four seconds of CPU time, so browsers take turns in a process.
    Each has a user context: cookies, caches and connections of its own, which end with it.

    Args:
        width: The page's width in CSS pixels.
        height: Its height.
        dark: Whether its user prefers a dark page.
    """

    def __init__(self, *, width: int = 1280, height: int = 1000, dark: bool = False) -> None:
        self._idle = _idle[dark]
        self._process = self._idle.pop() if self._idle else _Process(dark=dark)
        self._scripts: list[str] = []
        try:
            self._user = self._command("browser.createUserContext")["userContext"]
            # The first window has the focus in its address bar. Then text can be typed into the
            # page, but no key presses a button.
            created = self._command("browsingContext.create", type="window", userContext=self._user)
            self._context = created["context"]
            self.resize(width, height)
        except BaseException:
            self._process.kill()
            raise

    def _command(self, method: str, **parameters: object) -> Any:
        return self._process.command(method, **parameters)

    def close(self) -> None:
        """End it with all that it has stored."""
        try:
            for script in self._scripts:
                self._command("script.removePreloadScript", script=script)
            self._command("browser.removeUserContext", userContext=self._user)
        except Exception:
            # The browser has crashed, or does not respond.
            self._process.kill()
        else:
            self._process.events.clear()
            self._idle.append(self._process)

    def resize(self, width: int, height: int) -> None:
        """Give the page another size, in CSS pixels."""
        size = {"width": width, "height": height}
        self._command("browsingContext.setViewport", context=self._context, viewport=size)

    def before_page(self, script: str) -> None:
        """Run statements in each page before its own scripts."""
        added = self._command(
            "script.addPreloadScript", functionDeclaration=f"() => {{ {script} }}"
        )
        self._scripts.append(added["script"])

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
            for event in self._process.events
            if event.get("method") == "network.beforeRequestSent"
        ]

    def screenshot(self, path: Path) -> None:
        """Write the whole page as PNG."""
        taken = self._command(
            "browsingContext.captureScreenshot", context=self._context, origin="document"
        )
        path.write_bytes(base64.b64decode(taken["data"]))
