"""nginx and lighttpd that serve files: compression, ranges, conditions and redirects."""

from __future__ import annotations

import gzip

from tests.boxes.case import BoxTestCase
from tests.boxes.webdav import Dav, Lighttpd, Nginx

TEXT = b"".join(b"line %d\n" % number for number in range(2000))


class FileTests(BoxTestCase):
    """Files."""

    def open_before(self, kind: type[Dav]) -> None:
        """Start a server with a file, and the gate before it."""
        box = self.start(kind)
        (box.files / "sub" / "a.txt").write_bytes(TEXT)
        self.open("web-servers", {8080: box.port})

    def check_files(self, kind: type[Dav]) -> None:
        """Read a file whole, in part and again, and a folder without its slash."""
        self.open_before(kind)
        self.check_preflight("/data/sub/a.txt", "GET", "Range", "If-None-Match")
        whole = self.read("/data/sub/a.txt")
        self.assertEqual(whole.body, TEXT)
        part = self.check(self.send("GET", "/data/sub/a.txt", {"Range": "bytes=5-9"}), 206)
        self.assertEqual(part.body, TEXT[5:10])
        self.assertEqual(part.headers["Content-Range"], f"bytes 5-9/{len(TEXT)}")
        beyond = {"Range": f"bytes={len(TEXT)}-"}
        self.check(self.send("GET", "/data/sub/a.txt", beyond), 416)
        same = {"If-None-Match": whole.headers["ETag"]}
        self.check(self.send("GET", "/data/sub/a.txt", same), 304)
        self.check(self.send("HEAD", "/data/sub/a.txt"))
        self.read("/data/none", 404)
        moved = self.read("/data/sub", 301)
        self.assertIn(moved.headers["Location"], (f"{self.url}/data/sub/", "/data/sub/"))
        self.check(self.send("PUT", "/data/b.txt", {}, b"no"), 405)
        self.check_stranger("GET", "/data/sub/a.txt")

    def test_lighttpd(self) -> None:
        """lighttpd."""
        self.check_files(Lighttpd)

    def test_nginx(self) -> None:
        """nginx."""
        self.check_files(Nginx)

    def test_compressed(self) -> None:
        """nginx compresses as for a direct client, and a page reads the text."""
        self.open_before(Nginx)
        packed = self.check(self.send("GET", "/data/sub/a.txt", {"Accept-Encoding": "gzip"}))
        self.assertEqual(packed.headers["Content-Encoding"], "gzip")
        self.assertEqual(gzip.decompress(packed.body), TEXT)
        seen = self.browser().fetch(f"{self.url}/data/sub/a.txt")
        self.assertEqual((seen["status"], seen["text"]), (200, TEXT.decode()))
