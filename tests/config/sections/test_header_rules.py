"""Tests of `corsgate.config.sections.header_rules`: the fields of an operator, as they are read."""

from __future__ import annotations

from corsgate.config.model.header_rules import HeaderField, HeaderRules
from corsgate.config.model.secret import Secret
from corsgate.config.model.values import (
    BasicCredentials,
    BearerCredentials,
    Credentials,
    HeaderCredentials,
)
from corsgate.config.sections.header_rules import read_request_headers, read_response_headers
from corsgate.cors.check import CORS_RULES
from tests.config.support import TableTestCase, faults_of, noted, sources, table_of, warned

TEXT = Secret("hunter2")
FILE = """
listen = ["tcp:5555:interface=127.0.0.1"]
[upstreams.a]
servers = ["http://10.0.0.1:8000"]
{upstream}
[routes."/v1"]
upstream = "a"
{route}
"""
KEY = 'request_headers = { set = { X-Key = { env = "NAME" } } }'


class RequestTests(TableTestCase):
    """`read_request_headers`."""

    def read(
        self, source: str, credentials: Credentials | None = None
    ) -> tuple[HeaderRules, list[str]]:
        """Return what a table is read as, and what was recorded."""
        table = table_of(source)
        every = () if credentials is None else (credentials,)
        return read_request_headers(table, every, sources()), noted(table)

    def test_forms(self) -> None:
        """Text, secrets in each form, and names."""
        source = """[request_headers]
set = { X-A = "{client_ip}", X-B = { env = "NAME" }, X-C = { file = "/password" } }
add = { X-D = "d" }
remove = ["Cookie"]
"""
        self.assertEqual(
            self.read(source),
            (
                HeaderRules(
                    set=(
                        HeaderField("X-A", "{client_ip}"),
                        HeaderField("X-B", Secret("from environment")),
                        HeaderField("X-C", Secret("from file")),
                    ),
                    add=(HeaderField("X-D", "d"),),
                    remove=("Cookie",),
                ),
                [],
            ),
        )
        self.assertEqual(self.read(""), (HeaderRules(), []))

    def test_secret_by_name(self) -> None:
        """Text of a field that is named like a secret is one."""
        found, recorded = self.read('request_headers = { set = { X-Api-Key = "hunter2" } }')
        self.assertEqual((found.set, recorded), ((HeaderField("X-Api-Key", TEXT),), []))
        # Braces that name nothing are part of a secret.
        found, recorded = self.read('request_headers = { set = { X-Api-Key = "a{b{{c}" } }')
        self.assertEqual(
            (found.set, recorded), ((HeaderField("X-Api-Key", Secret("a{b{{c}")),), [])
        )

    def test_faults(self) -> None:
        """Each fault has its place, the bad value and the fix, and none shows a secret."""
        for source, wanted in (
            ('{ set = { Origin = "x" } }', 'set.Origin: "Origin" identifies the page'),
            ('{ add = { Via = "x" } }', 'add.Via: "Via" detects loops'),
            ('{ remove = ["X-A", "Host"] }', 'remove[1]: "Host" is set by the gate itself'),
            ('{ set = { X-A = "{ip}" } }', 'set.X-A: "{ip}" is unknown; write "{client_ip}"'),
            ('{ set = { X-A = "a\\r\\nb" } }', "set.X-A:"),
            ("{ set = { X-A = 1 } }", "set.X-A: 1 is an integer; write text in quotes"),
            ("{ set = { X-A = {} } }", "set.X-A: it does not say where the secret is"),
            (
                '{ add = { X-Token = "hunter2" } }',
                "add.X-Token: its name suggests that it is a secret",
            ),
            ('{ set = { X-A = { env = "NONE" } } }', 'environment variable "NONE" is not set'),
            ('{ set = { X-A = { env = "TAIL" } } }', "the secret contains control characters"),
            ('{ add = { X-A = { env = "NAME" } } }', "add.X-A: a secret can't be here"),
            ('{ set = { X-A = "1", x_a = "2" } }', 'set.x_a: "x_a" is already listed'),
            ("{ set = [] }", "set: it is an array"),
            ("{ unset = [] }", "unset: the key is unknown"),
            ("1", "request_headers: it is an integer"),
        ):
            _, recorded = self.read(f"request_headers = {source}")
            self.assertEqual(len(recorded), 1, recorded)
            self.assertIn(wanted, recorded[0])
            self.assertNotIn("from environment", recorded[0])
            self.assertNotIn("hunter2", recorded[0])

    def test_of_the_credentials(self) -> None:
        """What the credentials own is not the operator's, in any spelling."""
        basic = BasicCredentials(username="u", password=TEXT)
        header = HeaderCredentials(name="X-Api-Key", value=TEXT)
        for credentials, rules in (
            (basic, 'remove = ["Authorization"]'),
            (BearerCredentials(token=Secret("t")), 'remove = ["authorization"]'),
            (header, 'set = { X_Api_Key = "1" }'),
            (header, 'add = { x-api-key = "1" }'),
        ):
            _, recorded = self.read(f"request_headers = {{ {rules} }}", credentials)
            self.assertEqual(len(recorded), 1, recorded)
            self.assertIn("is set by the upstream's credentials; remove it", recorded[0])
        _, recorded = self.read('request_headers = { remove = ["Authorization"] }')
        self.assertEqual(recorded, [])


