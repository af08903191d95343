"""Tests of `corsgate.config.sections.session`."""

from __future__ import annotations

from corsgate.config.model.secret import Secret
from corsgate.config.model.session import Csrf, Expired, SessionCredentials
from corsgate.config.sections.credentials import read_credentials
from tests.config.support import TableTestCase, faults_of, noted, parse, sources, table_of, warned

SERVER = 'listen = ["tcp:1:interface=127.0.0.1"]\n[upstreams.a]\nservers = ["http://127.0.0.1:8000/base"]\n'
ROUTE = '[routes."/"]\nupstream = "a"\n'


class SessionTests(TableTestCase):
    """``type = "session"``."""

    def read(self, source: str) -> tuple[object, list[str]]:
        """Return what a table is read as, and what was recorded."""
        table = table_of(f'type = "session"\n{source}')
        return read_credentials(table, sources()), noted(table)

    def test_all_keys(self) -> None:
        """Each key is read."""
        found = self.read(
            """
            login_url = "/login"
            form = { user = "u", pass = { env = "NAME" }, stay = true, ttl = 60 }
            token_path = "data.token"
            header = "Authorization: Bearer {token}"
            expired = { status = [403], location = "/in", json_path = "code", json_values = [1] }
            lifetime = "5m"
            logout_url = "DELETE /login"
            shared = true
            [csrf]
            fetch = "HEAD /"
            header = "X-T"
            cookie = "c"
            token_path = "t"
            status = 409
            always = true
            """
        )
        wanted = SessionCredentials(
            login_url="/login",
            form=(
                ("user", Secret("u")),
                ("pass", Secret("from environment")),
                ("stay", True),
                ("ttl", 60),
            ),
            token_path="data.token",
            header="Authorization: Bearer {token}",
            csrf=Csrf(
                fetch="HEAD /", header="X-T", cookie="c", token_path="t", status=409, always=True
            ),
            expired=Expired(status=(403,), location="/in", json_path="code", json_values=(1,)),
            lifetime_s=300.0,
            logout_url="DELETE /login",
            shared=True,
        )
        self.assertEqual(found, (wanted, []))

    def test_basic(self) -> None:
        """A user name and a password."""
        found = self.read('basic = true\nusername = "u"\npassword = "p"\nlogin_url = "/"')
        wanted = SessionCredentials(basic=True, username="u", password=Secret("p"), login_url="/")
        self.assertEqual(found, (wanted, []))

    def test_faults(self) -> None:
        """Each fault has its line, its key and its fix, and shows no secret."""
        login = 'login_url = "/login"\njson = { pass = "s3cret" }\n'
        found = {
            "": ['c.toml: login_url: it is missing; write login_url = "/login"'],
            'login_url = "/login"': [
                "c.toml:2: login_url: the login has no credentials; add form, json, or basic = true"
            ],
            f"{login}token_path = 'x'": [
                "c.toml:4: token_path: requests need exactly one place for the token; write"
                ' header = "Authorization: Bearer {token}", or query = "NAME"'
            ],
            f"{login}query = 'x'": [
                'c.toml:4: query: there is no token for it; write token_path = "data.token"'
            ],
            f"{login}csrf = {{ fetch = '/' }}": [
                'c.toml:4: csrf.header: it is missing; write header = "X-CSRF-Token"'
            ],
            f"{login}csrf = true": [
                'c.toml:4: csrf: it is a boolean; write csrf = { header = "X-CSRF-Token" }'
            ],
            f"{login}expired = {{ status = [200] }}": [
                "c.toml:4: expired.status[0]: 200 is too small; write 400 or more"
            ],
            f"{login}expired = {{ status = [302] }}": [
                "c.toml:4: expired.status[0]: 302 is a redirect; write expired = { location ="
                ' "/login" }, with its path'
            ],
            f"{login}lifetime = '0s'": ["c.toml:4: lifetime: 0s is too small; write 1s or more"],
            f"{login}expired = {{ json_path = 'x' }}": [
                "c.toml:4: expired.json_path: it needs json_values; add json_values"
            ],
            'login_url = "/"\nform = { pass = { environ = "X" } }': [
                'c.toml:3: form.pass: it does not say where the secret is; write { env = "NAME" },'
                ' { file = "PATH" }, { systemd = "NAME" },'
                ' { command = ["PROGRAM", "ARGUMENT"] } or text in quotes'
            ],
            'login_url = "/"\nform = { pass = 1.5 }': [
                'c.toml:3: form.pass: it does not say where the secret is; write { env = "NAME" },'
                ' { file = "PATH" }, { systemd = "NAME" },'
                ' { command = ["PROGRAM", "ARGUMENT"] } or text in quotes'
            ],
        }
        for source, faults in found.items():
            self.assertEqual(self.read(source), (None, faults), source)

    def test_unknown_key(self) -> None:
        """A typing error is found in inner tables too."""
        login = 'login_url = "/login"\njson = { pass = "s3cret" }\n'
        for source in ("cookie = 1", "csrf = { header = 'X', heder = 1 }", "expired = { x = 1 }"):
            _, recorded = self.read(login + source)
            self.assertEqual(len(recorded), 1, source)
            self.assertIn("the key is unknown", recorded[0])

    def test_servers(self) -> None:
        """A login leads to a server of the upstream only."""
        text = (
            SERVER
            + 'credentials = { type = "session", login_url = "URL", json = { a = "b" } }\n'
            + ROUTE
        )
        for url in ("/login", "http://127.0.0.1:8000/login"):
            self.assertEqual(faults_of(text.replace("URL", url)), [], url)
        for url in ("http://127.0.0.1:8001/login", "https://127.0.0.1:8000/login"):
            (fault,) = faults_of(text.replace("URL", url))
            self.assertIn("c.toml:4: upstreams.a.credentials: login_url is at http", fault)
            self.assertIn("which is not a server of this upstream", fault)
        other = text.replace("URL", "/").replace('"b" }', '"b" }, logout_url = "http://c/"')
        self.assertEqual(len(faults_of(other)), 1)

    def test_servers_of_a_list(self) -> None:
        """The same holds for a session beside other credentials."""
        key = '{ type = "header", name = "X-Key", value = "k" }'
        login = '{ type = "session", login_url = "http://c/login", json = { a = "b" } }'
        (fault,) = faults_of(f"{SERVER}credentials = [{key}, {login}]\n{ROUTE}")
        self.assertIn("upstreams.a.credentials: login_url is at http://c", fault)

    def test_probes_at_another_port(self) -> None:
        """They can't have the session."""
        text = SERVER + 'credentials = { type = "session", login_url = "/", json = { a = "b" } }\n'
        anonymous = 'health = { path = "/", port = 81, anonymous = true }\n'
        (fault,) = faults_of(text + 'health = { path = "/", port = 81 }\n' + ROUTE)
        self.assertIn(
            "upstreams.a.health.port: the gate logs in only at the port of the server", fault
        )
        self.assertEqual(faults_of(text + anonymous + ROUTE), [])

    def test_sent_in_clear(self) -> None:
        """A login over plain http to another machine produces a warning."""
        text = SERVER + 'credentials = { type = "session", login_url = "/", json = { a = "b" } }\n'
        self.assertEqual(warned(text + ROUTE), [])
        away = (text + ROUTE).replace("127.0.0.1:8000", "10.0.0.1:8000")
        (warning,) = warned(away)
        self.assertIn("the secret is sent unencrypted to http://10.0.0.1:8000", warning)

    def test_readable_by_others(self) -> None:
        """A password in a file that others can read produces a warning; a plain field doesn't."""
        table = table_of('type = "session"\nlogin_url = "/"\njson = { user = "u", pass = "p" }')
        read_credentials(table, sources(read_by="everybody"))
        (warning,) = noted(table)
        self.assertIn("json.pass: the secret is written in this file", warning)

    def test_headers_belong_to_it(self) -> None:
        """request_headers can't set what the session sets."""
        text = (
            SERVER
            + 'credentials = { type = "session", login_url = "/", json = { a = "b" },'
            + ' csrf = { header = "X-T" } }\nrequest_headers = { set = { X-T = "1" } }\n'
            + ROUTE
        )
        self.assertEqual(len(faults_of(text)), 1)
        self.assertEqual(parse(text.replace("{ X-T =", "{ X-U =")).warnings, ())
