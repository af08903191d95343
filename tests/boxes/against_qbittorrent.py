"""qBittorrent: its session's cookie, its 403s, and its own check of Origin and Referer."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from tests.boxes.box import Box
from tests.boxes.case import BoxTestCase, direct
from tests.programs import require

PASSWORD: Final = "password-of-qbittorrent"
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
PREFERENCES: Final = "/api/v2/app/preferences"
ITERATIONS: Final = 100_000

_CONFIGURATION = """\
[BitTorrent]
Session\\DHTEnabled=false
Session\\Interface=lo
Session\\InterfaceAddress=127.0.0.1
Session\\LSDEnabled=false
Session\\PeXEnabled=false
[LegalNotice]
Accepted=true
[Network]
PortForwardingEnabled=false
[Preferences]
WebUI\\Address=127.0.0.1
WebUI\\Password_PBKDF2="@ByteArray({password})"
WebUI\\Port={port}
WebUI\\UseUPnP=false
WebUI\\Username=gate
"""


class QBittorrent(Box):
    """qBittorrent without a peer, on loopback only."""

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        folder = self.home / "qBittorrent" / "config"
        folder.mkdir(parents=True, exist_ok=True)
        salt = b"sixteen salt ..."
        digest = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), salt, ITERATIONS)
        password = f"{b64encode(salt).decode()}:{b64encode(digest).decode()}"
        text = _CONFIGURATION.format(password=password, port=port)
        (folder / "qBittorrent.conf").write_text(text, "utf-8")
        program = require("qbittorrent-nox", "qbittorrent-nox")
        return [program, f"--profile={self.home}"]


class QBittorrentTests(BoxTestCase):
    """The recipe."""

    def setUp(self) -> None:
        """Start the server."""
        super().setUp()
        self.box = self.start(QBittorrent)
        self.addCleanup(lambda: self.assertNotIn(PASSWORD, self.box.said()))

    def place(self, environ: Mapping[str, str] | None = None) -> None:
        """Start the gate."""
        known = {"QBITTORRENT_PASSWORD": PASSWORD}
        self.open("qbittorrent", {8080: self.box.port}, environ or known)

    def test_page(self) -> None:
        """A page reads and changes settings; a session that has ended is renewed."""
        self.place()
        refused = direct(self.box.port, "GET", PREFERENCES, {})
        self.assertEqual(refused.status, 403)
        for limit in (1024, 2048):
            change = urlencode({"json": f'{{"up_limit": {limit}}}'}).encode()
            done = self.check(self.send("POST", "/api/v2/app/setPreferences", FORM, change))
            self.assertIsNone(done.headers["Set-Cookie"])
            self.assertIn(f'"up_limit":{limit}'.encode(), self.read(PREFERENCES).body)
            # That ends all its sessions.
            self.box.restart()
        # A page's own logout does not end the gate's session.
        self.send("POST", "/api/v2/auth/logout", FORM, b"")
        self.read(PREFERENCES)
        self.check_stranger("GET", PREFERENCES)
        self.assertNotIn(PASSWORD, self.close_gate())

    def test_wrong_password(self) -> None:
        """Two logins, then none: qBittorrent bans an address after five."""
        self.place({"QBITTORRENT_PASSWORD": "wrong"})
        for _ in range(7):
            self.read(PREFERENCES, 502)
        right = urlencode({"username": "gate", "password": PASSWORD}).encode()
        answer = direct(self.box.port, "POST", "/api/v2/auth/login", FORM, right)
        self.assertEqual((answer.status, answer.body), (200, b"Ok."))
