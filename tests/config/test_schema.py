"""The JSON Schema of configuration files agrees with their reader."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.parse import parse_config
from corsgate.config.schema import config_schema
from corsgate.errors import ConfigError
from tests.tree import ROOT

SCHEMA: dict[str, Any] = config_schema()
VALIDATOR = Draft202012Validator(SCHEMA)

GOOD = """
listen = ["tcp:0"]
[upstreams.a]
servers = ["http://h:1"]
[routes."/"]
upstream = "a"
"""
CORS = 'cors = { allow_origins = ["http://a.example"]'

OAUTH2 = """
[credentials.c]
type = "oauth2"
grant = "client_credentials"
token_url = "https://login.example/token"
client_id = "gate"
client_secret = { systemd = "k" }
"""

WRONG: tuple[tuple[str, str], ...] = (
    (GOOD.replace("listen", "liten"), "unknown key"),
    (GOOD.replace('listen = ["tcp:0"]', ""), "no listener"),
    (GOOD.replace('["tcp:0"]', '"tcp:0"'), "no array"),
    (GOOD.replace('"http://h:1"', '"h:1"'), "no URL"),
    (GOOD.replace('"http://h:1"', "{ weight = 2 }"), "no url"),
    (GOOD.replace('"http://h:1"', '{ url = "http://h", weight = 0 }'), "no weight"),
    (GOOD.replace('upstream = "a"', ""), "no upstream"),
    (GOOD.replace('"/"', '"v1"'), "no slash"),
    (GOOD + 'strip_prefix = "yes"', "no boolean"),
    (GOOD + CORS + ", allow_origin = [] }", "unknown key of a policy"),
    (GOOD + CORS + ', expose_headers = "all" }', "no word"),
    (GOOD + CORS + ", max_age = 600 }", "no duration"),
    (GOOD + "cors = { allow_methods = [] }", "no origins"),
    (GOOD + 'limits = { connect_timeout = "3s" }', "no route's limit"),
    (GOOD + '[limits]\nconnect_timeout = "3 s"', "no unit"),
    (GOOD + '[limits]\nmax_body_bytes = "1MB"', "no size"),
    (GOOD + '[limits]\nmax_headers = "1"', "no number"),
    ('log_format = "xml"\n' + GOOD, "no format"),
    (GOOD + '[credentials.c]\ntype = "basic"\nusername = "u"', "no password"),
    (GOOD + '[credentials.c]\ntype = "basic"\ntoken = "u"', "another type's key"),
    (GOOD + '[credentials.c]\ntype = "kerberos"', "no type"),
    (GOOD + '[credentials.c]\ntype = "bearer"\ntoken = { environ = "T" }', "no source"),
    (GOOD + OAUTH2 + 'auth_method = "digest"', "no method"),
    (GOOD + OAUTH2 + "resource = [7]", "no URI"),
    (GOOD + OAUTH2 + "token_params = { a = 7 }", "no text"),
    (GOOD + OAUTH2.replace("token_url", "url"), "no token_url"),
    (GOOD + '[cors."a b"]\nallow_origins = ["*"]', "no name"),
    (GOOD.replace("[routes", 'balance = "random"\n[routes'), "no balance"),
    (GOOD.replace("[routes", 'retry_on = ["404"]\n[routes'), "no cause"),
    (GOOD.replace("[routes", "health = {}\n[routes"), "no path"),
    (GOOD.replace("[routes", 'health = { path = "x" }\n[routes'), "no slash"),
    (GOOD.replace('["http://h:1"]', "{}"), "no file"),
    (GOOD.replace("http://", "dns+ftp://"), "no scheme"),
    (GOOD + 'response_headers = { set = { X-A = { env = "A" } } }', "no secret in a response"),
    (GOOD + "response_headers = { remove = { X-A = true } }", "no list of names"),
    (GOOD.replace("[routes", 'forwarded = "some"\n[routes'), "no such word"),
    (GOOD + '[[listener]]\nendpoint = "tcp:1"\ncertificates = [{ chain = "a" }]', "no key"),
)
RIGHT = (
    GOOD,
    GOOD + CORS + ', expose_headers = "auto", max_age = "10m" }',
    GOOD + CORS + ', expose_headers = ["*"] }',
    GOOD + '[limits]\nmax_body_bytes = 1024\nconnect_timeout = "1.5s"',
    GOOD.replace('"http://h:1"', '"HTTP://h", { url = "https://h/base", weight = 7 }'),
    GOOD.replace("http://h:1", "srv+https://_a._tcp.h"),
    GOOD.replace("http://h:1", "unix:/run/h"),
    GOOD.replace("[routes", 'balance = "hash"\nhash_on = "header:X"\n[routes'),
    GOOD.replace("[routes", 'health = { path = "/", status = [200] }\n[routes'),
    GOOD.replace("[routes", 'eject = { failures = 0 }\nretry_on = ["500"]\n[routes'),
    GOOD + 'response_headers = { set = { X-A = "{route}" }, remove = ["Server"] }',
    GOOD.replace("[routes", 'request_headers = { set = { X-A = "b" } }\n[routes'),
    GOOD.replace("[routes", 'origin = "drop"\nforwarded = "none"\nvia = false\n[routes'),
    GOOD + "[admin]",
    GOOD + '[admin]\nlisten = "unix:/run/admin.sock"',
    GOOD + '[credentials.c]\ntype = "header"\nname = "X-K"\nvalue = { systemd = "k" }',
    GOOD + OAUTH2,
    GOOD + OAUTH2 + 'resource = ["https://a.example/"]\ntoken_params = { a = { systemd = "A" } }',
)


def errors(toml: str) -> list[str]:
    """Return what the schema finds wrong with a file."""
    return [error.message for error in VALIDATOR.iter_errors(tomllib.loads(toml))]


def tables(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return each table's schema within a schema, and where it stands."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield path, schema
        for key, inside in schema.items():
            yield from tables(inside, (*path, key))
    elif isinstance(schema, list):
        for index, inside in enumerate(schema):
            yield from tables(inside, (*path, str(index)))


def places() -> Iterator[tuple[Any, str]]:
    """Return each table's schema, and a file with a place for one of its keys."""
    top, inline = SCHEMA["properties"], SCHEMA["$defs"]
    upstream = top["upstreams"]["additionalProperties"]["properties"]
    listener = top["listener"]["items"]
    yield SCHEMA, "KEY\n"
    yield listener, "[[listener]]\nKEY\n"
    yield (
        listener["properties"]["certificates"]["items"],
        "listener = [{ certificates = [{ KEY }] }]",
    )
    yield top["upstreams"]["additionalProperties"], "[upstreams.a]\nKEY\n"
    listed = upstream["servers"]["anyOf"][0]
    yield listed["items"]["anyOf"][1], "[upstreams.a]\nservers = [{ KEY }]"
    for key in ("sticky", "health", "eject", "on_down", "tls", "request_headers"):
        yield upstream[key], f"[upstreams.a]\n{key} = {{ KEY }}"
    yield upstream["client_certificate"], "[upstreams.a]\nclient_certificate = { KEY }"
    yield inline["cors"], "[cors.a]\nKEY\n"
    yield top["limits"], "[limits]\nKEY\n"
    yield top["admin"], "[admin]\nKEY\n"
    route = top["routes"]["additionalProperties"]
    yield route, '[routes."/"]\nKEY\n'
    for key in ("limits", "response_headers"):
        yield route["properties"][key], f'[routes."/"]\n{key} = {{ KEY }}'
    for kind in inline["credentials"]["anyOf"]:
        name = kind["properties"]["type"]["const"]
        others = {
            **kind,
            "properties": {k: v for k, v in kind["properties"].items() if k != "type"},
        }
        yield others, f'[credentials.a]\ntype = "{name}"\nKEY\n'
        if "client_certificate" in kind["properties"]:
            pair = kind["properties"]["client_certificate"]
            yield pair, f'[credentials.a]\ntype = "{name}"\nclient_certificate = {{ KEY }}\n'
        for key in ("csrf", "expired") if name == "session" else ():
            yield kind["properties"][key], f'[credentials.a]\ntype = "{name}"\n{key} = {{ KEY }}'


