"""Tests of `corsgate.config.sections.listeners`: where the gate listens, for which names."""

from __future__ import annotations

from ipaddress import ip_network

from corsgate.config.model.values import Listener
from corsgate.config.sections.listeners import read_hosts, read_listeners
from tests.certificates import Authority
from tests.config.support import FILES, TableTestCase, noted, sources, table_of

AUTHORITY = Authority.make()
FIRST, SECOND = AUTHORITY.issue("a.example", "b.example"), AUTHORITY.issue("c.example")
SUBSET = AUTHORITY.issue("b.example")
PAIRS = {
    "/1.pem": FIRST.pem,
    "/1.key": FIRST.key_pem,
    "/2.pem": SECOND.pem,
    "/2.key": SECOND.key_pem,
    "/3.pem": SUBSET.pem,
    "/3.key": SUBSET.key_pem,
}


def read(source: str, *, has_http2: bool = False) -> tuple[tuple[Listener, ...], list[str]]:
    """Return the listeners of a document, and what was recorded."""
    table = table_of(source)
    files = {**FILES, **PAIRS}
    found = read_listeners(table, sources(read_file=files.__getitem__, has_http2=has_http2))
    return found, noted(table)


def listener(*pairs: int, more: str = "") -> str:
    """Return a listener with some of the certificates."""
    shown = ", ".join(f'{{ chain = "/{n}.pem", key = "/{n}.key" }}' for n in pairs)
    certificates = f"certificates = [{shown}]\n" if pairs else ""
    return f'[[listener]]\nendpoint = "tcp:443"\n{certificates}{more}'


class ListenerTests(TableTestCase):
    """``listen`` and ``[[listener]]``."""

    def test_both_forms(self) -> None:
        """Plain endpoints come first; networks may be single addresses."""
        found, recorded = read(
            'listen = ["tcp:1", "unix:/a"]\n[[listener]]\nendpoint = "tcp:2"\n'
            'trusted_proxies = ["10.0.0.0/8", "::1"]'
        )
        self.assertEqual(recorded, [])
        self.assertEqual(
            found,
            (
                Listener(endpoint="tcp:1"),
                Listener(endpoint="unix:/a"),
                Listener(
                    endpoint="tcp:2",
                    trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("::1")),
                ),
            ),
        )

    def test_one_fault_leaves_no_listener(self) -> None:
        """What else is judged by the listeners must not go by half of them."""
        for source in (
            "",
            "listen = []",
            'listen = ["tcp:1", "web"]',
            'listen = ["tcp:1"]\n[[listener]]',
            'listen = ["tcp:1"]\n' + listener(more="http2 = true"),
        ):
            found, recorded = read(source, has_http2=True)
            self.assertEqual((source, found, len(recorded)), (source, (), 1))

    def test_http2_follows_the_library(self) -> None:
        """With certificates it is on where the library is installed, and can be turned off."""
        for source, has_http2, expected in (
            (listener(1), True, True),
            (listener(1), False, False),
            (listener(), True, False),
            (listener(1, more="http2 = false"), True, False),
            (listener(1, more="http2 = true"), True, True),
        ):
            (one,), recorded = read(source, has_http2=has_http2)
            self.assertEqual((source, one.http2, recorded), (source, expected, []))
        fault = "c.toml:4: listener[0].http2: the library for HTTP/2 is not installed;"
        _, recorded = read(listener(1, more="http2 = true"))
        self.assertEqual(recorded, [f"{fault} run pip install 'h2>=4', or remove it"])

    def test_each_certificate_has_a_name_of_its_own(self) -> None:
        """No client would be shown one whose names are all taken by those before it."""
        self.assertEqual(read(listener(1, 2))[1], [])
        self.assertEqual(read(listener(3, 1))[1], [])
        _, recorded = read(listener(1, 2, 3))
        self.assertEqual(
            recorded,
            [
                "c.toml:3: listener[0].certificates[2]: this certificate would never be used; add"
                " a subjectAltName that no earlier certificate has, or remove it"
            ],
        )

    def test_two_kinds_of_tls(self) -> None:
        """An endpoint with TLS of its own is turned into a plain one, in quotes for TOML."""
        for endpoint, plain in (
            ("ssl:443", '"tcp:443"'),
            (r"ssl:443:interface=\:\:1", r"'tcp:443:interface=\:\:1'"),
        ):
            source = listener(1).replace('"tcp:443"', f"'{endpoint}'")
            _, (fault,) = read(source)
            self.assertTrue(fault.endswith(f"; write endpoint = {plain}"), fault)


class HostsTests(TableTestCase):
    """``hosts``."""

    def test_hosts(self) -> None:
        """They are lower-cased; absent and faulty ones are None, which none is not."""
        empty = "c.toml:1: hosts: it is empty; list the names that clients use"
        for source, found, recorded in (
            ("", None, []),
            ('hosts = ["A.Example:80", "*.b"]', ("a.example:80", "*.b"), []),
            ("hosts = []", (), [empty]),
            (
                'hosts = ["a", "*"]',
                None,
                ['c.toml:1: hosts[1]: "*" serves any host; list the names that clients use'],
            ),
        ):
            table = table_of(source)
            self.assertEqual((read_hosts(table), noted(table)), (found, recorded))
