"""How a trace reads the fields of a response."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.trace import Outcome, Step, Trace, shown, text, tokens, values


def step(title: str, outcome: Outcome) -> Step:
    """Return a step with this outcome."""
    return Step(rule="#cors-check", title=title, seen="", outcome=outcome, why="")


class FieldTests(SynchronousTestCase):
    """`values` and `tokens`."""

    def test_values_of_one_name_in_order(self) -> None:
        """Case does not matter, repeated fields are kept, other names are left out."""
        headers = ((b"X-A", b"1"), (b"x-ab", b"2"), (b"x-a", b""), (b"X-a", b"3"))
        self.assertEqual(values(headers, b"x-a"), [b"1", b"", b"3"])
        self.assertEqual(values(headers, b"x-c"), [])

    def test_tokens_of_a_list(self) -> None:
        """Several fields make one list; one malformed member spoils it."""
        for found, members in (
            ([], ()),
            ([b""], ()),
            ([b"GET, PUT", b"*"], (b"GET", b"PUT", b"*")),
            ([b",GET,,\tPUT ,"], (b"GET", b"PUT")),
            ([b"GET PUT"], None),
            ([b"GET", b"a:b"], None),
            ([b'"GET"'], None),
            ([b"\xe4"], None),
        ):
            self.assertEqual((found, tokens(found)), (found, members))


class TextTests(SynchronousTestCase):
    """`text` and `shown`."""

    def test_unprintable_bytes_are_escaped(self) -> None:
        """Control characters and bytes above ASCII can't reach a terminal."""
        for value, said in (
            (b"a b~", "a b~"),
            (b"\x1b[31m", "\\x1b[31m"),
            (b"a\r\nb", "a\\r\\nb"),
            (b"\x7f\x9b\xff", "\\x7f\\x9b\\xff"),
        ):
            self.assertEqual(text(value), said)

    def test_shown(self) -> None:
        """Fields stay apart, and a missing field differs from an empty one."""
        for found, said in (
            ([], "none"),
            ([b""], ""),
            ([b"a, b"], "a, b"),
            ([b"a", b"b\x00"], "a | b\\x00"),
        ):
            self.assertEqual(shown(found), said)


class TraceTests(SynchronousTestCase):
    """`Trace.failed`."""

    def test_failed_step_is_found(self) -> None:
        """The failed step is returned, wherever notes and passes are; otherwise None."""
        note, passed = step("note", Outcome.NOTE), step("pass", Outcome.PASS)
        failed = step("fail", Outcome.FAIL)
        for steps, found in (((), None), ((note, passed), None), ((note, passed, failed), failed)):
            self.assertIs(Trace(steps=steps, exchanges=(), allowed=False).failed, found)
