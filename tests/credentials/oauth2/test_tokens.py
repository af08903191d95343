"""Tests of `corsgate.credentials.oauth2.tokens`: when a token is fetched, by a clock."""

from __future__ import annotations

import gc
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Secret
from corsgate.credentials.oauth2.tokens import Token, TokenSource
from corsgate.errors import ConnectFailed, LoginFailed, UpstreamTimedOut
from tests.credentials.oauth2.helpers import SECRET, FakeTokenServer, credentials
from tests.gate.fakes import logged

INVALID = b'{"error": "invalid_client"}'


class SourceTestCase(SynchronousTestCase):
    """A source before a token server without a network."""

    def setUp(self) -> None:
        """Make both."""
        self.server = FakeTokenServer()
        self.source = TokenSource(credentials(), self.server.means)
        self.lines = logged(self)

    def ask(self, refused: Token | None = None) -> Deferred[Token]:
        """Ask for a token."""
        return Deferred.fromCoroutine(self.source.token(refused))

    def value(self, refused: Token | None = None) -> str:
        """Return the token that is there at once."""
        return self.successResultOf(self.ask(refused)).value

    def error(self, asked: Deferred[Token]) -> str:
        """Return why there is no token."""
        return str(self.failureResultOf(asked, LoginFailed).value)

    def have(self, token: str = "t1", **more: Any) -> Token:
        """Have the server grant a token."""
        asked = self.ask()
        self.server.grant(token, **more)
        return self.successResultOf(asked)


def deferreds() -> int:
    """Return how many Deferreds there are."""
    gc.collect()
    return sum(isinstance(each, Deferred) for each in gc.get_objects())


def _cancel(_: object, other: Deferred[Token]) -> None:
    other.cancel()


class Fetching(SourceTestCase):
    def test_once_for_all_who_wait(self) -> None:
        """64 requests at once cost one request for a token."""
        asked = [self.ask() for _ in range(64)]
        self.assertEqual(len(self.server.asked), 1)
        self.server.grant("t1")
        self.assertEqual({self.successResultOf(each).value for each in asked}, {"t1"})
        self.assertEqual(self.value(), "t1")
        self.assertEqual(len(self.server.asked), 1)

    def test_failure_fails_all_who_wait(self) -> None:
        """A rejection fails all who wait, and isn't repeated for each of them."""
        asked = [self.ask() for _ in range(64)]
        self.server.refuse(401, INVALID)
        for each in asked:
            self.assertIn("invalid_client", self.error(each))
        self.assertEqual(len(self.server.asked), 1)

    def test_one_who_leaves(self) -> None:
        """A client that leaves doesn't take the token from the others."""
        first, second = self.ask(), self.ask()
        first.cancel()
        self.failureResultOf(first)
        self.server.grant("t1")
        self.assertEqual(self.successResultOf(second).value, "t1")

    def test_result_of_one_cancels_another(self) -> None:
        """A lost HTTP/2 connection may take others with it as one gets the token, or none."""
        for _ in range(2):
            first, second, third = self.ask(), self.ask(), self.ask()
            first.addBoth(_cancel, second)
            if self.server.asked[1:]:
                self.server.grant("t1")
                self.assertEqual(self.successResultOf(third).value, "t1")
            else:
                self.server.fail(ConnectFailed("refused"))
                self.error(third)
                self.server.clock.advance(1)
            self.failureResultOf(second, CancelledError)

    def test_all_leave(self) -> None:
        """The token is kept for the next one even if all have left."""
        asked = self.ask()
        asked.cancel()
        self.failureResultOf(asked)
        self.server.grant("t1")
        self.assertEqual(self.value(), "t1")

    def test_hidden(self) -> None:
        """The repr of a token doesn't show it."""
        self.assertNotIn("t1", repr(self.have("t1")))


