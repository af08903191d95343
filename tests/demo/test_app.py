"""Tests for the demo's page and what serves it."""

from __future__ import annotations

import json
import re

from twisted.trial.unittest import SynchronousTestCase

from corsgate.demo.app import Addresses, app_root
from tests.demo.wire import Answer, ask

FILES = {
    "/": b"text/html; charset=utf-8",
    "/app.css": b"text/css; charset=utf-8",
    "/app.js": b"text/javascript; charset=utf-8",
    "/icon.svg": b"image/svg+xml",
    "/config.json": b"application/json",
}


class AppTests(SynchronousTestCase):
    """The page, its files and its headers."""

    def setUp(self) -> None:
        """Make an app with two ports."""
        self.status_url = ""
        self.root = app_root(
            Addresses(box="http://localhost:1001", gate="http://localhost:1002"),
            lambda: self.status_url,
            lambda: {"explain": "corsgate explain", "config": "--config demo.toml"},
        )

    def get(self, target: str) -> Answer:
        """Return a GET."""
        return ask(self.root, "GET", target)

    def test_files(self) -> None:
        """Every file is served with its type."""
        for target, content_type in FILES.items():
            with self.subTest(target):
                answer = self.get(target)
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer.one(b"content-type"), content_type)
                self.assertEqual(answer.one(b"content-length"), str(len(answer.body)).encode())

    def test_config(self) -> None:
        """The page gets the addresses from the server, and contains none."""
        told = {
            "box": "http://localhost:1001",
            "gate": "http://localhost:1002",
            "target": "/v1/documents?uri=/test.json",
            "explain": "corsgate explain",
            "config": "--config demo.toml",
        }
        self.assertEqual(json.loads(self.get("/config.json").body), told)
        for target in ("/", "/app.js"):
            self.assertNotRegex(self.get(target).body.decode(), r"localhost:\d")

    def test_status(self) -> None:
        """The page links to the gate's status page, wherever that is."""
        self.assertIn('href="status"', self.get("/").body.decode())
        self.assertEqual(self.get("/status").status, 404)
        self.status_url = "http://127.0.0.1:7/"
        answer = self.get("/status")
        self.assertEqual((answer.status, answer.one(b"location")), (302, b"http://127.0.0.1:7/"))

    def test_policy(self) -> None:
        """The page's own policy lets it call the box and the gate, and nobody else."""
        for target in FILES:
            with self.subTest(target):
                answer = self.get(target)
                policy = answer.one(b"content-security-policy")
                self.assertIn(b"default-src 'none'", policy)
                self.assertIn(
                    b"connect-src 'self' http://localhost:1001 http://localhost:1002;", policy
                )
                self.assertEqual(answer.one(b"x-content-type-options"), b"nosniff")

    def test_no_outside_resources(self) -> None:
        """Nothing is loaded from elsewhere."""
        for target in FILES.keys() - {"/config.json"}:
            with self.subTest(target):
                text = self.get(target).body.decode()
                addresses = set(re.findall(r"https?://[^\s\"'<>`]+", text))
                self.assertLessEqual(addresses, {"http://www.w3.org/2000/svg"})

    def test_no_password(self) -> None:
        """No file knows the box's credentials."""
        for target in FILES:
            with self.subTest(target):
                self.assertNotIn(b"admin", self.get(target).body)

    def test_elsewhere(self) -> None:
        """There is nothing else, the package's other files least of all."""
        for target in ("/run.py", "/demo.toml", "/index.html/x", "/..%2Fbox.py", "/app.css/"):
            with self.subTest(target):
                self.assertEqual(self.get(target).status, 404)

    def test_methods(self) -> None:
        """The app is read only."""
        for target in FILES:
            with self.subTest(target):
                self.assertEqual(ask(self.root, "POST", target, body=b"x").status, 405)
                self.assertEqual(ask(self.root, "HEAD", target).status, 200)
