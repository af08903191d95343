"""Tests of `corsgate.config.parse`: valid files, and how faults are collected."""

from __future__ import annotations

from ipaddress import ip_network
from types import MappingProxyType

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import (
    BasicCredentials,
    BearerCredentials,
    Config,
    Cors,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
    Limits,
    Listener,
    PoolLimits,
    Route,
    Secret,
    Server,
    Upstream,
)
from corsgate.config.sections.policies import CorsRules
from corsgate.cors.check import CORS_RULES
from tests.config.support import PEM, ROUTE, TOP, UPSTREAM, faults_of, parse, two_faults

WHOLE = """
listen = ["tcp:5555:interface=127.0.0.1"]
hosts = ["LOCALHOST:5555", "*.example.com", "[::1]"]
log_format = "combined"
access_log = "/var/log/corsgate/access.log"

[[listener]]
endpoint = "tcp:8080"
trusted_proxies = ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]

[upstreams.marklogic]
servers = ["http://10.0.0.11:8000", { url = "https://Box.example.com/base/", weight = 2 }]
credentials = "ml"
balance = "round_robin"
preserve_host = true
ca = "/ca.pem"

[upstreams.spare]
servers = ["http://[2001:DB8:0::1]:8000"]
max_connections = 8
max_queue = 0
queue_timeout = "500ms"
max_tunnels = 20
idle_timeout = "1m"

[credentials.ml]
type = "digest"
username = "admin"
password = { env = "NAME" }

[cors.spa]
allow_origins = ["http://localhost:4200", "https://*.example.com"]
allow_methods = ["GET", "PUT"]
allow_headers = ["Content-Type"]
expose_headers = ["X-Total"]
allow_credentials = true
max_age = "10m"
enforce_origin = false
debug = true
debug_origins = ["http://localhost:4200"]
dangerously_allow_insecure_origins_with_credentials = true

[routes."/v1"]
upstream = "marklogic"
cors = "spa"
methods = ["GET", "PUT", "LINK"]
cors_report_only = { allow_origins = ["https://a.example.com"], expose_headers = "auto" }
strip_prefix = true
allow_framing = true
pass_headers = ["X-Remote-User", "SM_USER"]
limits = { first_byte_timeout = "5m", max_body_bytes = "10MiB" }

[routes."App.Example.com/"]
upstream = "spare"
cors = { allow_origins = ["*"] }

[limits]
connect_timeout = "250ms"
response_idle_timeout = "1h"
max_headers = 50
max_connections = 500
max_connections_per_client = 5
min_upload_rate = "1KiB"
min_download_rate = "0B"
min_rate_grace = "10s"
max_buffered_bytes = 4096
max_buffered_per_client = "8MiB"
max_buffered_total = 1073741824
"""