class ResponseTests(TableTestCase):
    """`read_response_headers`."""

    def test_forms(self) -> None:
        """Text and names; a response is no place for a secret."""
        table = table_of(
            'response_headers = { set = { X-Route = "{route}" }, remove = ["Server"] }'
        )
        self.assertEqual(
            (read_response_headers(table), noted(table)),
            (HeaderRules(set=(HeaderField("X-Route", "{route}"),), remove=("Server",)), []),
        )
        for source, wanted in (
            ('{ set = { Vary = "x" } }', 'set.Vary: "Vary" is written by the gate itself'),
            ('{ add = { Access-Control-Max-Age = "1" } }', "belongs to CORS"),
            ('{ remove = ["Content-Length"] }', "belongs to a single connection"),
            ('{ set = { X-A = { env = "NAME" } } }', "a secret can't be here"),
        ):
            table = table_of(f"response_headers = {source}")
            read_response_headers(table)
            (recorded,) = noted(table)
            self.assertIn(wanted, recorded)


class WholeTests(TableTestCase):
    """What follows from a field that is a secret."""

    def test_challenges_are_withheld(self) -> None:
        """A challenge can't be set where the gate withholds the upstream's."""
        route = 'response_headers = { set = { WWW-Authenticate = "Basic" } }'
        basic = 'credentials = { type = "bearer", token = "t" }'
        (fault,) = faults_of(FILE.format(upstream=basic, route=route))
        self.assertIn(
            'response_headers.set.WWW-Authenticate: "WWW-Authenticate" is withheld', fault
        )
        self.assertEqual(faults_of(FILE.format(upstream="", route=route)), [])

    def test_any_origin(self) -> None:
        """A route that sends a secret can't allow any origin."""
        route = 'cors = { allow_origins = ["*"] }'
        faults = faults_of(FILE.format(upstream=KEY, route=route), cors_rules=CORS_RULES)
        self.assertEqual(len(faults), 1)
        self.assertIn("every page on the web could act with them", faults[0])
        plain = 'request_headers = { set = { X-A = "1" } }'
        self.assertEqual(
            faults_of(FILE.format(upstream=plain, route=route), cors_rules=CORS_RULES), []
        )

    def test_in_clear(self) -> None:
        """A secret that is sent unencrypted produces a warning."""
        (warning,) = warned(FILE.format(upstream=KEY, route=""))
        self.assertIn("upstreams.a.request_headers: the secret is sent unencrypted", warning)

    def test_passed_headers(self) -> None:
        """What the upstream's fields set, clients can't be let send."""
        upstream = 'request_headers = { set = { X-Real-IP = "{client_ip}" } }'
        (fault,) = faults_of(FILE.format(upstream=upstream, route='pass_headers = ["X-Real-IP"]'))
        self.assertIn('"X-Real-IP" is set by the upstream\'s request_headers', fault)
