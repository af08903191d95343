"""Sessions in a list of credentials, with a command's secret, and of an account by origin."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.internet.defer import Deferred, gatherResults

from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from corsgate.transport.command import run_command
from tests.gate.session_case import SessionTestCase
from tests.peers import Message, Upstream, response
from tests.session_boxes import SessionBox, cookies, says
from tests.support import LISTEN, Gate, parse

LOGIN = 'type = "session"\nlogin_url = "/_session"\nlogout_url = "DELETE /_session"\n'
ONE, TWO = b"http://localhost:4200", b"http://localhost:4300"


class Accounts(SessionBox):
    """A box with several users.

    Attributes:
        passwords: The password of each user.
        users: Who has each session, also of those that have ended.
        ended: The sessions that were logged out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.passwords = {"gate": "first", "one": "p1", "two": "p2"}
        self.users: dict[str, str] = {}
        self.ended: list[str] = []

    def __call__(self, message: Message) -> bytes | None:
        """Respond; a session's page has the name of its user."""
        session = cookies(message).get("sid", "")
        if message.target != b"/_session":
            if session not in self.sessions:
                return says({}, 401)
            return says({"user": self.users[session]})
        if message.method == b"DELETE":
            self.ended.append(session)
            self.sessions.pop(session, None)
            return response(204)
        self.logins += 1
        given = json.loads(message.body)
        if self.passwords.get(given["name"]) != given["pass"]:
            return says({}, 401)
        session = self.begin()
        self.users[session] = given["name"]
        return says({}, 200, (b"Set-Cookie", f"sid={session}; Path=/".encode()))


def account(name: str, password: str) -> str:
    """Return the section of a user's credentials."""
    return f'[credentials.{name}]\n{LOGIN}json = {{ name = "{name}", pass = {password} }}\n'


def config(server: Upstream, lines: str, more: str) -> str:
    """Return a configuration with one route for a server."""
    return (
        f'{LISTEN}[upstreams.a]\nservers = ["{server.url}"]\n{lines}\n{more}\n'
        '[routes."/"]\nupstream = "a"\n[routes."/".cors]\n'
        f'allow_origins = ["{ONE.decode()}", "{TWO.decode()}"]\n'
    )


class WrappedTests(SessionTestCase):
    """What wraps a session leaves none behind."""

    async def opened(self, lines: str, more: str) -> tuple[Gate, Upstream, Accounts]:
        """Return a gate, and both parts of its box."""
        box = Accounts()
        upstream = await self.upstream()
        upstream.answer = box
        return self.serve(config(upstream, lines, more)), upstream, box

    async def user(self, gate: Gate, *origin: bytes) -> str:
        """Return whose session a request has."""
        headers = [(b"Origin", each) for each in origin]
        answer = await self.ask(gate, b"GET", b"/v1/x", headers)
        self.assertEqual(answer.status, 200, answer.raw)
        self.assertNotIn(b"session-", answer.raw)
        return str(json.loads(answer.body)["user"])

    async def test_in_a_list(self) -> None:
        """A session beside a header is ended when the gate stops."""
        more = account("gate", '"first"')
        more += '[credentials.key]\ntype = "header"\nname = "X-Key"\nvalue = "k"\n'
        gate, upstream, box = await self.opened('credentials = ["gate", "key"]', more)
        self.assertEqual(await self.user(gate), "gate")
        self.assertEqual(upstream.requests[-1].fields[b"x-key"], [b"k"])
        await gate.stop()
        self.assertEqual(box.ended, ["session-1"])

    async def test_from_a_command(self) -> None:
        """With another password, each session of the one before is ended, on every server."""
        file = Path(self.mktemp()).absolute()
        file.write_text("first")
        secret = f'{{ command = ["cat", "{file}"] }}'
        servers, boxes = [await self.upstream(), await self.upstream()], [Accounts(), Accounts()]
        for server, box in zip(servers, boxes, strict=True):
            server.answer = box
        text = config(servers[0], 'credentials = "gate"', account("gate", secret))
        text = text.replace(f'"{servers[0].url}"', f'"{servers[0].url}", "{servers[1].url}"')
        gate = self.serve_config(
            parse_config(
                text,
                file="gate.toml",
                environ={},
                read_file=lambda name: b"",
                run=run_command,
                cors_rules=CORS_RULES,
            )
        )
        self.assertEqual({await self.user(gate), await self.user(gate)}, {"gate"})
        self.assertEqual([box.made for box in boxes], [1, 1])
        file.write_text("second")
        for box in boxes:
            box.passwords["gate"] = "second"
        boxes[1].expire()
        found = await gatherResults(
            [Deferred.fromCoroutine(self.user(gate)) for _ in range(16)], consumeErrors=True
        )
        self.assertEqual(set(found), {"gate"})
        await servers[0].when(lambda: boxes[0].ended)
        # One login with the password before, which is wrong by now, and one with the new one.
        self.assertEqual(boxes[1].logins, 3)
        self.assertEqual({await self.user(gate), await self.user(gate)}, {"gate"})
        await gate.stop()
        self.assertEqual([box.ended for box in boxes], [["session-1", "session-2"], ["session-2"]])

    async def test_client_logs_in(self) -> None:
        """A client that logs in at the box as somebody else does not log in all others so."""
        gate, _, box = await self.opened('credentials = "gate"', account("gate", '"first"'))
        self.assertEqual(await self.user(gate), "gate")
        body = b'{"name": "one", "pass": "p1"}'
        answer = await self.ask(gate, b"POST", b"/_session", body=body)
        self.assertEqual(answer.status, 200)
        self.assertNotIn(b"session-", answer.raw)
        self.assertEqual(await self.user(gate), "gate")
        # A login of its own that is rejected is not tried again, and says nothing of the session.
        answer = await self.ask(gate, b"POST", b"/_session", body=body.replace(b"p1", b"wrong"))
        self.assertEqual(answer.status, 401)
        self.assertEqual(await self.user(gate), "gate")
        self.assertEqual((box.logins, box.made), (3, 2))

    async def test_by_origin(self) -> None:
        """Each origin has its own session, also of many at once; all are ended."""
        lines = (
            'credentials = "gate"\ncredentials_by_origin = '
            f'{{ "{ONE.decode()}" = "one", "{TWO.decode()}" = "two" }}'
        )
        more = account("gate", '"first"') + account("one", '"p1"') + account("two", '"p2"')
        gate, upstream, box = await self.opened(lines, more)
        asked = [self.user(gate, ONE), self.user(gate, TWO), self.user(gate)]
        for _ in range(20):
            asked += [self.user(gate, ONE), self.user(gate, TWO), self.user(gate)]
        found = await gatherResults([Deferred.fromCoroutine(each) for each in asked])
        self.assertEqual(found, ["one", "two", "gate"] * 21)
        self.assertEqual(box.logins, 3)
        # Another password for one of them: only that session is ended, and made anew.
        box.passwords["one"] = "new"
        (ours,) = (name for name, user in box.users.items() if user == "one")
        await gate.reload(parse(config(upstream, lines, more.replace('"p1"', '"new"'))))
        await upstream.when(lambda: box.ended)
        self.assertEqual(box.ended, [ours])
        found = [await self.user(gate, ONE), await self.user(gate, TWO), await self.user(gate)]
        self.assertEqual(found, ["one", "two", "gate"])
        self.assertEqual(box.logins, 4)
        await gate.stop()
        self.assertEqual(len(box.ended), 4)
        self.assertEqual(box.sessions, {})
