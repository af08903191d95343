"""Servers made of DNS records."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.discovered import Service, host_servers, is_within, service_servers
from corsgate.config.model.values import Server

TEMPLATE = Server(scheme="http", host="api.internal", port=8000, base_path="/base", weight=3)
SERVICE = Server(scheme="https", host="_api._tcp.internal", port=443)


def service(target: str, priority: int = 10, weight: int = 1, port: int = 8000) -> Service:
    """Return a circuit."""
    return Service(priority=priority, weight=weight, port=port, target=target)


class HostTests(SynchronousTestCase):
    def test_addresses(self) -> None:
        """Each address is a server like the template, with the name of the host."""
        one, other = host_servers(TEMPLATE, ["10.0.0.1", "fd00::1"])
        self.assertEqual(one.origin, "http://10.0.0.1:8000")
        self.assertEqual(other.origin, "http://[fd00::1]:8000")
        self.assertEqual({one.authority, other.authority}, {"api.internal:8000"})
        self.assertEqual((one.base_path, one.weight), ("/base", 3))


class ServiceTests(SynchronousTestCase):
    ADDRESSES = {"a": ["10.0.0.1"], "b": ["10.0.0.2", "10.0.0.3"], "c": []}  # noqa: RUF012  # not changed

    def made(self, *services: Service, template: Server = SERVICE) -> list[tuple[str, int, bool]]:
        """Return origin, weight and whether it is a backup of each server."""
        servers = service_servers(template, services, self.ADDRESSES)
        return [(server.origin, server.weight, server.backup) for server in servers]

    def test_ports_and_weights(self) -> None:
        """Each record has its port and weight; each address of its target is a server."""
        self.assertEqual(
            self.made(service("a", weight=5), service("b", port=9000)),
            [
                ("https://10.0.0.1:8000", 5, False),
                ("https://10.0.0.2:9000", 1, False),
                ("https://10.0.0.3:9000", 1, False),
            ],
        )

    def test_priorities(self) -> None:
        """All except the lowest priority are backups, in any order of the records."""
        made = self.made(service("b", priority=20), service("a", priority=10))
        self.assertEqual([backup for _, _, backup in made], [False, True, True])

    def test_lowest_without_address(self) -> None:
        """A target without addresses is left out, so that the next priority serves."""
        made = self.made(service("c", priority=1), service("a", priority=2))
        self.assertEqual(made, [("https://10.0.0.1:8000", 1, False)])

    def test_name(self) -> None:
        """The target's own name is sent and verified."""
        (server,) = service_servers(SERVICE, [service("a", port=443)], self.ADDRESSES)
        self.assertEqual((server.authority, server.name), ("a", "a"))

    def test_weights_are_scaled(self) -> None:
        """DNS has weights up to 65535, and 0 for very little traffic."""
        made = self.made(service("a", weight=65535), service("b", weight=0))
        self.assertEqual([weight for _, weight, _ in made], [1000, 1, 1])

    def test_backup_template(self) -> None:
        """If the template is a backup, all are."""
        template = attrs.evolve(SERVICE, backup=True)
        self.assertEqual([each[2] for each in self.made(service("a"), template=template)], [True])

    def test_twice(self) -> None:
        """A server of two records occurs once, with the settings of the first."""
        made = self.made(service("a", priority=2, weight=9), service("a", priority=1, weight=4))
        self.assertEqual(made, [("https://10.0.0.1:8000", 4, False)])

    def test_useless(self) -> None:
        """An invalid record does not affect the others."""
        for useless in (service("b", port=0), service("b..b"), service("b/c")):
            addresses = {useless.target: ["10.0.0.2"], "a": ["10.0.0.1"]}
            made = service_servers(SERVICE, [useless, service("a")], addresses)
            self.assertEqual([each.host for each in made], ["10.0.0.1"])

    def test_domain(self) -> None:
        """Only the service's domain and its subdomains are within it."""
        for target, within in (
            ("internal.example", True),
            ("a.b.internal.example", True),
            ("xinternal.example", False),
            ("example", False),
            ("internal.example.evil", False),
        ):
            self.assertIs(is_within(target, "_api._tcp.internal.example"), within)

    def test_none(self) -> None:
        """Without addresses there are no servers."""
        self.assertEqual(self.made(service("c"), service("unknown")), [])

    @given(
        st.lists(
            st.builds(
                Service,
                priority=st.integers(0, 65535),
                weight=st.integers(0, 65535),
                port=st.integers(1, 65535),
                target=st.sampled_from("abc"),
            )
        )
    )
    def test_any_records(self, services: list[Service]) -> None:
        """For any records, servers are valid and distinct, and not all are backups."""
        servers = service_servers(SERVICE, services, self.ADDRESSES)
        self.assertEqual(len({server.origin for server in servers}), len(servers))
        self.assertTrue(not servers or any(not server.backup for server in servers))
