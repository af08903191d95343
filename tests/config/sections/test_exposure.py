"""Warnings about credentials that others can read, and servers that they can choose."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.parse import parse_config
from corsgate.config.quick import quick_config
from corsgate.cors.check import CORS_RULES
from tests.config.support import ENVIRON, FILES, read_file

TOP = 'listen = ["tcp:5555:interface=127.0.0.1"]\n'
ROUTE = '[routes."/"]\nupstream = "a"\n'
KINDS = {
    "basic": 'username = "a"\npassword = @@',
    "digest": 'username = "a"\npassword = @@',
    "bearer": "token = @@",
    "header": 'name = "X-Api-Key"\nvalue = @@',
    "query": 'name = "api_key"\nvalue = @@',
    "aws_sigv4": (
        'region = "r"\nservice = "s3"\naccess_key = { env = "AWS" }\n'
        'secret_key = { env = "AWS" }\nsession_token = @@'
    ),
    "oauth2": (
        'grant = "client_credentials"\ntoken_url = "https://login.example/token"\n'
        'client_id = "gate"\nclient_secret = @@'
    ),
    "session": 'login_url = "/login"\nbasic = true\nusername = "a"\npassword = @@',
}
MEND = 'make the file private (chmod 600), or write { env = "NAME" } or { file = "PATH" }'


def warnings(text: str, read_by: str = "", written_by: str = "") -> list[str]:
    """Return the warnings about a file named ``c.toml``."""
    config = parse_config(
        TOP + text + ROUTE,
        file="c.toml",
        environ={**ENVIRON, "AWS": "a", "CREDENTIALS_DIRECTORY": "/run/credentials/gate"},
        read_file=read_file,
        read_by=read_by,
        written_by=lambda path: f"{path} {written_by}" if written_by else "",
    )
    return [str(warning) for warning in config.warnings]


def upstream(servers: str = '["http://127.0.0.1:8000"]', credentials: str = "") -> str:
    """Return the upstream ``a``."""
    return f"[upstreams.a]\nservers = {servers}\n{credentials}\n"


class LiteralTests(SynchronousTestCase):
    """A secret in the configuration file itself."""

    def test_literal(self) -> None:
        """If others can read the file, there is a warning at the key, without the secret."""
        for kind, keys in KINDS.items():
            key = keys.rpartition("\n")[2].partition(" ")[0]
            text = f'[credentials.c]\ntype = "{kind}"\n' + keys.replace("@@", '"hush"') + "\n"
            text += upstream(credentials='credentials = "c"')
            line = 4 + keys.count("\n")
            self.assertEqual(
                warnings(text, "its group"),
                [
                    f"c.toml:{line}: credentials.c.{key}: the secret is written in this file,"
                    f" which its group can read; {MEND}"
                ],
            )
            self.assertEqual(warnings(text), [])

    def test_inline(self) -> None:
        """The same holds for credentials inside an upstream, and the key of a cookie."""
        (found,) = warnings(
            upstream(credentials='credentials = { type = "bearer", token = "hush" }'), "others"
        )
        self.assertIn("upstreams.a.credentials.token: the secret is written", found)
        self.assertNotIn("hush", found)
        sticky = f'sticky = {{ cookie = "c", secret = "{"hush" * 10}" }}'
        (found,) = warnings(upstream(credentials=sticky), "others")
        self.assertIn("upstreams.a.sticky.secret: the secret is written", found)

    def test_elsewhere(self) -> None:
        """A secret from elsewhere produces no warning."""
        for source in ('{ env = "NAME" }', '{ file = "/password" }', '{ systemd = "ml" }'):
            text = '[credentials.c]\ntype = "basic"\n' + KINDS["basic"].replace("@@", source) + "\n"
            self.assertEqual(warnings(text + upstream(credentials='credentials = "c"'), "all"), [])


class ClearTests(SynchronousTestCase):
    """Credentials that go unencrypted."""

    def found(self, servers: str, kind: str = "basic") -> list[str]:
        """Return the warnings of an upstream with credentials of a kind."""
        keys = KINDS[kind].replace("\n", ", ").replace("@@", '"hush"')
        return warnings(upstream(servers, f'credentials = {{ type = "{kind}", {keys} }}'))

    def test_clear(self) -> None:
        """Over http to another machine, by address, name or DNS."""
        problem = (
            "c.toml:4: upstreams.a.credentials: the secret is sent unencrypted to {}: anyone on"
        )
        problem += " the network path can read it; use https if the server has it"
        for servers, where in (
            ('["http://10.0.0.1:8000"]', "http://10.0.0.1:8000"),
            ('["https://a", "http://box"]', "http://box"),
            ('["http://localhost", "http://a", "http://b", "http://c"]', "http://a and 2 more"),
            ('["http://[fd00::1]"]', "http://[fd00::1]"),
            ('["dns+http://api.internal:8000"]', "http://api.internal:8000"),
            ('["http://127.example.com"]', "http://127.example.com"),
        ):
            for kind in ("basic", "bearer", "header"):
                self.assertEqual(self.found(servers, kind), [problem.format(where)])

    def test_safe(self) -> None:
        """There is no warning for digest, https, this machine, a Unix socket, or no credentials."""
        self.assertEqual(self.found('["http://10.0.0.1"]', "digest"), [])
        for servers in (
            '["https://a.example", "srv+https://_a._tcp.example"]',
            '["http://localhost:1", "http://127.0.0.1", "http://[::1]", "http://a.localhost"]',
            '["unix:/run/app.sock"]',
        ):
            self.assertEqual(self.found(servers), [])
        self.assertEqual(warnings(upstream('["http://10.0.0.1"]')), [])

    def test_command_line(self) -> None:
        """Options on a command line produce the same warning."""
        for url, auth, count in (
            ("http://10.0.0.1", "basic:a:b", 1),
            ("http://10.0.0.1", "bearer:t", 1),
            ("http://10.0.0.1", "digest:a:b", 0),
            ("http://10.0.0.1", None, 0),
            ("https://10.0.0.1", "basic:a:b", 0),
            ("http://localhost:8000", "basic:a:b", 0),
        ):
            config = quick_config(
                upstream=url,
                allow_origins=["http://localhost:4200"],
                auth=auth,
                cors_rules=CORS_RULES,
            )
            found = [str(each) for each in config.warnings]
            self.assertEqual(len(found), count, (url, auth))
            for each in found:
                self.assertIn(
                    "--upstream: the secret is sent unencrypted to http://10.0.0.1:", each
                )


class ServersFileTests(SynchronousTestCase):
    """A file of servers that others can change."""

    def test_writers(self) -> None:
        """It produces a warning at its key."""
        self.assertIn("/servers.toml", FILES)
        text = upstream('{ file = "/servers.toml" }')
        self.assertEqual(
            warnings(text, written_by="(x)"),
            [
                "c.toml:3: upstreams.a.servers.file: others can write to /servers.toml "
                "(x), and so redirect requests and credentials; make it private (chmod "
                "go-w)"
            ],
        )
        self.assertEqual(warnings(text), [])
        self.assertEqual(warnings(upstream(), written_by="(x)"), [])
