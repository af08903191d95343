"""Changes in the text of a configuration."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.toml.writer import Toml
from corsgate.errors import BadValue
from corsgate.explain.apply import applied, shown_diff
from corsgate.explain.fix import Change

ROUTE = ("routes", "/v1")
NEW = "http://localhost:4201"
FIX = Change(table=ROUTE, key="cors", value={"allow_origins": ["http://a.example", NEW]})
"""What `explain` proposes for a policy inside of a route."""

FORMS = (
    # The file, and how it ends up.
    (
        '[routes."/v1"]\ncors = { allow_origins = ["http://a.example"] }  # who\n',
        f'[routes."/v1"]\ncors = {{ allow_origins = ["http://a.example", "{NEW}"] }}  # who\n',
    ),
    (
        "[routes.'/v1']\n  upstream = 'a'\n  cors.allow_origins = ['http://a.example']\n\n# end\n",
        "[routes.'/v1']\n  upstream = 'a'\n  cors.allow_origins = ['http://a.example',"
        f' "{NEW}"]\n\n# end\n',
    ),
    (
        '[routes."/v1".cors]\nallow_origins = [\n    "http://a.example",  # the app\n]\n\n[x]\n',
        '[routes."/v1".cors]\nallow_origins = [\n    "http://a.example",  # the app\n'
        f'    "{NEW}",\n]\n\n[x]\n',
    ),
    (
        '[routes]\n"/v1".cors = { "allow_origins" = ["http://a.example"] }\n',
        f'[routes]\n"/v1".cors = {{ "allow_origins" = ["http://a.example", "{NEW}"] }}\n',
    ),
    (
        'routes = { "/v1" = { cors = { allow_origins = ["http://a.example"] } } }\n',
        'routes = { "/v1" = { cors = { allow_origins = ["http://a.example",'
        f' "{NEW}"] }} }} }}\n',
    ),
    # An array that can't be extended is written anew.
    (
        '[routes."/v1".cors]\nallow_origins = [\n  "http://a.example"  # last\n  ,\n]\n',
        f'[routes."/v1".cors]\nallow_origins = ["http://a.example", "{NEW}"]\n',
    ),
)


def change(table: tuple[str, ...], key: str, value: Toml) -> Change:
    """Return a change."""
    return Change(table=table, key=key, value=value)


class AppliedTests(SynchronousTestCase):
    """`applied`."""

    def test_forms(self) -> None:
        """Each way to write a policy is changed in its place, and all the rest stays."""
        for old, new in FORMS:
            self.assertEqual(applied(old, [FIX]), new)

    def test_twice(self) -> None:
        """What is there already changes nothing, in any form."""
        for _, new in FORMS:
            self.assertEqual(applied(new, [FIX]), new)

    def test_line_ends(self) -> None:
        """The line ends of a file stay what they are."""
        for old, new in FORMS:
            ends = old.replace("\n", "\r\n")
            self.assertEqual(applied(ends, [FIX]), new.replace("\n", "\r\n"))
        mixed = "# a\r\n[cors.a]\nx = 1\n"
        self.assertTrue(applied(mixed, [change(("cors", "a"), "y", True)]).startswith("# a\r\n["))

    def test_new_keys(self) -> None:
        """A new key stands behind the last one, before comments on what follows."""
        old = '[cors.app]\nallow_methods = ["PUT"]  # why\n\n# The routes.\n[routes."/v1"]\n'
        self.assertEqual(
            applied(old, [change(("cors", "app"), "allow_credentials", True)]),
            '[cors.app]\nallow_methods = ["PUT"]  # why\nallow_credentials = true\n\n'
            '# The routes.\n[routes."/v1"]\n',
        )
        old = "[cors.app]\n[cors.app.deep]\nx = 1\n"
        new = applied(old, [change(("cors", "app"), "allow_credentials", True)])
        self.assertEqual(new, "[cors.app]\nallow_credentials = true\n\n[cors.app.deep]\nx = 1\n")
        old = "c = {x = 1}\nd = { x = 1 }\n"
        new = applied(old, [change((name,), "y", True) for name in ("c", "d")])
        self.assertEqual(new, "c = {x = 1, y = true}\nd = { x = 1, y = true }\n")

    def test_top_level(self) -> None:
        """A key of the document itself is not put into the last table."""
        old = '# c\nlisten = ["tcp:1"]\n\n[upstreams.a]\nservers = []\n'
        new = applied(old, [change((), "hosts", ["localhost", "gate.test"])])
        self.assertEqual(tomllib.loads(new)["hosts"], ["localhost", "gate.test"])
        self.assertTrue(new.startswith('# c\nlisten = ["tcp:1"]\n'))

    def test_new_tables(self) -> None:
        """A route that is not there gets its table."""
        for old in ('[routes."/v1"]\nupstream = "a"\n', "x = 1\n", "[other]\ny = 2\n"):
            changes = [
                change(("routes", "/v2"), "upstream", "a"),
                change(("routes", "/v2"), "cors", {"allow_origins": [NEW]}),
            ]
            new = applied(old, changes)
            self.assertTrue(new.startswith(old))
            route = tomllib.loads(new)["routes"]["/v2"]
            self.assertEqual(route, {"upstream": "a", "cors": {"allow_origins": [NEW]}})

    def test_tables_out_of_order(self) -> None:
        """Tables of one kind may be anywhere in the file."""
        old = '[cors.a]\nx = 1\n[routes."/v1"]\ncors = "b"\n[cors.b]\nallow_methods = ["PUT"]\n'
        new = applied(old, [change(("cors", "b"), "allow_methods", ["PUT", "DELETE"])])
        self.assertEqual(new, old.replace('["PUT"]', '["PUT", "DELETE"]'))

    def test_removes(self) -> None:
        """Where "*" allows nothing, it makes way for names."""
        old = '[cors.a]\nallow_origins = ["*"]  # all\n'
        new = applied(old, [change(("cors", "a"), "allow_origins", [NEW])])
        self.assertEqual(new, f'[cors.a]\nallow_origins = ["{NEW}"]  # all\n')

    def test_never_everything(self) -> None:
        """A star is never written, wherever the change has it."""
        for value in (["PUT", "*"], "*", {"x": ["*"]}):
            error = self.assertRaises(BadValue, applied, "[a]\n", [change(("a",), "b", value)])
            self.assertIn('would add "*"', str(error))

    def test_impossible(self) -> None:
        """What can't be changed in place is named, as TOML to write."""
        error = self.assertRaises(BadValue, applied, "a = 1\n", [change(("a", "b"), "c", True)])
        self.assertIn("[a.b]\nc = true\n", str(error))

    @given(
        st.dictionaries(
            st.text("abé\"' .", max_size=4),
            st.dictionaries(st.text("xy z", max_size=3), st.lists(st.text(max_size=3)), max_size=3),
            max_size=3,
        ),
        st.text("abé\"' .", max_size=4),
        st.text("xy z", max_size=3),
        st.lists(st.text('ab\n\x7f\\"', max_size=3), max_size=3),
    )
    def test_law(
        self, document: dict[str, dict[str, list[str]]], table: str, key: str, value: list[str]
    ) -> None:
        """The new text has exactly the change, and making it again changes nothing."""
        if "*" in value:
            return
        import tomlkit

        old = "# first\n" + tomlkit.dumps(document)
        made = [change((table,), key, value)]
        new = applied(old, made)
        wanted: dict[str, Any] = {name: dict(each) for name, each in document.items()}
        wanted.setdefault(table, {})[key] = value
        self.assertEqual(tomllib.loads(new), wanted)
        self.assertEqual(applied(new, made), new)
        self.assertTrue(new.startswith("# first\n"))


