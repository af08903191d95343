"""Tests of `corsgate.config.sections.login_fields`."""

from __future__ import annotations

import json

from corsgate.config.model.login_json import MAX_BYTES, MAX_DEPTH, encoded
from corsgate.config.model.session import SessionCredentials
from corsgate.config.sections.credentials import read_credentials
from corsgate.config.sections.secrets import Sources
from tests.config.support import TableTestCase, faults_of, noted, parse, sources, table_of

LOGIN = 'type = "session"\nlogin_url = "/"\n'
WHOLE = (
    'listen = ["tcp:1:interface=127.0.0.1"]\n[upstreams.a]\nservers = ["http://127.0.0.1:8000"]\n'
    'credentials = "box"\n[routes."/"]\nupstream = "a"\n'
    '[credentials.box]\ntype = "session"\nlogin_url = "/"\n'
)
NESTED = (
    "the fields of a form can't be nested; write text, a number, a boolean, or a secret such as"
    ' { env = "NAME" }; for nested values use json'
)
NO_SOURCE = (
    'it does not say where the secret is; write { env = "NAME" }, { file = "PATH" },'
    ' { systemd = "NAME" }, { command = ["PROGRAM", "ARGUMENT"] } or text in quotes'
)


class JsonTests(TableTestCase):
    """The key ``json``."""

    def read(self, source: str, known: Sources | None = None) -> tuple[object, list[str]]:
        """Return the JSON that a table makes, and what was recorded."""
        table = table_of(LOGIN + source)
        found = read_credentials(table, known or sources())
        assert isinstance(found, SessionCredentials), noted(table)
        return json.loads(encoded(found.json)), noted(table)

    def test_rpc(self) -> None:
        """The logins of boxes with JSON-RPC can be written; secrets may come from anywhere."""
        found = {
            'json = { method = "auth.login", params = [{ env = "NAME" }], id = 1 }': {
                "method": "auth.login",
                "params": ["from environment"],
                "id": 1,
            },
            'json = { jsonrpc = "2.0", params = ["0", "session", { password = "p" }, {}, []] }': {
                "jsonrpc": "2.0",
                "params": ["0", "session", {"password": "p"}, {}, []],
            },
            # Tables and arrays may be written in each way that TOML has.
            '[json]\nid = 1.5\n[json.params]\n"a.b" = "\u00e9\\U0001F511"\n'
            "[[json.list]]\nx = true\n[[json.list]]\nx = [[false]]": {
                "id": 1.5,
                "params": {"a.b": "\u00e9\U0001f511"},
                "list": [{"x": True}, {"x": [[False]]}],
            },
            # Names of sources are names of members beside others, and of the whole object.
            'json = { env = "x", a = { file = "x", user = "u" }, b = { timeout = "5s" } }': {
                "env": "x",
                "a": {"file": "x", "user": "u"},
                "b": {"timeout": "5s"},
            },
        }
        for source, wanted in found.items():
            self.assertEqual(self.read(source), (wanted, []), source)

    def test_faults(self) -> None:
        """Each fault has its exact place, and shows no secret."""
        found = {
            'params = ["a", { env = "NONE" }]': 'params[1]: environment variable "NONE" is not set',
            "params = [{ env = 5 }]": f"params[0]: {NO_SOURCE}",
            'params = { a = { env = "NAME", timeout = "5s" } }': f"params.a: {NO_SOURCE}",
            'params = [[{ command = "pass" }]]': "params[0][0]: the command is text, but there is"
            ' no shell to split it; write a list, such as ["pass", "show", "box"]',
            '"a.b" = [nan]': '"a.b"[0]: JSON has no number nan; write a finite number',
            "a = -inf": "a: JSON has no number -inf; write a finite number",
            "a = 9223372036854775808": "a: the number does not fit in 64 bits; write a smaller one",
            "a = [2024-01-01]": "a[0]: it is a date or time; write it as text in quotes",
            '"" = 1': '"": its name is empty; write a name',
            'a = ["s3cret\\n"]': "a[0]: the secret contains control characters; remove line breaks"
            " and other control characters",
            'a = ["${s3cret}"]': "a[0]: it looks like an environment variable, but text is used as"
            ' it is; write { env = "NAME" }, or { file = "PATH" } if this is the secret itself',
        }
        for source, fault in found.items():
            self.assertEqual(
                faults_of(f"{WHOLE}json = {{ {source} }}\n"),
                [f"c.toml:10: credentials.box.json.{fault}"],
                source,
            )
        (fault,) = faults_of(f"{WHOLE}json = 5\n")
        self.assertIn("credentials.box.json: it is an integer; write json = {", fault)

    def test_bounds(self) -> None:
        """What is too deep or too large is a fault at its place, however extreme it is."""
        deepest = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
        self.assertEqual(faults_of(f"{WHOLE}json = {{ a = {deepest} }}\n"), [])
        (fault,) = faults_of(f"{WHOLE}json = {{ a = [{deepest}] }}\n")
        place = "credentials.box.json.a" + "[0]" * (MAX_DEPTH - 1)
        wanted = f"{place}: it is nested more than 16 levels deep; use fewer levels"
        self.assertEqual(fault, f"c.toml:10: {wanted}")
        dotted = ".".join("a" * (MAX_DEPTH + 1))
        (fault,) = faults_of(f"{WHOLE}json.{dotted} = 1\n")
        self.assertIn("it is nested more than 16 levels deep", fault)
        (fault,) = faults_of(f"{WHOLE}json = {{ a = {'[' * 5000}{']' * 5000} }}\n")
        self.assertIn("nested too deeply", fault)
        items = '"s3cret", ' * 100_000
        (fault,) = faults_of(f"{WHOLE}json = {{ a = [{items}] }}\n")
        self.assertRegex(fault, r"credentials.box.json: it is \d{7} bytes of JSON, more than 65536")
        self.assertNotIn("s3cret", fault)
        parse(f'{WHOLE}json = {{ a = "{"x" * (MAX_BYTES - 20)}" }}\n')

    def test_readable_by_others(self) -> None:
        """The text that is probably the password produces a warning, at any depth."""
        public = sources(read_by="everybody")
        found = {
            '{ method = "auth.login", params = ["s3cret"] }': ["json.params[0]"],
            '{ params = ["0", { username = "u", password = "s3cret" }] }': [
                "json.params[1].password"
            ],
            '{ token = ["s3cret"], params = ["0"] }': ["json.token[0]"],
            '{ params = ["0", { env = "NAME" }] }': [],
            '{ method = "a", params = [1, true] }': [],
        }
        for source, places in found.items():
            _, recorded = self.read(f"json = {source}", public)
            self.assertEqual([each.split(": ")[1] for each in recorded], places, source)
            self.assertNotIn("s3cret", str(recorded))

    def test_readable_files(self) -> None:
        """A file that others can read produces a warning, in a form and in JSON."""
        known = sources(secret_read_by=lambda path: "everybody")
        for source, place in (
            ('json = { params = [{ file = "/password" }] }', "json.params[0]"),
            ('form = { pass = { file = "/password" } }', "form.pass"),
        ):
            table = table_of(LOGIN + source)
            read_credentials(table, known)
            (warning,) = noted(table)
            self.assertIn(f"{place}: everybody can read the secret's file", warning)

    def test_typing_errors(self) -> None:
        """A table that is almost a source is sent, with a warning; any other one is just sent."""
        for name, meant in (("environ", "env"), ("ENV", "env"), ("comand", "command")):
            sent, recorded = self.read(f'json = {{ a = {{ {name} = "X" }} }}')
            self.assertEqual(sent, {"a": {name: "X"}})
            self.assertEqual(
                recorded,
                [
                    f'c.toml:3: json.a: it is sent as it is, since "{name}" is no source of a'
                    f' secret; did you mean "{meant}"?'
                ],
            )
        for name in ("user", "name", "filter", "field", "path", "db"):
            self.assertEqual(self.read(f'json = {{ a = {{ {name} = "X" }} }}')[1], [])


class FormTests(TableTestCase):
    """The key ``form``."""

    def test_faults(self) -> None:
        """A form is flat, and its fields have names."""
        for source, fault in {
            'form = { "" = "x" }': 'form."": its name is empty; write a name',
            "form = { a = [1] }": f"form.a: {NESTED}",
            'form = { a = { b = "c" } }': f"form.a: {NO_SOURCE}",
            'form = { a = { b = { c = "d" } } }': f"form.a: {NESTED}",
        }.items():
            self.assertEqual(
                faults_of(f"{WHOLE}{source}\n"), [f"c.toml:10: credentials.box.{fault}"]
            )
