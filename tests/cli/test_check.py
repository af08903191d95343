"""The ``corsgate`` command."""

from __future__ import annotations

import io
import shutil
import socket
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli import main
from tests.certificates import DAY, Authority
from tests.cli.commands import corsgate
from tests.tree import ROOT, run

GOOD = 'listen = ["tcp:0"]\n[upstreams.a]\nservers = ["http://h:1"]\n[routes."/"]\nupstream = "a"\n'
BAD = GOOD.replace('"a"\n', '"b"\n').replace("http:", "ftp:")


class Check(SynchronousTestCase):
    """``corsgate check FILE``."""

    def check(self, text: str) -> tuple[int, str, str]:
        """Return the status and what was written to standard output and standard error."""
        path = Path(self.mktemp())
        path.write_text(text, "utf-8")
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main(["check", str(path)])
        return status, out.getvalue(), err.getvalue().replace(str(path), "FILE")

    def test_commands(self) -> None:
        """A command is run as at the start, and its fault is one of the file's."""
        text = (
            GOOD + '[upstreams.a.credentials]\ntype = "bearer"\ntoken = { command = ["%s", "x"] }\n'
        )
        self.assertEqual(self.check(text % "echo")[0], 0)
        status, _, err = self.check(text % "false")
        self.assertEqual(status, 1)
        self.assertIn('FILE:8: upstreams.a.credentials.token: "false" ended with status 1; ', err)

    def test_readable_secret(self) -> None:
        """A secret in a file that others can read produces a warning."""
        directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, directory)
        directory.chmod(0o755)
        secret = directory / "secret"
        secret.write_text("token")
        text = (
            f'{GOOD}[upstreams.a.credentials]\ntype = "bearer"\ntoken = {{ file = "{secret}" }}\n'
        )
        for mode, is_warned in ((0o644, True), (0o600, False)):
            secret.chmod(mode)
            status, _, err = self.check(text)
            self.assertEqual(status, 0)
            self.assertEqual("can read the secret's file" in err, is_warned, err)

    def test_good(self) -> None:
        """A good file is 0 and one line."""
        status, out, err = self.check(GOOD)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("ok, 1 route(s) to 1 upstream(s)", out)

    def test_what_the_box_sees(self) -> None:
        """A line says what an upstream sees as the Origin of other origins' pages."""
        status, out, err = self.check(GOOD + 'cors = { allow_origins = ["https://a.example"] }\n')
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(
            out.splitlines()[1:],
            ["upstreams.a: the box sees Origin: http://h:1 from allowed pages"],
        )

    def test_bad(self) -> None:
        """A bad file is 1 and a line for each fault, on standard error."""
        status, out, err = self.check(BAD)
        self.assertEqual((status, out), (1, ""))
        lines = err.splitlines()
        self.assertEqual(len(lines), 2)
        self.assertTrue(lines[0].startswith("FILE:3: upstreams.a.servers"), err)
        self.assertTrue(lines[1].startswith('FILE:5: routes."/".upstream'), err)

    def test_warnings(self) -> None:
        """Warnings are on standard error, with or without faults; warnings alone are 0."""
        doubtful = 'cors = { allow_origins = ["http://a", "http://a"] }\n'
        told = (
            'warning: FILE:6: routes."/".cors.allow_origins[1]: "http://a" is a duplicate; '
            "remove it\n"
        )
        status, out, err = self.check(GOOD + doubtful)
        self.assertEqual((status, err), (0, told))
        self.assertIn("ok, 1 route(s)", out)
        status, out, err = self.check(BAD + doubtful)
        self.assertEqual((status, out), (1, ""))
        self.assertTrue(err.endswith(told), err)
        self.assertEqual(err.count("\n"), 3)
        status, out, err = self.check(GOOD.replace("tcp:0", "foo:1") + doubtful)
        self.assertEqual((status, out), (1, ""))
        self.assertTrue(err.endswith(told), err)

    def test_what_would_not_start(self) -> None:
        """What the machine lacks is reported too, all at once; nothing is created."""
        log = Path(self.mktemp()).absolute()
        for place in (log.parent, log / "no" / "log"):
            status, out, err = self.check(
                f'access_log = "{place}"\n'
                'listen = ["tcp:0", "foo:1", "ssl:1:privateKey=/nowhere.pem"]\n'
                '[upstreams.a]\nservers = ["https://h:1"]\n'
                '[routes."/"]\nupstream = "a"\n[[listener]]\nendpoint = "bar:1"\n'
            )
            self.assertEqual((status, out), (1, ""))
            starts = [line.split(" ")[:2] for line in err.splitlines()]
            self.assertEqual(
                starts,
                [
                    ["FILE:1:", "access_log:"],
                    ["FILE:2:", "listen[1]:"],
                    ["FILE:2:", "listen[2]:"],
                    ["FILE:8:", "listener[0].endpoint:"],
                ],
                err,
            )

    def test_json(self) -> None:
        """With --json, faults and warnings are objects on standard output."""
        path = Path(self.mktemp())
        path.write_text(BAD, "utf-8")
        done = corsgate("check", "--json", str(path))
        self.assertEqual((done.status, done.err, done.json["ok"]), (1, "", False))
        self.assertEqual(
            [(fault["line"], fault["key"]) for fault in done.json["faults"]],
            [(3, "upstreams.a.servers[0]"), (5, 'routes."/".upstream')],
        )
        text = GOOD.replace('servers = ["http:', 'verify = "dangerously-off"\nservers = ["https:')
        path.write_text(text, "utf-8")
        done = corsgate("check", "--json", str(path))
        self.assertEqual((done.status, done.json["ok"], done.json["faults"]), (0, True, []))
        (warning,) = done.json["warnings"]
        self.assertIn("upstream a: its servers are not verified", warning["problem"])
        plain = corsgate("check", str(path))
        self.assertEqual(plain.status, 0)
        self.assertEqual(warning["line"], 3)
        self.assertEqual(
            plain.err, f"warning: {path}:3: upstreams.a.verify: {warning['problem']}\n"
        )

    def test_lapsed_certificate(self) -> None:
        """An expired certificate is reported where it is named, among several listeners."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        issued = Authority.make().issue("a.example", starts=-3 * DAY, ends=-DAY)
        (directory / "chain.pem").write_bytes(issued.pem)
        (directory / "key.pem").write_bytes(issued.key_pem)
        files = f'chain = "{directory}/chain.pem", key = "{directory}/key.pem"'
        path = directory / "gate.toml"
        path.write_text(
            f'{GOOD}[[listener]]\nendpoint = "tcp:0"\n'
            f'[[listener]]\nendpoint = "tcp:0"\ncertificates = [\n{{ {files} }}]\n'
        )
        done = corsgate("check", str(path))
        self.assertEqual(done.status, 0)
        where = f"warning: {path}:11: listener[1].certificates[0].chain: the certificate in "
        self.assertTrue(done.err.startswith(where), done.err)

    def test_opens_nothing(self) -> None:
        """No access log is created, and a port in use is not a fault."""
        log = Path(self.mktemp()).absolute()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            listen = f'listen = ["tcp:{port}:interface=127.0.0.1", "systemd:domain=INET:index=0"]'
            text = GOOD.replace('listen = ["tcp:0"]', f'access_log = "{log}"\n{listen}')
            self.assertEqual(self.check(text)[0], 0)
        self.assertFalse(log.exists())

    def test_version(self) -> None:
        """``--version`` says which one is installed."""
        out = io.StringIO()
        with redirect_stdout(out), self.assertRaises(SystemExit) as caught:
            main(["--version"])
        self.assertEqual(caught.exception.code, 0)
        self.assertEqual(out.getvalue(), f"corsgate {version('corsgate')}\n")

    def test_missing(self) -> None:
        """A file that isn't there is 1."""
        err = io.StringIO()
        with redirect_stderr(err):
            self.assertEqual(main(["check", "/nowhere.toml"]), 1)
        self.assertIn("/nowhere.toml: the file can't be read", err.getvalue())

    def test_usage(self) -> None:
        """Bad usage is 2."""
        for arguments in (["check"], ["check", "a", "b"]):
            with redirect_stderr(io.StringIO()), self.assertRaises(SystemExit) as caught:
                main(arguments)
            self.assertEqual(caught.exception.code, 2)
        for words in ([], ["nonsense"]):
            with redirect_stderr(io.StringIO()):
                self.assertEqual(main(words), 2)

    def test_as_a_module(self) -> None:
        """``python -m corsgate`` is the same."""
        done = run([sys.executable, "-m", "corsgate", "check", "/nowhere.toml"], ROOT)
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("Traceback", done.stderr)
