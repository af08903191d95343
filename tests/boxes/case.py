"""What the tests against boxes share: an app, a box, and the gate with a recipe between them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from twisted.trial.unittest import SynchronousTestCase
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.boxes.app import App
from tests.boxes.box import Box
from tests.boxes.recipes import APP_PORT, GATE_PORT, blocks, placed
from tests.browser import Browser, need_browser
from tests.running import PATIENCE_S, Answer, Gate
from tests.tree import TWISTD

_Box = TypeVar("_Box", bound=Box)

RUN = """
const [args, done] = arguments;
(async () => {%s})().then(
  (value) => done({value}),
  (error) => done({error: String(error && (error.stack || error.message || error))}),
);
"""
SHOW = """
const image = new Image();
image.crossOrigin = args[1] ? "anonymous" : null;
document.body.append(image);
const loaded = new Promise((resolve) => {
  image.onload = () => resolve(true);
  image.onerror = () => resolve(false);
});
image.src = args[0];
const shown = await loaded;
const width = image.naturalWidth;
image.remove();
return shown ? width : 0;
"""
JSON = {"Content-Type": "application/json"}


class BoxTestCase(SynchronousTestCase):
    """A test case with an app whose origin the recipe allows.

    Attributes:
        app: The app.
        gate: The gate, once `open` was called.
    """

    gate: Gate

    def setUp(self) -> None:
        """Start the app."""
        self.app = App()
        self.addCleanup(self.app.stop)

    def start(self, kind: type[_Box]) -> _Box:
        """Return a box that serves, until the test has ended."""
        box = kind()
        self.addCleanup(box.stop)
        return box

    def open(
        self,
        recipe: str,
        ports: Mapping[int, int],
        environ: Mapping[str, str] | None = None,
        *,
        number: int = 0,
    ) -> None:
        """Start the gate with a recipe.

        Args:
            recipe: The page's name.
            ports: Where the boxes are, by the ports that the page shows.
            environ: Variables that the configuration names.
            number: Which of the page's configurations.
        """
        self.open_text(blocks(recipe)[number], ports, environ)

    def open_text(
        self, text: str, ports: Mapping[int, int], environ: Mapping[str, str] | None = None
    ) -> None:
        """Start the gate with a recipe that the test has changed; see `open`."""
        all_ports = {GATE_PORT: 0, APP_PORT: self.app.port, **ports}
        path = Path(self.mktemp()).resolve()
        path.write_text(placed(text, all_ports), "utf-8")
        command = [*TWISTD, "-n", "--pidfile=", "corsgate", "--config", str(path)]
        stack = ExitStack()
        self.gate = stack.enter_context(Gate(command, environ or {}))
        self.addCleanup(stack.close)
        self._close_gate = stack.close

    def close_gate(self) -> str:
        """End the gate; return all that it has logged."""
        self._close_gate()
        return self.gate.said

    @property
    def lan(self) -> str:
        """The origin of a page on another machine, which the recipe may allow, too."""
        return f"http://app.lan:{self.app.port}"

    @property
    def url(self) -> str:
        """The gate's origin."""
        return f"http://localhost:{self.gate.port}"

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        origin: str = "",
    ) -> Answer:
        """Send a request to the gate as a page does.

        Args:
            method: Its method.
            target: Its target.
            headers: Fields besides Origin and Host.
            body: Its body, if it has one.
            origin: Another page's origin than the app's.
        """
        fields = {
            "Host": f"localhost:{self.gate.port}",
            "Origin": origin or self.app.origin,
            **(headers or {}),
        }
        return self.gate.request(method, target, fields, body)

    def check(self, answer: Answer, *statuses: int, origin: str = "") -> Answer:
        """Assert that the app can read a response, and its status; return it.

        Args:
            answer: The response.
            statuses: Those that are right; 200 by default.
            origin: Another page's origin than the app's.
        """
        allowed = answer.headers.get_all("Access-Control-Allow-Origin") or []
        seen = f"{answer.status} {answer.headers}{answer.body[:2000]!r}"
        self.assertEqual(allowed, [origin or self.app.origin], seen)
        self.assertIn(answer.status, statuses or (200,), seen)
        return answer

    def read(self, target: str, *statuses: int) -> Answer:
        """Assert that the app can GET a target, with 200 or one of these; return the response."""
        return self.check(self.send("GET", target), *statuses)

    def write(
        self, method: str, target: str, value: object, *statuses: int, origin: str = ""
    ) -> Answer:
        """Assert that the app can send a value as JSON; return the response.

        Args:
            method: Its method.
            target: Its target.
            value: The value.
            statuses: Those that are right; 200 by default.
            origin: Another page's origin than the app's.
        """
        body = json.dumps(value).encode()
        answer = self.send(method, target, JSON, body, origin=origin)
        return self.check(answer, *statuses, origin=origin)

    def check_preflight(self, target: str, method: str, *headers: str) -> None:
        """Assert that the app may send a method with these fields."""
        names = ",".join(sorted(name.lower() for name in headers))
        answer = self.check(self.gate.preflight(target, self.app.origin, method, names), 200, 204)
        methods = str(answer.headers["Access-Control-Allow-Methods"]).replace(" ", "").split(",")
        self.assertTrue({method, "*"} & set(methods) or method in ("GET", "POST"), methods)
        granted = str(answer.headers["Access-Control-Allow-Headers"]).lower()
        missing = [name for name in names.split(",") if name and name not in granted]
        self.assertEqual(missing if granted != "*" else [], [])

    def check_stranger(self, method: str, target: str, body: bytes | None = None) -> None:
        """Assert that a page of another origin gets the gate's refusal, and cannot read it."""
        answer = self.send(method, target, JSON, body, origin=self.app.stranger)
        self.assertEqual(answer.status, 403, answer)
        self.assertIsNone(answer.headers["Access-Control-Allow-Origin"])
        # The form of the gate's own errors, which no box here has.
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json", answer)

    def check_strange_socket(self, target: str, protocols: Sequence[str] = ()) -> None:
        """Assert that a page of another origin gets no WebSocket."""
        with self.assertRaises(InvalidStatus) as caught:
            self.websocket(target, protocols, origin=self.app.stranger)
        self.assertEqual(caught.exception.response.status_code, 403)

    def websocket(
        self, target: str, protocols: Sequence[str] = (), *, origin: str = ""
    ) -> ClientConnection:
        """Return a WebSocket through the gate that is closed with the test.

        Args:
            target: Where it leads.
            protocols: The subprotocols that it offers.
            origin: Another page's origin than the app's.
        """
        stack = ExitStack()
        opening = connect(
            f"ws://localhost:{self.gate.port}{target}",
            origin=Origin(origin or self.app.origin),
            subprotocols=[Subprotocol(name) for name in protocols] or None,
            proxy=None,
            open_timeout=PATIENCE_S,
        )
        self.addCleanup(stack.close)
        return stack.enter_context(opening)

    def browser(self, script: str = "") -> Browser:
        """Return a browser that shows the app's page, with one of its scripts."""
        need_browser()
        browser = Browser()
        self.addCleanup(browser.close)
        browser.open(f"{self.app.origin}/?{script}")
        return browser

    def run_script(self, browser: Browser, script: str, *arguments: object) -> Any:
        """Return what an asynchronous function of the page's returns, within a bounded time.

        Args:
            browser: It.
            script: The function's body; its arguments are ``args``.
            arguments: They.
        """
        result = browser.driver.execute_async_script(RUN % script, list(arguments))
        self.assertNotIn("error", result, f"{result}\n{browser.console()}\n{self.gate.said}")
        return result.get("value")

    def show(self, browser: Browser, url: str, *, cors: bool = True) -> int:
        """Return the width of an image on the page; 0 where there is none to be seen.

        Args:
            browser: It.
            url: The image's.
            cors: Whether the element has ``crossorigin``.
        """
        width: int = self.run_script(browser, SHOW, url, cors)
        return width


def direct(
    port: int, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None
) -> Answer:
    """Send a request to a box, past the gate."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(method, target, body, dict(headers))
        response = connection.getresponse()
        return Answer(status=response.status, headers=response.headers, body=response.read())
    finally:
        connection.close()


def from_json(answer: Answer) -> Any:
    """Return what a response's JSON says."""
    return json.loads(answer.body)