class SchemaTests(SynchronousTestCase):
    """`config_schema`."""

    def test_is_one(self) -> None:
        """It is a schema by its own dialect."""
        Draft202012Validator.check_schema(SCHEMA)

    def test_shipped(self) -> None:
        """``etc/corsgate.schema.json`` is what ``corsgate schema`` prints."""
        from tests.cli.commands import corsgate

        done = corsgate("schema")
        shipped = (ROOT / "etc" / "corsgate.schema.json").read_text("utf-8")
        self.assertEqual((done.status, done.err), (0, ""))
        self.assertEqual(done.out, shipped, "run: corsgate schema > etc/corsgate.schema.json")

    def test_etc(self) -> None:
        """Every configuration in ``etc/`` is valid, and says where its schema is."""
        found = sorted((ROOT / "etc").glob("*.toml"))
        self.assertGreater(len(found), 2)
        for path in found:
            text = path.read_text("utf-8")
            self.assertEqual((path.name, errors(text)), (path.name, []))
            self.assertTrue(text.startswith("#:schema corsgate.schema.json\n"), path.name)

    def test_wrong(self) -> None:
        """The schema rejects a wrong shape, as the reader does."""
        for toml, name in WRONG:
            self.assertNotEqual(errors(toml), [], name)
            self.assertRaises(
                ConfigError, parse_config, toml, file="f", environ={}, read_file=lambda _: b""
            )

    def test_right(self) -> None:
        """The schema accepts what the reader accepts."""
        for toml in RIGHT:
            self.assertEqual(errors(toml), [], toml)
            try:
                parse_config(toml, file="f", environ={}, read_file=lambda _: b"")
            except ConfigError as error:
                self.assertIn("systemd provides no credential", str(error))

    def test_keys_are_the_readers(self) -> None:
        """Each key in the schema of a table is known to its reader, and no other one is."""
        seen = 0
        for schema, toml in places():
            self.assertIs(schema["additionalProperties"], False)
            seen += 1
            for key in (*schema["properties"], "no_such_key"):
                text = toml.replace("KEY", f"{key} = 7.5")
                with self.assertRaises(ConfigError) as caught:
                    parse_config(text, file="f", environ={}, read_file=lambda _: b"")
                found = [
                    f.key for f in caught.exception.faults if f.problem == "the key is unknown"
                ]
                self.assertEqual(
                    [name.rpartition(".")[2] for name in found],
                    ["no_such_key"] if key == "no_such_key" else [],
                    text,
                )
        # The sources of secrets are closed tables too, each wherever a secret may be.
        closed = [
            table
            for _, table in tables(SCHEMA)
            if not {"env", "file", "systemd", "command"} & set(table["properties"])
        ]
        self.assertEqual(seen, len(closed))

    def test_every_key_is_described(self) -> None:
        """Every key has a description that makes sense to users of files."""
        for path, table in tables(SCHEMA):
            for key, schema in table["properties"].items():
                if key in ("env", "file", "systemd"):
                    schema = table
                self.assertGreater(len(schema.get("description", "")), 8, (path, key))
                self.assertNotIn("None", schema["description"], (path, key))
                self.assertNotIn("`", schema["description"], (path, key))

    def test_defaults(self) -> None:
        """Defaults are written as in a file."""
        limits = SCHEMA["properties"]["limits"]["properties"]
        self.assertEqual(limits["connect_timeout"]["default"], "3s")
        self.assertEqual(limits["max_head_bytes"]["default"], "32KiB")
        self.assertEqual(limits["max_headers"]["default"], 100)
        self.assertNotIn("default", limits["max_body_bytes"])
        cors = SCHEMA["$defs"]["cors"]["properties"]
        self.assertIs(cors["enforce_origin"]["default"], True)
