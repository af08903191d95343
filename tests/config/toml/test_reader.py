"""Tests of `corsgate.config.toml.reader`: a document read key by key, each fault recorded."""

from __future__ import annotations

import attrs

from corsgate.config.model.limits import Limits
from corsgate.config.model.rules import check_method
from corsgate.config.toml import reader
from corsgate.config.toml.reader import Item, Named, Notes, Table
from corsgate.config.toml.shape import shape_of
from corsgate.errors import ConfigError
from tests.config.support import TableTestCase, fault_of, noted, table_of

DATE = table_of("a = 1979-05-27").raw["a"]


class TypeTests(TableTestCase):
    """Readers of single values; TOML has types, and none stands for another."""

    def test_types(self) -> None:
        """A value of another type is shown with its type, an array or table only by that."""
        for read, good, wrong, fix in (
            (reader.text, "a", (5, True, 1.5, [], {}, DATE), "write text in quotes"),
            (reader.boolean, False, (0, "true", []), "write true or false"),
            (reader.integer, -5, (True, 1.0, "1"), "write a whole number, without quotes"),
            (reader.duration, "5s", (True, [], {}), 'write a duration, such as "5s"'),
            (reader.size, "1KiB", (True, 1.5, []), 'write a size, such as "64KiB"'),
        ):
            self.assertEqual(fault_of(read, good), "")
            for value in wrong:
                fault = fault_of(read, value)
                self.assertTrue(fault.endswith(f"; {fix}"), (value, fault))
        for value, shown in (
            (True, "true is a boolean"),
            (5, "5 is an integer"),
            (1.5, "1.5 is a float"),
            ([], "it is an array"),
            ({}, "it is a table"),
            (DATE, "it is a date or time"),
        ):
            self.assertEqual(fault_of(reader.text, value), f"{shown}; write text in quotes")

    def test_numbers_without_a_unit(self) -> None:
        """A bare number could be seconds or milliseconds; of bytes it can't be wrong."""
        self.assertEqual(fault_of(reader.duration, 5), '5 has no unit; write "5s" for seconds')
        self.assertEqual(reader.size(5), 5)
        self.assertEqual(reader.duration("250ms"), 0.25)
        self.assertEqual(reader.size("1KiB"), 1024)

    def test_integers_have_64_bits(self) -> None:
        """TOML's bounds; Python would read more."""
        for value in (2**63 - 1, -(2**63)):
            self.assertEqual(reader.integer(value), value)
        for value in (2**63, -(2**63) - 1):
            fault = fault_of(reader.integer, value)
            self.assertEqual(fault, "the number does not fit in 64 bits; write a smaller one")

    def test_checked_text(self) -> None:
        """A check's fault is the reader's, and its input must be text first."""
        read = reader.checked(check_method)
        self.assertEqual(read("PUT"), "PUT")
        self.assertIn("is not upper-case", fault_of(read, "put"))
        self.assertIn("is an integer", fault_of(read, 5))

    def test_bounds_by_name(self) -> None:
        """The end of a limit's name decides how it is written; its class checks the value."""
        limits = Limits()
        for field, raw, value in (
            ("connect_timeout_s", "5s", 5.0),
            ("max_head_bytes", "1KiB", 1024),
            ("min_upload_rate", 5, 5),
            ("max_headers", 7, 7),
        ):
            found = reader.bound(limits, field)(raw)
            self.assertEqual(attrs.asdict(found), {**attrs.asdict(limits), field: value})
        self.assertIn("is too small", fault_of(reader.bound(limits, "max_headers"), 0))
        self.assertIn("has no unit", fault_of(reader.bound(limits, "connect_timeout_s"), 5))

    def test_settings_know_their_defaults(self) -> None:
        """The schema has a default as a file would write it."""
        for field, default in (("connect_timeout_s", "3s"), ("max_head_bytes", "32KiB")):
            found = shape_of(reader.bound(Limits(), field))
            assert found is not None
            self.assertEqual(found["default"], default)
        found = shape_of(reader.bound(Limits(), "max_body_bytes"))
        assert found is not None
        self.assertNotIn("default", found)


