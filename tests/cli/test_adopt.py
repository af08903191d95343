"""``corsgate adopt``."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path
from unittest import mock

from corsgate.cli.load import load
from tests.boxes.stand_in import Asked, Reply, StandIn
from tests.cli.commands import CommandTestCase, Done, corsgate
from tests.leaks.markers import leaks, marker
from tests.ports import free_port

APP = "http://localhost:4200"
PASSWORD = "pass-phrase-of-the-box"


class AdoptTestCase(CommandTestCase):
    """A test of the command against a box."""

    def adopt(self, url: str, *arguments: str, environ: dict[str, str] | None = None) -> Done:
        """Run the command; its file is `self.output`."""
        directory = Path(self.mktemp())
        directory.mkdir()
        self.output = str((directory / "gate.toml").resolve())
        more = ("--output", self.output, "--port", str(free_port()), *arguments)
        with mock.patch.dict(os.environ, environ or {}):
            return corsgate("adopt", url, "--origin", APP, *more)

    def written(self) -> str:
        """Return the configuration, which must load."""
        load(self.output)
        return Path(self.output).read_text("ascii")

    def box(self, reply: object) -> StandIn:
        """Return a box that responds so."""
        found = StandIn(reply)  # type: ignore[arg-type]
        self.addCleanup(found.stop)
        return found


class Adopt(AdoptTestCase):
    """From a URL to a proven gate."""

    def test_open_box(self) -> None:
        """A box without a login is adopted and proven."""
        box = self.box(lambda asked: Reply(pieces=(b"hello",)))
        done = self.adopt(f"http://127.0.0.1:{box.port}/v1")
        self.assertEqual((done.status, done.err), (0, ""), done.out)
        for line in ("ok GET from http://localhost:4200", "ok preflight for PUT"):
            self.assertIn(line, done.out)
        self.assertNotIn("  NO ", done.out)
        self.assertIn('[routes."/v1"]', self.written())
        self.assertLessEqual({each.method for each in box.asked}, {"GET", "HEAD", "OPTIONS"})

    def test_basic(self) -> None:
        """The password comes from the environment, and is nowhere in the output or the file."""

        def reply(asked: Asked) -> Reply:
            if asked.headers.get("authorization", "").startswith("Basic YWRtaW46"):
                return Reply(pieces=(b"hello",))
            return Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'})

        box = self.box(reply)
        url = f"http://127.0.0.1:{box.port}/"
        done = self.adopt(url, "--user", "admin", "--auth-env", "PW", environ={"PW": PASSWORD})
        self.assertEqual((done.status, done.err), (0, ""), done.out)
        self.assertIn('password = { env = "PW" }', self.written())
        self.assertNotIn(PASSWORD, done.out + self.written())

    def test_repeated_secret(self) -> None:
        """What a box repeats of the password is neither printed nor written to the file."""
        made = marker("adopt", "-+/~")
        encoded = b64encode(f"admin:{made.text}".encode()).decode()

        def reply(asked: Asked) -> Reply:
            if "authorization" not in asked.headers:
                return Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'})
            said = encoded if asked.target.startswith("/v1/") else made.text
            fields = {
                "Set-Cookie": f"{made.core}=1; Path=/{encoded}; Domain={made.core}",
                "Server": said,
                "Location": f"/v1/{said}",
                "Allow": f"GET, {made.core}",
                "Access-Control-Allow-Origin": said,
            }
            return Reply(status=302, headers=fields)

        box = self.box(reply)
        url = f"http://127.0.0.1:{box.port}/v1"
        environ = {"BOX_PASSWORD": made.text}
        done = self.adopt(url, "--user", "admin", "--no-start", environ=environ)
        self.assertIn("Basic as admin", done.out)
        self.assertIn("302 to ***", done.out)
        got = " ".join(each.headers.get("authorization", "") for each in box.asked)
        self.assertTrue(leaks(got.encode(), [made]))
        shown = done.out + done.err + self.written()
        self.assertEqual(leaks(shown.encode(), [made]), [])

    def test_two_rejections(self) -> None:
        """A box that rejects everything gets each kind once; the gate is not started."""
        challenge = 'Digest realm="r", nonce="n", qop="auth", Basic realm="r"'

        def reply(asked: Asked) -> Reply:
            return Reply(status=401, headers={"WWW-Authenticate": challenge})

        box = self.box(reply)
        url = f"http://127.0.0.1:{box.port}/"
        done = self.adopt(url, "--user", "admin", environ={"BOX_PASSWORD": PASSWORD})
        self.assertEqual(done.status, 1, done.out)
        logins = [each.headers["authorization"].split()[0] for each in box.asked
                  if "authorization" in each.headers]  # fmt: skip
        self.assertEqual(logins, ["Digest", "Basic"])
        self.assertIn("was not started", done.out)

    def test_hostile_words(self) -> None:
        """What a box says ends no comment, no string, and clears no terminal."""
        evil = 'Basic realm="x\x1b[2J\u2028listen = [] # \x85[routes]"'
        headers = {
            "WWW-Authenticate": evil,
            "Server": "\x1b]0;owned\x07" + "s" * 5000,
            "Location": '/"\\u000alisten=1',
            "Set-Cookie": "a\x1b=b; Domain=\x1b[31m",
        }
        box = self.box(lambda asked: Reply(
            status=401, headers={k: v.encode().decode("latin-1") for k, v in headers.items()}
        ))  # fmt: skip
        done = self.adopt(f"http://127.0.0.1:{box.port}/", "--user", 'a"[x]', "--no-start")
        self.assertNotIn("\x1b", done.out + self.written())
        self.assertTrue(self.written().isascii())
        self.assertEqual(load(self.output).config.routes[0].prefix, "/")

    def test_nothing_there(self) -> None:
        """A box that is not there is reported, and nothing is written."""
        done = self.adopt(f"http://127.0.0.1:{free_port()}/")
        self.assertEqual(done.status, 2)
        self.assertIn("nothing listens on this port", done.err)
        self.assertFalse(Path(self.output).exists())

    def test_never_overwrites(self) -> None:
        """A file stays as it is without --force, and the box gets no request."""
        path = self.file("mine")
        box = self.box(lambda asked: Reply())
        url = f"http://127.0.0.1:{box.port}/"
        done = corsgate("adopt", url, "--origin", APP, "--output", path)
        self.assertEqual((done.status, Path(path).read_text(), box.asked), (2, "mine", []))
        self.assertIn("--force", done.err)
        done = corsgate("adopt", url, "--origin", APP, "--output", path, "--force", "--no-start")
        self.assertEqual(done.status, 0, done.out)
        self.assertIn("Written by corsgate adopt", Path(path).read_text())

    def test_dangling_link(self) -> None:
        """A link to nowhere counts as a file that exists, so nothing is written through it."""
        box = self.box(lambda asked: Reply(pieces=(b"hello",)))
        there = Path(self.mktemp())
        there.mkdir()
        target, link = there / "target", there / "link.toml"
        link.symlink_to(target.resolve())
        arguments = ("--origin", APP, "--no-start", "--output", str(link))
        done = corsgate("adopt", f"http://127.0.0.1:{box.port}/", *arguments)
        self.assertEqual((done.status, target.exists()), (2, False))
        self.assertIn("link.toml can't be written: File exists", done.err)

    def test_redirect_out_of_the_path(self) -> None:
        """A redirect to what the route doesn't cover is a finding; the proof asks for the path."""

        def reply(asked: Asked) -> Reply:
            if asked.target.startswith("/ui"):
                return Reply(pieces=(b"hello",))
            return Reply(status=302, headers={"Location": "/ui/home"})

        box = self.box(reply)
        done = self.adopt(f"http://127.0.0.1:{box.port}/api")
        self.assertIn("redirects to /ui/home, outside of what the gate serves", done.out)
        self.assertEqual((done.status, "  NO " in done.out), (0, False), done.out)

    def test_unusable_secrets(self) -> None:
        """A secret that no field can carry is refused before the box gets it."""
        box = self.box(
            lambda asked: Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'})
        )
        for secret, problem in (
            ("se\ncret", "contains control characters"),
            ("se\udcffcret", "is not valid UTF-8"),
        ):
            arguments = ("--user", "admin", "--auth-env", "BOX_PW")
            url = f"http://127.0.0.1:{box.port}/"
            done = self.adopt(url, *arguments, environ={"BOX_PW": secret})
            self.assertEqual(done.status, 2)
            self.assertIn(f"this login can't be used: the secret {problem}", done.err)
            self.assertNotIn("cret;", done.out + done.err.replace("the secret", ""))
        self.assertFalse(any("authorization" in each.headers for each in box.asked))

    def test_bad_origins(self) -> None:
        """An origin that no policy may have is a fault before anything is sent."""
        box = self.box(lambda asked: Reply())
        for origin in ("localhost:4200", "*", "https://*.github.io"):
            done = corsgate("adopt", f"http://127.0.0.1:{box.port}/", "--origin", origin)
            self.assertEqual(done.status, 2, origin)
            self.assertIn("--origin", done.err)
        self.assertEqual(box.asked, [])

    def test_login_without_terminal(self) -> None:
        """Without a terminal and a user, the message says what to give."""
        headers = {"WWW-Authenticate": 'Basic realm="r"'}
        box = self.box(lambda asked: Reply(status=401, headers=headers))
        done = self.adopt(f"http://127.0.0.1:{box.port}/")
        self.assertEqual(done.status, 2)
        self.assertIn("give --user NAME and --auth-env VARIABLE", done.err)

    def form_box(self, asked: Asked) -> Reply:
        """Respond as a box whose session begins with a form."""
        if asked.target == "/login" and asked.method == "POST":
            if f"pass={PASSWORD}" not in asked.body.decode():
                return Reply(status=302, headers={"Location": "/login"})
            return Reply(status=302, headers={"Location": "/", "Set-Cookie": "sid=1; Path=/"})
        if asked.target == "/login":
            page = b'<form method="post"><input name="who"><input type=password name="pass"></form>'
            return Reply(headers={"Content-Type": "text/html"}, pieces=(page,))
        if "sid=1" not in asked.headers.get("cookie", ""):
            return Reply(status=302, headers={"Location": "/login"})
        return Reply(pieces=(b"inside",))

    def test_form(self) -> None:
        """A login form becomes a session, which the gate opens."""
        box = self.box(self.form_box)
        url = f"http://127.0.0.1:{box.port}/api"
        done = self.adopt(url, "--user", "me", environ={"BOX_PASSWORD": PASSWORD})
        self.assertEqual((done.status, done.err), (0, ""), done.out)
        self.assertIn('login_url = "/login"', self.written())
        self.assertIn('form = { who = "me", pass = { env = "BOX_PASSWORD" } }', self.written())
        self.assertNotIn(PASSWORD, done.out)

    def test_wrong_password_in_form(self) -> None:
        """The gate's first call shows a wrong password; there is one login and no more."""
        box = self.box(self.form_box)
        url = f"http://127.0.0.1:{box.port}/api"
        done = self.adopt(url, "--user", "me", environ={"BOX_PASSWORD": "wrong"})
        self.assertEqual(done.status, 1, done.out)
        self.assertIn("NO GET from", done.out)
        self.assertEqual(len([each for each in box.asked if each.method == "POST"]), 1)
