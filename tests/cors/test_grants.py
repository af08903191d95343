"""The ready responses of a policy to an allowed origin."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors
from corsgate.cors.decision import Verdict
from corsgate.cors.grants import GrantFactory, listed_headers, listed_methods, preflight_headers

APP = b"https://app.example"
PLAIN = Cors(allow_origins=(APP.decode(),))
ORIGIN = (b"Access-Control-Allow-Origin", APP)
CREDENTIALS = (b"Access-Control-Allow-Credentials", b"true")
METADATA = b"Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest"
ASKED = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


def cors(**changes: Any) -> Cors:
    """Return a policy with these changes."""
    return attrs.evolve(PLAIN, **changes)


class ListTests(SynchronousTestCase):
    """`listed_methods` and `listed_headers`."""

    def test_methods(self) -> None:
        """A list of methods that need no listing is left out; any other is sent as a whole."""
        for methods, listed in (
            ((), b""),
            (("GET", "HEAD", "POST"), b""),
            (("PUT", "GET", "PUT"), b"PUT, GET"),
            (("get",), b"get"),
            (("*",), b"*"),
        ):
            self.assertEqual(listed_methods(cors(allow_methods=methods)), listed)

    def test_headers(self) -> None:
        """Names keep their order and case, each once."""
        for names, listed in (
            ((), b""),
            (("X-B", "X-A", "X-B"), b"X-B, X-A"),
            (("*", "Authorization"), b"*, Authorization"),
        ):
            self.assertEqual(listed_headers(cors(allow_headers=names)), listed)


class PreflightHeadersTests(SynchronousTestCase):
    """`preflight_headers`."""

    def test_empty_lists_are_left_out(self) -> None:
        """An empty list or an unset age has no field; Vary is always there, as the last."""
        for age, methods, names, fields in (
            (None, b"", b"", []),
            (0, b"", b"", [(b"Access-Control-Max-Age", b"0")]),
            (
                600,
                b"PUT",
                b"",
                [
                    (b"Access-Control-Allow-Methods", b"PUT"),
                    (b"Access-Control-Max-Age", b"600"),
                ],
            ),
            (None, b"", b"X-A", [(b"Access-Control-Allow-Headers", b"X-A")]),
        ):
            found = preflight_headers(cors(max_age_s=age), (ORIGIN,), methods, names)
            self.assertEqual(found, (ORIGIN, *fields, (b"Vary", ASKED)))


class GrantTests(SynchronousTestCase):
    """`GrantFactory`."""

    def test_actual_request(self) -> None:
        """Credentials and exposed headers are sent only if the policy has them."""
        for changes, fields in (
            ({}, (ORIGIN,)),
            ({"allow_credentials": True}, (ORIGIN, CREDENTIALS)),
            (
                {"expose_headers": ("X-A", "ETag", "X-A")},
                (ORIGIN, (b"Access-Control-Expose-Headers", b"X-A, ETag")),
            ),
            ({"allow_methods": ("PUT",), "max_age_s": 5}, (ORIGIN,)),
        ):
            plain, _ = GrantFactory.of(cors(**changes)).grant(APP).actual
            self.assertIs(plain.verdict, Verdict.FORWARD)
            self.assertEqual(plain.headers, (*fields, (b"Vary", b"Origin")))

    def test_vary(self) -> None:
        """Vary names all that could have changed the decision, and nothing else."""
        for changes, origin, plain, credentialed in (
            ({}, APP, b"Origin", b"Origin, " + METADATA),
            ({"enforce_origin": False}, APP, b"Origin", b"Origin"),
            ({"allow_origins": ("*",)}, b"*", b"", METADATA),
            ({"allow_origins": ("*",), "enforce_origin": False}, b"*", b"", b""),
        ):
            found = GrantFactory.of(cors(**changes)).grant(origin).actual
            self.assertEqual(
                (changes, [decision.vary for decision in found]), (changes, [plain, credentialed])
            )

    def test_preflight(self) -> None:
        """A ready preflight response allows the listed methods and headers."""
        changes = {"allow_methods": ("PUT",), "allow_headers": ("X-A",)}
        ready = GrantFactory.of(cors(**changes)).grant(APP).preflight
        assert ready is not None
        self.assertIs(ready.verdict, Verdict.PREFLIGHT)
        self.assertEqual(
            ready.headers,
            (
                ORIGIN,
                (b"Access-Control-Allow-Methods", b"PUT"),
                (b"Access-Control-Allow-Headers", b"X-A"),
                (b"Vary", ASKED),
            ),
        )

    def test_wildcards_with_credentials_have_no_ready_preflight(self) -> None:
        """With credentials browsers take ``*`` for a name, so each response is made to order."""
        for changes, is_ready in (
            ({"allow_methods": ("*",)}, True),
            ({"allow_headers": ("*",)}, True),
            ({"allow_credentials": True}, True),
            ({"allow_credentials": True, "allow_methods": ("*",)}, False),
            ({"allow_credentials": True, "allow_headers": ("*", "Authorization")}, False),
        ):
            ready = GrantFactory.of(cors(**changes)).grant(APP).preflight
            self.assertEqual((changes, ready is not None), (changes, is_ready))

    def test_auto_exposing_needs_a_grant(self) -> None:
        """``expose_headers = "auto"`` exposes the response to allowed origins only."""
        for auto in (False, True):
            factory = GrantFactory.of(cors(expose_auto=auto))
            for decision in factory.grant(APP).actual:
                self.assertIs(decision.exposes_all, auto)
            for decision in factory.forwarded((), "not cross-origin"):
                self.assertFalse(decision.exposes_all)

    def test_reason_names_the_origin(self) -> None:
        """The log says which origin was allowed, or that all are."""
        for origin, said in (
            (APP, "origin https://app.example is allowed"),
            (b"*", "every origin"),
        ):
            plain, _ = GrantFactory.of(PLAIN).grant(origin).actual
            self.assertIn(said, plain.reason)
