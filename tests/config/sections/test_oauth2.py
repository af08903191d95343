"""Tests of `corsgate.config.sections.oauth2`: the keys of ``type = "oauth2"`` and their faults."""

from __future__ import annotations

from corsgate.config.model.oauth2 import OAuth2Credentials, TokenParam
from corsgate.config.model.secret import Secret
from corsgate.config.sections.credentials import read_credentials
from corsgate.config.sections.exposure import sent_in_clear
from corsgate.config.sections.server_url import parse_server
from tests.config.support import (
    FILES,
    ISSUED,
    PEM,
    TOP,
    TableTestCase,
    faults_of,
    noted,
    sources,
    table_of,
)

START = 'type = "oauth2"\ngrant = "client_credentials"\n'
PLACE = 'token_url = "https://login.example/token"\nclient_id = "gate"\n'
SECRET = 'client_secret = "hunter2"\n'
GOOD = START + PLACE + SECRET
REFRESH = GOOD.replace("client_credentials", "refresh_token")

FAULTS = (
    (
        'type = "oauth2"',
        'grant: it is missing; write grant = "client_credentials" or "refresh_token"\n'
        'token_url: it is missing; write token_url = "https://login.example/token"\n'
        'client_id: it is missing; write client_id = "NAME"',
    ),
    (
        GOOD.replace("client_credentials", "password"),
        '2 grant: "password" is unknown; write "client_credentials" or "refresh_token"',
    ),
    (
        START + PLACE,
        'client_secret: it is missing: auth_method "basic" needs it; write client_secret = '
        '{ env = "NAME" } or private_key or client_certificate',
    ),
    (
        GOOD + 'auth_method = "digest"',
        '6 auth_method: "digest" is unknown; write "basic", "post", "private_key_jwt", "tls" or'
        ' "none"',
    ),
    (
        GOOD + 'auth_method = "tls"',
        'client_certificate: it is missing: auth_method "tls" needs it; write client_certificate'
        ' = { chain = "FILE", key = "FILE" }\n'
        '5 client_secret: auth_method "tls" does not use it; remove one of the two',
    ),
    (
        GOOD + 'auth_method = "private_key_jwt"',
        'private_key: it is missing: auth_method "private_key_jwt" needs it; write private_key ='
        ' { env = "NAME" }\n'
        '5 client_secret: auth_method "private_key_jwt" does not use it; remove one of the two',
    ),
    (
        START + PLACE + 'auth_method = "none"',
        '5 auth_method: "none" does not authenticate the gate; remove it',
    ),
    (
        GOOD + 'key_id = "k"\nalgorithm = "RS256"',
        '6 key_id: auth_method "basic" does not use it; remove one of the two\n'
        '7 algorithm: auth_method "basic" does not use it; remove one of the two',
    ),
    (
        GOOD + 'refresh_token = "hunter2"\ntoken_file = "/a"',
        '6 refresh_token: grant "client_credentials" does not use it; write grant ='
        ' "refresh_token", or remove it\n'
        '7 token_file: grant "client_credentials" does not use it; write grant ='
        ' "refresh_token", or remove it',
    ),
    (
        REFRESH,
        'refresh_token: it is missing: grant "refresh_token" needs it; write refresh_token ='
        ' { file = "PATH" }',
    ),
    (
        REFRESH + 'refresh_token = "hunter2"\ntoken_file = "state/token"',
        '7 token_file: "state/token" is not the absolute path of a file; write one such as'
        ' "/var/lib/corsgate/refresh-token"',
    ),
    (
        GOOD.replace("https:", "http:"),
        "3 token_url: it is not https, so others on the network path could read the secret and the"
        " token; write an https:// URL, or allow_http = true to accept the risk",
    ),
    (
        GOOD.replace("https://login.example", "http://localhost") + 'ca = "/ca.pem"',
        "6 ca: token_url is not https, so it has no effect; write an https:// URL",
    ),
    (
        GOOD.replace("login.example", "u:hunter2@login.example"),
        "3 token_url: the URL contains a user name or password; write client_id instead",
    ),
    (
        GOOD + 'scope = "a, b"\naudience = 5\nresource = "api"\nallow_http = "yes"',
        "7 audience: 5 is an integer; write text in quotes\n"
        '8 resource: "api" is not an absolute URI without a fragment; write the API\'s'
        ' identifier, such as "https://api.example/"\n'
        '9 allow_http: "yes" is text; write true or false',
    ),
    (
        GOOD + 'scope = "a  b"',
        '6 scope: "a  b" is not a scope; write scopes with one space between them, such as'
        ' "read write"',
    ),
    (
        GOOD + 'token_params = { scope = "a", "" = "b", x = 5 }',
        '6 token_params.scope: "scope" is set by another key; use that key\n'
        '6 token_params."": it is empty; write a value or remove the key\n'
        '6 token_params.x: it does not say where the secret is; write { env = "NAME" },'
        ' { file = "PATH" }, { systemd = "NAME" },'
        ' { command = ["PROGRAM", "ARGUMENT"] } or text in quotes',
    ),
    (
        START + PLACE + 'private_key = "hunter2"',
        "5 private_key: it contains no private key; give a PEM file with"
        ' "-----BEGIN PRIVATE KEY-----"',
    ),
    (
        START + PLACE + 'private_key = { file = "/key.pem" }\nalgorithm = "RS256"',
        '6 algorithm: "RS256" does not fit the private key; remove it, or write "ES256"',
    ),
    (
        START + PLACE + 'client_certificate = { chain = "/chain.pem", key = "/none" }',
        '5 client_certificate.key: "/none" can\'t be read: No such file or directory; give a file'
        " that this user can read",
    ),
    (
        GOOD + 'client_scret = "x"',
        '6 client_scret: the key is unknown; did you mean "client_secret"?',
    ),
)


