"""Tests of `corsgate.config.toml.reader`: a document read key by key, each fault recorded."""

from __future__ import annotations

import attrs

from corsgate.config.model.limits import Limits
from corsgate.config.toml.keys import Key, Keys, ListKey, field_key, list_of
from corsgate.config.toml.reader import Item, Named, Notes, Table
from corsgate.config.toml.values import integer
from corsgate.errors import ConfigError
from tests.config.support import TableTestCase, noted, table_of


def key(name: str, fix: str = "") -> Key[int, int]:
    """Return a key with a number, which is 7 by default."""
    return Key(name, integer, 7, "A number.", example="1", fix=fix)


def numbers(name: str) -> ListKey[int]:
    """Return a key with an array of numbers."""
    return list_of(name, integer, "Numbers.", entry="1")


def keys(*names: str) -> Keys:
    """Return a table of keys with numbers."""
    return Keys(heading="[a]", description="Numbers.", keys=tuple(map(key, names)))


class KeyTests(TableTestCase):
    """Keys of a table."""

    def test_absent_and_faulty(self) -> None:
        """A key that may be absent has a default; a needed one is recorded once."""
        table = table_of('good = 1\nbad = "x"')
        self.assertEqual(table.get(key("good")), 1)
        self.assertEqual(table.get(key("none")), 7)
        self.assertEqual(noted(table), [])
        self.assertEqual(table.get(key("bad")), 7)
        self.assertEqual(table.get(key("gone", "write gone = 1")), 7)
        self.assertEqual(table.get(key("good", "write good = 1")), 1)
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
        self.assertIsNone(table.list_of(numbers("a")))
        self.assertEqual(table.list_of(numbers("b")), (1, 2))
        self.assertEqual(table.list_of(numbers("c")), ())
        self.assertIsNone(table.list_of(numbers("d")))
        self.assertIsNone(table.list_of(numbers("e")))
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
        """A key that the table can't have is a fault; a near one is suggested, or all."""
        table = table_of("listen = 1\nlisten_on = 2\nxyz = 3")
        table.finish(keys("listen", "hosts"))
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
        table.finish(keys("c"))
        self.assertEqual(noted(table), ["c.toml:1: a: it can't be here; move it"])

    def test_readers_that_depend_on_more(self) -> None:
        """A key may be read by another reader than its own; its default holds."""
        table = table_of('good = 1\nbad = "x"\nlist = [1, 2]')
        self.assertEqual(table.get_by(key("good"), lambda raw: f"{raw}!"), "1!")
        self.assertEqual(table.get_by(key("none"), lambda raw: f"{raw}!"), 7)
        self.assertEqual(table.list_by(numbers("list"), lambda raw: f"{raw}!"), ("1!", "2!"))
        self.assertEqual(noted(table), [])

    def test_fields(self) -> None:
        """Keys set fields of an object, whose class checks them; after a fault the rest goes on."""
        table = table_of('max_headers = 0\nconnect_timeout = "5s"\nmax_head_bytes = "1KiB"')
        found = table.put(
            Limits(),
            *(
                field_key(Limits, field, "A limit.", example="1")
                for field in ("max_headers", "connect_timeout_s", "max_head_bytes", "timeout_s")
            ),
        )
        changed = attrs.evolve(Limits(), connect_timeout_s=5.0, max_head_bytes=1024)
        self.assertEqual(found, changed)
        self.assertEqual(noted(table), ["c.toml:1: max_headers: 0 is too small; write 1 or more"])

    def test_tables(self) -> None:
        """Tables under a key come with their names; what is no table is recorded."""
        table = table_of("[a.b]\nx = 1\n[a]\nc = 5\n[d]\n")
        found = {name: each.path for name, each in table.tables(key("a"))}
        self.assertEqual(found, {"b": ("a", "b")})
        self.assertEqual(list(table.tables(key("none"))), [])
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
            return table.get(Key("x", integer, None, "A number.", example="1", fix="write x = 1"))

        if inline:
            return Named.read_or_inline(top, key("things"), one)
        return Named.read(top, key("things"), lambda _name, table: one(table))

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
