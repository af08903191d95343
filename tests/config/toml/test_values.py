"""Tests of `corsgate.config.toml.values`: single values of a document."""

from __future__ import annotations

from corsgate.config.model.rules import check_method
from corsgate.config.toml import values
from corsgate.config.toml.shape import shape_of
from tests.config.support import TableTestCase, fault_of, table_of

DATE = table_of("a = 1979-05-27").raw["a"]


class TypeTests(TableTestCase):
    """Readers of single values; TOML has types, and none stands for another."""

    def test_types(self) -> None:
        """A value of another type is shown with its type, an array or table only by that."""
        for read, good, wrong, fix in (
            (values.text, "a", (5, True, 1.5, [], {}, DATE), "write text in quotes"),
            (values.boolean, False, (0, "true", []), "write true or false"),
            (values.integer, -5, (True, 1.0, "1"), "write a whole number, without quotes"),
            (values.duration, "5s", (True, [], {}), 'write a duration, such as "5s"'),
            (values.size, "1KiB", (True, 1.5, []), 'write a size, such as "64KiB"'),
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
            self.assertEqual(fault_of(values.text, value), f"{shown}; write text in quotes")

    def test_numbers_without_a_unit(self) -> None:
        """A bare number could be seconds or milliseconds; of bytes it can't be wrong."""
        self.assertEqual(fault_of(values.duration, 5), '5 has no unit; write "5s" for seconds')
        self.assertEqual(values.size(5), 5)
        self.assertEqual(values.duration("250ms"), 0.25)
        self.assertEqual(values.size("1KiB"), 1024)

    def test_integers_have_64_bits(self) -> None:
        """TOML's bounds; Python would read more."""
        for value in (2**63 - 1, -(2**63)):
            self.assertEqual(values.integer(value), value)
        for value in (2**63, -(2**63) - 1):
            fault = fault_of(values.integer, value)
            self.assertEqual(fault, "the number does not fit in 64 bits; write a smaller one")

    def test_checked_text(self) -> None:
        """A check's fault is the reader's, and its input must be text first."""
        read = values.checked(check_method)
        self.assertEqual(read("PUT"), "PUT")
        self.assertIn("is not upper-case", fault_of(read, "put"))
        self.assertIn("is an integer", fault_of(read, 5))

    def test_choices(self) -> None:
        """A word of another spelling is a fault, and all words are in the shape."""
        read = values.choice(("a", "b"))
        self.assertEqual(read("b"), "b")
        self.assertEqual(fault_of(read, "B"), '"B" is unknown; write "a" or "b"')
        self.assertIn("is a boolean", fault_of(read, True))
        self.assertEqual(shape_of(read), {"enum": ["a", "b"]})