class DiffTests(SynchronousTestCase):
    """`shown_diff`."""

    def test_lines(self) -> None:
        """Only lines that change are shown, with their number."""
        old = "a = 1\nb = 2\nc = 3\n"
        said = shown_diff(old, old.replace("2", "4"), "gate.toml")
        self.assertEqual(said, "--- gate.toml\n+++ gate.toml (new)\n@@ -2 +2 @@\n-b = 2\n+b = 4\n")

    def test_secrets(self) -> None:
        """A secret on a line that changes is not shown; origins and headers are."""
        old = (
            'x = { credentials = { password = "s3cret" },'
            ' cors = { allow_headers = ["X-Token"] } }\n'
        )
        said = shown_diff(old, old.replace('"X-Token"', '"X-Token", "B"'), "f")
        self.assertNotIn("s3cret", said)
        self.assertEqual(said.count('password = "..."'), 2)
        self.assertIn('"X-Token", "B"', said)
        by_origin = 'credentials_by_origin = { "http://a" = { name = "X", value = "s3cret" } }'
        said = shown_diff(f"x = {{ {by_origin} }}\n", "x = 1\n", "f")
        self.assertNotIn("s3cret", said)

    def test_control_characters(self) -> None:
        """A file can't control the terminal."""
        self.assertNotIn("\x1b", shown_diff("a = 1\n", "a = 2 # \x1b[2J\n", "f"))
