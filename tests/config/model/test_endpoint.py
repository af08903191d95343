"""Tests of `corsgate.config.model.endpoint`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.endpoints import quoteStringArgument, serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.endpoint import (
    DEFAULT_BACKLOG,
    check_endpoint,
    handed_over,
    is_handed_over,
    is_loopback,
    is_reached_at,
    is_tls,
    port_of,
    with_backlog,
    with_mode,
    without_tls,
)
from corsgate.errors import BadValue

LOOPBACK = (
    "tcp:5555:interface=127.0.0.1",
    "tcp:5555:127.0.0.1",
    "TCP:5555:interface=127.0.0.1",
    "tcp:port=5555:interface=127.0.0.53:backlog=9",
    "tcp:5555:interface=127.1",
    "tcp:5555:interface=localhost",
    "tcp:5555:interface=LocalHost",
    r"tcp:5555:interface=\:\:1",
    r"tcp:5555:interface=0\:0\:0\:0\:0\:0\:0\:1",
    r"tcp:5555:interface=\:\:ffff\:127.0.0.1",
    r"tcp6:5555:interface=\:\:1",
    r"tcp6:5555:50:\:\:1",
    "ssl:5555:interface=127.0.0.1",
    r"tls:/etc/keys:5555:interface=\:\:1",
    r"tls:/etc/keys:5555:50:\:\:1",
)
ELSEWHERE = (
    "tcp:5555",
    "tcp:5555:interface=",
    "tcp:5555:interface=0.0.0.0",
    "tcp:5555:interface=10.0.0.1",
    "tcp:5555:interface=127.example.com",
    "tcp:5555:interface=localhost.example.com",
    r"tcp:5555:interface=\:\:",
    "tcp6:5555",
    "tls:/etc/keys",
    "unix:/run/gate.sock",
    "unix:/run/interface=127.0.0.1",
    "systemd:domain=INET:index=0",
    "haproxy:tcp:5555:interface=127.0.0.1",
)


class FixTests(SynchronousTestCase):
    """A proposed fix never opens the gate to more clients."""

    def test_proposals_listen_on_loopback(self) -> None:
        """For any invalid endpoint, the proposed one is on loopback."""
        ports = {
            **{"5556": 5556, "80": 80, "localhost:5556": 5556, "http://a:1/": 1, ":8080": 8080},
            **{"0.0.0.0:8443": 8443, "127.0.0.1:5557": 5557, "gate.example.com:5558": 5558},
        }
        for text in (*ports, "", "99999", "web", "http://a", "10.0.0.1", "0.0.0.0"):
            with self.assertRaises(BadValue) as caught:
                check_endpoint(text)
            proposed = caught.exception.fix.split('"')[1]
            check_endpoint(proposed)
            self.assertTrue(is_loopback(proposed), (text, proposed))
            self.assertEqual(port_of(proposed), ports.get(text, 5555))

    def test_without_tls(self) -> None:
        """An endpoint without its TLS stays on its port and interface."""
        cases = {
            "ssl:5555": "tcp:5555",
            "ssl:5555:interface=127.0.0.1": "tcp:5555:interface=127.0.0.1",
            r"tls:/keys:5555:interface=\:\:1": r"tcp:5555:interface=\:\:1",
            "tls:/keys": "tcp:443",
        }
        self.assertEqual(cases, {endpoint: without_tls(endpoint) for endpoint in cases})
        for endpoint, plain in cases.items():
            check_endpoint(plain)
            self.assertEqual(is_loopback(endpoint), is_loopback(plain))


class ReachTests(SynchronousTestCase):
    """Which endpoint a connection from this machine reaches."""

    def test_loopback(self) -> None:
        """All names and addresses of this machine reach a loopback listener."""
        here = "localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.1", "[::1]", "::1"
        for host in (*here, "0.0.0.0", "[::]", "::ffff:127.0.0.1"):
            for endpoint in (*LOOPBACK, "tcp:5555", r"tcp:5555:interface=\:\:"):
                self.assertTrue(is_reached_at(endpoint, host, 5555), (endpoint, host))
                self.assertFalse(is_reached_at(endpoint, host, 5556), (endpoint, host))

    def test_elsewhere(self) -> None:
        """Other hosts do not, nor endpoints whose string has no port."""
        for host in ("10.0.0.1", "localhost.example", "127.example.com", "a.example", "\xe9"):
            for endpoint in (*LOOPBACK, "tcp:5555", "unix:/run/gate.sock"):
                self.assertFalse(is_reached_at(endpoint, host, 5555), (endpoint, host))
        self.assertTrue(is_reached_at("tcp:5555:interface=10.0.0.1", "10.0.0.1", 5555))
        self.assertFalse(is_reached_at("tcp:5555:interface=10.0.0.1", "localhost", 5555))


class CheckTests(SynchronousTestCase):
    def test_accepts(self) -> None:
        """Endpoint strings are valid, including types that only a plugin knows."""
        for text in (*LOOPBACK, *ELSEWHERE, "onion:80", "tcp:0", "tcp:65535"):
            check_endpoint(text)

    @given(st.text(alphabet="tcp6:=0123456789\\interfacbklog.", max_size=40))
    def test_only_bad_values(self, text: str) -> None:
        """Any text is valid, or there is a BadValue with a fix."""
        try:
            check_endpoint(text)
        except BadValue as error:
            self.assertTrue(error.fix)

    @given(st.text(alphabet="tcp6:=0123456789\\interfacbklog. ", max_size=30))
    def test_twisted_accepts_what_passes(self, rest: str) -> None:
        """Twisted accepts every valid tcp endpoint."""
        text = f"tcp:{rest}"
        try:
            check_endpoint(text)
        except BadValue:
            return
        serverFromString(MemoryReactorClock(), text)


class LoopbackTests(SynchronousTestCase):
    def test_loopback(self) -> None:
        """A listener on a loopback address is for this machine's programs only."""
        self.assertEqual([], [text for text in LOOPBACK if not is_loopback(text)])

    def test_elsewhere(self) -> None:
        """Other addresses are not, nor endpoints without an address, nor Unix sockets."""
        self.assertEqual([], [text for text in ELSEWHERE if is_loopback(text)])

    def test_tls(self) -> None:
        """Two types have certificates of their own."""
        for text in ("ssl:443:privateKey=k:certKey=c", "TLS:/etc/certs:tcp:443", "tls:/c:tcp:443"):
            self.assertTrue(is_tls(text), text)
        for text in ("tcp:443", "tcp:5555:interface=tls", "unix:/run/tls", "systemd:domain=INET"):
            self.assertFalse(is_tls(text), text)

    def test_port(self) -> None:
        """The port is read from the string, if it is there."""
        self.assertEqual({5555}, {port_of(text) for text in LOOPBACK})
        for text in ("unix:/run/x", "systemd:index=0", "tcp:0", "tls:/etc/keys"):
            self.assertEqual((text, port_of(text)), (text, None))

    def test_handed_over(self) -> None:
        """Only a socket of systemd's is another process's, behind a wrapper too."""
        for text in ("systemd:domain=INET:index=0", "haproxy:systemd:domain=INET:index=0"):
            self.assertTrue(is_handed_over(text), text)
        for text in ("tcp:80", "unix:/run/systemd", "haproxy:tcp:80", "tcp:80:interface=systemd"):
            self.assertFalse(is_handed_over(text), text)

    @given(st.sampled_from(["127.0.0.1", "::1", "10.0.0.1", "::", "fe80::1"]), st.booleans())
    def test_reads_as_twisted_does(self, address: str, named: bool) -> None:
        """The address that decides is the one that Twisted binds."""
        text = f"tcp:5555:{'interface=' if named else ''}{quoteStringArgument(address)}"
        reactor = MemoryReactorClock()
        serverFromString(reactor, text).listen(Factory())
        bound = reactor.tcpServers[0][3]
        self.assertEqual(address, bound)
        self.assertEqual(bound in ("127.0.0.1", "::1"), is_loopback(text))


