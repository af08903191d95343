"""Commands that print secrets."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.command import MAX_TIMEOUT_S, Command, printed_secret
from corsgate.errors import BadValue
from tests.config.support import fault_of

COMMAND = Command(arguments=("pass", "show", "hunter2"))
PEM = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n"


class CommandTests(SynchronousTestCase):
    """`Command`."""

    def test_repr(self) -> None:
        """The arguments are not shown, since one may be a secret."""
        self.assertNotIn("hunter2", repr(COMMAND))
        self.assertEqual(COMMAND.program, '"pass"')

    def test_bounds(self) -> None:
        """A command without a program, or without a time limit, can't be made."""
        for changes in (
            {"arguments": ()},
            {"arguments": ("./a",)},
            {"arguments": ("a",), "timeout_s": 0},
            {"arguments": ("a",), "timeout_s": MAX_TIMEOUT_S + 1},
            {"arguments": ("a",), "timeout_s": float("nan")},
        ):
            self.assertRaises(BadValue, lambda changes=changes: Command(**changes))
        Command(arguments=("/bin/a", ""), timeout_s=MAX_TIMEOUT_S)


class PrintedTests(SynchronousTestCase):
    """`printed_secret`."""

    def test_secret(self) -> None:
        """It is the first line, or all of a key in PEM."""
        for output, secret in (
            (b"hunter2", "hunter2"),
            (b"hunter2\n", "hunter2"),
            (b"hunter2\r\nuser: a\r\n", "hunter2"),
            (b"hunter2\nurl: b\n", "hunter2"),
            (b" \n", " "),
            (b"\xef\xbb\xbfhunter2\r\n", "hunter2"),
            ("p\u00e4ss\n".encode(), "p\u00e4ss"),
            (PEM.encode(), PEM),
        ):
            self.assertEqual(printed_secret(COMMAND, output), secret)

    def test_faults(self) -> None:
        """Nothing of the output is shown."""
        for output, fault in (
            (b"", "printed no secret"),
            (b"\nhunter2\n", "printed no secret"),
            (b"\r\n", "printed no secret"),
            (b"hunter2\xff", "is not in UTF-8"),
        ):
            found = fault_of(printed_secret, COMMAND, output)
            self.assertIn(fault, found)
            self.assertNotIn("hunter2", found)
