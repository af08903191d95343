"""Which calls are read from a HAR file or an access log."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadValue
from corsgate.learn.record import CUT, Recorded, read_record
from tests.learn.test_minimal import APP, BOX, CHROME, entry, har, line

PUT = {"Origin": APP, "Access-Control-Request-Method": "PUT"}


def one(text: str) -> Recorded:
    """Return the only call of a record."""
    (found,) = read_record(text)
    return found


class HarTests(SynchronousTestCase):
    """`read_record` of HAR files."""

    def test_call(self) -> None:
        """A call has the script's own fields, without those that browsers add."""
        found = one(har(entry("PUT", f"{BOX}/v1/a?b#c", {**CHROME, "X-App": "1"})))
        self.assertEqual((found.call.method, found.call.origin), (b"PUT", APP.encode()))
        self.assertEqual(str(found.call.url), f"{BOX}/v1/a?b")
        names = [name for name, _ in found.call.sent_headers]
        self.assertEqual(names, [b"X-App"])
        self.assertEqual((found.place, found.server, found.was_refused), (None, BOX, False))

    def test_only_cross_origin_calls(self) -> None:
        """Calls of the server's own pages, of ``null`` and without an Origin are left out."""
        for origin, is_call in (
            (APP, True),
            (BOX, False),
            ("null", False),
            ("", False),
        ):
            found = read_record(har(entry("GET", f"{BOX}/a", {"origin": origin})))
            self.assertEqual((origin, bool(found)), (origin, is_call))
        self.assertEqual(read_record(har(entry("GET", f"{BOX}/a", {}))), [])
        self.assertEqual(read_record(har(entry("GET", "data:,x", {"origin": APP}))), [])

    def test_preflight_stands_for_its_call(self) -> None:
        """A preflight becomes the call that it asks for, whose headers need to be allowed."""
        sent = {**PUT, "Access-Control-Request-Headers": "content-type,x-app"}
        found = one(har(entry("OPTIONS", f"{BOX}/a", sent)))
        self.assertEqual(found.call.method, b"PUT")
        self.assertEqual([name for name, _ in found.call.headers], [b"content-type", b"x-app"])
        self.assertFalse(found.was_refused)

    def test_script_may_send_options(self) -> None:
        """OPTIONS without a requested method is an ordinary call."""
        self.assertEqual(one(har(entry("OPTIONS", f"{BOX}/a", CHROME))).call.method, b"OPTIONS")

    def test_credentials(self) -> None:
        """Cookies, as recorded cookies or as a field, mean credentials."""
        for sent, cookies, credentials in (
            ({}, 0, False),
            ({}, 1, True),
            ({"Cookie": "a=b"}, 0, True),
        ):
            found = one(har(entry("GET", f"{BOX}/a", {**CHROME, **sent}, cookies=cookies)))
            self.assertIs(found.call.credentials, credentials)

    def test_refused(self) -> None:
        """A call counts as granted only if its response allows the page to read it."""
        allow, credentials = "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"
        for came, cookies, refused in (
            ({}, 0, True),
            ({allow: APP}, 0, False),
            ({allow: "*"}, 0, False),
            ({allow: "https://b.example"}, 0, True),
            ({allow: "*", credentials: "true"}, 1, True),
            ({allow: APP}, 1, True),
            ({allow: APP, credentials: "true"}, 1, False),
        ):
            text = har(entry("GET", f"{BOX}/a", CHROME, came, cookies, granted=False))
            self.assertEqual((came, one(text).was_refused), (came, refused))

    def test_refused_preflight(self) -> None:
        """A preflight counts as granted only with a success status and the requested method."""
        allow, methods = "Access-Control-Allow-Origin", "Access-Control-Allow-Methods"
        for status, came, refused in (
            (200, {allow: APP, methods: "PUT"}, False),
            (204, {allow: "*", methods: "*"}, False),
            (403, {allow: APP, methods: "PUT"}, True),
            (200, {allow: APP, methods: "PATCH"}, True),
            (200, {methods: "PUT"}, True),
        ):
            found = entry("OPTIONS", f"{BOX}/a", PUT, came, granted=False)
            found["response"]["status"] = status
            self.assertEqual((status, came, one(har(found)).was_refused), (status, came, refused))

    def test_exposed(self) -> None:
        """A header was read only if it was both sent and exposed, and is not safelisted."""
        came = {
            "ETag": "x",
            "X-Hidden": "1",
            "Content-Type": "a/b",
            "Access-Control-Expose-Headers": "etag, X-Gone, Content-Type, etag",
        }
        self.assertEqual(one(har(entry("GET", f"{BOX}/a", CHROME, came))).exposed, ("etag",))


