"""Servers that refuse the gate's own credentials: what is noted, logged, and told to whom."""

from __future__ import annotations

import json

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.credentials import BasicCredentials
from corsgate.config.model.secret import Secret
from corsgate.gate.credential_refusals import HINT_S, INTERVAL_S, MAX_SERVERS, CredentialRefusals
from corsgate.message.head import ResponseHead
from tests.apache import ApacheDigest
from tests.gate.fakes import logged
from tests.gate.test_health import HealthTestCase, health
from tests.peers import response
from tests.support import BASIC, DIGEST, FROM_APP, PASSWORD, POLICY, Gate, GateTestCase

BOX = "http://10.0.0.1"
ASKS_BASIC = (b"WWW-Authenticate", b'Basic realm="box"')
OTHER = "the server refused the gate's credentials: it asks for Basic, the gate has digest"
WRONG = "which the gate has: the user name or the password is probably wrong"


def head(status: int, challenge: bytes = b"Digest realm=r") -> ResponseHead:
    """Return a response's head."""
    return ResponseHead(status, b"", [(b"WWW-Authenticate", challenge)] if status == 401 else [])


class NoteTests(SynchronousTestCase):
    """`CredentialRefusals`."""

    def setUp(self) -> None:
        """Make one for an upstream with Basic."""
        self.clock = Clock()
        self.said = logged(self)
        credentials = BasicCredentials(username="admin", password=Secret(PASSWORD))
        self.refusals = CredentialRefusals("a", credentials, self.clock.seconds, lambda: 9.5)

    def test_last(self) -> None:
        """The last refusal of a server is known until the server accepts a request."""
        refusals = self.refusals
        self.assertFalse(refusals.any)
        for _ in range(3):
            self.assertIn("it asks for Digest", refusals.note(BOX, head(401)))
        last = refusals.last(BOX)
        assert last is not None
        self.assertEqual((last.time_s, last.status, last.count), (9.5, 401, 3))
        self.assertIn("it asks for Digest, the gate has basic", last.words)
        self.assertIsNone(refusals.last("http://10.0.0.2"))
        self.assertTrue(refusals.any)
        for status in (404, 500):
            self.assertEqual(refusals.note(BOX, head(status)), "")
            self.assertIs(refusals.last(BOX), last)
        refusals.note("http://10.0.0.2", head(200))
        self.assertIs(refusals.last(BOX), last)
        refusals.note(BOX, head(200), signed=False)
        self.assertIs(refusals.last(BOX), last)
        self.assertEqual(refusals.note(BOX, head(200)), "")
        self.assertIsNone(refusals.last(BOX))
        self.assertFalse(refusals.any)

    def test_logged(self) -> None:
        """There is a line per minute and server at most, and one when it accepts again."""
        for _ in range(5):
            self.refusals.note(BOX, head(401))
            self.clock.advance(INTERVAL_S[401] / 4)
        first, second = self.said()
        self.assertTrue(
            first.startswith(f"upstream a, server {BOX}: the server refused the "), first
        )
        self.assertTrue(second.endswith("(3 more since the last such line)"), second)
        self.refusals.note("http://10.0.0.2", head(401))
        self.assertEqual(len(self.said()), 3)
        for _ in range(2):
            self.refusals.note(BOX, head(204))
        self.assertEqual(
            self.said()[3:],
            [f"upstream a, server {BOX}: the server accepts the gate's credentials again"],
        )
        self.refusals.note(BOX, head(401))
        self.refusals.note(BOX, head(200))
        self.assertEqual(len(self.said()), 4)

    def test_forbidden(self) -> None:
        """A 403 is logged once an hour, does not hide a 401, and needs no line when it is over."""
        self.refusals.note(BOX, head(403))
        self.clock.advance(INTERVAL_S[401])
        self.refusals.note(BOX, head(403))
        (line,) = self.said()
        self.assertIn("they may lack the right to this resource", line)
        self.refusals.note(BOX, head(200))
        self.assertIsNone(self.refusals.last(BOX))
        self.assertEqual(len(self.said()), 1)
        self.refusals.note(BOX, head(401))
        self.refusals.note(BOX, head(403))
        last = self.refusals.last(BOX)
        assert last is not None
        self.assertEqual(last.status, 401)

    def test_suggested(self) -> None:
        """Without a file an option is suggested, at most once an hour."""
        refusals = CredentialRefusals("a", None, self.clock.seconds, lambda: 9.5, has_file=False)
        for _ in range(5):
            refusals.suggest(BOX, head(401))
            self.clock.advance(HINT_S / 4)
        first, second = self.said()
        self.assertTrue(first.endswith("to log in, add --auth digest:USER"), first)
        self.assertEqual(first, second)
        self.assertFalse(refusals.any)
        refusals.suggest(BOX, ResponseHead(401, b"", []))
        self.assertEqual(len(self.said()), 2)

    def test_bound(self) -> None:
        """Only so many servers are remembered."""
        for number in range(MAX_SERVERS + 10):
            self.refusals.note(f"http://{number}.test", head(401))
        self.assertIsNone(self.refusals.last("http://9.test"))
        self.assertIsNotNone(self.refusals.last("http://10.test"))
        for number in range(MAX_SERVERS + 10):
            self.refusals.note(f"http://{number}.test", head(200))
        self.assertFalse(self.refusals.any)


