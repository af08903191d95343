"""What a policy with ``expose_headers = "auto"`` exposes of a response."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors
from corsgate.cors.decide import decide
from corsgate.cors.decision import MAX_SHAPES
from corsgate.cors.policy import Policy, compile_policy
from tests.cors.cases import APP, OWN, POLICIES


class ExposingTests(SynchronousTestCase):
    """`Decision.exposing`."""

    AUTO = compile_policy(Cors(allow_origins=("https://app.example",), expose_auto=True))
    PUBLIC = compile_policy(Cors(allow_origins=("*",), expose_auto=True))

    def exposed(self, policy: Policy, *names: bytes) -> bytes | None:
        """Return the names that are exposed of a response with these fields."""
        index = {b"origin": [APP]}
        decision = decide(policy, b"GET", index, OWN, credentialed=False)
        made = decision.exposing([(name, b"1") for name in names])
        self.assertIs(decision.exposing([(name, b"2") for name in names]), made)
        self.assertEqual(made.vary, decision.vary)
        self.assertFalse(made.exposes_all)
        return dict(made.headers).get(b"Access-Control-Expose-Headers")

    def test_names(self) -> None:
        """All except safelisted, forbidden and hop-by-hop fields, and those about servers."""
        for policy in (self.AUTO, self.PUBLIC):
            for names, expected in (
                ((), None),
                ((b"Content-Type", b"Cache-Control", b"LAST-MODIFIED"), None),
                ((b"Set-Cookie", b"Connection", b"Keep-Alive", b"Upgrade"), None),
                ((b"Server", b"X-Powered-By", b"Via", b"Alt-Svc", b"WWW-Authenticate"), None),
                ((b"Access-Control-Allow-Origin", b"Vary"), None),
                ((b"x-b", b"ETag", b"X-A", b"X-B", b"Server"), b"ETag, X-A, x-b"),
                (
                    (b"Link", b"Location", b"Retry-After", b"Date"),
                    b"Date, Link, Location, Retry-After",
                ),
            ):
                self.assertEqual(self.exposed(policy, *names), expected)

    def test_bounded(self) -> None:
        """The memory is bounded for any responses of an upstream."""
        decision = decide(self.AUTO, b"GET", {b"origin": [APP]}, OWN, credentialed=False)
        made = {id(decision.exposing([(b"X-%d" % n, b"")])) for n in range(5 * MAX_SHAPES)}
        self.assertGreater(len(made), 1)
        self.assertLessEqual(len(decision._ready), MAX_SHAPES)  # type: ignore[attr-defined]

    def test_others(self) -> None:
        """Without "auto", and without Origin, it is the decision itself."""
        for policy, index in ((self.AUTO, {}), (POLICIES["full"], {b"origin": [APP]})):
            decision = decide(policy, b"GET", index, OWN, credentialed=False)
            self.assertIs(decision.exposing([(b"X-A", b"1")]), decision)
            self.assertFalse(decision.exposes_all)
