"""Tests of `corsgate.config.toml.document`: a file is TOML, or has one fault."""

from __future__ import annotations

from tests.config.support import TableTestCase

SYNTAX = (
    (
        "listen = ",
        ("c.toml:2: Invalid value; quote text, and write numbers and arrays in TOML syntax"),
    ),
    (
        "[routes./v1]",
        (
            "c.toml:2: Invalid initial character for a key part; quote keys that contain "
            'other characters than letters, digits, "_" and "-"'
        ),
    ),
    (
        "[routes.a/b]",
        (
            "c.toml:2: Expected ']' at the end of a table declaration; quote names that "
            'contain other characters than letters, digits, "_" and "-"'
        ),
    ),
    (
        "a = 1\na = 2",
        "c.toml:3: Cannot overwrite a value; remove it, or the earlier key that it conflicts with",
    ),
    ('a = "x', r"c.toml:2: Illegal character '\n'; fix the TOML syntax here"),
    (
        "listen = tcp:80",
        ("c.toml:2: Invalid value; quote text, and write numbers and arrays in TOML syntax"),
    ),
    (
        "a b = 1",
        (
            "c.toml:2: Expected '=' after a key in a key/value pair; quote keys that "
            'contain other characters than letters, digits, "_" and "-"'
        ),
    ),
    (
        "a = 'x' 'y'",
        (
            "c.toml:2: Expected newline or end of document after a statement; fix the TOML "
            "syntax here"
        ),
    ),
)


class SyntaxFaultTests(TableTestCase):
    """Each fault has its line, what is wrong and the fix."""

    def test_syntax(self) -> None:
        """What is no TOML is one fault at its line."""
        self.assert_faults("# one\n@@\n# three\n", SYNTAX)
