"""Tests of `corsgate.explain_web.recorded`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.block_causes import Cause
from corsgate.explain.call import Call
from corsgate.explain.console import read_message
from corsgate.explain.trace import Answer, Outcome
from corsgate.explain.url import Url
from corsgate.explain_web.pasted import nothing_recorded, of_heads
from corsgate.explain_web.recorded import (
    allowed_origin,
    by_message,
    follow,
    misses,
    origin_misses,
)

PUT = Call(
    origin=b"http://localhost:4200",
    method=b"PUT",
    url=Url.parse("http://localhost:8000/v1"),
    headers=((b"X-App", b"1"),),
)
START = (
    "Access to fetch at 'http://localhost:8000/v1' from origin 'http://localhost:4200' has been"
    " blocked by CORS policy: "
)
PREFLIGHT = "Response to preflight request doesn't pass access control check: "
OTHER = (
    "The 'Access-Control-Allow-Origin' header has a value 'https://localhost:4200' that is not"
    " equal to the supplied origin."
)


def answer(status: int = 200, **fields: str) -> Answer:
    """Return a response with CORS fields: ``allow_origin`` for Access-Control-Allow-Origin."""
    return Answer(
        status=status,
        headers=tuple(
            (f"Access-Control-{name.replace('_', '-')}".encode(), value.encode())
            for name, value in fields.items()
        ),
    )


class RecordedTests(SynchronousTestCase):
    """`follow`, `by_message` and the near misses."""

    def test_all_recorded(self) -> None:
        """With both responses, the call is decided."""
        good = answer(
            allow_origin="http://localhost:4200", allow_methods="PUT", allow_headers="x-app"
        )
        trace, missing = follow(PUT, of_heads(good, good))
        self.assertTrue(trace.allowed)
        self.assertIsNone(missing)
        trace, missing = follow(PUT, of_heads(answer(), good))
        self.assertFalse(trace.allowed)
        self.assertIsNone(missing)

    def test_not_recorded(self) -> None:
        """The trace ends before the request whose response is unknown; none is invented."""
        trace, missing = follow(PUT, nothing_recorded)
        assert missing is not None
        self.assertEqual(missing.method, b"OPTIONS")
        self.assertEqual((trace.exchanges, trace.allowed), ((), False))
        self.assertEqual([step.title for step in trace.steps], ["preflight"])

    def test_messages(self) -> None:
        """The browser's own words are the last step, after those that led to it."""
        message = read_message(START + PREFLIGHT + OTHER)
        steps = by_message(PUT, message)
        self.assertEqual([step.title for step in steps], ["preflight", "the preflight response"])
        self.assertIs(steps[-1].cause, Cause.OTHER_ORIGIN)
        steps = by_message(PUT, read_message(START + OTHER))
        self.assertEqual([step.outcome for step in steps][1:], [Outcome.PASS, Outcome.FAIL])
        self.assertEqual(len(by_message(None, message)), 1)
        unknown = by_message(PUT, read_message(f"{START}Something else."))
        self.assertNotIn(Outcome.FAIL, [step.outcome for step in unknown])

    def test_quoted_origin(self) -> None:
        """The value that a message quotes shows how near it was."""
        value = allowed_origin(read_message(START + OTHER))
        self.assertEqual(value, "https://localhost:4200")
        firefox = (
            "Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote"
            " resource at http://h/x. (Reason: CORS header \u2018Access-Control-Allow-Origin\u2019"
            " does not match \u2018http://a\u2019)."
        )
        self.assertEqual(allowed_origin(read_message(firefox)), "http://a")
        self.assertEqual(
            origin_misses(PUT, "https://localhost:4200"),
            ["http instead of https: https://localhost:4200 is allowed"],
        )

    def test_near_misses(self) -> None:
        """A slash, another port, another case and a similar header are near."""
        for found, words in (
            (answer(allow_origin="http://localhost:4200/"), "trailing slash"),
            (answer(allow_origin="HTTP://localhost:4200"), "spelling"),
            (answer(allow_origin="http://localhost:4201"), "port"),
            (answer(allow_methods="put"), "case"),
            (answer(allow_headers="x-apps"), "x-apps is"),
        ):
            self.assertIn(words, " ".join(misses(PUT, found)))
        for value in ("*", "http://localhost:4200", "rubbish", "a, b", "null", "http://[", ""):
            self.assertEqual(origin_misses(PUT, value), [], value)
