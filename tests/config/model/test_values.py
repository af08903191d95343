"""Tests of `corsgate.config.model.values`: an instance that exists is valid."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.addresses import Addresses
from corsgate.config.model.values import (
    BasicCredentials,
    BearerCredentials,
    Config,
    Cors,
    DigestCredentials,
    Discovered,
    HeaderCredentials,
    Limits,
    Listener,
    PoolLimits,
    Route,
    Secret,
    Server,
    Upstream,
)
from corsgate.errors import BadValue, Fault
from tests.certificates import Authority

SERVER = Server(scheme="http", host="a", port=80)
UPSTREAM = Upstream(name="a", servers=(SERVER,))
ROUTE = Route(prefix="/", upstream=UPSTREAM)
CONFIG = Config(listeners=(Listener(endpoint="tcp:0"),), upstreams={"a": UPSTREAM}, routes=(ROUTE,))
BASIC = BasicCredentials(username="a", password=Secret("b"))
DIGEST = DigestCredentials(username="a", password=Secret("b"))
BEARER = BearerCredentials(token=Secret("b"))
HEADER = HeaderCredentials(name="X-Key", value=Secret("b"))

WRONG: tuple[Callable[[], object], ...] = (
    lambda: Listener(endpoint=""),
    lambda: Listener(endpoint="tcp:0", http2=True),
    lambda: attrs.evolve(SERVER, scheme="ftp"),
    lambda: attrs.evolve(SERVER, host=""),
    lambda: attrs.evolve(SERVER, host="a b"),
    lambda: attrs.evolve(SERVER, host="[::1]"),
    lambda: attrs.evolve(SERVER, port=0),
    lambda: attrs.evolve(SERVER, port=65536),
    lambda: attrs.evolve(SERVER, base_path="/a/"),
    lambda: attrs.evolve(SERVER, base_path="a"),
    lambda: attrs.evolve(SERVER, base_path="/a\r\n"),
    lambda: attrs.evolve(SERVER, weight=0),
    lambda: attrs.evolve(BASIC, username="a:b"),
    lambda: attrs.evolve(BASIC, password=Secret("")),
    lambda: attrs.evolve(DIGEST, username="a\n"),
    lambda: attrs.evolve(DIGEST, password=Secret("a\r")),
    lambda: attrs.evolve(BEARER, token=Secret("a b")),
    lambda: attrs.evolve(HEADER, name="Host"),
    lambda: attrs.evolve(HEADER, value=Secret("a\0")),
    lambda: attrs.evolve(UPSTREAM, name=""),
    lambda: attrs.evolve(UPSTREAM, servers=()),
    lambda: attrs.evolve(UPSTREAM, servers=(SERVER, attrs.evolve(SERVER, host="A"))),
    lambda: attrs.evolve(UPSTREAM, ca_pem=b""),
    lambda: attrs.evolve(ROUTE, host="a:80"),
    lambda: attrs.evolve(ROUTE, host="::1"),
    lambda: attrs.evolve(ROUTE, prefix="/a/"),
    lambda: attrs.evolve(ROUTE, methods=("GET", "P UT")),
    lambda: attrs.evolve(CONFIG, listeners=()),
    lambda: attrs.evolve(CONFIG, routes=()),
    lambda: attrs.evolve(CONFIG, routes=(ROUTE, ROUTE)),
    lambda: attrs.evolve(CONFIG, hosts=("http://a",)),
    lambda: attrs.evolve(CONFIG, log_format="xml"),
    lambda: attrs.evolve(CONFIG, access_log=""),
    lambda: Limits(connect_timeout_s=0),
    lambda: Limits(connect_timeout_s=float("nan")),
    lambda: Limits(connect_timeout_s=float("inf")),
    lambda: Limits(max_headers=0),
    lambda: Limits(max_body_bytes=0),
    lambda: Limits(max_connections=0),
    lambda: PoolLimits(max_connections=0),
    lambda: PoolLimits(queue_timeout_s=0),
)


class ValidityTests(SynchronousTestCase):
    def test_refuses(self) -> None:
        """Each value that breaks a rule is rejected with a BadValue that has a fix."""
        for index, make in enumerate(WRONG):
            try:
                made = make()
            except BadValue as error:
                self.assertTrue(error.problem and error.fix)
            else:
                self.fail(f"WRONG[{index}] made {made}")

    def test_hosts_have_one_form(self) -> None:
        """Hosts are lower-cased and IPv6 addresses shortened, so that equal ones compare equal."""
        self.assertEqual("example.com", attrs.evolve(SERVER, host="EXAMPLE.com").host)
        self.assertEqual("::1", attrs.evolve(SERVER, host="0:0::1").host)
        self.assertEqual("[::1]", attrs.evolve(ROUTE, host="[0:0::1]").host)

    def test_server_names_itself(self) -> None:
        """The scheme's default port is omitted, and IPv6 has brackets."""
        cases = {
            "http://a": SERVER,
            "http://a:443": attrs.evolve(SERVER, port=443),
            "https://a": attrs.evolve(SERVER, scheme="https", port=443),
            "http://[::1]:8000": attrs.evolve(SERVER, host="::1", port=8000),
        }
        self.assertEqual(list(cases), [server.origin for server in cases.values()])

    def test_a_name_of_its_own(self) -> None:
        """A discovered server is reached by its address, and asked for by its name."""
        server = Server(scheme="https", host="10.0.0.1", port=8443, name="api.internal")
        self.assertEqual(server.origin, "https://10.0.0.1:8443")
        self.assertEqual(server.host_value, b"api.internal:8443")
        self.assertEqual(SERVER.host_value, b"a")

    def test_a_socket_is_its_own_origin(self) -> None:
        """The Host that is sent does not identify it."""
        server = attrs.evolve(SERVER, host="localhost", socket="/run/a.sock")
        self.assertEqual((server.origin, server.authority), ("unix:/run/a.sock", "localhost"))

    def test_discovered_servers_show_how(self) -> None:
        """The scheme says what is looked up."""
        self.assertEqual(str(Discovered(template=SERVER)), "dns+http://a")
        self.assertEqual(str(Discovered(template=SERVER, is_service=True)), "srv+http://a")


