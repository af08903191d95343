"""Tests of `corsgate.config.toml.syntax`: tomllib's words, with a place, a reason and a fix."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.toml.syntax import syntax_fault
from corsgate.errors import Fault

CASES = (
    ("a = ", 1, "", "a key has no value", "write one after the ="),
    ("a = # later", 1, "", "a key has no value", "write one after the ="),
    ("listen = tcp:80", 1, "", "the value is not text in quotes, a", "put text in quotes"),
    ("a = off", 1, "", "off is not", "write false"),
    ("a = undefined", 1, "", "undefined is not", "remove the key"),
    ("max_age = 10m", 1, "", "a value with a unit is text", "in quotes"),
    ("a = 'x' 'y'", 1, "", "two values or keys", "on its own line"),
    ("a = 'x' !", 1, "", "something after", "start a comment"),
    ('a = "\x01"', 1, "", "a control character", "\\uXXXX"),
    ("a = '''x", 1, "", "no closing quotes", "add them"),
    ('# one\na = """\nb = 1\n', 2, "", "no closing quotes", "add them"),
    ("a = 1\nb = 'x\nc = 2", 2, "", "no closing quotes", "add them"),
    ("a = 'x\nb = 'y'", 1, "", "no closing quote on this line", "add it"),
    ("# \x01", 1, "", "a control character", "remove it"),
    ("[]", 1, "", "a heading is empty", "between the brackets"),
    ("a = [", 1, "", "the array a, which starts on line 1", "add it"),
    ("a = [1", 1, "", "the array a, which starts on line 1", "add it"),
    ("a = [\n1\n2\n]", 3, "", "the array a, which starts on line 1", "add it"),
    ("a = {b = 1", 1, "", "is missing a comma or its }", "one line"),
    ("[routes.a/b]", 1, "", "a / outside quotes", 'write [routes."a/b"]'),
    ("[routes./v1/x] # v1", 1, "", "a / outside quotes", 'write [routes."/v1/x"]'),
    ("[a b]", 1, "", "needs quotes", "quote a name"),
    ("[listener", 1, "", "no closing ]", "add it"),
    ("[[listener]", 1, "", "starts with [[", "write [[listener]]"),
    ("a b = 1", 1, "", "not followed by =", "KEY = VALUE"),
    ("a { b = 1 }", 1, "", "without =", "write ="),
    ("- a", 1, "", "not followed by =", "KEY = VALUE"),
    ("= 1", 1, "", "neither a key", "KEY = VALUE"),
    ("a = 1\nb = 2\na = 3", 3, "a", "the key is already defined on line 1", "keep one"),
    ("a = 1\n[a.b]", 2, "a.b", "a is not a table, but a value on line 1", "keep one"),
    ("[a]\n[b]\n[ a ]", 3, "a", "the table is already defined on line 1", "one heading"),
    ('[r."/v1"]\n[r."/v1"]', 2, 'r."/v1"', "the table is already defined on line 1", "heading"),
    ("[[a]]\nb = 1\n[[a]]\nb = 2\nb = 3", 5, "a[1].b", "the key is already defined on line 4", ""),
    ("a = { b = 1, b = 2 }", 1, "", "defined twice", "remove one"),
    ("a = [1]\r\n\r\na = 2\r\n", 3, "a", "the key is already defined on line 1", ""),
)


def fault(text: str) -> Fault:
    """Return the fault of a text that is not TOML."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return syntax_fault(text, str(error), "c.toml")
    raise AssertionError(f"{text!r} is TOML")


class SyntaxTests(SynchronousTestCase):
    """The fault of a file that is not TOML."""

    def test_cases(self) -> None:
        """Each mistake has its line, what is wrong, the fix, and an excerpt of that line."""
        for text, line, key, problem, fix in CASES:
            found = fault(text)
            self.assertEqual((text, found.line, found.key), (text, line, key))
            self.assertIn(problem, found.problem, text)
            self.assertIn(fix, found.fix, text)
            self.assertTrue(found.excerpt.startswith(f"{line:5} | "), text)

    def test_in_full(self) -> None:
        """The excerpt comes below the message, and is part of it."""
        self.assertEqual(
            str(fault('# gate\nlisten = ["tcp:5555]\n')),
            "c.toml:2: the text has no closing quote on this line; add it\n"
            '    2 | listen = ["tcp:5555]\n'
            "      |                     ^",
        )

    @given(st.text("ab.=[]{}\"'#,\n :/-1$%\\", max_size=40))
    def test_any_text(self, text: str) -> None:
        """Whatever the text is, there is a fault in one of its lines, or it is TOML."""
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            found = syntax_fault(text, str(error), "c.toml")
            self.assertIsNotNone(found.line)
            self.assertTrue(found.problem and found.fix)
            self.assertEqual(found.excerpt.count("\n"), 1)
