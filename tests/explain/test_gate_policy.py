"""What a running gate shows of its policy."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.browser import fetch
from corsgate.explain.call import Call
from corsgate.explain.gate_policy import GatePolicy, gate_policy, reason_of
from corsgate.explain.trace import Answer
from corsgate.explain.url import Url
from corsgate.message.headers import Header

APP = b"http://localhost:4200"
ORIGIN: Header = (b"Access-Control-Allow-Origin", APP)


def call(method: bytes = b"GET", *headers: bytes, credentials: bool = False) -> Call:
    """Return a page's call."""
    url = Url.parse("http://localhost:5555/v1")
    fields = tuple((name, b"1") for name in headers)
    return Call(origin=APP, method=method, url=url, headers=fields, credentials=credentials)


def shown(asked: Call, status: int, headers: Sequence[Header], page: str = "") -> GatePolicy:
    """Return what a gate shows that responds like this."""
    answer = Answer(status=status, headers=tuple(headers))
    return gate_policy(fetch(asked, lambda _: answer), asked, page)


class PolicyTests(SynchronousTestCase):
    """`gate_policy`."""

    def test_origin(self) -> None:
        """A refused origin is added, whether the reason or only the page names it."""
        toml = 'allow_origins = ["http://localhost:4200"]'
        reason = ((b"Corsgate-Reason", b"origin 'http://localhost:4200' is not allowed"),)
        self.assertEqual(shown(call(), 403, reason).toml, toml)
        page = "The origin http://localhost:4200 is not allowed here."
        self.assertEqual(shown(call(), 403, (), page).toml, toml)
        self.assertEqual(shown(call(), 403, (), "The moon is full.").toml, "")

    def test_method_and_header(self) -> None:
        """A policy with debug lists what it allows, and only what it lacks is added."""
        listed = (
            ORIGIN,
            (b"Access-Control-Allow-Methods", b"PUT"),
            (b"Access-Control-Allow-Headers", b"Content-Type"),
        )
        why = (b"Corsgate-Reason", b"method 'DELETE' is not in allow_methods")
        found = shown(call(b"DELETE"), 204, (why, *listed))
        self.assertEqual(found.toml, 'allow_methods = ["DELETE"]')
        (words,) = found.words
        self.assertIn("without credentials. Methods: PUT. Headers: Content-Type.", words)
        why = (b"Corsgate-Reason", b"request header 'x-app' is not in allow_headers")
        found = shown(call(b"PUT", b"X-App", b"Content-Type", b"X-B"), 204, (why, *listed))
        self.assertEqual(found.toml, 'allow_headers = ["x-app", "x-b"]')

    def test_credentials(self) -> None:
        """A policy without credentials gets them only if the page sends them."""
        self.assertEqual(
            shown(call(credentials=True), 200, (ORIGIN,)).toml, "allow_credentials = true"
        )
        self.assertEqual(shown(call(), 200, (ORIGIN,)).toml, "")

    def test_never_everything(self) -> None:
        """A star is never proposed."""
        listed = (ORIGIN, (b"Access-Control-Allow-Methods", b"PUT"))
        self.assertEqual(shown(call(b"*"), 204, listed).toml, "")
        self.assertEqual(shown(call(b"PUT", b"*"), 204, listed).toml, "")

    def test_other_origins_policy(self) -> None:
        """What a gate allows another origin is not said to be this one's."""
        other = ((b"Access-Control-Allow-Origin", b"http://other.example"),)
        self.assertEqual(shown(call(), 403, other).words, ())


class ReasonTests(SynchronousTestCase):
    """`reason_of`."""

    def test_printable(self) -> None:
        """The reason can be printed safely; without one there is none."""
        answer = Answer(status=403, headers=((b"corsgate-REASON", b"a\x1b[2J"),))
        self.assertEqual(reason_of([answer]), "a\\x1b[2J")
        self.assertEqual(reason_of([Answer(status=200, headers=())]), "")
