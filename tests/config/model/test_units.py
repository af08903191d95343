"""Tests of `corsgate.config.model.units`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.units import format_duration, format_size, parse_duration, parse_size
from corsgate.errors import BadValue

DURATIONS = {
    "250ms": 0.25,
    "0.5ms": 0.0005,
    "0s": 0.0,
    "5s": 5.0,
    "1.5s": 1.5,
    "0.1s": 0.1,
    "10m": 600.0,
    "1h": 3600.0,
    "0.25h": 900.0,
}
NO_DURATIONS = (
    *("", "5", "s", "5 s", " 5s", "5s ", "5S", "5sec", "5d", "-5s", "+5s", ".5s", "5.s", "1e3s"),
    *("1_0s", "\u0665s", "5s\n", "1m30s", "9999999999999s", "nan", "inf"),
)
SIZES = {
    "512B": 512,
    "0B": 0,
    "64KiB": 64 * 1024,
    "10MiB": 10 * 1024**2,
    "1GiB": 1024**3,
    "1.5GiB": 1536 * 1024**2,
    "0.5KiB": 512,
}
NO_SIZES = (
    *("", "64", "KiB", "64 KiB", "64KB", "64K", "64kib", "64TiB", "-1B", "+1B", "1e3B", "\u0665B"),
    *("0.3KiB", "1.5B", "64KiB\n", "99999999999999999B"),
)


class DurationTests(SynchronousTestCase):
    def test_reads(self) -> None:
        """A number, whole or decimal, and ms, s, m or h make seconds."""
        self.assertEqual(DURATIONS, {text: parse_duration(text) for text in DURATIONS})

    def test_refuses(self) -> None:
        """Anything else is rejected, including a bare number."""
        for text in NO_DURATIONS:
            self.assertRaises(BadValue, parse_duration, text)

    def test_names_the_unit_for_a_bare_number(self) -> None:
        """A number without a unit gets the fix that says seconds."""
        error = self.assertRaises(BadValue, parse_duration, "2.5")
        self.assertEqual('"2.5" has no unit; write "2.5s" for seconds', str(error))

    def test_shows_only_the_start_of_long_text(self) -> None:
        """A very long value is cut in the message."""
        error = self.assertRaises(BadValue, parse_duration, "x" * 10_000)
        self.assertLess(len(str(error)), 200)

    @given(st.integers(min_value=0, max_value=10**10))
    def test_parse_undoes_format(self, milliseconds: int) -> None:
        """Whole milliseconds come back as they were."""
        seconds = milliseconds / 1000
        self.assertEqual(seconds, parse_duration(format_duration(seconds)))

    def test_formats_shortly(self) -> None:
        """The largest unit without a fraction is used, and a tiny duration is not zero."""
        seconds = (0, 0.0001, 0.25, 5, 90, 600, 5400, 86400)
        self.assertEqual(
            ["0s", "0.1ms", "250ms", "5s", "90s", "10m", "90m", "24h"],
            [format_duration(value) for value in seconds],
        )


class SizeTests(SynchronousTestCase):
    def test_reads(self) -> None:
        """A number and B, KiB, MiB or GiB make bytes in powers of 1024."""
        self.assertEqual(SIZES, {text: parse_size(text) for text in SIZES})

    def test_refuses(self) -> None:
        """Anything else is rejected: decimal units, no unit, fractions of a byte."""
        for text in NO_SIZES:
            self.assertRaises(BadValue, parse_size, text)

    @given(st.integers(min_value=0, max_value=2**50))
    def test_parse_undoes_format(self, size: int) -> None:
        """Every size comes back as it was."""
        self.assertEqual(size, parse_size(format_size(size)))

    @given(st.text(alphabet="0123456789.KMGiB ", max_size=12))
    def test_only_bad_values(self, text: str) -> None:
        """Whatever the text, there is a whole number of bytes or a BadValue."""
        try:
            self.assertGreaterEqual(parse_size(text), 0)
        except BadValue as error:
            self.assertTrue(error.fix)