class BacklogTests(SynchronousTestCase):
    def test_default(self) -> None:
        """An endpoint that listens gets a backlog, inside a wrapper too."""
        for text in (
            *("tcp:80", "TCP:80:interface=127.0.0.1", r"tcp6:80:interface=\:\:1", "unix:/run/gate"),
            *("ssl:443:privateKey=k:certKey=c", "tls:/etc/certs:443", "haproxy:tcp:80"),
            *("tcp:80:127.0.0.1", "unix:/run/gate:mode=660"),
        ):
            self.assertEqual(with_backlog(text), f"{text}:backlog={DEFAULT_BACKLOG}")

    def test_mode(self) -> None:
        """A Unix socket without a mode gets one; nothing else does."""
        self.assertEqual(with_mode("unix:/run/gate", "660"), "unix:/run/gate:mode=660")
        for text in ("unix:/run/gate:666", "unix:/run/gate:mode=666", "tcp:80", "systemd:index=0"):
            self.assertEqual(with_mode(text, "660"), text)

    def test_explicit(self) -> None:
        """An endpoint with a backlog keeps it, named or positional."""
        for text in (
            *("tcp:80:backlog=9", "tcp:80:127.0.0.1:9", "tcp6:80:9", "unix:/run/gate:660:9"),
            *("haproxy:tcp:80:backlog=9", "tls:/etc/certs:443:9"),
        ):
            self.assertEqual(with_backlog(text), text)

    def test_others(self) -> None:
        """A socket that exists already, or a plugin's type, is left as it is."""
        for text in ("systemd:domain=INET:index=0", "haproxy:systemd:index=0", "onion:80"):
            self.assertEqual(with_backlog(text), text)

    def test_twisted_listens_with_it(self) -> None:
        """Twisted accepts the added argument."""
        reactor = MemoryReactorClock()
        for text in ("tcp:80", r"tcp6:80:interface=\:\:1", "tcp:80:backlog=9"):
            serverFromString(reactor, with_backlog(text)).listen(Factory())
        backlogs = [backlog for _, _, backlog, _ in reactor.tcpServers]
        self.assertEqual(backlogs, [DEFAULT_BACKLOG, DEFAULT_BACKLOG, 9])
        serverFromString(reactor, with_backlog("unix:/run/gate")).listen(Factory())
        self.assertIn(DEFAULT_BACKLOG, reactor.unixServers[0])


