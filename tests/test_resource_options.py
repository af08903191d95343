"""`corsgate.cors_resource`: what is asked for, and what is said of faults."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from klein import Klein
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from corsgate import PolicyError, cors_resource
from tests.demo.wire import ask
from tests.test_resource import APP, ASKS_PUT, FROM_APP, FROM_FOREIGN, Leaf, cors


class OptionTests(SynchronousTestCase):
    """The keys of a policy, with Python's own types beside those of a configuration."""

    def faults(self, **options: Any) -> list[str]:
        """Return the keys of a policy's faults."""
        error = self.assertRaises(PolicyError, cors, Resource(), **options)
        return [key for key, _, _ in error.faults]

    def max_age(self, value: object) -> list[bytes]:
        """Return what a preflight's answer says of how long it may be kept."""
        answer = ask(cors(Leaf(), max_age=value), "OPTIONS", "/", FROM_APP, ASKS_PUT)
        return answer.fields.get(b"access-control-max-age", [])

    def test_max_age(self) -> None:
        """Seconds, a timedelta and text mean the same."""
        for value in (600, timedelta(minutes=10), "10m"):
            self.assertEqual(self.max_age(value), [b"600"])
        self.assertEqual(self.max_age(0), [b"0"])
        self.assertEqual(self.max_age(None), [])

    def test_bad_max_age(self) -> None:
        """Anything else is a fault."""
        for value in (-1, 1.5, True, "10", timedelta(milliseconds=1), timedelta(days=2)):
            self.assertEqual(self.faults(max_age=value), ["max_age"], value)
        error = self.assertRaises(PolicyError, cors, Resource(), max_age=True)
        self.assertIn("true is a boolean", str(error))

    def test_iterables(self) -> None:
        """Lists may be any iterables, but not one text."""
        root = cors(Leaf(), allow_origins=iter([APP]), allow_methods=frozenset(["PUT"]))
        self.assertEqual(ask(root, "OPTIONS", "/", FROM_APP, ASKS_PUT).status, 204)
        self.assertEqual(self.faults(allow_origins=APP), ["allow_origins"])

    def test_all_at_once(self) -> None:
        """Faults of every kind are told together, each with its fix."""
        error = self.assertRaises(
            PolicyError,
            cors_resource,
            Resource(),
            allow_origins=["https://app.example/", "*"],
            allow_methods=["put"],
            allow_headers=["Host"],
            allow_credentials=True,
            max_age="25h",
        )
        keys = {key for key, _, _ in error.faults}
        lists = {"allow_origins[0]", "allow_origins[1]", "allow_methods[0]", "allow_headers[0]"}
        self.assertEqual(keys - {"allow_origins"}, {*lists, "max_age"})
        self.assertIn('write "PUT"', str(error))

    def test_wrong_types(self) -> None:
        """Values of a wrong type are faults of the same kind."""
        self.assertEqual(
            self.faults(allow_methods=[b"PUT"], allow_credentials="yes", enforce_origin=0),
            ["allow_methods[0]", "allow_credentials", "enforce_origin"],
        )

    def test_wrong_names(self) -> None:
        """So are names that are none, and the lack of the one that is needed."""
        self.assertEqual(self.faults(allowed_methods=["PUT"]), ["allowed_methods"])
        unnamed: Any = cors_resource
        error = self.assertRaises(PolicyError, unnamed, Resource(), alow_origins=[APP])
        self.assertEqual([key for key, _, _ in error.faults], ["allow_origins", "alow_origins"])
        self.assertIn("allow_origins", error.faults[1][2])

    def test_auto(self) -> None:
        """All that an answer has is exposed by ``auto``, except what is no script's business."""

        class Total(Leaf):
            def render(self, request: Request) -> bytes:
                request.setHeader(b"X-Total", b"7")
                return b"ok"

        answer = ask(cors(Total(), expose_headers="auto"), "GET", "/", FROM_APP)
        self.assertIn(b"X-Total", answer.one(b"access-control-expose-headers"))
        self.assertNotIn(b"server", answer.one(b"access-control-expose-headers").lower())

    def test_debug(self) -> None:
        """A client on this machine is told why it was refused, where that is wanted."""
        told = ask(cors(Leaf(), debug=True), "GET", "/", FROM_FOREIGN)
        self.assertIn(b"http://evil.example", told.one(b"corsgate-reason"))
        asks_delete = ("Access-Control-Request-Method", "DELETE")
        told = ask(cors(Leaf(), debug=True), "OPTIONS", "/", FROM_APP, asks_delete)
        self.assertEqual((told.status, told.one(b"access-control-allow-methods")), (204, b"PUT"))
        self.assertNotIn(b"corsgate-reason", ask(cors(Leaf()), "GET", "/", FROM_FOREIGN).fields)

    def test_dangerous(self) -> None:
        """What is refused for its risk may be asked for by a name that says so."""
        insecure = {"allow_origins": ["http://app.example"]}
        self.assertEqual(self.faults(**insecure), ["allow_origins[0]"])
        cors(Leaf(), **insecure, dangerously_allow_insecure_origins_with_credentials=True)
        wide = {"allow_origins": ["https://*.com"]}
        self.assertEqual(self.faults(**wide), ["allow_origins[0]"])
        cors(Leaf(), **wide, dangerously_allow_subdomains_of_public_suffixes=True)

    def test_warnings(self) -> None:
        """What is doubtful is logged, and no more."""
        with capturedLogs() as logs:
            cors(Leaf(), allow_methods=["GET", "PUT", "PUT"])
        self.assertTrue([event for event in logs if "allow_methods" in event.get("caution", "")])

    def test_no_resource(self) -> None:
        """What is no resource is refused at once, with a hint for Klein's users."""
        error = self.assertRaises(TypeError, cors, Klein())
        self.assertIn("resource()", str(error))
