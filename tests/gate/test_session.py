"""What a gate does with a session, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial

from twisted.internet.defer import gatherResults

from tests.gate.session_case import PATHS, SessionTestCase, always
from tests.peers import Client, Message, Upstream, request, response
from tests.session_boxes import BOXES, documented
from tests.support import PASSWORD, parse


def _by_method(
    answers: Mapping[bytes, Callable[[Message], bytes | None]], message: Message
) -> bytes | None:
    return answers[message.method](message)


def _ends(client: Client, data: bytes) -> bool:
    return client.data.endswith(data)


class SessionTests(SessionTestCase):
    """What the gate does with a session."""

    async def test_64_requests_log_in_once(self) -> None:
        """All wait for one login, also when the session has ended."""
        gate, _, box = await self.open("CouchDB")
        for made in (1, 2):
            answers = await gatherResults(
                [self.start_ask(gate, b"/db") for _ in range(64)], consumeErrors=True
            )
            self.assertEqual({answer.status for answer in answers}, {200})
            self.assertEqual(box.made, made)
            box.expire()

    async def test_clients_login_and_logout(self) -> None:
        """A client's own login or logout is sent without the session, and does not end it."""
        gate, upstream, box = await self.open("CouchDB")
        self.check(await self.ask(gate, b"GET", b"/db"))
        own = json.dumps({"name": "gate", "password": PASSWORD}).encode()
        for method, body in ((b"POST", own), (b"DELETE", b"")):
            sent = [(b"Cookie", b"AuthSession=mine; a=b")]
            answer = await self.ask(gate, method, b"/_session", sent, body)
            self.assertEqual(answer.status, 200)
            self.assertNotIn(b"set-cookie", answer.fields)
            self.assertEqual(upstream.requests[-1].one(b"cookie"), b"a=b")
        self.check(await self.ask(gate, b"GET", b"/db"))
        self.assertEqual(upstream.requests[-1].one(b"cookie"), b"AuthSession=session-1")
        self.assertEqual(box.logins, 2)

    async def test_cookies(self) -> None:
        """The gate's cookies replace the client's, and their changes stay in the gate."""
        gate, upstream, box = await self.open("CouchDB")
        await self.ask(gate, b"GET", b"/db")
        sent = b"a=1; AuthSession=mine; b=2"
        answer = await self.ask(gate, b"GET", b"/renew", [(b"Cookie", sent)])
        self.assertEqual(upstream.requests[-1].one(b"cookie"), b"a=1; b=2; AuthSession=session-1")
        self.assertEqual(answer.fields[b"set-cookie"], [b"theme=dark; Path=/"])
        self.check(await self.ask(gate, b"GET", b"/db"))
        self.assertEqual(upstream.requests[-1].one(b"cookie"), b"AuthSession=session-2")
        self.assertEqual(box.logins, 1)

    async def test_no_cookies_of_clients(self) -> None:
        """Where neither side gets the other's cookies, the gate's own still go to the box."""
        change = 'credentials = "couchdb" -> cookies = "drop"\ncredentials = "couchdb"'
        gate, upstream, _ = await self.open("CouchDB", change)
        sent = [(b"Cookie", b"a=1; AuthSession=mine")]
        answer = await self.ask(gate, b"GET", b"/renew", sent)
        self.assertNotIn(b"set-cookie", answer.fields)
        self.assertEqual(upstream.requests[-1].one(b"cookie"), b"AuthSession=session-1")
        self.check(await self.ask(gate, b"GET", b"/db"))

    async def test_own_fields(self) -> None:
        """A client can't send the fields that the session owns, nor its own Authorization."""
        gate, upstream, _ = await self.open("UniFi")
        own = [(b"X-CSRF-Token", b"mine"), (b"Authorization", b"Basic bWluZTptaW5l")]
        self.check(await self.ask(gate, b"POST", PATHS["UniFi"], own, b"{}"))
        self.assertEqual(upstream.requests[-1].fields[b"x-csrf-token"], [b"csrf-1"])
        self.assertNotIn(b"authorization", upstream.requests[-1].fields)

    async def test_rotated_token(self) -> None:
        """A CSRF token that a response replaces is used from then on, and stays in the gate."""
        gate, upstream, box = await self.open("UniFi")
        answer = await self.ask(gate, b"POST", PATHS["UniFi"] + b"/rotate", body=b"{}")
        self.check(answer)
        self.check(await self.ask(gate, b"POST", PATHS["UniFi"], body=b"{}"))
        self.assertEqual(upstream.requests[-1].one(b"x-csrf-token"), b"csrf-1-new")
        self.assertEqual(box.logins, 1)

    async def test_token_in_query(self) -> None:
        """The token goes behind the client's query, in the place of the client's own."""
        gate, upstream, _ = await self.open("ArcGIS")
        target = PATHS["ArcGIS"] + b"?f=json&token=mine&x=%2F"
        self.check(await self.ask(gate, b"GET", target))
        wanted = PATHS["ArcGIS"] + b"?f=json&x=%2F&token=session-1"
        self.assertEqual(upstream.requests[-1].target, wanted)
        self.assertNotIn("session-1", "".join(gate.lines))

    async def test_token_in_redirect(self) -> None:
        """A redirect that repeats the query doesn't show the token."""
        gate, upstream, _ = await self.open("ArcGIS")
        self.check(await self.ask(gate, b"GET", PATHS["ArcGIS"]))
        place = upstream.url.encode() + PATHS["ArcGIS"] + b"/?token=session-1"
        upstream.answer = lambda m: response(302, [(b"Location", place)])
        answer = await self.ask(gate, b"GET", PATHS["ArcGIS"])
        self.assertIn(b"token=***", answer.one(b"location"))
        self.assertNotIn(b"session-1", answer.raw)

    async def test_early_hints(self) -> None:
        """Interim responses show neither the token nor a cookie of the session."""
        for name, field in (
            ("ArcGIS", b"Link: </s.css?token=session-1>; rel=preload"),
            ("Django", b"Set-Cookie: sessionid=session-1"),
        ):
            gate, upstream, _ = await self.open(name)
            self.check(await self.ask(gate, b"GET", PATHS[name]))
            early = b"HTTP/1.1 103 Early Hints\r\n" + field + b"\r\n\r\n"
            upstream.answer = always(early + response(body=b"ok"))
            client = await self.connect(gate)
            client.send(request(target=PATHS[name]))
            await client.when(partial(_ends, client, b"ok"))
            self.assertIn(b" 103 ", client.data)
            self.assertNotIn(b"session-1", client.data)

    async def test_long_json(self) -> None:
        """A JSON response that is too long for an error passes as it comes."""
        gate, upstream, _ = await self.open("ArcGIS")
        known = upstream.answer
        body = json.dumps({"error": {"code": 498}, "more": "x" * 100_000}).encode()
        plain = response(200, [(b"Content-Type", b"application/json")], body)
        chunked = plain.replace(
            b"Content-Length: %d\r\n\r\n" % len(body),
            b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body),
        )
        for sent in (plain, chunked + b"\r\n0\r\n\r\n"):
            answers = {b"POST": known, b"GET": always(sent)}
            upstream.answer = partial(_by_method, answers)
            answer = await self.ask(gate, b"GET", PATHS["ArcGIS"])
            self.assertEqual(answer.body, body)

    async def test_streamed_body(self) -> None:
        """A body that can't be sent again is not sent twice; the next request is signed."""
        gate, upstream, box = await self.open("CouchDB")
        self.check(await self.ask(gate, b"GET", b"/db"))
        box.expire()
        large = b"x" * 3_000_000
        answer = await self.ask(gate, b"PUT", b"/db/file", body=large)
        self.assertIn(answer.status, (200, 502, 503))
        self.assertNotIn(b"session-", answer.raw)
        self.check(await self.ask(gate, b"PUT", b"/db/file", body=large))
        whole = [each for each in upstream.requests if each.body == large]
        self.assertLessEqual(len(whole), 2)
        self.assertEqual(box.made, 2)

    async def test_client_leaves_during_the_login(self) -> None:
        """Others that wait for the same login get its session."""
        gate, upstream, box = await self.open("CouchDB")
        known = upstream.answer
        held: list[Message] = []
        upstream.answer = lambda m: held.append(m)
        first = await self.connect(gate)
        first.send(request(b"GET", b"/db"))
        await upstream.arrived()
        second = self.start_ask(gate, b"/db")
        await first.close()
        upstream.answer = known
        login = known(held[0])
        assert login is not None
        held[0].connection.send(login)
        self.check(await second)
        self.assertEqual((box.logins, len(held)), (1, 1))

    async def test_reload_during_the_login(self) -> None:
        """A login that runs ends on its connection, and its session is kept."""
        gate, upstream, box = await self.open("CouchDB")
        known = upstream.answer
        held: list[Message] = []
        upstream.answer = lambda m: held.append(m)
        waiting = self.start_ask(gate, b"/db")
        await upstream.arrived()
        text = documented("CouchDB", upstream.url)
        changed = text.replace('credentials = "couchdb"', 'credentials = "couchdb"\nmax_queue = 7')
        await gate.reload(parse(changed))
        later = self.start_ask(gate, b"/db")
        upstream.answer = known
        login = known(held[0])
        assert login is not None
        held[0].connection.send(login)
        self.check(await waiting)
        self.check(await later)
        self.assertEqual(box.logins, 1)

    async def test_reload_with_requests_under_way(self) -> None:
        """A request that runs keeps its session until it has ended."""
        gate, upstream, box = await self.open("CouchDB")
        self.check(await self.ask(gate, b"GET", b"/db"))
        known = upstream.answer
        held: list[Message] = []
        upstream.answer = lambda m: held.append(m) if m.target == b"/slow" else known(m)
        slow = self.start_ask(gate, b"/slow")
        await upstream.when(lambda: held)
        text = documented("CouchDB", upstream.url)
        await gate.reload(parse(text.replace('"/_session"\njson', '"POST /_session"\njson')))
        self.check(await self.ask(gate, b"GET", b"/db"))
        self.assertEqual((box.logins, box.logouts), (2, 0))
        held[0].connection.send(response(200))
        self.check(await slow)
        await upstream.when(lambda: box.logouts)
        self.assertEqual(list(box.sessions), ["session-2"])

    async def test_reload(self) -> None:
        """A reload keeps the session of equal credentials, whatever else has changed."""
        gate, upstream, box = await self.open("CouchDB")
        self.check(await self.ask(gate, b"GET", b"/db"))
        text = documented("CouchDB", upstream.url)
        changed = text.replace('credentials = "couchdb"', 'credentials = "couchdb"\nmax_queue = 7')
        self.assertNotEqual(text, changed)
        await gate.reload(parse(changed))
        self.check(await self.ask(gate, b"GET", b"/db"))
        box.expire()
        # The login goes over the connections in force.
        self.check(await self.ask(gate, b"GET", b"/db"))
        self.assertEqual((box.logins, box.logouts), (2, 0))

    async def test_reload_with_other_credentials(self) -> None:
        """Other credentials log in anew, and the session before is ended at the box."""
        gate, upstream, box = await self.open("CouchDB")
        self.check(await self.ask(gate, b"GET", b"/db"))
        text = documented("CouchDB", upstream.url)
        await gate.reload(parse(text.replace('"/_session"\njson', '"POST /_session"\njson')))
        self.check(await self.ask(gate, b"GET", b"/db"))
        await upstream.when(lambda: box.logouts)
        self.assertEqual((box.logins, list(box.sessions)), (2, ["session-2"]))

    async def test_logs_out_at_the_end(self) -> None:
        """The gate ends its sessions when it stops."""
        for name in ("CouchDB", "UniFi", "Django"):
            gate, _, box = await self.open(name)
            self.check(await self.ask(gate, b"GET", PATHS[name]))
            await gate.stop()
            self.assertEqual((box.logouts, box.sessions), (1, {}), name)

    async def test_does_not_log_out_without_a_session(self) -> None:
        """A gate that never logged in has nothing to end."""
        gate, upstream, _ = await self.open("CouchDB")
        await gate.stop()
        self.assertEqual(upstream.requests, [])

    async def test_probes(self) -> None:
        """Health checks use the session."""
        health = 'health = { path = "/up", interval = "1s" }'
        change = f'credentials = "couchdb" -> credentials = "couchdb"\n{health}'
        gate, upstream, box = await self.open("CouchDB", change)
        await upstream.when(lambda: any(m.target == b"/up" for m in upstream.requests))
        self.check(await self.ask(gate, b"GET", b"/db"))
        found = next(m for m in upstream.requests if m.target == b"/up")
        self.assertEqual(found.one(b"cookie"), b"AuthSession=session-1")
        self.assertEqual(box.logins, 1)

    async def test_each_server_has_its_session(self) -> None:
        """A session goes to the server only that it was made at."""
        boxes = [BOXES["CouchDB"](), BOXES["CouchDB"]()]
        upstreams: list[Upstream] = []
        for box in boxes:
            box.made = 10 * len(upstreams)
            upstreams.append(await self.upstream())
            upstreams[-1].answer = box
        text = documented("CouchDB", f'{upstreams[0].url}", "{upstreams[1].url}')
        gate = self.serve(text)
        for _ in range(4):
            self.check(await self.ask(gate, b"GET", b"/db"))
        self.assertEqual([box.logins for box in boxes], [1, 1])
        self.assertNotIn(b"session-11", upstreams[0].data)
        self.assertNotIn(b"session-1;", upstreams[1].data + b";")

    async def test_shared(self) -> None:
        """One session serves all servers, if the box has it so."""
        box, upstreams = BOXES["CouchDB"](), []
        for _ in range(2):
            upstreams.append(await self.upstream())
            upstreams[-1].answer = box
        text = documented("CouchDB", f'{upstreams[0].url}", "{upstreams[1].url}')
        gate = self.serve(text.replace("logout_url", "shared = true\nlogout_url"))
        for _ in range(4):
            self.check(await self.ask(gate, b"GET", b"/db"))
        self.assertEqual((box.logins, len(upstreams[1].requests) > 1), (1, True))

    async def test_other_login_server(self) -> None:
        """A login at another server of the upstream is not the fault of the request's server."""
        box, upstreams = BOXES["CouchDB"](), []
        for _ in range(2):
            upstreams.append(await self.upstream())
            upstreams[-1].answer = box
        text = documented("CouchDB", f'{upstreams[0].url}", "{upstreams[1].url}')
        text = text.replace('login_url = "/_s', f'login_url = "{upstreams[1].url}/_s')
        gate = self.serve(text.replace("logout_url", "shared = true\nlogout_url"))
        self.check(await self.ask(gate, b"GET", b"/db"))
        self.assertNotIn(b"POST", upstreams[0].data)
        box.expire()
        await upstreams[1].refuse()
        await gatherResults([peer.close() for peer in upstreams[1].connections])
        self.assertEqual((await self.ask(gate, b"GET", b"/db")).status, 502)

    async def test_websocket(self) -> None:
        """A WebSocket handshake has the session."""
        gate, upstream, _ = await self.open("CouchDB")
        known = upstream.answer
        switched = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Set-Cookie: AuthSession=session-x\r\n\r\n"
        )
        upstream.answer = lambda m: switched if m.target == b"/ws" else known(m)
        client = await self.connect(gate)
        fields = [
            (b"Connection", b"Upgrade"),
            (b"Upgrade", b"websocket"),
            (b"Sec-WebSocket-Version", b"13"),
            (b"Sec-WebSocket-Key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
            (b"Origin", b"http://localhost:4200"),
        ]
        client.send(request(b"GET", b"/ws", fields))
        await client.when(lambda: b"\r\n\r\n" in client.data)
        self.assertIn(b" 101 ", client.data)
        self.assertNotIn(b"session-x", client.data)
        self.assertEqual(upstream.requests[-1].one(b"cookie"), b"AuthSession=session-1")
