"""Tests of `corsgate.config.toml.lines`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.toml.lines import Path, header_paths, key_lines, key_text, line_of

DOCUMENT = r"""# a comment = 1 [x]
listen = [ "a", # "not = this"
  'b]', [1,
  2], { x = 1, "y.z" = [
    3] },
]
one . "two.2".'three' = 1   # dotted
text = '''
[no.header]
key = 1'''''
more = { plain = 1979-05-27 07:32:00, s = "\"}" } # ]
long = "\"" # "
lines = ""\"
  a = \"""
  [[b]] ""\""

  [ routes . "/v1" ]
cors = {}
[[listener]]
e = ""
[[listener]]
e = ''
[listener.sub]
f = 1
[[listener.deep]]
[[listener.deep]]
g = 2
""".replace('""\\"', '"""')

LINES: dict[Path, int] = {
    ("listen",): 2,
    ("listen", 0): 2,
    ("listen", 1): 3,
    ("listen", 2): 3,
    ("listen", 2, 0): 3,
    ("listen", 2, 1): 4,
    ("listen", 3): 4,
    ("listen", 3, "x"): 4,
    ("listen", 3, "y.z"): 4,
    ("listen", 3, "y.z", 0): 5,
    ("one",): 7,
    ("one", "two.2"): 7,
    ("one", "two.2", "three"): 7,
    ("text",): 8,
    ("more",): 11,
    ("more", "plain"): 11,
    ("more", "s"): 11,
    ("long",): 12,
    ("lines",): 13,
    ("routes",): 17,
    ("routes", "/v1"): 17,
    ("routes", "/v1", "cors"): 18,
    ("listener",): 19,
    ("listener", 0): 19,
    ("listener", 0, "e"): 20,
    ("listener", 1): 21,
    ("listener", 1, "e"): 22,
    ("listener", 1, "sub"): 23,
    ("listener", 1, "sub", "f"): 24,
    ("listener", 1, "deep"): 25,
    ("listener", 1, "deep", 0): 25,
    ("listener", 1, "deep", 1): 26,
    ("listener", 1, "deep", 1, "g"): 27,
}

KEYS = st.text(max_size=5) | st.sampled_from(["a", "b-c", 'q"', "/v1", "x.y", "#", "[", "é", "="])
SCALARS = st.integers(-5, 5) | st.booleans() | st.floats(0, 9) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=4)


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    """Return the places of all that is in a document."""
    inner: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    for step, part in inner:
        yield (*path, step)
        yield from paths(part, (*path, step))


def quoted(text: str) -> str:
    """Return text as a basic string of TOML."""
    return "".join(f"\\U{ord(char):08x}" for char in text).join('""')


def written(value: object) -> str:
    """Return a value in TOML, with a comment and line breaks where there may be any."""
    if isinstance(value, dict):
        pairs = (f"{quoted(key)} = {written(part)}" for key, part in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[ # ] {{ ' \n{''.join(f'{written(part)} ,  # ,' + chr(10) for part in value)}]"
    return quoted(value) if isinstance(value, str) else json.dumps(value)


class KeyLinesTests(SynchronousTestCase):
    maxDiff = None

    def test_headers(self) -> None:
        """Headers of single tables are found, and neither dotted keys nor arrays of tables."""
        found = {("routes", "/v1"), ("listener", 1, "sub")}
        self.assertEqual(header_paths(DOCUMENT), found)
        self.assertEqual(header_paths("a.b = 1\n[[c]]\n[ d ]\ne = { f = 1 }\n"), {("d",)})

    def test_every_form(self) -> None:
        """Each key and array item has the line it begins on, whatever strings and comments say."""
        tomllib.loads(DOCUMENT)
        self.assertEqual(LINES, key_lines(DOCUMENT))

    def test_windows_line_ends(self) -> None:
        """CRLF is one line end, as for TOML."""
        self.assertEqual(LINES, key_lines(DOCUMENT.replace("\n", "\r\n")))

    def test_no_text(self) -> None:
        """An empty document has no lines, nor does one of comments."""
        self.assertEqual([{}, {}], [key_lines(""), key_lines("# a = 1\n\n  # b")])

    @given(TABLES, st.lists(TABLES, max_size=3))
    def test_knows_what_tomllib_knows(self, top: dict[str, object], rows: list[object]) -> None:
        """It finds the very keys and items that tomllib does, on lines that never go back."""
        text = "".join(f"{quoted(key)}= {written(value)}\n" for key, value in top.items())
        for row in rows:
            assert isinstance(row, dict)
            text += "[[ rows.of ]] # [[x]]\n"
            text += "".join(f"{quoted(key)} ={written(value)}\n" for key, value in row.items())
        if rows and "rows" in top:
            return
        lines = key_lines(text)
        self.assertEqual(set(paths(tomllib.loads(text))), set(lines))
        self.assertEqual(sorted(lines.values()), list(lines.values()))

    @given(st.text(alphabet="abc=.[]{}\"'#,\\\n 1", max_size=40))
    def test_accepted_text_is_read_whole(self, text: str) -> None:
        """Whatever tomllib accepts has a line for each of its keys."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            return
        self.assertEqual(set(paths(document)), set(key_lines(text)))


class LineOfTests(SynchronousTestCase):
    def test_missing_key(self) -> None:
        """A key that is not there has the line of the table that lacks it."""
        lines = key_lines("[a]\n[a.b]\nc = 1\n")
        self.assertEqual(2, line_of(lines, ("a", "b", "d", 0)))

    def test_nothing_there(self) -> None:
        """A key of which no part is there has no line, nor has the document as a whole."""
        self.assertEqual([None, None], [line_of({("a",): 1}, ("b",)), line_of({("a",): 1}, ())])


class KeyTextTests(SynchronousTestCase):
    def test_written_as_in_toml(self) -> None:
        """Keys are quoted where TOML needs it, and indexes stand in brackets."""
        cases: dict[Path, str] = {
            (): "",
            ("routes", "/v1", "cors"): 'routes."/v1".cors',
            ("upstreams", "ml", "servers", 1): "upstreams.ml.servers[1]",
            ("listener", 0, "http2"): "listener[0].http2",
            ("a", ""): 'a.""',
            ("a", 'q"\n'): 'a."q\\"\\n"',
            ("é",): '"é"',
        }
        self.assertEqual(list(cases.values()), [key_text(path) for path in cases])

    def test_unprintable_keys(self) -> None:
        """What a terminal could act on is escaped, and a TOML reader gets the same key."""
        key = "a\x1b[31m\n\x7f\x9b\u202eé\U000e0001"
        text = key_text((key,))
        self.assertTrue(text.isprintable())
        self.assertIn("é", text)
        self.assertEqual(tomllib.loads(f"{text} = 1"), {key: 1})
