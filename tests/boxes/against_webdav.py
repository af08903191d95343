"""WebDAV behind a prefix: Destination and If name the gate, and mean the server."""

from __future__ import annotations

from collections.abc import Mapping

from tests.boxes.case import BoxTestCase
from tests.boxes.webdav import Apache, Dav, Lighttpd, Nginx, WsgiDav
from tests.running import Answer

LOCK = b"""<?xml version="1.0"?>
<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>
"""
XML = {"Content-Type": "application/xml"}


class WebDavTests(BoxTestCase):
    """Each server does what the page means."""

    def dav(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *statuses: int,
    ) -> Answer:
        """Assert that the app can send a request; any success is right by default."""
        answer = self.send(method, f"/files{path}", headers, body)
        return self.check(answer, *(statuses or (200, 201, 204, 207)))

    def check_server(self, kind: type[Dav]) -> None:
        """Write, copy, move and remove files."""
        box = self.start(kind)
        self.open("webdav", {8080: box.port})
        self.check_preflight("/files/a.txt", "MOVE", "Destination", "Overwrite")
        self.dav("PUT", "/a.txt", {}, b"one")
        self.dav("MKCOL", "/made/")
        self.dav("COPY", "/a.txt", {"Destination": f"{self.url}/files/sub/b.txt"})
        base = "" if box.relative else self.url
        self.dav("COPY", "/a.txt", {"Destination": f"{base}/files/made/%C3%A9.txt"})
        self.dav("MOVE", "/a.txt", {"Destination": f"{self.url}/files/sub/a%20b.txt"})
        self.assertEqual(
            sorted(str(path.relative_to(box.files)) for path in box.files.rglob("*.txt")),
            ["made/é.txt", "sub/a b.txt", "sub/b.txt"],
        )
        kept = {"Destination": f"{self.url}/files/sub/b.txt", "Overwrite": "F"}
        self.dav("MOVE", "/sub/a%20b.txt", kept, None, 412)
        outside = {"Destination": "http://elsewhere.example/b.txt"}
        answer = self.dav("MOVE", "/sub/b.txt", outside, None, 400, 403, 409, 502)
        self.assertTrue((box.files / "sub" / "b.txt").exists(), answer)
        self.dav("DELETE", "/sub/b.txt")
        self.check(self.send("GET", "/files/sub/b.txt"), 404)
        self.check_stranger("DELETE", "/files/made/")
        self.assertEqual((box.files / "made" / "é.txt").read_bytes(), b"one")
        redirect = self.dav("GET", "/sub", {}, None, 200, 301, 403)
        if redirect.status == 301:
            location = redirect.headers["Location"]
            self.assertIn(location, (f"{self.url}/files/sub/", "/files/sub/"))
        if box.locks:
            self.check_locks()

    def check_locks(self) -> None:
        """List a folder; lock a file, be refused without the lock's token, write with it."""
        listed = self.dav("PROPFIND", "/sub/", {"Depth": "1"}, None, 207)
        self.assertIn(b"a%20b.txt", listed.body)
        locked = self.dav("LOCK", "/sub/c.txt", {"Timeout": "Second-60", **XML}, LOCK, 200, 201)
        token = locked.headers["Lock-Token"]
        self.dav("PUT", "/sub/c.txt", {}, b"no", 423)
        tagged = f"<{self.url}/files/sub/c.txt> ({token})"
        self.dav("PUT", "/sub/c.txt", {"If": tagged}, b"yes")
        self.dav("UNLOCK", "/sub/c.txt", {"Lock-Token": token})
        self.assertEqual(self.dav("GET", "/sub/c.txt").body, b"yes")

    def test_apache(self) -> None:
        """Apache's mod_dav."""
        self.check_server(Apache)

    def test_lighttpd(self) -> None:
        """lighttpd's mod_webdav."""
        self.check_server(Lighttpd)

    def test_nginx(self) -> None:
        """nginx's DAV module."""
        self.check_server(Nginx)

    def test_wsgidav(self) -> None:
        """wsgidav."""
        self.check_server(WsgiDav)
