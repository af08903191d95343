"""Deluge: JSON-RPC that logs in with an array, and responds 200 to everything."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from typing import Any, Final

from tests.boxes.box import POLL_S, START_S, Box
from tests.boxes.case import JSON, BoxTestCase, direct, from_json
from tests.ports import free_port
from tests.programs import require

PASSWORD: Final = "password-of-deluge"
TARGET: Final = "/json"
HOST: Final = "daemon"


class Deluge(Box):
    """Deluge's daemon without a peer, and its web server, on loopback only."""

    def command(self, port: int) -> Sequence[str]:
        """Return what starts both."""
        daemon_port = free_port()
        salt = "salt"
        self._write("auth", "localclient:local:10\n")
        self._configure(
            "core.conf",
            allow_remote=False,
            dht=False,
            listen_interface="127.0.0.1",
            lsd=False,
            natpmp=False,
            new_release_check=False,
            outgoing_interface="lo",
            upnp=False,
            utpex=False,
        )
        hosts = [[HOST, "127.0.0.1", daemon_port, "localclient", "local"]]
        self._configure("hostlist.conf", hosts=hosts)
        self._configure(
            "web.conf",
            first_login=False,
            pwd_salt=salt,
            pwd_sha1=hashlib.sha1((salt + PASSWORD).encode()).hexdigest(),
        )
        daemon, web = (require(name, name) for name in ("deluged", "deluge-web"))
        folder = f"--config={self.home}"
        start = (
            f"'{daemon}' -d {folder} -i 127.0.0.1 -p {daemon_port} &"
            f" exec '{web}' -d {folder} -i 127.0.0.1 -p {port}"
        )
        return ["sh", "-c", start]

    def _configure(self, name: str, **keys: object) -> None:
        self._write(name, f'{{"file": 1, "format": 1}}{json.dumps(keys)}')

    def _write(self, name: str, text: str) -> None:
        (self.home / name).write_text(text, "utf-8")


class DelugeTests(BoxTestCase):
    """The recipe."""

    def setUp(self) -> None:
        """Start the server."""
        super().setUp()
        self.box = self.start(Deluge)
        self.addCleanup(lambda: self.assertNotIn(PASSWORD, self.box.said()))

    def call(self, method: str, *params: object, status: int = 200) -> Any:
        """Return the result of a call of the page's; a call with an error has none."""
        called = {"method": method, "params": params, "id": 7}
        answer = self.write("POST", TARGET, called, status)
        self.assertIsNone(answer.headers["Set-Cookie"])
        return from_json(answer).get("result")

    def connected(self) -> None:
        """Connect the web server to the daemon, once that has started."""
        deadline = time.monotonic() + START_S
        while not self.call("web.connected"):
            self.assertLess(time.monotonic(), deadline, self.box.said())
            self.call("web.connect", HOST)
            time.sleep(POLL_S)

    def test_page(self) -> None:
        """A page reads and changes settings; a session that has ended is renewed."""
        body = b'{"method": "web.connected", "params": [], "id": 1}'
        refused = from_json(direct(self.box.port, "POST", TARGET, JSON, body))
        self.assertEqual(refused["error"]["code"], 1)
        self.open("deluge", {8112: self.box.port}, {"DELUGE_PASSWORD": PASSWORD})
        self.connected()
        self.call("core.set_config", {"max_upload_speed": 7.0})
        self.assertEqual(self.call("core.get_config_value", "max_upload_speed"), 7.0)
        self.assertEqual(self.call("web.update_ui", ["name"], {})["torrents"], {})
        # That ends the gate's session.
        self.assertIs(self.call("auth.delete_session"), True)
        self.assertEqual(self.call("core.get_config_value", "max_upload_speed"), 7.0)
        self.check_stranger("POST", TARGET, body)
        self.assertNotIn(PASSWORD, self.close_gate())

    def test_wrong_password(self) -> None:
        """Two logins, then none."""
        self.open("deluge", {8112: self.box.port}, {"DELUGE_PASSWORD": "wrong"})
        for _ in range(4):
            self.call("web.connected", status=502)
        self.assertIn("it responded 200 without a session cookie", self.close_gate())