class LogTests(SynchronousTestCase):
    """`read_record` of access logs."""

    def test_call(self) -> None:
        """A line has the gate's route and the server, and may follow the daemon's own prefix."""
        found = one("2026-11-26T12:00:00 [-] " + line("PUT", "/v1/a?b"))
        self.assertEqual((found.call.method, found.call.origin), (b"PUT", APP.encode()))
        self.assertEqual(found.call.url.target, "/v1/a?b")
        self.assertEqual((found.place, found.server), ((None, "/v1"), BOX))
        self.assertFalse(found.was_refused)

    def test_route_of_a_host(self) -> None:
        """The host of a route is kept."""
        self.assertEqual(
            one(line("GET", "/v1", route="api.example/v1")).place, ("api.example", "/v1")
        )

    def test_lines_that_are_no_cross_origin_call(self) -> None:
        """The gate's own pages, by either scheme, and requests without a route are left out."""
        for more in (
            {"origin": ""},
            {"origin": None},
            {"origin": "null"},
            {"origin": "http://localhost:5555"},
            {"origin": "https://localhost:5555"},
            {"route": None},
            {"route": "no route"},
            {"host": None},
            {"host": "a b"},
        ):
            given: dict[str, Any] = {"method": "GET", "target": "/v1", **more}
            self.assertEqual((more, read_record(line(**given))), (more, []))

    def test_truncated_values(self) -> None:
        """A line with a truncated value is ignored, except for its target."""
        for name in ("origin", "host", "method", "route", "asked_method", "asked_headers"):
            given: dict[str, Any] = {"method": "GET", "target": "/v1", name: f"x{CUT}"}
            self.assertEqual((name, read_record(line(**given))), (name, []))
        self.assertEqual(one(line("GET", f"/v1/long{CUT}")).call.url.target, "/v1/long")

    def test_preflight(self) -> None:
        """A preflight becomes the call that it asks for; an OPTIONS that asks none is ignored."""
        found = one(line("OPTIONS", "/v1", asked_method="PUT", asked_headers="x-b, x-a"))
        self.assertEqual(found.call.method, b"PUT")
        self.assertEqual([name for name, _ in found.call.headers], [b"x-b", b"x-a"])
        self.assertEqual(read_record(line("OPTIONS", "/v1")), [])

    def test_refused(self) -> None:
        """Only what a server got with a grant, or a preflight that passed, counts as granted."""
        for more, refused in (
            ({"method": "GET"}, False),
            ({"method": "GET", "status": 500}, False),
            ({"method": "GET", "ungranted": "origin not allowed"}, True),
            ({"method": "GET", "status": 403, "server": None}, True),
            ({"method": "OPTIONS", "asked_method": "PUT"}, False),
            ({"method": "OPTIONS", "asked_method": "PUT", "status": 200}, False),
            ({"method": "OPTIONS", "asked_method": "PUT", "status": 403}, True),
            ({"method": "OPTIONS", "asked_method": "PUT", "outcome": "no method"}, True),
            ({"method": "OPTIONS", "asked_method": "PUT", "server": BOX}, True),
        ):
            given: dict[str, Any] = {"target": "/v1", **more}
            self.assertEqual((more, one(line(**given)).was_refused), (more, refused))


class OtherFileTests(SynchronousTestCase):
    """`read_record` of other files."""

    def test_rejected(self) -> None:
        """A file without a call's line is rejected; an empty HAR is a record without calls."""
        for text in ("", "x", "{}", "[1]", json.dumps({"log": {}}), json.dumps({"method": "GET"})):
            self.assertIn("HAR", str(self.assertRaises(BadValue, read_record, text)))
        self.assertEqual(read_record(har()), [])

    def test_order_is_kept(self) -> None:
        """Calls come in the order of the record."""
        text = "\n".join(line(method, "/v1") for method in ("PUT", "GET", "DELETE"))
        self.assertEqual(
            [each.call.method for each in read_record(text)], [b"PUT", b"GET", b"DELETE"]
        )
