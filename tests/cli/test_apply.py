"""``corsgate explain --apply``."""

from __future__ import annotations

import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

from corsgate.cli.apply import replace
from corsgate.errors import BadValue
from tests.cli.commands import CommandTestCase, Done, corsgate

URL = "http://localhost:5555/v1/x"
OTHER = "http://localhost:4201"
CONFIG = """\
# The gate of the app.
listen = ["tcp:5555:interface=127.0.0.1"]

[upstreams.box]
servers = ["http://10.0.0.1:8000"]
credentials = { type = "basic", username = "u", password = "s3cret" }

[cors.app]
allow_origins = [
    "http://localhost:4200",  # ng serve
]

# The documents.
[routes."/v1"]
upstream = "box"
cors = "app"

[routes."/v2"]
upstream = "box"
cors = "app"
"""
CHANGED = CONFIG.replace("# ng serve\n", f'# ng serve\n    "{OTHER}",\n')


class ApplyTests(CommandTestCase):
    """``--apply FILE``."""

    def apply(self, file: str, *more: str, origin: str = OTHER) -> Done:
        """Apply what allows another origin."""
        return corsgate("explain", "--apply", file, "--origin", origin, *more, URL)

    def test_yes(self) -> None:
        """The change is shown and made; the rest of the file stays, and so does its mode."""
        file = self.file(CONFIG)
        os.chmod(file, 0o640)
        done = self.apply(file, "--yes")
        self.assertEqual((done.status, done.err), (0, ""))
        self.assertEqual(Path(file).read_text("utf-8"), CHANGED)
        self.assertEqual(stat.S_IMODE(os.stat(file).st_mode), 0o640)
        self.assertIn(f'\n+    "{OTHER}",\n', done.out)
        self.assertIn("[cors.app] is also the policy of /v2", done.out)
        self.assertIn("corsgate reload", done.out)
        self.assertNotIn("s3cret", done.out)
        self.assertEqual(os.listdir(os.path.dirname(file)), [os.path.basename(file)])

    def test_twice(self) -> None:
        """What is allowed already changes nothing."""
        file = self.file(CHANGED)
        before = os.stat(file)
        done = self.apply(file, "--yes")
        self.assertEqual(done.status, 0)
        self.assertIn("already allows this call. Nothing to change", done.out)
        self.assertEqual(os.stat(file).st_mtime_ns, before.st_mtime_ns)

    def test_without_a_terminal(self) -> None:
        """Nobody can be asked, so the change is only shown."""
        file = self.file(CONFIG)
        done = self.apply(file)
        self.assertEqual(done.status, 1)
        self.assertIn(f'\n+    "{OTHER}",\n', done.out)
        self.assertIn("add --yes", done.out)
        self.assertEqual(Path(file).read_text("utf-8"), CONFIG)

    def test_on_a_terminal(self) -> None:
        """The question is answered by y; anything else changes nothing."""
        for typed, text in ((b"y\n", CHANGED), (b"\n", CONFIG), (b"no\n", CONFIG)):
            file = self.file(CONFIG)
            main, side = pty.openpty()
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "corsgate", "explain"),
                    *("--apply", file, "--origin", OTHER, URL),
                ],
                stdin=side,
                stdout=side,
                stderr=side,
            )
            os.close(side)
            said = b""
            while b"[y/N]" not in said:
                said += os.read(main, 4096)
            os.write(main, typed)
            self.assertEqual(process.wait(30), 0 if text == CHANGED else 1)
            os.close(main)
            self.assertEqual(Path(file).read_text("utf-8"), text, typed)

    def test_link(self) -> None:
        """A link stays one; the file that it names is changed."""
        file = self.file(CONFIG)
        link = f"{file}.link"
        os.symlink(os.path.abspath(file), link)
        self.assertEqual(self.apply(link, "--yes").status, 0)
        self.assertTrue(os.path.islink(link))
        self.assertEqual(Path(file).read_text("utf-8"), CHANGED)

    def test_no_change_helps(self) -> None:
        """Where no policy can allow a call, nothing is asked."""
        file = self.file(CONFIG)
        done = self.apply(file, "--yes", "--method", "TRACE")
        self.assertEqual(done.status, 1)
        self.assertIn("No change to", done.out)
        done = self.apply(file, "--yes", "--credentials", origin="http://app.example")
        self.assertEqual(done.status, 1)
        self.assertEqual(Path(file).read_text("utf-8"), CONFIG)

    def test_watched(self) -> None:
        """A daemon that watches its file needs no reload."""
        done = self.apply(self.file(f"watch = true\n{CONFIG}"), "--yes")
        self.assertIn("watch = true", done.out.splitlines()[-1])

    def test_message(self) -> None:
        """A console message is enough to change the file."""
        file = self.file(CONFIG)
        said = (
            f"Access to fetch at '{URL}' from origin '{OTHER}' has been blocked by CORS policy: No"
            " 'Access-Control-Allow-Origin' header is present on the requested resource."
        )
        done = corsgate("explain", "--apply", file, "--yes", "--error", said)
        self.assertEqual(done.status, 0)
        self.assertEqual(Path(file).read_text("utf-8"), CHANGED)

    def test_usage(self) -> None:
        """Options that contradict each other are bad usage; a file that is not there is trouble."""
        for more in (("--config", "other.toml"), ("--json",)):
            self.assertEqual(self.apply(self.file(CONFIG), *more).status, 2)
        config = self.file(CONFIG)
        done = corsgate("explain", "--config", config, "--yes", "--origin", OTHER, URL)
        self.assertEqual(done.status, 2)
        self.assertEqual(self.apply("/nonexistent.toml", "--yes").status, 2)


class ReplaceTests(CommandTestCase):
    """`replace`."""

    def test_changed_meanwhile(self) -> None:
        """What another program has written is not overwritten, and nothing is left behind."""
        file = self.file("a = 1\n")
        self.assertRaises(BadValue, replace, file, b"a = 0\n", b"a = 2\n")
        self.assertEqual(Path(file).read_text("utf-8"), "a = 1\n")
        self.assertEqual(len(os.listdir(os.path.dirname(file))), 1)

    def test_whole(self) -> None:
        """The new content has the mode of the old one, whatever the umask."""
        file = self.file("a = 1\n")
        os.chmod(file, 0o664)
        replace(file, b"a = 1\n", b"a = 2\n")
        self.assertEqual(Path(file).read_bytes(), b"a = 2\n")
        self.assertEqual(stat.S_IMODE(os.stat(file).st_mode), 0o664)