class SharedCookieTests(SynchronousTestCase):
    """``Route.shares_cookies``: whether pages of other sites may use the upstream's cookies."""

    def test_only_named_pages(self) -> None:
        """The policy names them, allows credentials and is enforced, and cookies are adapted."""
        cors = Cors(allow_origins=("https://a.example",), allow_credentials=True)
        route = attrs.evolve(ROUTE, cors=cors)
        self.assertTrue(route.shares_cookies)
        for other in (
            ROUTE,
            attrs.evolve(route, cors=attrs.evolve(cors, allow_credentials=False)),
            attrs.evolve(route, cors=attrs.evolve(cors, enforce_origin=False)),
            attrs.evolve(route, cors=attrs.evolve(cors, allow_origins=("*",))),
            *(
                attrs.evolve(
                    route,
                    upstream=attrs.evolve(route.upstream, addresses=Addresses(cookies=cookies)),
                )
                for cookies in ("pass", "drop")
            ),
        ):
            self.assertFalse(other.shares_cookies)


class DefaultTests(SynchronousTestCase):
    """What a value is that nobody wrote."""

    def test_nothing_is_opened(self) -> None:
        """Every risk must be written out: no default takes one."""
        cors = Cors(allow_origins=("https://a.example",))
        risks = [name for name in attrs.asdict(cors) if name.startswith("dangerously_")]
        self.assertEqual(len(risks), 6)
        for name in (*risks, "allow_credentials", "debug", "expose_auto"):
            self.assertIs(getattr(cors, name), False, name)
        self.assertTrue(cors.enforce_origin)
        self.assertEqual((cors.allow_methods, cors.allow_headers, cors.max_age_s), ((), (), None))
        self.assertFalse(ROUTE.allow_framing)
        self.assertEqual((ROUTE.cors, ROUTE.pass_headers), (None, ()))
        self.assertTrue(UPSTREAM.verify)
        self.assertFalse(UPSTREAM.preserve_host)
        self.assertFalse(UPSTREAM.strict_responses)
        self.assertEqual((SERVER.backup, SERVER.drain, SERVER.weight), (False, False, 1))

    def test_digest_takes_what_most_boxes_have(self) -> None:
        """A box that knows MD5 alone is not locked out by default."""
        self.assertEqual((DIGEST.min_algorithm, DIGEST.require_qop), ("MD5", False))

    def test_certificates_are_not_shown(self) -> None:
        """Their file may also contain a private key."""
        upstream = attrs.evolve(UPSTREAM, ca_pem=Authority.make().pem + b"hunter2")
        self.assertNotIn("hunter2", repr(upstream))

    def test_http2_needs_certificates(self) -> None:
        """With them it may be on."""
        certified = Authority.make().issue("a.example").certified
        listener = Listener(endpoint="tcp:0", certificates=(certified,), http2=True)
        self.assertTrue(listener.http2)

    def test_warnings_make_no_difference(self) -> None:
        """Two configurations are equal if they do the same."""
        warned = attrs.evolve(CONFIG, warnings=(Fault(file="c", problem="odd", fix=""),))
        self.assertEqual(warned, CONFIG)
        self.assertNotEqual(attrs.evolve(CONFIG, access_log="off"), CONFIG)
