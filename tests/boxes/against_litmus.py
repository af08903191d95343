"""litmus, a test suite for WebDAV servers: it finds the same through the gate as without it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.boxes.case import BoxTestCase
from tests.boxes.webdav import Apache, Dav, Lighttpd
from tests.programs import require
from tests.tree import run

_RESULT = re.compile(r"^ *\d+\. (\w+)\.+ (pass|FAIL|WARNING|SKIPPED)", re.MULTILINE)

NAMES_ITSELF = "propfind_d0"
"""It looks for the path that it called in the body of a response, where the server's own is."""


class LitmusTests(BoxTestCase):
    """Some 100 requests of all kinds, by a client that is no browser."""

    def found(self, url: str) -> list[tuple[str, str]]:
        """Return what litmus says of each of its tests."""
        # Otherwise it ends after the first part that has a failure.
        command = [require("litmus", "litmus"), "--keep-going", url]
        done = run(command, Path.cwd(), timeout_s=300)
        return _RESULT.findall(done.stdout.replace("\r", "\n"))

    def check_server(self, kind: type[Dav]) -> None:
        """Run it twice."""
        box = self.start(kind)
        self.open("webdav", {8080: box.port})
        expected = self.found(f"http://localhost:{box.port}/sub/")
        self.assertGreater(len([name for name, result in expected if result == "pass"]), 80)
        actual = self.found(f"{self.url}/files/sub/")
        self.assertEqual(
            [each for each in actual if each[0] != NAMES_ITSELF],
            [each for each in expected if each[0] != NAMES_ITSELF],
        )

    def test_apache(self) -> None:
        """Apache's mod_dav."""
        self.check_server(Apache)

    def test_lighttpd(self) -> None:
        """lighttpd's mod_webdav."""
        self.check_server(Lighttpd)
