"""A newcomer's first five minutes: the wheel, a terminal and a browser, and no clone."""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import pexpect
from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli.adopt_gate import free_port
from tests.boxes.stand_in import Asked, Reply, StandIn
from tests.browser import Browser, need_browser
from tests.installing import build, install
from tests.tree import outside

PATIENCE_S: Final = 60.0
ANYWHERE: Final = "tcp:0:interface=127.0.0.1"
DOCUMENT: Final = "/v1/documents?uri=/test.json"
SECRET: Final = "pass-phrase-of-the-box"
SESSION: Final = "sid=7f3a"


@functools.cache
def environment() -> Path:
    """Return a virtual environment with the wheel, for all tests."""
    return install(
        Path(tempfile.mkdtemp(prefix="newcomer-", dir=Path.cwd())) / "venv", build().wheel
    )


def page(asked: Asked) -> Reply:
    """Return the app's one page, which does nothing by itself."""
    return Reply(headers={"Content-Type": "text/html"}, pieces=(b"<!doctype html><title>app",))


def basic_box(asked: Asked) -> Reply:
    """Respond as a box with one user, who logs in by Basic (RFC 7617)."""
    # "me:pass-phrase-of-the-box" in Base64.
    if asked.headers.get("authorization") != "Basic bWU6cGFzcy1waHJhc2Utb2YtdGhlLWJveA==":
        return Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="box"'})
    return Reply(headers={"Content-Type": "text/plain"}, pieces=(b"inside",))


def form_box(asked: Asked) -> Reply:
    """Respond as a box whose session begins with a form."""
    if asked.target == "/login" and asked.method == "POST":
        sent = parse_qs(asked.body.decode())
        if (sent.get("who"), sent.get("pass")) != (["me"], [SECRET]):
            return Reply(status=302, headers={"Location": "/login"})
        return Reply(status=302, headers={"Location": "/", "Set-Cookie": f"{SESSION}; Path=/"})
    if asked.target == "/login":
        form = b'<form method="post"><input name="who"><input type=password name="pass"></form>'
        return Reply(headers={"Content-Type": "text/html"}, pieces=(form,))
    if SESSION not in asked.headers.get("cookie", ""):
        return Reply(status=302, headers={"Location": "/login"})
    return Reply(headers={"Content-Type": "text/plain"}, pieces=(b"inside",))