class Refused(GateTestCase):
    """A gate before a box that wants others."""

    def gate_of(self, origin: str, credentials: str, cors: str = "") -> Gate:
        """Return a gate with one route to a server."""
        policy = POLICY if not cors else POLICY + cors + "\n"
        return self.serve(
            f'[upstreams.a]\nservers = ["{origin}"]\n{credentials}\n{policy}\n'
            '[routes."/v1"]\nupstream = "a"\ncors = "app"\n'
        )

    def apache(self, password: str = PASSWORD) -> ApacheDigest:
        """Return a server that asks for Digest, and ends with the test."""
        apache = ApacheDigest(users={"admin": password}, files={"v1": b"{}"})
        self.addCleanup(apache.stop)
        return apache

    async def test_no_credentials(self) -> None:
        """Without credentials the log says once what to add, unless clients log in on their own."""
        said = logged(self)
        upstream = await self.upstream(*[response(401, [ASKS_BASIC])] * 4)
        gate = self.gate_of(upstream.url, "")
        own = (b"Authorization", b"Basic YTpi")
        self.assertEqual((await self.ask(gate, headers=[FROM_APP, own])).status, 401)
        self.assertEqual([line for line in said() if "credentials" in line], [])
        for _ in range(3):
            answer = await self.ask(gate, headers=[FROM_APP])
            self.assertEqual(answer.one(b"WWW-Authenticate"), ASKS_BASIC[1])
        (line,) = [line for line in said() if "credentials" in line]
        self.assertEqual(
            line,
            f'upstream a, server {upstream.url}: the server asks for Basic (realm "box"), and the'
            " gate has no credentials for it: to log in, write credentials = { type ="
            ' "basic", username = "USER", password = { env = "BOX_PASSWORD" } } in [upstreams.a]',
        )

    async def test_other_kind(self) -> None:
        """The log says that the box asks for Basic; the client gets no challenge and no reason."""
        said = logged(self)
        asks_digest = (b"WWW-Authenticate", b'Digest realm="r", nonce="n", qop="auth"')
        refusing = [response(401, [ASKS_BASIC])] * 3
        upstream = await self.upstream(
            *refusing, response(200), response(401, [asks_digest]), response(200)
        )
        gate = self.gate_of(upstream.url, DIGEST)
        refusals = gate.service.runtime.upstreams["a"].credential_refusals
        for _ in range(3):
            answer = await self.ask(gate, headers=[FROM_APP])
            self.assertEqual(answer.status, 401)
            self.assertNotIn(b"www-authenticate", answer.fields)
            self.assertNotIn(b"corsgate-reason", answer.fields)
        last = refusals.last(upstream.url)
        assert last is not None
        self.assertEqual((last.words, last.count), (OTHER, 3))
        lines = [line for line in said() if "credentials" in line]
        self.assertEqual(lines, [f"upstream a, server {upstream.url}: {OTHER}"])
        # A public page says nothing of the credentials, which it did not get.
        self.assertEqual((await self.ask(gate)).status, 200)
        self.assertIs(refusals.last(upstream.url), last)
        self.assertEqual((await self.ask(gate)).status, 200)
        self.assertIsNone(refusals.last(upstream.url))
        self.assertIn("accepts the gate's credentials again", said()[-1])
        self.assertNotIn(PASSWORD, "".join(said()))

    async def test_apache(self) -> None:
        """A real server refuses a wrong password, the wrong kind, and takes what is right."""
        for password, credentials, words in (
            (PASSWORD, DIGEST, None),
            ("another", DIGEST, f'it asks for Digest (realm "closed box"), {WRONG}'),
            (PASSWORD, BASIC, "it asks for Digest, the gate has basic"),
        ):
            apache = self.apache(password)
            gate = self.gate_of(apache.origin, credentials)
            for _ in range(2):
                answer = await self.ask(gate, target=b"/v1", headers=[FROM_APP])
                self.assertEqual(answer.status, 401 if words else 200)
            last = gate.service.runtime.upstreams["a"].credential_refusals.last(apache.origin)
            self.assertEqual(
                None if last is None else last.words,
                None if words is None else f"the server refused the gate's credentials: {words}",
            )

    async def test_debug(self) -> None:
        """With `debug` the client on this machine gets the reason, without it nobody does."""
        upstream = await self.upstream(*[response(401, [ASKS_BASIC])] * 4)
        for cors, reasons in (
            ("", None),
            ("debug = true", [OTHER.encode()]),
            ('debug_origins = ["https://other.example"]', None),
            ('debug_origins = ["https://app.example"]', [OTHER.encode()]),
        ):
            gate = self.gate_of(upstream.url, DIGEST, cors)
            answer = await self.ask(gate, headers=[FROM_APP])
            self.assertEqual(answer.status, 401)
            self.assertEqual(answer.fields.get(b"corsgate-reason"), reasons)
            self.assertNotIn(b"www-authenticate", answer.fields)

    async def test_not_the_gates(self) -> None:
        """Where the gate has no credentials, the client gets the box's 401 as it is."""
        upstream = await self.upstream(response(401, [ASKS_BASIC]))
        answer = await self.ask(self.gate_of(upstream.url, "", "debug = true"), headers=[FROM_APP])
        self.assertEqual(answer.one(b"www-authenticate"), ASKS_BASIC[1])
        self.assertNotIn(b"corsgate-reason", answer.fields)


class Probes(HealthTestCase):
    """A probe whose credentials are refused says so."""

    async def test_probe(self) -> None:
        """The line about a server that is down has the reason."""
        said = logged(self)
        bad, good = await self.probed(), await self.probed()
        bad.well = lambda _: response(401, [ASKS_BASIC])
        gate = self.front(bad, good, upstream=f"{health()}\n{DIGEST}")
        await bad.judged(2)
        self.assertEqual(await self.share(gate, bad, good), [0, 6])
        (line,) = [line for line in said() if "is down" in line]
        self.assertTrue(line.endswith(f"it answers 401: {OTHER}"), line)
        self.assertNotIn(PASSWORD, json.dumps(said()))

    async def test_anonymous(self) -> None:
        """A probe that sends none is told apart."""
        said = logged(self)
        bad, good = await self.probed(), await self.probed()
        bad.well = lambda _: response(401, [ASKS_BASIC])
        self.front(bad, good, upstream=f"{health(', anonymous = true')}\n{BASIC}")
        await bad.judged(2)
        (line,) = [line for line in said() if "is down" in line]
        self.assertTrue(line.endswith("it answers 401 to a probe without credentials"), line)
