"""Tests of `corsgate.config.sections.secrets`: where a secret comes from."""

from __future__ import annotations

from corsgate.config.model.command import Command
from corsgate.config.model.rules import check_secret
from corsgate.config.model.secret import Secret
from corsgate.errors import BadValue
from tests.config.support import TableTestCase, fault_of, sources

SYSTEMD = {"CREDENTIALS_DIRECTORY": "/run/credentials/gate"}


def read(raw: object, **changes: object) -> Secret:
    """Read a secret that may be any text but none."""
    return sources(**changes).secret(check_secret)(raw)


class SourceTests(TableTestCase):
    """The places of a secret."""

    def test_places(self) -> None:
        """A file loses one line end, as an editor or echo has added it."""
        for raw, text in (
            ("hunter2", "hunter2"),
            ({"env": "NAME"}, "from environment"),
            ({"file": "/password"}, "from file"),
            ({"file": "/dos"}, "from dos"),
            ({"file": "/marked"}, "from notepad"),
            ({"systemd": "ml"}, "from systemd"),
        ):
            found = read(raw, environ={"NAME": "from environment", **SYSTEMD})
            self.assertEqual(found.reveal(), text)

    def test_missing(self) -> None:
        """Each fault names the variable or path; no fault could show a secret."""
        cannot = "give a file that this user can read"
        bad = {
            (("env", "NONE"),): 'environment variable "NONE" is not set',
            (("env", "hunter2!"),): (
                'env has no name of an environment variable; write { env = "NAME" }, and the secret'
                " into the variable NAME"
            ),
            (("env", "EMPTY"),): "the secret is empty; add a value",
            (("file", "/none"),): f'"/none" can\'t be read: No such file or directory; {cannot}',
            (("file", "/secret"),): f'"/secret" can\'t be read: Permission denied; {cannot}',
            (("file", "/a\0"),): f'"/a\\u0000" can\'t be read: it is not a path; {cannot}',
            (("file", "/latin-1"),): '"/latin-1" is not in UTF-8; save it as UTF-8',
            (("systemd", "ml"),): (
                'systemd provides no credential "ml": $CREDENTIALS_DIRECTORY is not set;'
                " add LoadCredential=ml:PATH to the unit, or use env or file"
            ),
            (("systemd", "../ml"),): (
                '"../ml" is not the name of a credential; write it without a path'
            ),
        }
        found = {raw: fault_of(read, dict(raw)) for raw in bad}
        self.assertEqual(bad, found)

    def test_the_environment_is_not_shown(self) -> None:
        """It holds secrets, and a repr may end up in a log."""
        self.assertNotIn("hunter2", repr(sources(environ={"NAME": "hunter2"})))

    def test_two_line_ends_are_a_fault(self) -> None:
        """Only one is removed: a second one would be part of the secret."""
        self.assertIn("contains control characters", fault_of(read, {"file": "/two-ends"}))

    def test_wrong_types_are_not_shown(self) -> None:
        """What stands in a secret's place may be a secret, whatever its type."""
        for raw in (
            5,
            ["hunter2"],
            {"env": ["hunter2"]},
            {"environment": "hunter2"},
            {"env": "NAME", "file": "hunter2"},
            {},
        ):
            fault = fault_of(read, raw)
            self.assertTrue(fault.startswith("it does not say where the secret is; "), fault)
            self.assertNotIn("hunter2", fault)