def expected() -> Config:
    """Return what `WHOLE` says."""
    marklogic = Upstream(
        name="marklogic",
        servers=(
            Server(scheme="http", host="10.0.0.11", port=8000),
            Server(scheme="https", host="box.example.com", port=443, base_path="/base", weight=2),
        ),
        credentials=DigestCredentials(username="admin", password=Secret("from environment")),
        preserve_host=True,
        ca_pem=PEM,
    )
    spare = Upstream(
        name="spare",
        servers=(Server(scheme="http", host="2001:db8::1", port=8000),),
        pool=PoolLimits(
            max_connections=8,
            max_queue=0,
            queue_timeout_s=0.5,
            max_tunnels=20,
            idle_timeout_s=60.0,
        ),
    )
    limits = Limits(
        connect_timeout_s=0.25,
        response_idle_timeout_s=3600.0,
        max_headers=50,
        max_connections=500,
        max_connections_per_client=5,
        min_upload_rate=1024,
        min_download_rate=0,
        min_rate_grace_s=10.0,
        max_buffered_bytes=4096,
        max_buffered_per_client=8 * 1024**2,
        max_buffered_total=1024**3,
    )
    spa = Cors(
        allow_origins=("http://localhost:4200", "https://*.example.com"),
        allow_methods=("GET", "PUT"),
        allow_headers=("Content-Type",),
        expose_headers=("X-Total",),
        allow_credentials=True,
        max_age_s=600,
        enforce_origin=False,
        debug=True,
        debug_origins=("http://localhost:4200",),
        dangerously_allow_insecure_origins_with_credentials=True,
    )
    networks = ("10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32")
    return Config(
        listeners=(
            Listener(endpoint="tcp:5555:interface=127.0.0.1"),
            Listener(
                endpoint="tcp:8080", trusted_proxies=tuple(ip_network(text) for text in networks)
            ),
        ),
        hosts=("localhost:5555", "*.example.com", "[::1]"),
        upstreams={"marklogic": marklogic, "spare": spare},
        routes=(
            Route(
                prefix="/v1",
                upstream=marklogic,
                cors=spa,
                cors_report_only=Cors(allow_origins=("https://a.example.com",), expose_auto=True),
                methods=("GET", "PUT", "LINK"),
                strip_prefix=True,
                allow_framing=True,
                pass_headers=("X-Remote-User", "SM_USER"),
                limits=attrs.evolve(
                    limits, first_byte_timeout_s=300.0, max_body_bytes=10 * 1024**2
                ),
            ),
            Route(
                host="app.example.com",
                prefix="/",
                upstream=spare,
                cors=Cors(allow_origins=("*",)),
                limits=limits,
            ),
        ),
        limits=limits,
        log_format="combined",
        access_log="/var/log/corsgate/access.log",
    )


class RightFileTests(SynchronousTestCase):
    maxDiff = None

    def test_whole(self) -> None:
        """Every key has its value in the configuration."""
        self.assertEqual(expected(), parse(WHOLE, cors_rules=CORS_RULES))

    def test_bytes(self) -> None:
        """A file may be given as its bytes."""
        self.assertEqual(expected(), parse(WHOLE.encode()))

    def test_least(self) -> None:
        """A listener, an upstream and a route are enough; all else has a default."""
        upstream = Upstream(name="a", servers=(Server(scheme="http", host="127.0.0.1", port=8000),))
        self.assertEqual(
            Config(
                listeners=(Listener(endpoint="tcp:5555"),),
                upstreams={"a": upstream},
                routes=(Route(prefix="/", upstream=upstream),),
            ),
            parse(TOP + UPSTREAM + ROUTE),
        )

    def test_unused_entries(self) -> None:
        """An unused entry is not a fault."""
        config = parse(
            TOP + UPSTREAM + ROUTE + '[cors.b]\nallow_origins = ["*"]\n'
            '[credentials.b]\ntype = "bearer"\ntoken = "x"\n'
            '[upstreams.b]\nservers = ["http://b"]\n'
        )
        self.assertEqual(["a", "b"], list(config.upstreams))

    def test_routes_keep_their_order(self) -> None:
        """Routes come in the order of the file."""
        names = ["/z", "/a", "example.com/z", "/é", "/a b", "[::1]/"]
        text = "".join(f'[routes."{name}"]\nupstream = "a"\n' for name in names)
        routes = parse(TOP + UPSTREAM + text).routes
        self.assertEqual(names, [f"{route.host or ''}{route.prefix}" for route in routes])

    def test_upstreams_are_read_only(self) -> None:
        """The snapshot can't be changed through its mapping."""
        self.assertIsInstance(parse(TOP + UPSTREAM + ROUTE).upstreams, MappingProxyType)


