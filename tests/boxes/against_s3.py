"""moto, which checks signatures: they cover Host."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.boxes.box import Box
from tests.boxes.case import BoxTestCase
from tests.boxes.installed import SERVERS, python
from tests.tree import run

UNSIGNED_ACTIONS = "3"
"""What makes the user, before whom there is nobody to check a signature of."""


class Moto(Box):
    """moto's server, with one user."""

    ready = "/moto-api/"

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [python(), "-m", "moto.server", "--host=127.0.0.1", f"--port={port}"]

    def environ(self, port: int) -> Mapping[str, str]:
        """Have it check signatures."""
        return {"INITIAL_NO_AUTH_ACTION_COUNT": UNSIGNED_ACTIONS}


class MotoTestCase(BoxTestCase):
    """moto with a user.

    Attributes:
        key: What boto3 signs with.
        port: The port of moto.
        user: The user's access key.
    """

    def setUp(self) -> None:
        """Start moto, and make the user."""
        super().setUp()
        self.port = self.start(Moto).port
        self.key = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
        self.user = tuple(self.s3("user", f"http://127.0.0.1:{self.port}").split())

    def s3(self, *arguments: str) -> str:
        """Return what boto3 prints."""
        command = [python(), str(SERVERS / "s3.py"), *arguments]
        done = run(command, Path.cwd(), {**self.key, "PYTHONPATH": "", "PYTHONUTF8": "1"})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout


class S3Tests(MotoTestCase):
    """Pages and programs that sign themselves."""

    def setUp(self) -> None:
        """Have boto3 sign with the user's key."""
        super().setUp()
        self.key = dict(zip(self.key, self.user, strict=True))
        self.open("s3", {9000: self.port})

    def test_boto3(self) -> None:
        """boto3 writes, reads, lists and removes objects through the gate, also in parts."""
        lines = self.s3("use", self.url).splitlines()
        self.assertEqual(lines, ["100000", "0102", "a b/é+.txt,big", "NoSuchKey"])

    def test_page(self) -> None:
        """A page sends what was signed for the gate; what was signed for another key is refused."""
        self.s3("use", self.url)
        url = f"{self.url}/photos/from%20page.txt"
        put, get = (json.loads(self.s3("sign", url, *what)) for what in (("PUT", "é"), ("GET", "")))
        browser = self.browser()
        seen = self.run_script(
            browser,
            """
            const [url, put, get] = args;
            const written = await fetch(url, {method: "PUT", body: "é", headers: put});
            const read = await fetch(url, {headers: get});
            const wrong = await fetch(url + ".other", {headers: get});
            return [written.status, written.headers.get("etag"), await read.text(), wrong.status,
                    (await wrong.text()).includes("SignatureDoesNotMatch")];
            """,
            url,
            put,
            get,
        )
        etag = '"5526021e6d8a7ff6a9a1a8b7d4ad9a80"'
        self.assertEqual(seen[2:], ["é", 403, True], seen)
        self.assertEqual((seen[0], len(seen[1])), (200, len(etag)))
        self.check_stranger("GET", "/photos/from%20page.txt")


class SigningGateTests(MotoTestCase):
    """The gate signs."""

    def begin(self, secret: str) -> None:
        """Start the gate with a secret key."""
        environ = {"S3_ACCESS_KEY": self.user[0], "S3_SECRET_KEY": secret}
        self.open("s3", {9000: self.port}, environ, number=1)

    def test_boto3(self) -> None:
        """boto3's own signatures, with a key that nobody knows, are replaced."""
        self.begin(self.user[1])
        lines = self.s3("use", self.url).splitlines()
        self.assertEqual(lines, ["100000", "0102", "a b/é+.txt,big", "NoSuchKey"])

    def test_page(self) -> None:
        """A page writes, lists and reads objects, large ones too, without a key of its own."""
        self.begin(self.user[1])
        self.s3("use", self.url)
        browser = self.browser()
        seen = self.run_script(
            browser,
            r"""
            const [url] = args, file = `${url}/photos/from (a) page's!.txt`;
            const body = new Uint8Array(200_000);
            const written = await fetch(file, {method: "PUT", body});
            const query = new URLSearchParams({"list-type": 2, prefix: "from (a) page's!"});
            const listed = await (await fetch(`${url}/photos?${query}`)).text();
            const read = await (await fetch(file)).arrayBuffer();
            const removed = await fetch(file, {method: "DELETE"});
            return [written.status, listed.match(/<Key>(.*?)<\/Key>/)[1], read.byteLength,
                    removed.status];
            """,
            self.url,
        )
        self.assertEqual(seen, [200, "from (a) page's!.txt", 200_000, 204])
        self.check_stranger("GET", "/photos/from%20page.txt")

    def test_wrong_key(self) -> None:
        """moto verifies: with another secret nothing can be read."""
        self.begin("another")
        answer = self.send("GET", "/photos")
        self.assertEqual(answer.status, 403)
        self.assertIn(b"SignatureDoesNotMatch", answer.body)
