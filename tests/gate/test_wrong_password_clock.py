"""A wrong password must not lock the account: the rules over time, with a fake server and clock."""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.lockout import FIRST_BLOCK_S, PROOF_S
from corsgate.errors import ConnectFailed
from corsgate.gate.exchange import Exchange
from corsgate.message.headers import Header
from corsgate.server.request_body import RequestBody
from corsgate.shortcuts import ALL, Shortcuts
from tests.gate.fakes import ASKING, FakeRequest, FakeServers, compiled
from tests.gate.test_wrong_password import AT_ONCE
from tests.support import BASIC


class ByClock(SynchronousTestCase):
    """What takes time, with servers that a test plays."""

    def begin(self, upstream: str = BASIC, shortcuts: Any = ALL, **more: Any) -> None:
        """Make a route to one server."""
        self.clock, self.servers = MemoryReactorClock(), FakeServers()
        self.route = compiled(
            self.clock, self.servers, count=1, upstream=upstream, shortcuts=shortcuts, **more
        )

    def ask(
        self, method: bytes = b"GET", headers: tuple[Header, ...] = (), target: bytes = b"/v1/x"
    ) -> FakeRequest:
        """Begin a request."""
        made = FakeRequest(self.clock, method, headers, target=target)
        asked: Any = made
        Exchange(asked, self.route, ASKING).start()
        return made

    def respond(self, status: int) -> None:
        """Have the request that has waited longest get a response."""
        first = self.servers.waiting.pop(0)
        self.servers.waiting.append(first)
        self.servers.respond(status)
        self.servers.waiting.remove(first)

    def test_slow_rejections(self) -> None:
        """A server that takes its time to reject gets few more."""
        for shortcuts in (ALL, Shortcuts(direct=False)):
            self.begin(shortcuts=shortcuts)
            asked = [self.ask() for _ in range(AT_ONCE)]
            self.assertEqual(len(self.servers.heads), 2)
            self.clock.pump([0.5] * 8)
            self.assertEqual(len(self.servers.heads), 4)
            for _ in range(4):
                self.respond(401)
            self.assertEqual([each.status for each in asked], [401] * 4 + [502] * (AT_ONCE - 4))
            self.assertEqual(len(self.servers.heads), 4)

    def test_slow_first_response(self) -> None:
        """The third request waits for slow first responses for a second at most."""
        self.begin()
        for _ in range(4):
            self.ask()
        self.clock.advance(1)
        self.assertEqual(len(self.servers.heads), 3)
        self.servers.respond(200)
        self.assertEqual(len(self.servers.heads), 4)

    def test_trials(self) -> None:
        """After a block one request tries; a rejection doubles the block, a 200 ends it."""
        self.begin()
        for _ in range(2):
            self.ask()
            self.respond(401)
        self.assertEqual(self.ask().status, 502)
        self.clock.advance(FIRST_BLOCK_S)
        trial, other = self.ask(), self.ask()
        self.assertEqual((len(self.servers.heads), trial.status, other.status), (3, None, None))
        self.respond(401)
        self.assertEqual((trial.status, other.status), (401, 502))
        self.clock.advance(FIRST_BLOCK_S)
        self.assertEqual(self.ask().status, 502)
        self.clock.advance(FIRST_BLOCK_S)
        asked = [self.ask() for _ in range(3)]
        self.assertEqual(len(self.servers.heads), 4)
        self.respond(200)
        self.assertEqual(len(self.servers.heads), 6)
        self.respond(200)
        self.respond(200)
        self.assertEqual([each.status for each in asked], [200] * 3)

    def test_password_changes(self) -> None:
        """Where a server was unused for long, its acceptance no longer counts."""
        self.begin()
        self.ask()
        self.respond(200)
        for _ in range(3):
            self.ask()
        self.assertEqual(len(self.servers.heads), 4)
        for _ in range(3):
            self.respond(200)
        self.clock.advance(PROOF_S + 1)
        asked = [self.ask() for _ in range(AT_ONCE)]
        self.respond(401)
        self.respond(401)
        self.assertEqual(len(self.servers.heads), 6)
        self.assertEqual([each.status for each in asked], [401] * 2 + [502] * (AT_ONCE - 2))

    def test_one_path(self) -> None:
        """A path that gets 401 between others that are accepted blocks nothing."""
        self.begin()
        for _ in range(5):
            for status in (401, 200):
                asked = self.ask()
                self.respond(status)
                self.assertEqual(asked.status, status)

    def test_public_page(self) -> None:
        """A public page's 200 neither lets all others go nor forgets rejections."""
        self.begin()
        for _ in range(3):
            page = self.ask(target=b"/v1/")
            self.respond(200)
            asked = [self.ask(target=b"/v1/api/%d" % number) for number in range(8)]
            while self.servers.waiting and not all(each.called for each in self.servers.waiting):
                self.respond(401)
            self.assertEqual(page.status, 200)
            self.assertTrue({each.status for each in asked} <= {401, 502})
        targets = [head.target for head in self.servers.heads]
        self.assertEqual(sum(b"/api/" in target for target in targets), 2)

    def test_forbidden(self) -> None:
        """A 403 is no rejection, and ends no block: the account may be locked."""
        self.begin()
        for status in (403, 403, 403, 401, 403, 401):
            asked = self.ask()
            self.respond(status)
            self.assertEqual(asked.status, status)
        self.assertEqual(self.ask().status, 502)
        self.clock.advance(FIRST_BLOCK_S)
        self.ask()
        self.respond(403)
        self.ask()
        self.respond(401)
        self.assertEqual(self.ask().status, 502)

    def test_no_verdict(self) -> None:
        """A request that never reached the server gives its place back."""
        self.begin()
        asked = [self.ask() for _ in range(4)]
        for _ in range(2):
            self.servers.waiting.pop(0).errback(ConnectFailed("refused"))
        self.assertEqual([each.status for each in asked], [502, 502, None, None])
        self.assertEqual(len(self.servers.heads), 4)

    def test_route_timeout(self) -> None:
        """A request that waits for its turn ends with its route's timeout."""
        self.begin(route='limits = { timeout = "2s" }')
        asked = [self.ask() for _ in range(8)]
        self.clock.pump([0.5] * 7)
        self.assertEqual({each.status for each in asked}, {504})
        self.assertLess(len(self.servers.heads), 5)

    def test_body_is_untouched(self) -> None:
        """A body that waits is not read before its turn, nor in a block."""
        self.begin()
        self.ask()
        self.ask()
        body = RequestBody(3, 100, lambda: None)
        made = FakeRequest(self.clock, b"PUT", (), body)
        asked: Any = made
        Exchange(asked, self.route, ASKING).start()
        body.data_received(b"abc")
        body.ended()
        self.assertFalse(body.started)
        self.respond(200)
        self.assertEqual(len(self.servers.heads), 3)
        self.assertIsNotNone(self.servers.bodies[-1])

    def test_without_credentials(self) -> None:
        """Where the gate has no credentials, a 401 is the client's, however often it comes."""
        self.begin(upstream="")
        for _ in range(5):
            asked = self.ask()
            self.respond(401)
            self.assertEqual(asked.status, 401)