class SystemdTests(SynchronousTestCase):
    """Endpoints whose sockets systemd opens."""

    def test_parts(self) -> None:
        """A socket has a name or a number; the domain may be left to the socket."""
        for endpoint, wanted in (
            ("systemd:name=web", (None, "web", None)),
            ("systemd:domain=INET6:name=web", (None, "web", "INET6")),
            ("systemd:domain=UNIX:index=0", (0, None, "UNIX")),
            ("systemd:INET:2", (2, None, "INET")),
            (r"haproxy:systemd:name=a\:b", (None, "a:b", None)),
        ):
            check_endpoint(endpoint)
            found = handed_over(endpoint)
            self.assertEqual((found.index, found.name, found.domain), wanted, endpoint)
            self.assertEqual(with_backlog(endpoint), endpoint)

    def test_faults(self) -> None:
        """Each is found without the socket, and the fix is one that works."""
        for endpoint, said in (
            ("systemd:corsgate", 'write "INET", "INET6" or "UNIX", or no domain: write'),
            ("systemd:domain=INET", "must have either a name or an index; write"),
            ("systemd:", 'has the domain ""'),
            ("systemd:name=", "must have either a name or an index"),
            ("systemd:name=a:index=0", "must have either a name or an index"),
            ("systemd:index=-1", "has a bad index"),
            ("systemd:index=x", "has a bad index"),
            ("systemd:nam=web", 'has the unknown argument "nam"; did you mean "name"?'),
            ("systemd:name=web:backlog=9", 'the unknown argument "backlog"'),
            ("haproxy:systemd:nam=web", 'has the unknown argument "nam"'),
        ):
            with self.assertRaises(BadValue) as caught:
                check_endpoint(endpoint)
            self.assertIn(said, str(caught.exception))
        check_endpoint("systemd:name=corsgate")