class Renewing(SourceTestCase):
    def test_in_the_background(self) -> None:
        """In its last fifth a token is used while another one is fetched."""
        self.have("t1", expires_in=100)
        self.server.clock.advance(79)
        self.assertEqual(self.value(), "t1")
        self.assertEqual(len(self.server.asked), 1)
        self.server.clock.advance(1)
        self.assertEqual([self.value() for _ in range(5)], ["t1"] * 5)
        self.assertEqual(len(self.server.asked), 2)
        self.server.grant("t2")
        self.assertEqual(self.value(), "t2")

    def test_many_in_the_background(self) -> None:
        """Requests that don't wait for the new token leave nothing behind."""
        self.have("t1", expires_in=100)
        self.server.clock.advance(80)
        self.value()
        before = deferreds()
        for _ in range(100):
            self.value()
        self.assertLess(deferreds() - before, 50)

    def test_shortly_before_its_end(self) -> None:
        """In its last seconds a token isn't used if another one can be had."""
        self.have("t1", expires_in=1000)
        self.server.clock.advance(989)
        self.assertEqual(self.value(), "t1")
        self.server.grant("t2", expires_in=1000)
        self.server.clock.advance(991)
        asked = self.ask()
        self.assertNoResult(asked)
        self.server.grant("t3")
        self.assertEqual(self.successResultOf(asked).value, "t3")

    def test_life_begins_with_the_question(self) -> None:
        """A slow token server shortens the life of its tokens, and doesn't lengthen it."""
        asked = self.ask()
        self.server.clock.advance(9)
        self.server.grant("t1", expires_in=100)
        self.assertEqual(self.successResultOf(asked).ends_s, 100)

    def test_shorter_than_the_fetch(self) -> None:
        """A token that has ended when it comes is still given to those who waited for it."""
        asked = [self.ask(), self.ask()]
        self.server.clock.advance(5)
        self.server.grant("t1", expires_in=1)
        self.assertEqual([self.successResultOf(each).value for each in asked], ["t1", "t1"])
        again = self.ask()
        self.assertNoResult(again)

    def test_no_known_end(self) -> None:
        """Without expires_in a token is used until the API rejects it."""
        for value in (None, 0, -1, "soon", True, [1], 1e400, "-5", "1e9999"):
            self.setUp()
            self.have("t1", expires_in=value)
            self.server.clock.advance(1e9)
            self.assertEqual(self.value(), "t1", value)

    def test_spellings_of_a_number(self) -> None:
        """The lifetime may be an integer, a float or text."""
        for value in (100, 100.0, "100", " 100 ", "100.0"):
            self.setUp()
            self.assertEqual(self.have("t1", expires_in=value).ends_s, 100.0, value)

    def test_refused_by_the_api(self) -> None:
        """A token that the API rejects is replaced, once for all whom it was rejected for."""
        old = self.have("t1")
        self.source.doubt(old)
        asked = [self.ask(old), self.ask(old), self.ask()]
        self.assertEqual(len(self.server.asked), 2)
        self.server.grant("t2")
        self.assertEqual({self.successResultOf(each).value for each in asked}, {"t2"})
        self.assertEqual(self.value(old), "t2")
        self.assertEqual(len(self.server.asked), 2)

    def test_doubt_of_an_older_one(self) -> None:
        """A late rejection of a token that was replaced says nothing of the newer one."""
        old = self.have("t1")
        self.source.doubt(old)
        self.have("t2")
        self.source.doubt(old)
        self.assertEqual(self.value(), "t2")
        self.assertEqual(len(self.server.asked), 2)


class Failing(SourceTestCase):
    def test_down_with_a_valid_token(self) -> None:
        """The old token is used to its end while the token server is down."""
        self.have("t1", expires_in=100)
        self.server.clock.advance(95)
        asked = self.ask()
        self.server.fail(ConnectFailed("https://login.example: connection refused"))
        self.assertEqual(self.successResultOf(asked).value, "t1")
        self.assertEqual(self.value(), "t1")
        self.assertEqual(len(self.server.asked), 2)
        self.server.clock.advance(5)
        self.ask().addErrback(lambda _: None)
        self.server.fail(UpstreamTimedOut("it takes longer than 10 s"))
        self.assertIn("it takes longer", self.error(self.ask()))

    def test_slow_with_a_valid_token(self) -> None:
        """Only the first request waits for a token server that doesn't respond."""
        self.have("t1", expires_in=100)
        self.server.clock.advance(92)
        asked = self.ask()
        self.server.fail(UpstreamTimedOut("it takes longer than 10 s"))
        self.assertEqual(self.successResultOf(asked).value, "t1")
        self.server.clock.advance(2)
        for _ in range(3):
            self.assertEqual(self.value(), "t1")
        self.assertEqual(len(self.server.asked), 3)
        self.server.clock.advance(6)
        self.assertNoResult(self.ask())

    def test_down_without_one(self) -> None:
        """Requests fail at once during a pause that doubles, and not as the API's own failures."""
        for pause in (1, 2, 4, 8, 16, 32, 60, 60):
            asked = self.ask()
            self.server.fail(ConnectFailed("https://login.example: connection refused"))
            words = 'no token for client "gate": https://login.example: connection refused'
            self.assertEqual(self.error(asked), words)
            count = len(self.server.asked)
            self.server.clock.advance(pause - 0.5)
            self.assertIn("next attempt in 1 s", self.error(self.ask()))
            self.assertEqual(len(self.server.asked), count)
            self.server.clock.advance(0.5)
        self.have("t1")
        self.assertIsNone(self.source.failure)
        self.assertIn("gives tokens again", self.lines()[-1])

    def test_rejections(self) -> None:
        """Two rejections in a row begin a pause of 5 s that doubles to 5 minutes."""
        self.ask().addErrback(lambda _: None)
        self.server.refuse(401, INVALID)
        for pause in (5, 10, 20, 40, 80, 160, 300, 300):
            self.ask().addErrback(lambda _: None)
            self.server.refuse(401, INVALID)
            self.server.clock.advance(pause - 1)
            self.assertIn("next attempt in 1 s", self.error(self.ask()))
            self.server.clock.advance(1)
        self.assertEqual(len(self.server.asked), 9)

    def test_retry_after(self) -> None:
        """A busy token server is left alone for as long as it asks."""
        self.ask().addErrback(lambda _: None)
        self.server.refuse(429, b"", (b"Retry-After", b"30"))
        self.server.clock.advance(29)
        self.error(self.ask())
        self.server.clock.advance(1)
        self.have("t1")

    def test_renewal_fails_after_a_401(self) -> None:
        """The token that an API rejects is not used for it again, but still for the others."""
        old = self.have("t1")
        self.source.doubt(old)
        asked, other = self.ask(old), self.ask()
        self.server.refuse(503)
        self.assertIn("it responds 503", self.error(asked))
        self.assertEqual(self.successResultOf(other).value, "t1")

    def test_failed_in_the_background(self) -> None:
        """A failed renewal in the background bothers nobody, and is logged."""
        self.have("t1", expires_in=100)
        self.server.clock.advance(85)
        self.value()
        self.server.refuse(500)
        self.assertEqual(self.value(), "t1")
        self.assertIn("the old token is still valid", self.lines()[-1])
        self.server.clock.advance(1)
        self.assertEqual(self.value(), "t1")
        self.server.grant("t2")
        self.assertEqual(self.value(), "t2")

    def test_advice_of_upstreams(self) -> None:
        """No advice names a key that only upstreams have."""
        for said, shown in (
            ("it is not trusted: name it in ca, or its key in tls.pin", "name it in ca"),
            ("it has no subjectAltName: set tls.pin", "it has no subjectAltName"),
            ('its key is weak: set tls.ciphers = "X:@SECLEVEL=0"', "its key is weak"),
            ("it speaks TLS: write https:// in servers", "write https:// in token_url"),
        ):
            self.setUp()
            asked = self.ask()
            self.server.fail(ConnectFailed(f"https://login.example: {said}"))
            self.assertTrue(self.error(asked).endswith(shown), said)

    def test_bug(self) -> None:
        """An error of our own ends the wait too, and the next attempt is a new one."""
        asked = self.ask()
        self.server.fail(ZeroDivisionError())
        self.assertIn("the gate could not ask it", self.error(asked))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.server.clock.advance(1)
        self.have("t1")

    def test_secrets_in_no_words(self) -> None:
        """What the token server repeats of the request is not shown."""
        for said in (SECRET, f"bad pair gate:{SECRET}", "Z2F0ZTpjbDEzbnQtczNjcmV0"):
            self.setUp()
            self.ask().addErrback(lambda _: None)
            body = f'{{"error": "invalid_client", "error_description": "{said}"}}'
            self.server.refuse(401, body.encode())
            failure = self.source.failure
            assert failure is not None
            for text in (failure.words, self.lines()[-1], repr(self.source)):
                self.assertNotIn(said, text)


