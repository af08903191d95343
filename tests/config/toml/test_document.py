"""Tests of `corsgate.config.toml.document`: a file is TOML, or has one fault."""

from __future__ import annotations

from corsgate.config.toml.document import load_document, read_source
from corsgate.errors import ConfigError
from tests.config.support import TableTestCase, read_file


class LoadTests(TableTestCase):
    """What a file must be before any key is read."""

    def fault(self, source: str | bytes) -> str:
        """Return the only fault of a file."""
        error = self.assertRaises(ConfigError, load_document, source, "c.toml")
        self.assertEqual(len(error.faults), 1)
        return str(error)

    def test_loads(self) -> None:
        """Bytes and text are the same; each key has its line."""
        for source in ("# one\na = 1\n[b]\nc = 2", b"# one\r\na = 1\r\n[b]\r\nc = 2"):
            document, notes = load_document(source, "c.toml")
            self.assertEqual(document, {"a": 1, "b": {"c": 2}})
            self.assertEqual((notes.lines["a",], notes.lines["b", "c"]), (2, 4))

    def test_unreadable_text(self) -> None:
        """Each reason has its line, if there is one, and its fix."""
        needs = 'add listen, [upstreams.NAME] and [routes."/"]'
        for source, fault in (
            (b"a = 1\nb = \xe9", "c.toml:2: byte 0xe9 is not UTF-8; save the file as UTF-8"),
            (
                b"\xef\xbb\xbfa = 1",
                "c.toml:1: the file starts with a byte order mark; save it as UTF-8 without one",
            ),
            ("# nothing\n", f"c.toml: the file contains no keys; {needs}"),
            (
                f"a = {'[' * 5000}",
                "c.toml: arrays or tables are nested too deeply; use fewer levels",
            ),
            (
                f"a = {'9' * 5000}",
                "c.toml: a number has too many digits; write a shorter one",
            ),
            (
                "a = 1\na.b = 2",
                "c.toml:2: a.b: a is not a table, but a value on line 1; keep one of the two\n"
                "    2 | a.b = ***\n"
                "      | ^",
            ),
        ):
            self.assertEqual(self.fault(source), fault)

    def test_reads_or_says_why_not(self) -> None:
        """The system's reason is part of the fault."""
        self.assertEqual(read_source("/password", read_file), b"from file\n")
        error = self.assertRaises(ConfigError, read_source, "/none", read_file)
        self.assertEqual(
            str(error),
            "/none: the file can't be read: No such file or directory;"
            " name a file that exists and is readable",
        )
