"""Jupyter Server, with its own rules on Origin and tokens."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import ClassVar

from tests.boxes.box import Box
from tests.boxes.case import BoxTestCase, direct, from_json
from tests.boxes.installed import python
from tests.boxes.recipes import blocks

TOKEN = "token-of-jupyter"
PASSWORD = "password-of-jupyter"
DIGEST = hashlib.sha256(PASSWORD.encode() + b"salt").hexdigest()
EVENTS = "/api/events/subscribe"
RUN_CODE = """
const [url, code] = args;
const response = await fetch(`${url}/api/kernels`, {
  method: "POST",
  headers: {"Content-Type": "application/json"},
  body: JSON.stringify({name: "python3"}),
});
const kernel = (await response.json()).id;
const socket = new WebSocket(`${url.replace("http", "ws")}/api/kernels/${kernel}/channels`);
await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
const header = {
  msg_id: "1", msg_type: "execute_request", session: "s", username: "", version: "5.3",
};
socket.send(JSON.stringify({
  channel: "shell", header, parent_header: {}, metadata: {},
  content: {code, silent: false, store_history: false, user_expressions: {}, allow_stdin: false},
}));
const said = await new Promise((resolve) => {
  socket.onmessage = ({data}) => {
    const message = JSON.parse(data);
    if (message.header.msg_type === "stream") resolve(message.content.text);
  };
});
socket.close();
const ended = await fetch(`${url}/api/kernels/${kernel}`, {method: "DELETE"});
return [response.status, said, ended.status];
"""


class Jupyter(Box):
    """Jupyter Server that wants a token."""

    ready = "/api"
    access: ClassVar[Sequence[str]] = (f"--IdentityProvider.token={TOKEN}",)

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        files = self.home / "files"
        files.mkdir(exist_ok=True)
        return [
            *(python(), "-m", "jupyter_server", "--allow-root", "--no-browser"),
            *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
            f"--ServerApp.root_dir={files}",
            *self.access,
        ]


class OpenJupyter(Jupyter):
    """Jupyter Server for anyone who is not a page of another origin."""

    access = ("--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True")


class PasswordJupyter(Jupyter):
    """Jupyter Server that wants a password, and forgets its sessions when it starts."""

    access = (
        "--IdentityProvider.token=",
        f"--PasswordIdentityProvider.hashed_password=sha256:salt:{DIGEST}",
    )

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [*super().command(port), f"--ServerApp.cookie_secret={secrets.token_hex()}"]


class JupyterTests(BoxTestCase):
    """Jupyter with a token that the gate holds."""

    def test_page(self) -> None:
        """A page runs code on a kernel, keeps a file, and reads errors; a stranger does not."""
        box = self.start(Jupyter)
        self.open("jupyter", {8888: box.port}, {"JUPYTER_TOKEN": TOKEN})
        ran = self.run_script(self.browser(), RUN_CODE, self.url, "print(6 * 7)")
        self.assertEqual(ran, [201, "42\n", 204])
        self.check_preflight("/api/contents/a.txt", "PUT", "Content-Type")
        note = {"type": "file", "format": "text", "content": "é"}
        self.write("PUT", "/api/contents/a.txt", note, 201)
        self.assertEqual((box.home / "files" / "a.txt").read_text("utf-8"), "é")
        self.assertEqual(from_json(self.read("/api/contents/a.txt"))["content"], "é")
        self.read("/api/contents/none.txt", 404)
        self.check_stranger("GET", "/api/contents/a.txt")
        self.check_stranger("POST", "/api/kernels", b"{}")
        self.check_strange_socket("/api/kernels/none/channels")
        self.assertEqual(direct(box.port, "GET", "/api/contents", {}).status, 403)


class OpenJupyterTests(BoxTestCase):
    """Jupyter that has nothing but its check of Origin."""

    def test_page(self) -> None:
        """The server, which refuses the app's origin, does not refuse the app behind the gate."""
        box = self.start(OpenJupyter)
        refused = direct(box.port, "GET", "/api/contents", {"Origin": self.app.origin})
        self.assertNotEqual(refused.status, 200)
        self.open_without_credentials(box.port)
        ran = self.run_script(self.browser(), RUN_CODE, self.url, "print(6 * 7)")
        self.assertEqual(ran, [201, "42\n", 204])
        self.read("/api/contents")
        self.check_strange_socket("/api/kernels/none/channels")

    def open_without_credentials(self, port: int) -> None:
        """Start the gate with the recipe, less its line with the token."""
        text = blocks("jupyter")[0]
        lines = [line for line in text.splitlines() if not line.startswith("credentials")]
        self.open_text("\n".join(lines), {8888: port})


class PasswordTests(BoxTestCase):
    """Jupyter with a password, for which the gate logs in."""

    def test_session(self) -> None:
        """Changes and WebSockets use the session; when it has ended, a WebSocket gets another."""
        box = self.start(PasswordJupyter)
        self.open("jupyter", {8888: box.port}, {"JUPYTER_PASSWORD": PASSWORD}, number=1)
        note = {"type": "file", "format": "text", "content": "é"}
        kept = self.write("PUT", "/api/contents/a.txt", note, 201)
        self.assertIsNone(kept.headers["Set-Cookie"])
        self.websocket(EVENTS).close()
        box.restart()
        self.websocket(EVENTS).close()
        self.read("/api/contents/none.txt", 404)
        self.check_stranger("GET", "/api/contents/a.txt")
        self.check_strange_socket(EVENTS)
        self.assertNotIn(PASSWORD, self.close_gate())
        self.check_wrong_password(box)

    def check_wrong_password(self, box: PasswordJupyter) -> None:
        """The server responds to it with its form and 401: two logins, then none."""
        self.open("jupyter", {8888: box.port}, {"JUPYTER_PASSWORD": "wrong"}, number=1)
        for _ in range(4):
            self.read("/api/contents", 502)
        self.assertEqual(box.count("401 POST /login", 2), 2)
        self.assertIn("could not log in at /login: it responded 401", self.close_gate())
