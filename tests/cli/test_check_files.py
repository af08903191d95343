"""What ``corsgate check`` reports about the files that a configuration names, and its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from threading import Thread

from tests.certificates import Authority
from tests.cli.commands import CommandTestCase, corsgate
from tests.tree import ROOT, TWISTD, run

TOP = 'listen = ["tcp:0:interface=127.0.0.1"]\n'
UPSTREAM = '[upstreams.a]\nservers = ["http://127.0.0.1:1"]\n'
ROUTE = '[routes."/"]\nupstream = "a"\n'
BASIC = 'credentials = { type = "basic", username = "a", password = @@ }\n'


class FilesTests(CommandTestCase):
    """A FIFO, device or directory in place of a file never blocks a command."""

    def setUp(self) -> None:
        """Create a valid certificate."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        issued = Authority.make().issue("a.example")
        (self.directory / "chain.pem").write_bytes(issued.pem)
        (self.directory / "key.pem").write_bytes(issued.key_pem)
        self.fifo = self.directory / "fifo"
        os.mkfifo(self.fifo)

    def test_named(self) -> None:
        """Whatever the file is for, its fault is one line; a log may be a FIFO that is read."""
        chain, key = f'"{self.directory}/chain.pem"', f'"{self.directory}/key.pem"'
        pair = f"{{ chain = {chain}, key = @@ }}"
        listener = f'[[listener]]\nendpoint = "tcp:0"\ncertificates = [{pair}]\n'
        places = {
            "secret": TOP + UPSTREAM + BASIC.replace("@@", "{ file = @@ }") + ROUTE,
            "servers": TOP + "[upstreams.a]\nservers = { file = @@ }\n" + ROUTE,
            "ca": TOP + '[upstreams.a]\nservers = ["https://a"]\nca = @@\n' + ROUTE,
            "key": UPSTREAM + ROUTE + listener,
            "chain": UPSTREAM + ROUTE + listener.replace("@@", key).replace(chain, "@@"),
            "client": TOP
            + '[upstreams.a]\nservers = ["https://a"]\n'
            + f"client_certificate = {pair}\n"
            + ROUTE,
            "ssl": f'listen = ["ssl:0:privateKey=@"]\n{UPSTREAM}{ROUTE}',
        }
        for name, text in places.items():
            for odd, why in (
                (self.fifo, "it is a FIFO, not a file"),
                ("/dev/zero", "it is a device, not a file"),
                (self.directory, "Is a directory"),
            ):
                put = text.replace("@@", f'"{odd}"').replace("=@", f"={odd}")
                done = corsgate("check", self.file(put))
                self.assertEqual((done.status, done.err.count("\n")), (1, 1), (name, done.err))
                self.assertIn(f"can't be read: {why}", done.err)
        for log, status in ((self.fifo, 0), ("/dev/null", 0), (self.directory, 1)):
            text = f'access_log = "{log}"\n{TOP}{UPSTREAM}{ROUTE}'
            self.assertEqual(corsgate("check", self.file(text)).status, status, log)

    def test_directory_of_certificates(self) -> None:
        """Twisted reads every file of a directory that ``tls:`` names, so all are checked."""
        (self.directory / "key.pem").unlink()
        for name, status in (("other", 0), ("a.pem", 1)):
            os.mkfifo(self.directory / name)
            text = f'listen = ["tls:{self.directory}:0:interface=127.0.0.1"]\n{UPSTREAM}{ROUTE}'
            done = corsgate("check", self.file(text))
            self.assertEqual(done.status, status, done.err)
        self.assertIn(f"{self.directory}/a.pem', which 'tls:", done.err)
        self.assertIn("it is a FIFO", done.err)

    def test_systemd(self) -> None:
        """The same holds for a credential from systemd."""
        text = TOP + UPSTREAM + BASIC.replace("@@", '{ systemd = "fifo" }') + ROUTE
        self.patch(os, "environ", {**os.environ, "CREDENTIALS_DIRECTORY": str(self.directory)})
        done = corsgate("check", self.file(text))
        self.assertEqual(done.status, 1)
        self.assertIn("it is a FIFO, not a file", done.err)

    def test_itself(self) -> None:
        """The configuration must also be a file, for all commands and the daemon."""
        good = self.file(TOP + UPSTREAM + ROUTE)
        asked = ("--origin", "http://a", "http://127.0.0.1:1/")
        for odd in (self.fifo, "/dev/zero", self.directory):
            for arguments in (
                ("check", str(odd)),
                ("diff", str(odd), good),
                ("explain", "--config", str(odd), *asked),
            ):
                done = corsgate(*arguments)
                self.assertGreater(done.status, 0)
                self.assertIn("the file can't be read: ", done.err)
        ended = run([*TWISTD, "-n", "--pidfile=", "corsgate", "--config", str(self.fifo)], ROOT)
        self.assertEqual(ended.returncode, os.EX_CONFIG)
        self.assertIn("it is a FIFO, not a file", ended.stderr)

    def test_other_commands(self) -> None:
        """Commands that need no secret ignore what is in its place."""
        text = TOP + UPSTREAM + BASIC.replace("@@", f'{{ file = "{self.fifo}" }}') + ROUTE
        self.assertEqual(corsgate("diff", self.file(text), self.file(text)).status, 0)

    def test_given_by_the_shell(self) -> None:
        """A configuration or record from a pipe is read to its end."""
        good = self.file(TOP + UPSTREAM + ROUTE)
        for arguments, status in (
            (("check", "@"), 0),
            (("diff", "@", good), 0),
            (("learn", "--from", "@"), 2),
        ):
            receiving, sending = os.pipe()
            text = (TOP + UPSTREAM + ROUTE + "#" * 100_000 + "\n").encode()
            writer = Thread(target=_write, args=(sending, text))
            writer.start()
            done = corsgate(*(each.replace("@", f"/dev/fd/{receiving}") for each in arguments))
            writer.join()
            os.close(receiving)
            self.assertEqual(done.status, status, done.err)

    def test_rights(self) -> None:
        """There is a warning if others can read a secret or choose the servers."""
        # Not below the checkout, which may be in a directory that nobody else can enter.
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        servers = self.directory / "servers.toml"
        servers.write_text('servers = ["http://127.0.0.1:1"]\n')
        text = f'{TOP}[upstreams.a]\nservers = {{ file = "{servers}" }}\n'
        path = self.directory / "gate.toml"
        path.write_text(text + BASIC.replace("@@", '"hush"') + ROUTE)
        for mode, servers_mode, words in (
            (0o600, 0o600, []),
            (
                0o644,
                0o600,
                ["4: upstreams.a.credentials.password: the secret is written in this file"],
            ),
            (0o600, 0o666, ["3: upstreams.a.servers.file: others can write to it"]),
        ):
            os.chmod(path, mode)
            servers.chmod(servers_mode)
            self.directory.chmod(0o755)
            done = corsgate("check", str(path))
            self.assertEqual(done.status, 0)
            found = done.err.splitlines()
            self.assertEqual(len(found), len(words), found)
            for line, expected in zip(found, words, strict=True):
                self.assertIn(expected, line)
                self.assertNotIn("hush", line)


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
