"""Apache with digest credentials and WebDAV, in MarkLogic's place."""

from __future__ import annotations

import os
import shutil

from tests.apache import UNPRIVILEGED, ApacheDigest
from tests.boxes.case import BoxTestCase, direct

USERNAME, PASSWORD = "rest-writer", "password-of-ml"


class MarkLogicTests(BoxTestCase):
    """A box that wants digest credentials."""

    def test_documents(self) -> None:
        """An app writes, reads and removes documents without knowing the password."""
        box = ApacheDigest(users={USERNAME: PASSWORD})
        self.addCleanup(box.stop)
        (box.files / "v1").mkdir()
        if os.geteuid() == 0:
            shutil.chown(box.files / "v1", UNPRIVILEGED)
        self.assertEqual(direct(box.port, "GET", "/v1/a.json", {}).status, 401)
        self.open("marklogic", {8000: box.port}, {"MARKLOGIC_PASSWORD": PASSWORD})
        self.check_preflight("/v1/a.json", "PUT", "Content-Type", "If-Match")
        for number in range(3):
            self.write("PUT", f"/v1/{number}.json", {"number": number}, 201)
        # Apache's ETag of a file that has just changed is weak, and so matches nothing.
        os.utime(box.files / "v1" / "1.json", (1e9, 1e9))
        answer = self.read("/v1/1.json")
        self.assertEqual(answer.body, b'{"number": 1}')
        self.assertIn("ETag", answer.headers["Access-Control-Expose-Headers"])
        fresh = {"If-Match": answer.headers["ETag"]}
        self.check(self.send("PUT", "/v1/1.json", fresh, b"{}"), 204)
        self.check(self.send("PUT", "/v1/1.json", fresh, b"{}"), 412)
        missing = self.read("/v1/none.json", 404)
        self.assertIsNone(missing.headers["WWW-Authenticate"])
        self.check(self.send("DELETE", "/v1/1.json"), 204)
        self.check_stranger("GET", "/v1/0.json")
        self.check_stranger("DELETE", "/v1/0.json")
        self.assertTrue((box.files / "v1" / "0.json").exists())
        self.assertNotIn(PASSWORD, self.close_gate())

    def test_page(self) -> None:
        """A page in a browser does the same with fetch, and no password window opens."""
        box = ApacheDigest(users={USERNAME: PASSWORD}, files={"v1": b"in the box"})
        self.addCleanup(box.stop)
        self.open("marklogic", {8000: box.port}, {"MARKLOGIC_PASSWORD": PASSWORD})
        browser = self.browser()
        self.assertEqual(browser.fetch(f"{self.url}/v1")["text"], "in the box")
        put = browser.fetch(f"{self.url}/v1", method="PUT", body="changed")
        self.assertEqual((put["status"], (box.files / "v1").read_bytes()), (204, b"changed"))