class CredentialTests(SynchronousTestCase):
    def credentials(self, body: str, environ: dict[str, str] | None = None) -> Credentials | None:
        """Return the credentials that a table says."""
        text = f"[upstreams.a.credentials]\n{body}\n"
        return (
            parse(TOP + UPSTREAM + text + ROUTE, environ=environ or {}).upstreams["a"].credentials
        )

    def test_kinds(self) -> None:
        """Basic, digest, bearer and header each have their own keys."""
        cases: dict[str, Credentials] = {
            'type = "basic"\nusername = ""\npassword = "p:w"': BasicCredentials(
                username="", password=Secret("p:w")
            ),
            'type = "digest"\nusername = "a:b"\npassword = "pä"': DigestCredentials(
                username="a:b", password=Secret("pä")
            ),
            'type = "digest"\nusername = "a"\npassword = "p"\nmin_algorithm = "SHA-256"\n'
            "require_qop = true": DigestCredentials(
                username="a", password=Secret("p"), min_algorithm="SHA-256", require_qop=True
            ),
            'type = "bearer"\ntoken = "a.b-c_d~e+f/g=="': BearerCredentials(
                token=Secret("a.b-c_d~e+f/g==")
            ),
            'type = "header"\nname = "Authorization"\nvalue = "Token x"': HeaderCredentials(
                name="Authorization", value=Secret("Token x")
            ),
        }
        self.assertEqual(cases, {body: self.credentials(body) for body in cases})

    def test_sources(self) -> None:
        """A secret is read from its source; one line break at the end of a file is removed."""
        environ = {"PW": " from variable ", "CREDENTIALS_DIRECTORY": "/run/credentials/gate"}
        cases = {
            '"literal"': "literal",
            '{ env = "PW" }': " from variable ",
            '{ file = "/password" }': "from file",
            '{ file = "/dos" }': "from dos",
            '{ systemd = "ml" }': "from systemd",
        }
        found = {}
        for source in cases:
            body = f'type = "digest"\nusername = "a"\npassword = {source}'
            credentials = self.credentials(body, environ)
            assert isinstance(credentials, DigestCredentials)
            found[source] = credentials.password.reveal()
        self.assertEqual(cases, found)


class GatheringTests(SynchronousTestCase):
    maxDiff = None

    def test_all_at_once_in_order_of_lines(self) -> None:
        """Faults of all sections come together, those without a line first, then by line."""
        text = (
            '[routes."/v1/"]\nupstream = "ml"\ncors = "spa"\n'
            '[limits]\nmax_headers = "5"\n'
            '[cors.sba]\nallow_origins = "*"\n'
            '[upstreams.mal]\nservers = ["10.0.0.1"]\ncredentials = "x"\n'
            '[credentials.x]\ntype = "basic"\n'
        )
        self.assertEqual(
            [
                "c.toml: listen: there is no listener; "
                'write listen = ["tcp:5555:interface=127.0.0.1"]',
                'c.toml:1: routes."/v1/": "/v1/" ends with "/"; '
                'write "/v1", which matches /v1 and everything below',
                'c.toml:2: routes."/v1/".upstream: there is no [upstreams.ml]; did you mean "mal"?',
                'c.toml:3: routes."/v1/".cors: there is no [cors.spa]; did you mean "sba"?',
                'c.toml:5: limits.max_headers: "5" is text; write a whole number, without quotes',
                "c.toml:7: cors.sba.allow_origins: it is text; "
                'write an array, such as ["http://localhost:4200"]',
                'c.toml:9: upstreams.mal.servers[0]: "10.0.0.1" has no scheme; '
                'write "http://10.0.0.1"',
                'c.toml:11: credentials.x.username: it is missing; write username = "NAME"',
                "c.toml:11: credentials.x.password: it is missing; "
                'write password = { env = "NAME" }',
            ],
            faults_of(text),
        )

    def test_what_names_a_faulty_entry_is_right(self) -> None:
        """An entry that is there but faulty is one fault, not one more for each use."""
        text = TOP + "[upstreams.a]\nservers = []\n" + ROUTE + '[routes."/x"]\nupstream = "a"\n'
        self.assertEqual(1, len(faults_of(text)))

    def test_policy_faults_have_their_lines(self) -> None:
        """The rules' faults of a policy are recorded at the item or key that they name."""
        text = (
            TOP + UPSTREAM + "[cors.page]\nallow_origins = [\n"
            '  "http://a",\n  "http://b",\n]\nmax_age = "5s"\n' + ROUTE + 'cors = "page"\n'
            '[routes."/x"]\nupstream = "a"\ncors = { allow_origins = ["http://a"] }\n'
        )
        self.assertEqual(
            [
                "c.toml:7: cors.page.allow_origins[1]: odd; fix it",
                "c.toml:9: cors.page.max_age: odd too; fix it",
                'c.toml:15: routes."/x".cors.allow_origins[0]: odd; fix it',
                'c.toml:15: routes."/x".cors.max_age: odd too; fix it',
            ],
            faults_of(text, cors_rules=CorsRules(faults=two_faults)),
        )

    def test_real_policy_faults(self) -> None:
        """The checks of `corsgate.cors.policy` fit in."""
        text = TOP + UPSTREAM + ROUTE + 'cors = { allow_origins = ["http://a/"] }\n'
        [fault] = faults_of(text, cors_rules=CORS_RULES)
        self.assertTrue(fault.startswith('c.toml:6: routes."/".cors.allow_origins[0]: '), fault)


