"""The reason that a refused client gets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors
from corsgate.cors.debug import MAX_REASON_BYTES, tell
from corsgate.cors.decide import Verdict, decide
from corsgate.cors.decision import Decision
from corsgate.cors.policy import Policy, compile_policy
from corsgate.message.headers import Header, index_headers

APP = b"https://app.example"
ALLOW = (b"Access-Control-Allow-Origin", APP)
CREDENTIALS = (b"Access-Control-Allow-Credentials", b"true")
VARY = (b"Vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")


def policy(**keys: object) -> Policy:
    """Return a policy that gives the reason to clients on its own machine."""
    return compile_policy(
        Cors(allow_origins=("https://app.example",), debug=True, **keys)  # type: ignore[arg-type]
    )


PLAIN = policy()
LISTS = policy(allow_methods=("PUT",), allow_headers=("X-A",), max_age_s=60)
STARS = policy(allow_methods=("*",), allow_headers=("*",))
ECHO = policy(allow_methods=("*",), allow_headers=("*",), allow_credentials=True)
FEW = policy(allow_methods=("PUT",), allow_headers=("*",), allow_credentials=True)


def methods(value: bytes) -> Header:
    """Return the field that allows methods."""
    return (b"Access-Control-Allow-Methods", value)


def names(value: bytes) -> Header:
    """Return the field that allows request headers."""
    return (b"Access-Control-Allow-Headers", value)


# Policy; method and headers that an allowed origin's preflight asks for; the response without its
# reason, or None for a plain refusal.
PREFLIGHTS: tuple[tuple[Policy, bytes, bytes, tuple[Header, ...] | None], ...] = (
    (PLAIN, b"PUT", b"", (ALLOW, methods(b"GET, HEAD, POST"), VARY)),
    (PLAIN, b"GET", b"x-a", (ALLOW, methods(b"GET, HEAD, POST"), VARY)),
    (LISTS, b"PATCH", b"x-a", (ALLOW, methods(b"PUT"), names(b"X-A"), VARY)),
    (LISTS, b"PUT", b"x-a,x-b", (ALLOW, methods(b"PUT"), names(b"X-A"), VARY)),
    (LISTS, b"P T", b"", None),
    (LISTS, b"PUT", b"," * 100, None),
    (STARS, b"PUT", b"authorization", (ALLOW, methods(b"*"), VARY)),
    (STARS, b"PUT", b"authorization,x-a", (ALLOW, methods(b"*"), names(b"x-a"), VARY)),
    (STARS, b"TRACE", b"", None),
    (STARS, b"PUT", b"x a", None),
    (
        ECHO,
        b"PUT",
        b"x-a,authorization,x-b",
        (ALLOW, CREDENTIALS, methods(b"PUT"), names(b"x-a, x-b"), VARY),
    ),
    (ECHO, b"PUT", b"authorization", (ALLOW, CREDENTIALS, methods(b"PUT"), VARY)),
    (ECHO, b"connect", b"", None),
    (FEW, b"PATCH", b"x-a", (ALLOW, CREDENTIALS, methods(b"PUT"), names(b"x-a"), VARY)),
)


def refused(policy: Policy, headers: list[Header], *, loopback: bool = True) -> Decision:
    """Return the decision that a refused client gets."""
    index = index_headers(headers)
    method = b"OPTIONS" if b"access-control-request-method" in index else b"GET"
    decision = decide(policy, method, index, b"https://gate.example", credentialed=True)
    assert decision.verdict is Verdict.REFUSE, decision
    return tell(policy, decision, index, loopback=loopback)


class TellTests(SynchronousTestCase):
    """`tell`."""

    def test_preflights(self) -> None:
        """A browser gets the list of what is allowed, if that makes it refuse for certain."""
        for policy, method, asked, expected in PREFLIGHTS:
            told = refused(
                policy,
                [
                    (b"Origin", APP),
                    (b"Access-Control-Request-Method", method),
                    (b"Access-Control-Request-Headers", asked),
                ],
            )
            (name, reason), *rest = told.headers
            self.assertEqual(name, b"Corsgate-Reason")
            self.assertTrue(told.reason.encode().startswith(reason))
            passed = told.verdict is Verdict.PREFLIGHT
            self.assertEqual(tuple(rest) if passed else None, expected, (method, asked))

    def test_strangers(self) -> None:
        """An origin that is not allowed gets the reason and nothing else."""
        for more in ([], [(b"Access-Control-Request-Method", b"PUT")]):
            told = refused(PLAIN, [(b"Origin", b"https://evil.test"), *more])
            self.assertIs(told.verdict, Verdict.REFUSE)
            self.assertEqual([name for name, _ in told.headers], [b"Corsgate-Reason", b"Vary"])

    def test_who(self) -> None:
        """With debug, clients on this machine get the reason; pages of debug_origins always do."""
        far = compile_policy(
            Cors(
                allow_origins=("https://app.example",),
                debug_origins=("https://*.dev.example", "http://localhost:4200"),
            )
        )
        for policy, origin, loopback, expected in (
            (PLAIN, b"https://evil.test", True, True),
            (PLAIN, b"https://evil.test", False, False),
            (far, b"https://evil.test", True, False),
            (far, b"https://a.dev.example", False, True),
            (far, b"http://localhost:4200", False, True),
            (far, b"http://localhost:4201", False, False),
            (far, b"https://*.dev.example", False, False),
            (far, b"null", False, False),
            (far, b"x" * 9999, False, False),
        ):
            told = refused(policy, [(b"Origin", origin)], loopback=loopback)
            self.assertEqual(told.headers[0][0] == b"Corsgate-Reason", expected, origin)

    def test_where_debug_origins_has_a_pattern_as_text(self) -> None:
        """A pattern does not cover its own text."""
        far = compile_policy(
            Cors(allow_origins=("https://app.example",), debug_origins=("http://localhost:*",))
        )
        told = refused(far, [(b"Origin", b"http://localhost:*")], loopback=False)
        self.assertEqual([name for name, _ in told.headers], [b"Vary"])

    @given(st.binary(max_size=600), st.lists(st.binary(max_size=40), max_size=2))
    def test_safe(self, origin: bytes, asked: list[bytes]) -> None:
        """For any request, the reason is a short line of printable ASCII."""
        headers = [(b"Origin", origin)]
        headers += [(b"Access-Control-Request-Method", value) for value in asked]
        told = refused(PLAIN, headers)
        reason = dict(told.headers)[b"Corsgate-Reason"]
        self.assertLessEqual(len(reason), MAX_REASON_BYTES)
        self.assertTrue(reason.isascii() and reason.decode().isprintable())
