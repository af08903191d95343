"""What a gate does if it can't log in, or if its session does not help, over real sockets."""

from __future__ import annotations

from twisted.internet.defer import gatherResults

from tests.gate.session_case import PATHS, SessionTestCase, always
from tests.peers import Message, response
from tests.support import PASSWORD


class FailureTests(SessionTestCase):
    """Wrong passwords, users without a right, and servers without a login."""

    async def test_wrong_password(self) -> None:
        """Two logins are rejected, then none is tried; clients get 502 and no secret."""
        gate, upstream, box = await self.open("CouchDB")
        box.password = "another"
        for _ in range(4):
            answer = await self.ask(gate, b"GET", b"/db")
            self.assertEqual(answer.status, 502)
            self.assertNotIn(PASSWORD.encode(), answer.raw)
            self.assertRegex(answer.body, b"could not log in|rejects the gate's credentials")
        answers = await gatherResults([self.start_ask(gate, b"/db") for _ in range(64)])
        self.assertEqual({answer.status for answer in answers}, {502})
        self.assertEqual(box.logins, 2)
        self.assertEqual({each.target for each in upstream.requests}, {b"/_session"})

    async def test_wrong_password_of_64_at_once(self) -> None:
        """They share the rejected login."""
        gate, _, box = await self.open("UniFi")
        box.password = "another"
        path = PATHS["UniFi"]
        answers = await gatherResults([self.start_ask(gate, path) for _ in range(64)])
        self.assertEqual({answer.status for answer in answers}, {502})
        self.assertEqual(box.logins, 1)

    async def test_wrong_password_in_a_form(self) -> None:
        """A page that says that the login failed, with a new token, is no login."""
        gate, _, box = await self.open("Django")
        box.password = "another"
        for _ in range(4):
            self.assertEqual((await self.ask(gate, b"GET", b"/api/items")).status, 502)
        self.assertEqual(box.logins, 2)

    async def test_wrong_password_with_a_cookie(self) -> None:
        """A box that gives any login a cookie: clients get 502, not its login page."""
        gate, upstream, box = await self.open("Django")
        known = upstream.answer

        def respond(message: Message) -> bytes | None:
            answer = known(message)
            if message.method == b"POST" and message.target == b"/accounts/login/":
                fields = [(b"Location", b"/home"), (b"Set-Cookie", b"sessionid=nobody; Path=/")]
                return response(302, fields)
            return answer

        upstream.answer = respond
        origin = [(b"Origin", b"http://localhost:4200")]
        for _ in range(4):
            answer = await self.ask(gate, b"GET", b"/api/items", origin)
            self.assertEqual(answer.status, 502)
            self.assertIn(b"redirects to its login page", answer.body)
            self.assertIn(b"access-control-allow-origin", answer.fields)
        self.assertEqual(box.logins, 1)

    async def test_no_right(self) -> None:
        """A resource that refuses every session brings one more login, not one for each request."""
        gate, upstream, box = await self.open(
            "CouchDB", "logout_url = -> expired = { status = [401, 403] }\nlogout_url ="
        )
        known = upstream.answer
        upstream.answer = lambda m: response(403) if m.target == b"/no" else known(m)
        self.assertEqual((await self.ask(gate, b"GET", b"/db")).status, 200)
        for _ in range(5):
            self.assertEqual((await self.ask(gate, b"GET", b"/no")).status, 403)
        self.assertEqual((await self.ask(gate, b"GET", b"/db")).status, 200)
        self.assertEqual(box.made, 2)

    async def test_login_is_away(self) -> None:
        """A box that refuses to log anybody in makes a 502; afterwards all is well."""
        gate, upstream, _ = await self.open("CouchDB")
        known = upstream.answer
        for away in (response(503), response(404), response(302, [(b"Location", b"/x")])):
            upstream.answer = always(away)
            self.assertEqual((await self.ask(gate, b"GET", b"/db")).status, 502)
        upstream.answer = known
        self.check(await self.ask(gate, b"GET", b"/db"))

    async def test_server_is_away(self) -> None:
        """A server that no connection can be made to fails as without a session."""
        gate, upstream, _ = await self.open("CouchDB")
        await upstream.refuse()
        self.assertEqual((await self.ask(gate, b"GET", b"/db")).status, 502)
