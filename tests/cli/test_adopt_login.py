"""Logins that ``corsgate adopt`` tries."""

from __future__ import annotations

from base64 import b64encode

from twisted.trial.unittest import SynchronousTestCase

from corsgate.adopt.probes import Probe, Reply
from corsgate.cli.adopt_login import MAX_REJECTED, LoginTrial
from tests.adopt.play import field, reply

PROBE = Probe(name="login", words="login", target="/")
SECRET = "secret-of-the-box"


class LoginTrialTests(SynchronousTestCase):
    """Rejections are counted, and end at two."""

    def setUp(self) -> None:
        """Start with a box that responds with what is in `replies`, the last one for ever."""
        self.replies: list[Reply] = []
        self.sent: list[bytes] = []

    def send(self, probe: Probe) -> Reply:
        """Return the next reply."""
        self.sent.append(field(probe, b"Authorization"))
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def challenge(self, more: str = "") -> Reply:
        """Return a challenge."""
        return reply(401, WWW_Authenticate=f'Digest realm="r", nonce="n", qop="auth"{more}')

    def test_limit(self) -> None:
        """After two rejections nothing is sent."""
        self.replies = [reply(401)]
        trial = LoginTrial(self.send, "u", SECRET)
        for _ in range(5):
            trial.send("basic", PROBE)
        self.assertEqual((len(self.sent), trial.rejected), (MAX_REJECTED, MAX_REJECTED))

    def test_digest(self) -> None:
        """A challenge without a login is no rejection; one to a login is."""
        self.replies = [self.challenge(), reply(200)]
        trial = LoginTrial(self.send, "u", SECRET)
        self.assertEqual((trial.send("digest", PROBE).status, trial.rejected), (200, 0))
        self.assertEqual([each[:6] for each in self.sent], [b"", b"Digest"])
        self.replies = [self.challenge()]
        self.assertEqual((trial.send("digest", PROBE).status, trial.rejected), (401, 1))
        self.assertEqual(len(self.sent), 4)

    def test_stale(self) -> None:
        """A nonce that is stale is replaced once, and is no rejection."""
        self.replies = [self.challenge(), self.challenge(", stale=true"), reply(200)]
        trial = LoginTrial(self.send, "u", SECRET)
        self.assertEqual((trial.send("digest", PROBE).status, trial.rejected), (200, 0))
        self.replies = [self.challenge(", stale=true")]
        self.sent.clear()
        self.assertEqual((trial.send("digest", PROBE).status, len(self.sent)), (401, 3))

    def test_kinds(self) -> None:
        """Each kind has its scheme; the secret is in no repr."""
        self.replies = [reply(200)]
        trial = LoginTrial(self.send, "u", SECRET)
        trial.send("basic", PROBE)
        trial.send("bearer", PROBE)
        self.assertEqual(self.sent[0][:6], b"Basic ")
        self.assertEqual(self.sent[1], b"Bearer " + SECRET.encode())
        self.assertNotIn(SECRET, repr(trial))

    def test_repeated_secret(self) -> None:
        """A field that repeats the secret is hidden, since findings quote fields of the box."""
        pair = b64encode(f"u:{SECRET}".encode()).decode()
        for said in (SECRET, SECRET.upper(), SECRET.encode().hex(), pair):
            self.replies = [reply(302, Location=f"/a?{said}", Server="box")]
            for kind in ("basic", "bearer"):
                found = LoginTrial(self.send, "u", SECRET).send(kind, PROBE)
                self.assertEqual(found.value(b"location"), b"***")
                self.assertEqual(found.value(b"server"), b"box")
        # A usual word is not hidden.
        self.replies = [reply(302, Location="/admin/")]
        found = LoginTrial(self.send, "u", "admin").send("basic", PROBE)
        self.assertEqual(found.value(b"location"), b"/admin/")
