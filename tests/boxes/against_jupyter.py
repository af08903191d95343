"""Jupyter Server, with its own rules on Origin and tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tests.boxes.box import Box
from tests.boxes.case import BoxTestCase, direct, from_json
from tests.boxes.installed import python
from tests.boxes.recipes import blocks

TOKEN = "token-of-jupyter"
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
        (text,) = blocks("jupyter")
        lines = [line for line in text.splitlines() if not line.startswith("credentials")]
        self.open_text("\n".join(lines), {8888: port})
