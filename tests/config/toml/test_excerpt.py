"""Tests of `corsgate.config.toml.excerpt`: the caret is right, and no secret is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.toml.excerpt import MASK, WIDTH, excerpt

SHOWN = (
    'listen = ["tcp:5555"',
    '  servers = [{ url = "http://box:8000", weight = x2 }]',
    "[upstreams.box",
    '[routes."/v1"]]',
    '  "http://localhost:4200" "https://app.example.com:8443"',
    'allow_origins = ["http://localhost:4200" "https://app.example.com"]',
    'allow_methods = ["GET" "PUT"]',
    'allow_headers = ["Authorization", "X-Api-Key"',
    'hosts = ["localhost:5555", "gate.example" ; "gate.test"]',
    '[upstreams."my box"',
    'type = "digest',
    'cors = "app"; upstream = "box"',
    "",
)

MASKED = (
    ('password = "hunter2', "password = ***"),
    ("password=hunter2", "password=***"),
    ("  token: hunter2", "  token: ***"),
    ('"password" = hunter2', '"password" = ***'),
    ('type = "digest", password = "hunter2', 'type = "digest", password = ***'),
    ('type = "digest" # hunter2', "type = ***"),
    ('password = "a cors = hunter2', "password = ***"),
    ('servers = ["http://admin:hunter2@box"', "servers = ***"),
    ('servers = ["http://box/?token=hunter2"', 'servers = ["http://box/?***'),
    ('health = { path = "/ready?hunter2"', 'health = { path = "/ready?***'),
    ('type = "digest", "password" = "hunter2"', 'type = "digest", "password" =***'),
    ('type = "digest", password: "hunter2"', 'type = "digest", password***'),
    ('type = "digest", password, "hunter2"', 'type = "digest", password***'),
    ('type = "digest", password,= "hunter2"', 'type = "digest", password***'),
    ('type = "digest" = "hunter2"', 'type = "digest" =***'),
    ('type = "digest", password:hunter2', 'type = "digest", password***'),
    ('type = "digest", password "hunter2"', 'type = "digest", password***'),
    ("type = digest, password hunter2", "type = digest, password***"),
    ('type = "header", headers."X Key" = "hunter2"', 'type = "header", headers***'),
    ('type = "digest" "hunter2"', 'type = "digest"***'),
    ("[credentials.box] password hunter2", "***"),
    ('"http://admin:hunter2', "***"),
    ('url = "http://a", key = "hunter2', 'url = "http://a", key = ***'),
    ('  "vault" "hunter2"', "  ***"),
    ("hunter2", "***"),
    ('"hunter2: x"', "***"),
    ('["vault", hunter2]', "***"),
    ("[hunter2]", "***"),
    ("command = [hunter2]", "command = ***"),
    ("pass word = hunter2", "***"),
)


class ExcerptTests(SynchronousTestCase):
    """A line with a caret."""

    def test_shown(self) -> None:
        """A line whose parts are all known is shown whole, with the caret under the column."""
        for line in SHOWN:
            shown, caret = excerpt(f"a = 1\n{line}\nb = 2", 2, 3).split("\n")
            self.assertEqual(shown, f"    2 | {line}")
            self.assertEqual(caret, f"      | {' ' * min(2, len(line))}^")

    def test_masked(self) -> None:
        """What may be a secret is masked, and the caret does not say how long it is."""
        for line, shown in MASKED:
            found = excerpt(line, 1, len(line)).split("\n")
            self.assertEqual(found[0], f"    1 | {shown}", line)
            self.assertEqual(found[1], f"      | {' ' * (len(shown) - len(MASK))}^", line)
        # Nor does a caret before the secret move.
        self.assertEqual(excerpt("token = 5", 1, 3).split("\n")[1], "      |   ^")

    def test_text_of_several_lines(self) -> None:
        """Nothing of a text in three quotes is shown, whatever it looks like."""
        text = 'key = """\nupstream = hunter2\n"""\nupstream = 5'
        self.assertNotIn("hunter2", excerpt(text, 2, 1))
        self.assertIn("upstream = 5", excerpt(text, 4, 1))

    def test_long_line(self) -> None:
        """Of a long line, the part around the caret is shown."""
        line = "allow_origins = [" + ", ".join(f'"http://a{n}"' for n in range(99)) + " oops ]"
        shown, caret = excerpt(line, 1, line.index("oops") + 1).split("\n")
        self.assertEqual(len(shown) - len("    1 | "), WIDTH)
        self.assertEqual(shown[caret.index("^") :][:4], "oops")

    def test_terminal(self) -> None:
        """What a terminal would obey is not shown, and a tab is one column."""
        self.assertEqual(
            excerpt("\tlisten = \x1b[2J", 1, 11).split("\n")[0], "    1 |  listen = ?[2J"
        )

    @given(st.text(), st.text(), st.integers(0, 90))
    def test_any_line(self, before: str, value: str, column: int) -> None:
        """There are always two lines; the value of an unknown key is never in them."""
        line = f"passphrase = hunter2{value}".partition("\n")[0]
        found = excerpt(f"{before}\n{line}", before.count("\n") + 2, column + 1).split("\n")
        self.assertEqual(len(found), 2)
        self.assertNotIn("hunter2", found[0])