class WholeFileTests(SynchronousTestCase):
    maxDiff = None

    def test_unusable(self) -> None:
        """A file that is not TOML has one fault, never another kind of exception."""
        nothing = 'c.toml: the file contains no keys; add listen, [upstreams.NAME] and [routes."/"]'
        mark = "c.toml:1: the file starts with a byte order mark; save it as UTF-8 without one"
        deep = "c.toml: arrays or tables are nested too deeply; use fewer levels"
        cases: dict[str | bytes, str] = {
            "": nothing,
            "# a = 1\n": nothing,
            b"": nothing,
            "\ufeff" + TOP: mark,
            b"\xef\xbb\xbf" + TOP.encode(): mark,
            b"# one\n# \xff\n": "c.toml:2: byte 0xff is not UTF-8; save the file as UTF-8",
            "a = 1" + "0" * 5000: "c.toml: a number has too many digits; write a shorter one",
            "a = " + "[" * 5000: deep,
            "a = " + "[" * 5000 + "]" * 5000: deep,
            "a = " + "{a=" * 5000: deep,
        }
        self.assertEqual(list(cases.values()), ["\n".join(faults_of(source)) for source in cases])

    def test_no_end(self) -> None:
        """A fault at the end of the text has the last line that is not empty."""
        [fault] = faults_of("listen = [\n  'tcp:5555',\n\n\n")
        self.assertTrue(fault.startswith("c.toml:2: "), fault)

    def test_no_routes(self) -> None:
        """A gate without routes is of no use."""
        fault = 'c.toml: routes: there is no route; write a table [routes."/"]'
        self.assertEqual([[fault]], [faults_of(TOP + UPSTREAM)])
        self.assertEqual([fault.replace(":", ":4:", 1)], faults_of(TOP + UPSTREAM + "[routes]\n"))

    def test_hosts_that_are_not_served(self) -> None:
        """A route of a host that would get 421 is a fault: listed hosts, or loopback's names."""
        route = '[routes."api.example.com/v1"]\nupstream = "a"\n'
        problem = (
            'c.toml:{}: routes."api.example.com/v1": the host "api.example.com" is not served; '
            'add "api.example.com" to hosts'
        )
        loopback = 'listen = ["tcp:5555:interface=127.0.0.1"]\n'
        cases = {
            loopback: [problem.format(4)],
            TOP + 'hosts = ["localhost", "example.com"]\n': [problem.format(5)],
            TOP: [],
            'listen = ["tcp:1:interface=127.0.0.1", "tcp:5555"]\n': [],
            loopback + 'hosts = ["api.example.com:5555"]\n': [],
            loopback + 'hosts = ["*.example.com"]\n': [],
        }
        self.assertEqual(cases, {top: faults_of(top + UPSTREAM + route) for top in cases})

    def test_loopback_names_are_served(self) -> None:
        """By default a loopback listener serves routes of the names of this machine."""
        routes = "".join(
            f'[routes."{host}/"]\nupstream = "a"\n' for host in ("localhost", "[::1]", "127.0.0.1")
        )
        self.assertEqual(
            [], faults_of('listen = ["tcp:5555:interface=127.0.0.1"]\n' + UPSTREAM + routes)
        )
