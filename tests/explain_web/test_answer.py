"""Tests of `corsgate.explain_web.answer`: from the form to what the page shows."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain_web.answer import answer
from tests.explain_web.hars import BOX, PAGE, entry, har, preflight

MESSAGE = (
    f"Access to fetch at '{BOX}' from origin '{PAGE}' has been blocked by CORS policy: No"
    " 'Access-Control-Allow-Origin' header is present on the requested resource."
)
FIREFOX = (
    "Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at"
    f" {BOX}. (Reason: CORS header \u2018Access-Control-Allow-Origin\u2019 missing)."
)
TOML = """\
listen = ["tcp:5555:interface=127.0.0.1"]
[upstreams.box]
servers = ["http://localhost:8000"]
[routes."/v1"]
upstream = "box"
cors = { allow_origins = ["http://localhost:4201"] }
"""


class AnswerTests(SynchronousTestCase):
    """`answer`."""

    def explained(self, **form: object) -> dict[str, Any]:
        """Return the explanation of a form."""
        found = answer(form)
        self.assertTrue(found["ok"], found)
        json.dumps(found)
        return found

    def refused(self, **form: object) -> tuple[str, str]:
        """Return the field that can't be read, and why."""
        found = answer(form)
        self.assertFalse(found["ok"], found)
        return found["field"], found["error"]

    def test_message(self) -> None:
        """A message gives the verdict, its step, what would be enough, and all fixes."""
        found = self.explained(paste=MESSAGE)
        self.assertEqual((found["verdict"], found["cause"]), ("blocked", "missing-allow-origin"))
        self.assertEqual(found["enough"][0], ["Access-Control-Allow-Origin", PAGE])
        names = [fix["name"] for fix in found["fixes"]]
        self.assertEqual(names[:5], ["corsgate", "nginx", "Caddy", "Express", "Apache"])
        self.assertEqual(found["steps"][-1]["verdict"], "fail")
        self.assertEqual(found["call"]["url"], BOX)

    def test_message_of_firefox(self) -> None:
        """It lacks the page: its meaning is explained, and with the page the fixes come."""
        found = self.explained(paste=FIREFOX)
        self.assertEqual((found["call"], found["fixes"]), (None, []))
        self.assertIn("Fill in the page's URL", found["notes"][0])
        self.assertTrue(found["asks"])
        found = self.explained(paste=FIREFOX, origin=f"{PAGE}/some/page")
        self.assertIn(f"--allow {PAGE}", found["fixes"][0]["text"])

    def test_message_about_a_preflight(self) -> None:
        """One that does not name the method asks for it; the fixes answer OPTIONS."""
        start, _, end = MESSAGE.partition("policy: ")
        said = f"{start}policy: Response to preflight request doesn't pass access control check:"
        found = self.explained(paste=f"{said} {end}")
        self.assertIn("does not name the call's method", found["notes"][0])
        self.assertIn("OPTIONS", found["fixes"][1]["text"])
        found = self.explained(paste=f"{said} {end}", method="PUT")
        self.assertEqual(found["notes"], [])
        self.assertIn("PUT", found["fixes"][1]["text"])

    def test_curl(self) -> None:
        """A command alone is undecided; with the responses it is decided."""
        curl = f"curl -X PUT -H 'Origin: {PAGE}' -H 'X-App: 1' {BOX}"
        found = self.explained(paste=curl)
        self.assertEqual(found["verdict"], "unknown")
        self.assertIn("paste the heads of the responses", found["notes"][0])
        found = self.explained(paste=curl, response="HTTP/1.1 405 No\nServer: nginx/1.2")
        self.assertEqual(found["cause"], "missing-allow-origin")
        self.assertEqual([fix["name"] for fix in found["fixes"] if fix["likely"]], ["nginx"])
        good = f"HTTP/1.1 204\nAccess-Control-Allow-Origin: {PAGE}\n"
        good += "Access-Control-Allow-Methods: PUT\nAccess-Control-Allow-Headers: X-App\n"
        found = self.explained(paste=curl, response=good)
        self.assertEqual((found["verdict"], found["fixes"]), ("allowed", []))
        found = self.explained(paste=curl, response=f"{good}\nHTTP/1.1 401\n{good[13:]}")
        self.assertEqual(found["verdict"], "allowed")
        self.assertIn("CORS is not the problem", found["notes"][0])
        self.assertIn("Status 401: the server requires a login", found["notes"][1])

    def test_refused_by_a_gate(self) -> None:
        """A refusal of a corsgate is explained by its policy, and no second gate is proposed."""
        curl = f"curl -H 'Origin: {PAGE}' {BOX}"
        head = (
            "HTTP/1.1 403 Forbidden\nContent-Type: application/problem+json\n"
            "Cache-Control: no-store\nX-Content-Type-Options: nosniff\n"
        )
        reason = f"origin '{PAGE}' is not allowed"
        found = self.explained(paste=curl, response=f"{head}Corsgate-Reason: {reason}")
        self.assertEqual((found["verdict"], found["fixes"]), ("blocked", []))
        self.assertEqual(found["reason"], f"The gate refuses this call: {reason}.")
        self.assertEqual(found["gate_toml"], f'allow_origins = ["{PAGE}"]')
        readable = f"{head}Access-Control-Allow-Origin: {PAGE}\n"
        found = self.explained(paste=curl, response=readable)
        self.assertEqual((found["verdict"], found["gate_toml"]), ("blocked", ""))
        self.assertIn("Paste the gate's configuration", found["fix"])
        found = self.explained(paste=curl, response=readable.replace("nosniff", "sniff"))
        self.assertEqual(found["verdict"], "allowed", "another server's 403")

    def test_other_problem(self) -> None:
        """A message that is not about CORS says so, and one about a status explains it."""
        said = "Failed to load resource: the server responded with a status of 404 (Not Found)"
        found = self.explained(paste=said, origin=PAGE, url=BOX)
        self.assertIn("Status 404: nothing exists at this path", " ".join(found["notes"]))
        found = self.explained(paste=f"GET {BOX} net::ERR_CONNECTION_REFUSED", origin=PAGE)
        self.assertIn("not a CORS problem", " ".join(found["notes"]))
        self.assertEqual(found["fixes"], [])

    def test_har(self) -> None:
        """Each call of a file can be chosen."""
        wrong = {"Access-Control-Allow-Origin": f"{PAGE}/"}
        right = {"Access-Control-Allow-Origin": PAGE}
        text = har(entry(url=f"{BOX}/a", came=right), preflight(wrong, names="x-app"))
        found = self.explained(paste=text, chosen=0)
        self.assertEqual(found["verdict"], "allowed")
        self.assertEqual(
            [(each["label"], each["verdict"]) for each in found["calls"]],
            [(f"GET {BOX}/a (200)", "allowed"), (f"PUT {BOX}", "blocked")],
        )
        found = self.explained(paste=text)
        self.assertEqual(found["chosen"], 1, "the first that is blocked")
        self.assertEqual(found["cause"], "invalid-allow-origin")
        self.assertIn("trailing slash", found["near_misses"][0])
        self.assertEqual(self.explained(paste=text, chosen=99)["chosen"], 1)

    def test_har_without_a_response(self) -> None:
        """What Chromium did not record is not made up."""
        found = self.explained(paste=har(entry(status=0, _error="net::ERR_FAILED")))
        self.assertEqual((found["verdict"], found["exchanges"]), ("unknown", []))
        came = {"Access-Control-Allow-Origin": "*"}
        found = self.explained(paste=har(entry(came=came, _error="net::ERR_FAILED")))
        self.assertEqual(found["verdict"], "unknown")
        self.assertIn("net::ERR_FAILED", found["reason"])
        self.assertIn("has no cookies", found["notes"][0])

    def test_har_with_a_passed_preflight(self) -> None:
        """A preflight that is not recorded is not shown as an exchange."""
        put = entry("PUT", came={"Access-Control-Allow-Origin": PAGE})
        found = self.explained(paste=har(put))
        self.assertEqual(found["verdict"], "allowed")
        self.assertEqual([each["method"] for each in found["exchanges"]], ["PUT"])

    def test_the_gate(self) -> None:
        """A configuration is tried with the call, or its faults are shown."""
        gate = "http://localhost:5555/v1/documents"
        whole = self.explained(url=gate, origin=PAGE, toml=TOML)
        found = whole["gate"]
        self.assertEqual((whole["verdict"], whole["reason"]), ("blocked", found["reason"]))
        self.assertEqual((whole["fixes"], whole["notes"]), ([], []))
        self.assertEqual((found["verdict"], found["route"]), ("blocked", "/v1"))
        self.assertIn("http://localhost:4200", found["toml"])
        self.assertIn("4201", found["near_misses"][0])
        found = self.explained(url=gate, origin="http://localhost:4201", toml=TOML)["gate"]
        self.assertEqual(found["verdict"], "allowed")
        found = self.explained(paste=MESSAGE, toml=TOML)["gate"]
        self.assertIn("gate", found["problem"])
        self.assertTrue(self.explained(paste=MESSAGE, toml="listen = 5")["gate"]["faults"])
        self.assertIn("Fill in", self.explained(paste=FIREFOX, toml=TOML)["gate"]["problem"])

    def test_no_fix_by_headers(self) -> None:
        """A cause that no header fixes has no server's configuration."""
        said = (
            "Mixed Content: The page at 'https://app.example/' was loaded over HTTPS, but requested"
            " an insecure resource 'http://h/x'. This request has been blocked; the content must be"
            " served over HTTPS."
        )
        found = self.explained(paste=said)
        self.assertEqual((found["cause"], found["fixes"]), ("mixed-content", []))
        self.assertIn("https", found["fix"])

    def test_no_response(self) -> None:
        """A call that got no response has failed, but was not blocked."""
        said = (
            "Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote"
            f" resource at {BOX}. (Reason: CORS request did not succeed). Status code: (null)."
        )
        found = self.explained(paste=said, origin=PAGE)
        self.assertEqual((found["verdict"], found["fixes"]), ("failed", []))

    def test_missing(self) -> None:
        """What is missing is asked for at its field."""
        self.assertEqual(self.refused()[0], "paste")
        self.assertEqual(self.refused(url=BOX)[0], "origin")
        self.assertEqual(self.refused(origin=PAGE)[0], "url")
        self.assertEqual(self.refused(paste=f"curl {BOX}")[0], "origin")

    def test_no_secret_is_shown(self) -> None:
        """Cookies, Authorization, tokens in URLs and passwords don't come back."""
        url = f"{BOX}?access_token=hunter2"
        sent = {"Authorization": "hunter2", "Cookie": "a=hunter2", "X-Key": "hunter2"}
        came = {"Set-Cookie": "a=hunter2", "Location": "/x?code=hunter2", "X-Y": "hunter2"}
        forms: list[dict[str, object]] = [
            {"paste": har(preflight(came), entry("PUT", url, sent, 302, came))},
            {"paste": har(entry("PUT", url, sent, 200, came))},
            {
                "paste": f"curl '{url}' -X PUT -H 'Origin: {PAGE}' -H 'Authorization: hunter2'"
                " -b a=hunter2 -u u:hunter2 -d hunter2",
                "toml": TOML,
                "response": "Set-Cookie: hunter2",
            },
            {"paste": MESSAGE.replace(BOX, url), "headers": "Authorization: hunter2"},
            {"paste": MESSAGE, "url": "http://u:hunter2@h/x"},
            {"paste": MESSAGE, "headers": "Authorization hunter2"},
        ]
        for form in forms:
            self.assertNotIn("hunter2", json.dumps(answer(form)), form)

    def test_markup_stays_text(self) -> None:
        """An origin that is none never gets into a configuration."""
        for origin in ('http://a";return 301 "x', "<script>", "http://a/<b>", "http://a$b"):
            curl = f"curl -X PUT -H $'Origin: {origin}' {BOX}"
            found = answer({"paste": curl})
            if found["ok"]:
                for fix in found["fixes"]:
                    self.assertNotIn("return 301", fix["text"])
                    self.assertNotIn("<script>", fix["text"])
