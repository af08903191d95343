"""How an explanation is shown, as text and as JSON."""

from __future__ import annotations

import json

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.block_causes import WORDS, Cause
from corsgate.explain.browser import fetch
from corsgate.explain.explanation import Explanation
from corsgate.explain.report import as_dict, as_text, verdict
from corsgate.explain.trace import Answer
from tests.explain.test_explanation import APP, ask


class VerdictTests(SynchronousTestCase):
    """`verdict`."""

    def test_one_line(self) -> None:
        """The method is the one that is sent, and the end says whether the call works."""
        url = "http://localhost:5555/v1/x"
        self.assertEqual(verdict(ask(APP, "put")), f"PUT {url} from {APP}: allowed")
        self.assertEqual(verdict(ask("null")), f"GET {url} from null: blocked")

    def test_status(self) -> None:
        """An allowed call whose response is an error says so, and by whom."""
        found = ask(APP)
        for more, end in (
            ({"status": 200}, ": allowed"),
            ({"status": 401}, ": allowed by CORS, but the server responds with 401"),
            ({"status": 502, "refused_by": "gate"}, "but the gate responds with 502"),
            (
                {"status": 403, "refused_by": "server", "by_origin": True},
                ": allowed by CORS, but the server itself refuses this origin with 403",
            ),
            (
                {"status": 403, "refused_by": "gate", "allowed": False},
                ": refused by the gate with 403",
            ),
        ):
            said = verdict(attrs.evolve(found, **more))
            self.assertTrue(said.endswith(end), said)


class TextTests(SynchronousTestCase):
    """`as_text`."""

    def test_in_order(self) -> None:
        """The text has the steps, the fields of each request, the reason and the fix, in order."""
        said = as_text(ask("http://localhost:4201", "PUT"), "gate.toml")
        lines = said.splitlines()
        self.assertEqual(
            lines[0], "PUT http://localhost:5555/v1/x from http://localhost:4201: blocked"
        )
        self.assertEqual(lines[1], "route /v1, [cors.spa]")
        places = [
            said.index(part)
            for part in (
                "#main-fetch preflight",
                "> OPTIONS /v1/x",
                "< 403",
                "FAIL #cors-check",
                "reason: ",
                "near miss: port",
                "to allow it, write in gate.toml:",
                "    [cors.spa]",
            )
        ]
        self.assertEqual(places, sorted(places))
        self.assertEqual([line for line in lines if line != line.rstrip()], [])

    def test_allowed_call_has_no_reason(self) -> None:
        """Without a refusal there is no reason, no fix and no failed step."""
        said = as_text(ask(APP, "PUT"), "gate.toml")
        self.assertIn(": allowed\n", said)
        self.assertIn("the box sees Origin: http://10.0.0.1:8000\n", said)
        for part in ("FAIL", "reason:", "near miss:", "to allow it", "gate.toml"):
            self.assertNotIn(part, said)

    def test_file_is_named_only_if_there_is_one(self) -> None:
        """Without a file the fix says only what to write."""
        found = ask("http://localhost:4201")
        self.assertIn("to allow it, write in gate.toml:\n", as_text(found, "gate.toml"))
        self.assertIn("to allow it, write:\n", as_text(found))

    def test_servers_come_last(self) -> None:
        """What to configure on a server is indented below its title."""
        found = attrs.evolve(ask("https://evil.example"), servers=(("nginx", "a {\n  b;\n}"),))
        self.assertTrue(as_text(found).endswith("nginx:\n\n    a {\n      b;\n    }\n"))

    def test_status_is_explained(self) -> None:
        """An error of the server has its meaning, whether or not CORS allowed the call."""
        for found in (ask(APP), ask("http://localhost:4201")):
            said = as_text(attrs.evolve(found, status=401, refused_by=""))
            self.assertIn("\nstatus: 401: the server requires a login", said)
        self.assertNotIn("status:", as_text(attrs.evolve(ask(APP), status=204)))

    def test_keys_of_a_running_gate(self) -> None:
        """The keys that a gate's policy lacks are shown without a file."""
        found = attrs.evolve(ask("http://localhost:4201"), toml="", gate_toml="a = 1")
        self.assertIn("add to the policy of the route:\n\n    a = 1\n", as_text(found))

    def test_no_secrets(self) -> None:
        """Neither the script's credentials nor a server's cookies are shown."""
        call = ask(APP, "GET", "/v1", "X-App").call
        secret = ((b"Authorization", b"Basic s3cret"), (b"X-Api-Key", b"s3cret"))
        call = attrs.evolve(call, headers=secret)
        fields = (
            (b"Access-Control-Allow-Origin", b"*"),
            (b"Access-Control-Allow-Headers", b"Authorization, X-Api-Key"),
            (b"Set-Cookie", b"sid=s3cret"),
            (b"X-CSRF-Token", b"s3cret"),
        )
        trace = fetch(call, lambda request: Answer(status=200, headers=fields))
        found = Explanation(call=call, allowed=trace.allowed, trace=trace)
        self.assertEqual(len(trace.exchanges), 2)
        for said in (as_text(found), str(as_dict(found)), repr(found.trace.steps)):
            self.assertNotIn("s3cret", said)


class DictTests(SynchronousTestCase):
    """`as_dict`."""

    def test_refused(self) -> None:
        """A refusal has its cause, the fix of that cause, and the change as TOML."""
        found = as_dict(ask("http://localhost:4201", "PUT"))
        self.assertEqual((found["allowed"], found["route"]), (False, "/v1"))
        self.assertEqual(found["cause"], "missing-allow-origin")
        self.assertEqual(found["fix"], WORDS[Cause.MISSING_ORIGIN].fix)
        self.assertIn("4201", str(found["toml"]))

    def test_allowed(self) -> None:
        """What has no value is null or an empty list, and JSON can hold it all."""
        found = as_dict(ask(APP, "PUT"))
        self.assertEqual(json.loads(json.dumps(found)), found)
        self.assertEqual((found["allowed"], found["policy"]), (True, "[cors.spa]"))
        for key in ("reason", "cause", "fix", "toml"):
            self.assertIsNone(found[key], key)
        for key in ("near_misses", "advice", "servers"):
            self.assertEqual(found[key], [], key)

    def test_exchanges_show_both_sides(self) -> None:
        """Each request has its response's status and fields."""
        preflight, actual = json.loads(json.dumps(as_dict(ask(APP, "PUT"))))["exchanges"]
        self.assertEqual((preflight["method"], preflight["status"]), ("OPTIONS", 204))
        self.assertEqual((actual["method"], actual["status"]), ("PUT", 200))
        self.assertIn(["Origin", APP], actual["request_headers"])
        self.assertIn(["Access-Control-Allow-Origin", APP], actual["response_headers"])