class Terminal:
    """A command in a terminal of 80 columns; every wait is bounded.

    Attributes:
        child: The process, as pexpect has it.
    """

    def __init__(self, line: str, folder: Path, environ: dict[str, str]) -> None:
        self._seen = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        # The shell finds the command as a newcomer's does: the environment is on the PATH.
        self.child: Any = pexpect.spawn(
            "/bin/sh",
            ["-c", f"exec {line}"],
            cwd=str(folder),
            env=environ,
            encoding="utf-8",
            timeout=PATIENCE_S,
            dimensions=(24, 80),
        )
        self.child.logfile_read = self._seen

    @property
    def said(self) -> str:
        """All that it has shown, in single blanks."""
        self._seen.seek(0)
        return " ".join(self._seen.read().split())

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait for a pattern, in which a blank is any white space; return the match."""
        self.child.expect(re.sub(r"(\\? )+", lambda _: r"\s+", pattern))
        found: re.Match[str] = self.child.match
        return found

    def type(self, text: str) -> None:
        """Type a line."""
        self.child.sendline(text)

    def type_secret(self, text: str) -> None:
        """Type a line that the terminal must not show."""
        assert self.child.waitnoecho(PATIENCE_S), "the terminal would show the secret"
        self.child.sendline(text)

    def end(self, by: Callable[[], object] = lambda: None) -> int:
        """Wait for the end, after a key perhaps; return the exit status."""
        by()
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert self.child.signalstatus is None, f"ended by a signal: {self.said}"
        assert "Traceback" not in self.said, self.said
        return int(self.child.exitstatus)

    def close(self) -> None:
        """End it, whatever it does."""
        self.child.close(force=True)
        self._seen.close()


class NewcomerTests(SynchronousTestCase):
    """From the wheel to an app that reads its box."""

    def setUp(self) -> None:
        """Have an app, a folder to work in, and what an installation leaves on the PATH."""
        need_browser()
        self.app = StandIn(page)
        self.addCleanup(self.app.stop)
        self.origin = f"http://localhost:{self.app.port}"
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        kept = {
            name: value for name, value in outside().items() if name in ("HOME", "TMPDIR", "CI")
        }
        path = f"{environment() / 'bin'}:/usr/bin:/bin"
        self.environ = {**kept, "PATH": path, "TERM": "xterm", "LANG": "C.UTF-8", "NO_COLOR": "1"}

    def type(self, line: str, **environ: str) -> Terminal:
        """Start a command in a terminal of its own."""
        terminal = Terminal(line, self.folder, {**self.environ, **environ})
        self.addCleanup(terminal.close)
        return terminal

    def typed(self, line: str, status: int = 0, **environ: str) -> str:
        """Run a command to its end; return what it said."""
        terminal = self.type(line, **environ)
        self.assertEqual(terminal.end(), status, terminal.said)
        return terminal.said

    def browser(self, url: str) -> Browser:
        """Return a browser that shows a page."""
        browser = Browser()
        self.addCleanup(browser.close)
        browser.open(url)
        return browser

    def demo_box(self) -> str:
        """Start the demo, and return the URL of its box, whose user and password are admin."""
        demo = self.type("corsgate demo --box-port 0 --gate-port 0 --app-port 0")
        box = demo.expect(r"the box +(http://localhost:\d+)")[1]
        demo.expect("Press Ctrl-C to stop all three")
        self.addCleanup(lambda: self.assertEqual(demo.end(demo.child.sendintr), 0))
        return box

    def gate(self, terminal: Terminal) -> tuple[str, int]:
        """Wait for the summary of a gate's start; return its URL and process id."""
        url = terminal.expect(r"Gate +(http://localhost:\d+)")[1]
        terminal.expect("reachable")
        terminal.expect("Ctrl-C stops the gate")
        # The shell has become the gate.
        return url, int(terminal.child.pid)

    def blocked(self, browser: Browser, url: str, **options: object) -> str:
        """Let a page make a call that the browser blocks; return the console's message."""
        browser.console()
        self.assertIn("error", browser.fetch(url, **options))
        said: list[str] = []

        def has_reason(driver: object) -> bool:
            said.extend(each for each in browser.console() if "CORS policy" in each)
            return bool(said)

        browser.wait_until(has_reason, "the console's message")
        # Before it, the driver names the page.
        (place, _, message) = said[0].partition("Access to fetch")
        self.assertTrue(place.startswith("http"), said)
        return f"Access to fetch{message}"

    def test_one_line(self) -> None:
        """One line makes a closed box readable; a refusal says why, and what allows it."""
        box = self.demo_box()
        run = self.type(
            f"corsgate run {box} --allow {self.origin} --auth digest --listen {ANYWHERE}"
        )
        run.expect(f"User name for {box}:")
        run.type("admin")
        run.expect(f"Password for admin at {box}:")
        run.type_secret("admin")
        url, pid = self.gate(run)

        browser = self.browser(self.origin)
        direct = self.blocked(browser, box + DOCUMENT)
        self.assertIn("No 'Access-Control-Allow-Origin' header", direct)
        read = browser.fetch(url + DOCUMENT)
        self.assertEqual(read["status"], 200, read)
        self.assertIn("Hello from the closed box", read["text"])
        run.expect(r"200 GET /v1/documents\?uri=/test.json")

        stranger = f"http://127.0.0.1:{self.app.port}"
        browser.open(stranger)
        message = self.blocked(browser, url + DOCUMENT)
        run.expect(f"403 GET /v1/documents.* refused: origin '{stranger}' is not allowed")
        run.expect(f"to allow it, add --allow {stranger}")

        listed = self.typed(f"corsgate refusals --pid {pid}")
        self.assertIn(f"/v1/documents from {stranger}", listed)
        self.assertIn(f"origin '{stranger}' is not allowed", listed)
        self.assertIn(f"start the gate with --allow {stranger}", listed)

        for said, origin in ((direct, self.origin), (message, stranger)):
            explained = self.typed('corsgate explain --error "$SAID"', status=1, SAID=said)
            self.assertIn("no page may read it", explained)
            self.assertIn(f'allow_origins = ["{origin}"]', explained)
        self.assertEqual(run.end(run.child.sendintr), 0)
        self.assertIn("stopped after", run.said)

    def test_file(self) -> None:
        """The line becomes a file, which ``explain --apply`` fixes; a reload puts it in force."""
        box = self.demo_box()
        self.typed(
            f"corsgate run {box} --allow {self.origin} --auth digest:admin --listen {ANYWHERE}"
            " --print-config > gate.toml"
        )
        file = self.folder / "gate.toml"
        text = file.read_text("ascii")
        self.assertIn('password = { env = "BOX_PASSWORD" }', text)
        # Another gate may have the port of the status page.
        file.write_text(text.replace("tcp:9901:", "tcp:0:"), "ascii")
        self.assertIn("BOX_PASSWORD", self.typed("corsgate check gate.toml", status=1))
        self.typed("corsgate check gate.toml", BOX_PASSWORD="admin")
        run = self.type("corsgate run gate.toml", BOX_PASSWORD="admin")
        url, pid = self.gate(run)

        stranger = f"http://127.0.0.1:{self.app.port}"
        browser = self.browser(stranger)
        message = self.blocked(browser, url + DOCUMENT)
        listed = self.typed(f"corsgate refusals --pid {pid}")
        wanted = f'[cors.app] allow_origins = ["{self.origin}", "{stranger}"]'
        self.assertIn(wanted, listed)
        apply = self.type('corsgate explain --apply gate.toml --error "$SAID"', SAID=message)
        apply.expect(re.escape(wanted))
        apply.expect(re.escape("Write this to gate.toml? [y/N]"))
        apply.type("y")
        self.assertEqual(apply.end(), 0, apply.said)
        self.assertIn(f'allow_origins = ["{self.origin}", "{stranger}"]', file.read_text("ascii"))
        changed = self.typed(f"corsgate reload --pid {pid}")
        self.assertIn(stranger, changed)
        self.assertEqual(browser.fetch(url + DOCUMENT)["status"], 200)
        self.assertEqual(run.end(run.child.sendintr), 0)

    def adopt(self, box: str, user: str, password: str) -> None:
        """Adopt a box whose login is asked for, and read it in a page."""
        port = free_port(20_000 + self.app.port % 9_000)
        adopt = self.type(f"corsgate adopt {box} --origin {self.origin} --port {port}")
        adopt.expect(r"The box requires a login\. .*: ")
        adopt.type(user)
        adopt.expect(r"Password .*: ")
        adopt.type_secret(password)
        adopt.expect("Written to gate.toml")
        adopt.expect(f"Proof, through the gate at http://localhost:{port}")
        url, _ = self.gate(adopt)
        self.assertIn(f"\u2713 GET from {self.origin}", adopt.said)
        self.assertIn("\u2713 GET from another origin is refused", adopt.said)
        self.assertNotIn("\u2717", adopt.said)
        written = (self.folder / "gate.toml").read_text("ascii")
        self.assertNotIn(password, written.replace('username = "admin"', ""))
        self.typed("corsgate check gate.toml", BOX_PASSWORD=password)

        path = box.partition("//")[2].partition("/")[2]
        read = self.browser(self.origin).fetch(f"{url}/{path}")
        self.assertEqual(read["status"], 200, read)
        self.assertEqual(adopt.end(adopt.child.sendintr), 0)

    def test_adopt_digest(self) -> None:
        """The demo's box is adopted by its URL alone."""
        self.adopt(self.demo_box() + DOCUMENT, "admin", "admin")

    def test_adopt_basic(self) -> None:
        """So is a box with Basic."""
        box = StandIn(basic_box)
        self.addCleanup(box.stop)
        self.adopt(f"http://localhost:{box.port}/api", "me", SECRET)

    def test_adopt_form(self) -> None:
        """So is a box with a login form."""
        box = StandIn(form_box)
        self.addCleanup(box.stop)
        self.adopt(f"http://localhost:{box.port}/api", "me", SECRET)
