"""Sessions of boxes with JSON-RPC, against stand-ins for Odoo, OpenWrt and Deluge."""

from __future__ import annotations

import json

from corsgate.config.model.login_json import JsonObject
from corsgate.config.model.secret import Secret
from corsgate.config.model.session import Expired, SessionCredentials
from corsgate.credentials.session.login import LoginRejected
from corsgate.errors import CredentialsRejected, LoginFailed
from tests.credentials.helpers import response
from tests.credentials.session.case import SessionCase

JSON = (b"Content-Type", b"application/json")
COOKIE = (b"Set-Cookie", b"session_id=1; Path=/; HttpOnly")

ODOO = SessionCredentials(
    login_url="/web/session/authenticate",
    json=(
        ("jsonrpc", Secret("2.0")),
        (
            "params",
            JsonObject((("db", Secret("d")), ("login", Secret("u")), ("password", Secret("p")))),
        ),
    ),
    expired=Expired(json_path="error.code", json_values=(100,)),
)
OPENWRT = SessionCredentials(
    login_url="/ubus?login",
    json=(
        ("id", 1),
        ("method", Secret("call")),
        (
            "params",
            (
                Secret("0" * 32),
                Secret("session"),
                Secret("login"),
                JsonObject((("username", Secret("u")), ("password", Secret("p")))),
            ),
        ),
    ),
    token_path="result.1.ubus_rpc_session",
    header="Authorization: Bearer {token}",
    expired=Expired(json_path="error.code", json_values=(-32002,)),
)
DELUGE = SessionCredentials(
    login_url="/json?login",
    json=(("method", Secret("auth.login")), ("params", (Secret("p"),)), ("id", 1)),
    expired=Expired(json_path="error.code", json_values=(1,)),
)


class JsonRpcTests(SessionCase):
    """Boxes that respond 200 to everything."""

    def check_refused(self, credentials: SessionCredentials, body: object, reason: str) -> None:
        """Assert that such responses are rejected logins, and that the third is not sent."""
        signer, before = self.signer(credentials), len(self.asked)
        for _ in range(2):
            _, waiting = self.begin(signer)
            self.answer(response(200, JSON, COOKIE), json.dumps(body).encode())
            self.assertIn(reason, str(self.failureResultOf(waiting, LoginRejected).value))
        _, waiting = self.begin(signer)
        self.failureResultOf(waiting, CredentialsRejected, LoginFailed)
        self.assertEqual(len(self.asked) - before, 2)

    def test_odoo(self) -> None:
        """A cookie, a session that has ended, and an error with a cookie, which is no login."""
        signer = self.signer(ODOO)
        _, waiting = self.begin(signer)
        self.assertEqual(
            json.loads(self.asked[0][2]),
            {"jsonrpc": "2.0", "params": {"db": "d", "login": "u", "password": "p"}},
        )
        self.answer(response(200, JSON, COOKIE), b'{"result": {"uid": 2}}')
        self.assertEqual(self.field(self.successResultOf(waiting), b"cookie"), b"session_id=1")
        attempt, signed = self.signed(signer)
        self.assertFalse(attempt.responded(signed, response(200, JSON)))
        assert signed.look is not None
        self.assertFalse(signed.look(b'{"error": {"code": 200, "message": "Odoo Server Error"}}'))
        self.assertTrue(signed.look(b'{"error": {"code": 100, "message": "Session expired"}}'))
        self.check_refused(ODOO, {"error": {"code": 200, "message": "Denied"}}, "error in its JSON")

    def test_openwrt(self) -> None:
        """A token in an array, and results without one."""
        signer = self.signer(OPENWRT)
        _, waiting = self.begin(signer)
        sent = json.loads(self.asked[0][2])["params"]
        self.assertEqual(sent, ["0" * 32, "session", "login", {"username": "u", "password": "p"}])
        self.answer(response(200, JSON), b'{"result": [0, {"ubus_rpc_session": "c1ed6c"}]}')
        signed = self.successResultOf(waiting)
        self.assertEqual(self.field(signed, b"authorization"), b"Bearer c1ed6c")
        attempt, signed = self.signed(signer)
        assert signed.look is not None
        attempt.responded(signed, response(200, JSON))
        self.assertTrue(signed.look(b'{"error": {"code": -32002, "message": "Access denied"}}'))
        self.check_refused(OPENWRT, {"result": [6]}, "without a token at result.1.ubus_rpc_session")

    def test_openwrt_error(self) -> None:
        """An error instead of the token is the reason."""
        self.check_refused(OPENWRT, {"error": {"code": -32602}}, "with an error in its JSON")

    def test_deluge(self) -> None:
        """A login without an error and without a cookie is none; an error of null is none."""
        signer = self.signer(DELUGE)
        _, waiting = self.begin(signer)
        self.answer(response(200, JSON), b'{"result": false, "error": null, "id": 1}')
        failure = self.failureResultOf(waiting, LoginRejected)
        self.assertIn("it responded 200 without a session cookie", str(failure.value))
        _, waiting = self.begin(signer)
        self.answer(response(200, JSON, COOKIE), b'{"result": true, "error": null, "id": 1}')
        self.successResultOf(waiting)