class Sharing(SourceTestCase):
    def test_kept_before_use(self) -> None:
        """No request gets the access token before the new refresh token is stored."""
        writes: list[Deferred[None]] = []
        calls: list[str] = []

        def in_thread(call: Any, *_: object) -> Deferred[Any]:
            calls.append(call.__name__)
            if call.__name__ == "read_private":
                return fail(FileNotFoundError())
            writes.append(Deferred())
            return writes[-1]

        server = FakeTokenServer(in_thread)
        made = credentials(
            grant="refresh_token", refresh_token=Secret("r1"), token_file="/var/lib/x"
        )
        asked = Deferred.fromCoroutine(TokenSource(made, server.means).token())
        # An unwritable file is found before the first token is used up.
        self.assertEqual((calls, server.asked), (["read_private", "replace_private"], []))
        writes[0].callback(None)
        server.grant("t1", refresh_token="r2")
        self.assertEqual(calls[2:], ["replace_private"])
        self.assertNoResult(asked)
        writes[1].callback(None)
        self.assertEqual(self.successResultOf(asked).value, "t1")

    def test_rotation_over_sources(self) -> None:
        """Credentials with one refresh token use it one after the other, each the newest."""
        first = credentials(
            grant="refresh_token", refresh_token=Secret("r1"), scope="a", client_secret=Secret("x")
        )
        second = credentials(
            grant="refresh_token", refresh_token=Secret("r1"), scope="b", client_secret=Secret("y")
        )
        one, two = (TokenSource(each, self.server.means) for each in (first, second))
        asked = [Deferred.fromCoroutine(each.token()) for each in (one, two)]
        self.assertEqual([each["refresh_token"] for each in self.server.asked], [["r1"]])
        self.server.grant("t1", refresh_token="r2")
        self.assertEqual(self.server.asked[1]["refresh_token"], ["r2"])
        self.server.grant("t2", refresh_token="r3")
        self.assertEqual([self.successResultOf(each).value for each in asked], ["t1", "t2"])

    def test_failed_use(self) -> None:
        """A failed use lets the next one try, with the same refresh token."""
        source = TokenSource(
            credentials(grant="refresh_token", refresh_token=Secret("r1")), self.server.means
        )
        for _ in range(2):
            asked = Deferred.fromCoroutine(source.token())
            self.server.fail(ConnectFailed("no"))
            self.failureResultOf(asked, LoginFailed)
            self.server.clock.advance(5)
        self.assertEqual([each["refresh_token"] for each in self.server.asked], [["r1"], ["r1"]])
