"""What a page would notice if another policy made the decision."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors
from corsgate.cors.compare import change
from corsgate.cors.decide import decide
from corsgate.cors.policy import Policy, compile_policy
from corsgate.message.headers import Header, index_headers

APP, OTHER = "https://app.example", "https://other.example"


def policy(*origins: str, **keys: object) -> Policy:
    """Return a policy."""
    return compile_policy(Cors(allow_origins=origins or (APP,), **keys))  # type: ignore[arg-type]


PLAIN = policy()
BOTH = policy(APP, OTHER)
PUBLIC = policy("*")
PUT = policy(allow_methods=("PUT",))
LOGIN = policy(allow_credentials=True)
EXPOSING = policy(expose_headers=("X-A",))
AUTO = policy(expose_auto=True)
LENIENT = policy(enforce_origin=False)
LENIENT_BOTH = policy(APP, OTHER, enforce_origin=False)
AGED = policy(max_age_s=5)

FROM_APP = (b"Origin", APP.encode())
FROM_OTHER = (b"Origin", OTHER.encode())
ASKING_PUT = (b"Access-Control-Request-Method", b"PUT")
ASKING_GET = (b"Access-Control-Request-Method", b"GET")

CASES: tuple[tuple[Policy | None, Policy, list[Header], str | None], ...] = (
    (PLAIN, PLAIN, [FROM_APP], None),
    (PLAIN, BOTH, [FROM_APP], None),
    (PLAIN, BOTH, [FROM_OTHER], "would let it pass"),
    (BOTH, PLAIN, [FROM_OTHER], "would refuse it"),
    (PLAIN, LOGIN, [FROM_OTHER], None),
    (PLAIN, LOGIN, [FROM_APP], "would allow credentials"),
    (LOGIN, PLAIN, [FROM_APP], "would not allow credentials"),
    (PLAIN, EXPOSING, [FROM_APP], "would expose other headers"),
    (PLAIN, AUTO, [FROM_APP], "would expose other headers"),
    (AUTO, AUTO, [FROM_APP], None),
    (PLAIN, PUBLIC, [], None),
    (PLAIN, PUBLIC, [FROM_APP], None),
    (PLAIN, LENIENT, [FROM_OTHER], "would let it pass"),
    (LENIENT, LENIENT_BOTH, [FROM_OTHER], "would let the page read the response"),
    (LENIENT_BOTH, LENIENT, [FROM_OTHER], "would keep the page from reading the response"),
    (None, PLAIN, [], None),
    (None, PLAIN, [FROM_APP], "would let the page read the response"),
    (None, PLAIN, [FROM_OTHER], "would refuse it"),
    (PLAIN, PUT, [FROM_APP, ASKING_PUT], "would let it pass"),
    (PUT, PLAIN, [FROM_APP, ASKING_PUT], "would refuse it"),
    (PLAIN, PUT, [FROM_APP, ASKING_GET], None),
    (PLAIN, AGED, [FROM_APP, ASKING_GET], None),
    (PLAIN, LOGIN, [FROM_APP, ASKING_GET], "would allow credentials"),
    (None, PLAIN, [FROM_APP, ASKING_GET], "would let it pass"),
)


class ChangeTests(SynchronousTestCase):
    """`change`."""

    def test_table(self) -> None:
        """Each pair of decisions has the phrase for what a page would notice."""
        for live, tried, headers, expected in CASES:
            index = index_headers(headers)
            method = b"OPTIONS" if b"access-control-request-method" in index else b"GET"
            decisions = [
                decide(each, method, index, b"https://gate", credentialed=False)
                for each in (live, tried)
            ]
            self.assertEqual(
                change(*decisions, has_origin=b"origin" in index), expected, (live, tried, headers)
            )