class WarningTests(TableTestCase):
    """Secrets that others can read."""

    def test_only_literal_text_in_a_readable_file(self) -> None:
        """A secret from elsewhere is not in the file."""
        warning = (
            "the secret is written in this file, which the group www can read",
            'make the file private (chmod 600), or write { env = "NAME" } or { file = "PATH" }',
        )
        none = ("", "")
        for raw, read_by, expected in (
            ("hunter2", "the group www", warning),
            ("hunter2", "", none),
            ({"env": "NAME"}, "the group www", none),
            (None, "the group www", none),
        ):
            self.assertEqual(sources(read_by=read_by).warning(raw), expected)

    def test_a_file_that_others_can_read(self) -> None:
        """The warning is about the file of the secret, not the configuration."""
        found = sources(read_by="its group", secret_read_by=lambda path: f"{path}-readers")
        self.assertEqual(
            found.warning({"file": "/password"}),
            (
                '/password-readers can read the secret\'s file "/password"',
                "make the file private (chmod 600)",
            ),
        )
        self.assertEqual(sources().warning({"file": "/password"}), ("", ""))
        self.assertEqual(found.warning({"systemd": "ml"}), ("", ""))

    def test_a_program_that_others_can_replace(self) -> None:
        """Others could run anything as the gate's user; $PATH is the administrator's."""
        found = sources(written_by=lambda path: f"its directory of {path}")
        problem, fix = found.warning({"command": ["/opt/pass", "hunter2"]})
        self.assertEqual(
            problem,
            "others can write to its directory of /opt/pass, and so run programs as the gate's"
            " user",
        )
        self.assertIn("chmod", fix)
        self.assertEqual(found.warning({"command": ["pass"]}), ("", ""))
        self.assertEqual(found.warning({"command": 5}), ("", ""))


def run(command: Command) -> bytes:
    """Print what the arguments say."""
    return " ".join(command.arguments[1:]).encode() + b"\nnotes\n"


def refuse(command: Command) -> bytes:
    """Fail."""
    raise BadValue(f"{command.program} ended with status 1", "run it by hand")


class CommandTests(TableTestCase):
    """Secrets that a command prints."""

    def test_output(self) -> None:
        """The first line is the secret, which remembers its command."""
        found = read({"command": ["pass", "hunter2"]}, run=run)
        self.assertEqual(found.reveal(), "hunter2")
        self.assertEqual(found.command, Command(arguments=("pass", "hunter2")))
        timed = read({"command": ["pass", "x"], "timeout": "500ms"}, run=run)
        self.assertEqual(timed.command, Command(arguments=("pass", "x"), timeout_s=0.5))

    def test_faults(self) -> None:
        """No argument is shown: it may be a secret."""
        for raw, fault in (
            ({"command": []}, "there is no program; "),
            ({"command": [""]}, "there is no program; "),
            ({"command": ["bin/pass", "hunter2"]}, "the path of the program is relative; "),
            ({"command": ["pass", "hunter2\0"]}, "it contains a NUL character; "),
            ({"command": ["pass", 5]}, "an argument of the command is not text; "),
            ({"command": "pass hunter2"}, "the command is text, but there is no shell"),
            ({"command": ["a", "b"], "timeout": "0s"}, "the timeout is out of range; "),
            ({"command": ["a", "b"], "timeout": "61s"}, "the timeout is out of range; "),
            ({"command": ["a", "b"], "timeout": 5}, "5 has no unit; "),
            ({"command": ["a", "b"], "shell": True}, "it does not say where the secret is; "),
            ({"command": {"hunter2": 1}}, "it does not say where the secret is; "),
            ({"timeout": "5s"}, "it does not say where the secret is; "),
        ):
            found = fault_of(lambda raw=raw: read(raw, run=run))
            self.assertTrue(found.startswith(fault), (raw, found))
            self.assertNotIn("hunter2", found)

    def test_failure(self) -> None:
        """A command that fails is a fault, and so is one where none may be run."""
        raw = {"command": ["pass", "hunter2"]}
        self.assertEqual(
            fault_of(lambda: read(raw, run=refuse)),
            '"pass" ended with status 1; run it by hand',
        )
        self.assertIn("commands are not run here", fault_of(lambda: read(raw)))


class FileTests(TableTestCase):
    """Other files."""

    def test_certificates_are_read_as_files(self) -> None:
        """Both give the bytes as they are, and the same fault."""
        for read_bytes in (sources().file, sources().certificate):
            self.assertEqual(read_bytes("/password"), b"from file\n")
            self.assertRaises(BadValue, read_bytes, "/none")