class OAuth2Tests(TableTestCase):
    """``type = "oauth2"``."""

    def read(self, source: str, **changes: object) -> tuple[OAuth2Credentials | None, list[str]]:
        """Return what a table is read as, and what was recorded."""
        table = table_of(source)
        found = read_credentials(table, sources(**{"has_jose": True, **changes}))
        assert found is None or isinstance(found, OAuth2Credentials)
        return found, noted(table)

    def good(self, source: str) -> OAuth2Credentials:
        """Return what a table without faults is read as."""
        found, recorded = self.read(source)
        self.assertEqual(recorded, [])
        assert found is not None
        return found

    def test_all_keys(self) -> None:
        """Each key gets where it belongs."""
        found = self.good(
            REFRESH
            + 'auth_method = "post"\nscope = "a b"\naudience = "api"\n'
            + 'resource = ["https://a.example/", "urn:b"]\n'
            + 'token_params = { a = "x", b = { env = "NAME" } }\nca = "/ca.pem"\n'
            + 'refresh_token = { file = "/password" }\ntoken_file = "/var/lib/corsgate/r"\n'
        )
        self.assertEqual(
            found,
            OAuth2Credentials(
                grant="refresh_token",
                token_url="https://login.example/token",
                client_id="gate",
                auth_method="post",
                client_secret=Secret("hunter2"),
                ca_pem=PEM,
                scope="a b",
                audience="api",
                resource=("https://a.example/", "urn:b"),
                token_params=(
                    TokenParam("a", Secret("x")),
                    TokenParam("b", Secret("from environment")),
                ),
                refresh_token=Secret("from file"),
                token_file="/var/lib/corsgate/r",
            ),
        )

    def test_usual_method(self) -> None:
        """What there is decides how the gate identifies itself."""
        certificate = 'client_certificate = { chain = "/chain.pem", key = "/key.pem" }\n'
        key = 'private_key = { file = "/key.pem" }\n'
        public = REFRESH.replace(SECRET, "") + 'refresh_token = "r"\n'
        for source, method in (
            (GOOD, "basic"),
            (GOOD + certificate, "basic"),
            (START + PLACE + certificate, "tls"),
            (START + PLACE + key, "private_key_jwt"),
            (START + PLACE + key + 'key_id = "k"\nassertion_audience = "x"\n', "private_key_jwt"),
            (public, "none"),
        ):
            self.assertEqual(self.good(source).auth_method, method, source)
        found = self.good(START + PLACE + key)
        self.assertEqual(found.private_key, Secret(FILES["/key.pem"].decode().rstrip("\n")))
        shown = self.good(START + PLACE + certificate).client_certificate
        assert shown is not None
        self.assertEqual(shown.names, ISSUED.certified.names)

    def test_faults(self) -> None:
        """Each wrong key is a fault with its line and a fix, and none shows a secret."""
        for source, expected in FAULTS:
            found, recorded = self.read(source)
            self.assertEqual(found is None, "the key is unknown" not in expected, source)
            wanted = []
            for line in expected.split("\n"):
                number, _, rest = line.partition(" ")
                wanted.append(f"c.toml:{number}: {rest}" if number.isdigit() else f"c.toml: {line}")
            self.assertEqual(sorted(recorded), sorted(wanted), source)
            self.assertNotIn("hunter2", str(recorded))

    def test_one_file_for_two_tokens(self) -> None:
        """Two refresh tokens can't be kept in one file; one that is used twice can."""
        first = f'[credentials.a]\n{REFRESH}refresh_token = "r"\ntoken_file = "/f"\n'
        same = first.replace(".a]", ".b]") + 'scope = "x"\n'
        upstreams = "".join(
            f'[upstreams.{name}]\nservers = ["https://h"]\ncredentials = "{name}"\n'
            f'[routes."/{name}"]\nupstream = "{name}"\n'
            for name in "ab"
        )
        self.assertEqual(faults_of(TOP + upstreams + first + same), [])
        other = same.replace('refresh_token = "r"', 'refresh_token = "s"')
        self.assertEqual(
            faults_of(TOP + upstreams + first + other),
            [
                'c.toml:27: credentials.b.token_file: "/f" is also the token_file of other'
                " credentials; give each refresh token its own file"
            ],
        )

    def test_one_file_in_lists(self) -> None:
        """The same holds for a token beside other credentials."""
        key = '{ type = "header", name = "X-Key", value = "k" }'
        made = "type = 'oauth2', " + ", ".join(
            line for line in REFRESH.splitlines() if line and not line.startswith("type")
        )
        upstreams = "".join(
            f'[upstreams.{name}]\nservers = ["https://h"]\n'
            f'credentials = [{key}, {{ {made}, refresh_token = "{name}", token_file = "/f" }}]\n'
            f'[routes."/{name}"]\nupstream = "{name}"\n'
            for name in "ab"
        )
        (fault,) = faults_of(TOP + upstreams)
        self.assertIn('token_file: "/f" is also the token_file of other credentials', fault)

    def test_without_the_library(self) -> None:
        """Assertions need a library, which a fault names."""
        source = START + PLACE + 'private_key = { file = "/key.pem" }\n'
        self.assertEqual(
            self.read(source, has_jose=False)[1],
            [
                "c.toml:5: private_key: private_key_jwt needs joserfc, which is not installed;"
                " run pip install 'corsgate[oauth2]'"
            ],
        )
        self.assertEqual(self.read(GOOD, has_jose=False)[1], [])

    def test_plain_http(self) -> None:
        """`allow_http` is a warning at each start; on loopback there is no need for it."""
        source = GOOD.replace("https:", "http:") + "allow_http = true\n"
        found, recorded = self.read(source)
        self.assertIsNotNone(found)
        self.assertEqual(
            recorded,
            [
                "c.toml:3: token_url: the secret and the token are sent unencrypted: anyone on the"
                " network path can read them; use https if the server has it"
            ],
        )
        for host in ("localhost:8080", "127.0.0.1", "[::1]"):
            self.good(GOOD.replace("https://login.example", f"http://{host}"))

    def test_warnings(self) -> None:
        """A secret in a file that others can read, and a token sent in clear, cause warnings."""
        found, recorded = self.read(REFRESH + 'refresh_token = "r"\n', read_by="everyone")
        self.assertEqual(
            [each.split(":")[2] for each in recorded], [" client_secret", " refresh_token"]
        )
        self.assertIn("unencrypted", sent_in_clear(found, [parse_server("http://api.example")]))
        self.assertEqual(sent_in_clear(found, [parse_server("https://api.example")]), "")
