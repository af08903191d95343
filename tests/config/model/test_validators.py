"""Tests of `corsgate.config.model.validators`: an attrs class refuses what a rule refuses."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model import validators
from corsgate.errors import BadValue


def _check_even(value: int) -> None:
    if value % 2:
        raise BadValue(f"{value} is odd", "write an even number")


def _checked(validator: Any, value: object) -> str:
    """Return the fault of a class with one validated attribute; empty if there is none."""
    cls = attrs.make_class("Checked", {"names": attrs.field(validator=validator)}, frozen=True)
    try:
        cls(value)
    except BadValue as error:
        return str(error)
    return ""


class ValidatorTests(SynchronousTestCase):
    """Each validator accepts its range, and its message is the rule's."""

    def test_accepts_and_rejects(self) -> None:
        """The ends of a range are valid; the next value is not."""
        odd = "3 is odd; write an even number"
        for validator, value, fault in (
            (validators.rule(_check_even), 2, ""),
            (validators.rule(_check_even), 3, odd),
            (validators.each(_check_even), (2, 4), ""),
            (validators.each(_check_even), (2, 3), odd),
            (validators.each(_check_even), (), ""),
            (validators.each(_check_even), None, ""),
            (validators.at_least_one, ("a",), ""),
            (validators.at_least_one, (), "there are no names; give at least one"),
            (validators.seconds(1, validators.HOUR), 3600, ""),
            (validators.seconds(1, 60), 61, "61s is too large; write 1m or less"),
            (validators.seconds(1, 60), 0.5, "500ms is too small; write 1s or more"),
            (validators.size(validators.KIB, validators.MIB), 1024, ""),
            (validators.size(1024, 2048), 1023, "1023B is too small; write 1KiB or more"),
            (validators.count(1, 9), 9, ""),
            (validators.count(1, 9), 10, "10 is too large; write 9 or less"),
            (validators.choice(("a", "b")), "b", ""),
            (validators.choice(("a", "b")), "c", '"c" is unknown; write "a" or "b"'),
        ):
            self.assertEqual((value, _checked(validator, value)), (value, fault))

    def test_evolving_is_checked_too(self) -> None:
        """A changed copy of a valid value can't become invalid."""
        cls = attrs.make_class(
            "Checked", {"size": attrs.field(validator=validators.count(1, 2))}, frozen=True
        )
        valid = cls(2)
        self.assertRaises(BadValue, attrs.evolve, valid, size=3)