class KeyTests(TableTestCase):
    """Keys of a table."""

    def test_absent_and_faulty(self) -> None:
        """A key that may be absent has a default; a needed one is recorded once."""
        table = table_of('good = 1\nbad = "x"')
        self.assertEqual(table.get("good", reader.integer, 7), 1)
        self.assertEqual(table.get("none", reader.integer, 7), 7)
        self.assertEqual(noted(table), [])
        self.assertEqual(table.get("bad", reader.integer, 7), 7)
        self.assertIsNone(table.need("gone", reader.integer, "write gone = 1"))
        self.assertEqual(table.need("good", reader.integer, ""), 1)
        self.assertEqual(
            noted(table),
            [
                'c.toml:2: bad: "x" is text; write a whole number, without quotes',
                "c.toml: gone: it is missing; write gone = 1",
            ],
        )

    def test_lists(self) -> None:
        """Every faulty value is recorded, and a list with one is none."""
        table = table_of('a = [1,\n"x",\ntrue]\nb = [1, 2]\nc = []\nd = 5')
        self.assertIsNone(table.list_of("a", reader.integer, "1"))
        self.assertEqual(table.list_of("b", reader.integer, "1"), (1, 2))
        self.assertEqual(table.list_of("c", reader.integer, "1"), ())
        self.assertIsNone(table.list_of("d", reader.integer, "1"))
        self.assertIsNone(table.list_of("e", reader.integer, "1"))
        fix = "write a whole number, without quotes"
        self.assertEqual(
            noted(table),
            [
                f'c.toml:2: a[1]: "x" is text; {fix}',
                f"c.toml:3: a[2]: true is a boolean; {fix}",
                "c.toml:6: d: it is an integer; write an array, such as [1]",
            ],
        )

    def test_unknown_keys(self) -> None:
        """Each key that was never read is a fault; a near one is suggested, or all are listed."""
        table = table_of("listen = 1\nlisten_on = 2\nxyz = 3")
        table.get("listen", reader.integer, 0)
        table.get("hosts", reader.integer, 0)
        table.finish()
        self.assertEqual(
            noted(table),
            [
                'c.toml:2: listen_on: the key is unknown; did you mean "listen"?',
                'c.toml:3: xyz: the key is unknown; remove it, or write "listen" or "hosts"',
            ],
        )

    def test_refused_keys(self) -> None:
        """A known key in a wrong place has that as its only fault; an absent one has none."""
        table = table_of("a = 1")
        table.refuse("a", "it can't be here", "move it")
        table.refuse("b", "it can't be here", "move it")
        table.finish()
        self.assertEqual(noted(table), ["c.toml:1: a: it can't be here; move it"])

    def test_words(self) -> None:
        """A word may replace a value; another word may not."""
        table = table_of('a = "auto"\nb = "none"')
        self.assertTrue(table.is_word("a", "auto"))
        self.assertFalse(table.is_word("b", "auto"))
        self.assertFalse(table.is_word("c", "auto"))

    def test_tables(self) -> None:
        """Tables under a key come with their names; what is no table is recorded."""
        table = table_of("[a.b]\nx = 1\n[a]\nc = 5\n[d]\n")
        found = {name: each.path for name, each in table.tables("a")}
        self.assertEqual(found, {"b": ("a", "b")})
        self.assertEqual(list(table.tables("none")), [])
        self.assertEqual(
            noted(table),
            ["c.toml:4: a.c: it is not a table; give the heading a name, such as [a.box]"],
        )


class NotesTests(TableTestCase):
    """Faults and warnings of one file."""

    def test_order(self) -> None:
        """Both are in line order, those of the file as a whole first; faults win."""
        notes = Notes(file="c.toml", lines={("a",): 3, ("b",): 1})
        notes.warn(("a",), "it is odd", "leave it")
        notes.warn(("b",), "it is odd", "leave it")
        self.assertEqual([each.line for each in notes.finish()], [1, 3])
        for path in (("a",), ("b", "c", 0), ()):
            notes.add(path, "it is wrong", "fix it")
        error = self.assertRaises(ConfigError, notes.finish)
        self.assertEqual(
            [str(fault) for fault in error.faults],
            [
                "c.toml: it is wrong; fix it",
                "c.toml:1: b.c[0]: it is wrong; fix it",
                "c.toml:3: a: it is wrong; fix it",
            ],
        )
        self.assertEqual(len(error.warnings), 2)


class NamedTests(TableTestCase):
    """Entries that other keys refer to by name."""

    TOP = "[things.a]\nx = 1\n[things.b]\nx = true\n"

    def read(self, top: Table, *, inline: bool = False) -> Named[int]:
        """Read the things of a document, each of which has an ``x``."""

        def one(table: Table) -> int | None:
            return table.need("x", reader.integer, "write x = 1")

        if inline:
            return Named.read_or_inline(top, "things", one)
        return Named.read(top, "things", lambda _name, table: one(table))

    def resolve(self, value: str, *, inline: bool = False) -> tuple[int | None, list[str]]:
        """Return what a value stands for, and what was recorded about it."""
        top = table_of(f"use = {value}\n{self.TOP}")
        named = self.read(top, inline=inline)
        top.notes.faults.clear()
        return named.resolve(Item(top.notes, ("use",), top.raw["use"])), noted(top)

    def test_names(self) -> None:
        """A name leads to its entry; a faulty entry is not recorded a second time."""
        for value, found in (('"a"', (1, [])), ('"b"', (None, []))):
            self.assertEqual(self.resolve(value), found)
        missing = "there is no [things.aa]; did you mean"
        _, (fault,) = self.resolve('"aa"')
        self.assertEqual(fault, f'c.toml:1: use: {missing} "a"?')
        self.assertEqual(
            self.resolve("5"),
            (None, ["c.toml:1: use: it is an integer; write a name under [things] in quotes"]),
        )

    def test_text_that_can_not_be_a_name_is_not_shown(self) -> None:
        """It may be a secret that was written in a wrong place."""
        _, (fault,) = self.resolve('"digest:admin:hunter2"')
        self.assertIn("no such name under [things]", fault)
        self.assertNotIn("hunter2", fault)

    def test_inline(self) -> None:
        """A table may replace a name only where that is allowed."""
        self.assertEqual(self.resolve("{ x = 5 }", inline=True), (5, []))
        found, (fault,) = self.resolve("{ x = 5 }")
        self.assertEqual(found, None)
        self.assertIn("it is a table", fault)

    def test_used(self) -> None:
        """Unused entries can be identified, and a bad name is recorded."""
        top = table_of('use = "a"\n' + self.TOP + '[things."c d"]\nx = 1\n')
        named = self.read(top)
        named.resolve(Item(top.notes, ("use",), "a"))
        self.assertEqual(named.entries.keys() - named.used, {"b", "c d"})
        self.assertIn('"c d" is not a usable name', noted(top)[-1])
