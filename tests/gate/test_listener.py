"""What one listener knows of its clients, without a socket."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.listener import ListenerSite
from corsgate.gate.service import GateService
from corsgate.message.headers import Header
from corsgate.shortcuts import ALL, Shortcuts
from tests.gate.fakes import FakeRequest
from tests.support import parse, random_bytes

TOML = """
[[listener]]
endpoint = "tcp:0:interface=127.0.0.1"
trusted_proxies = ["10.0.0.0/8"]
[upstreams.a]
servers = ["http://10.0.1.1"]
[routes."/v1"]
upstream = "a"
methods = ["PUT"]
"""


class ListenerTests(SynchronousTestCase):
    """`ListenerSite`."""

    def make(self, shortcuts: Shortcuts = ALL) -> ListenerSite:
        """Return a listener, whose lines of the access log are kept."""
        self.clock = MemoryReactorClock()
        self.lines: list[str] = []
        service = GateService(
            parse(TOML),
            self.clock,
            rng=random_bytes(b"\x5a"),
            file="gate.toml",
            write=self.lines.append,
            shortcuts=shortcuts,
        )
        (listener,) = service.listeners
        return listener

    def render(
        self, listener: ListenerSite, peer: str, headers: tuple[Header, ...] = (), memo: Any = None
    ) -> FakeRequest:
        """Have a request of a peer served."""
        request: Any = FakeRequest(self.clock, headers=headers)
        request.client = SimpleNamespace(host=peer)
        request.isSecure = lambda: False
        request.sentLength = 0
        request.code = 405
        request.memo = memo or request.memo
        root: Any = listener.site.resource
        request.prepath, request.postpath = [], [b"v1"]
        root.getChildWithDefault(b"v1", request).render(request)
        listener.site.context.record(request)
        made: FakeRequest = request
        return made

    def test_client(self) -> None:
        """A client is who its address says, or whom a trusted proxy names."""
        listener = self.make()
        told = ((b"X-Forwarded-For", b"192.0.2.9"),)
        for peer, headers, client in (
            ("192.0.2.1", (), "192.0.2.1"),
            ("192.0.2.1", told, "192.0.2.1"),
            ("10.0.0.7", told, "192.0.2.9"),
            ("10.0.0.7", (), "10.0.0.7"),
        ):
            request = self.render(listener, peer, headers)
            self.assertEqual((request.log.client, request.client_key), (client, client))

    def test_noted(self) -> None:
        """Each request has an id of its own and a line of the log, which names its route."""
        listener = self.make()
        first, second = [self.render(listener, "192.0.2.1") for _ in range(2)]
        for each in (first, second):
            self.assertRegex(each.log.id, "^[0-9a-f]{32}$")
        self.assertNotEqual(first.log.id, second.log.id)
        self.assertEqual((first.log.route, first.status), ("/v1", 405))
        self.assertEqual(len(self.lines), 2)

    def test_given(self) -> None:
        """A trusted proxy may give a valid id; nobody else may give any."""
        listener = self.make()
        mine = "^[0-9a-f]{32}$"
        for peer, values, logged in (
            ("10.0.0.7", [b"Root=1-67891233-abcdef012345678912345678"], "^Root=1-[0-9a-f-]+$"),
            ("10.0.0.7", [b"x" * 128], "^x{128}$"),
            ("10.0.0.7", [b"x" * 129], mine),
            ("10.0.0.7", [b'a", "b": "'], mine),
            ("10.0.0.7", [b"a b"], mine),
            ("10.0.0.7", [b""], mine),
            ("10.0.0.7", [b"one", b"two"], mine),
            ("192.0.2.1", [b"chosen"], mine),
        ):
            request = self.render(listener, peer, tuple((b"X-Request-ID", v) for v in values))
            self.assertRegex(request.log.id, logged)
            self.assertEqual(json.loads(self.lines[-1])["id"], request.log.id)

    def test_memo(self) -> None:
        """What was worked out of the fields serves again, unless that shortcut is off."""
        for shortcuts in (ALL, Shortcuts(memo=False)):
            listener = self.make(shortcuts)
            first = self.render(listener, "192.0.2.1")
            second = self.render(listener, "192.0.2.1", memo=first.memo)
            self.assertEqual(second.memo is first.memo, shortcuts.memo)
            self.assertEqual(len(second.memo.rulings), 1)

    def test_no_one(self) -> None:
        """A request that came to no resource is logged with its client too."""
        listener = self.make()
        request: Any = FakeRequest(self.clock)
        request.client, request.isSecure = SimpleNamespace(host="192.0.2.1"), lambda: False
        request.sentLength = 0
        listener.site.context.record(request)
        (line,) = self.lines
        self.assertIn('"client": "192.0.2.1"', line)
        self.assertIn('"status": 499', line)
