"""A gate that drains on real sockets: event streams, downloads, uploads, and hostile peers."""

from __future__ import annotations

import json
from typing import Any

from corsgate.gate.endless_bodies import CUT, ENDED
from corsgate.server.site import STOPPED
from corsgate.transport.tunnel import CUT as TUNNEL_CUT
from tests.gate.test_http2 import Http2TestCase
from tests.gate.test_tls import FIRST, OTHER, TlsTestCase, config
from tests.peers import ABORTED, Client, Message, request, response
from tests.support import FROM_APP, GateTestCase

EVENT = b"data: 1\n\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + CHUNKED
PICTURES = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n" + CHUNKED
ACCEPT = (b"Accept", b"text/event-stream")
OFFER = [(b"Connection", b"Upgrade"), (b"Upgrade", b"telnet")]
SWITCH = b"HTTP/1.1 101 Switching\r\nUpgrade: telnet\r\nConnection: Upgrade\r\n\r\n"
MEGABYTE = bytes(range(256)) * 4096
LIMITS = '[limits]\ndrain_timeout = "{timeout}"\ntunnel_grace = "{grace}"\n'
PATIENT = LIMITS.format(timeout="60s", grace="0s")


def chunk(data: bytes) -> bytes:
    """Return a chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def outcome(line: str) -> object:
    """Return the outcome that a line of the access log says."""
    return json.loads(line).get("outcome")


class EventStreams(GateTestCase):
    """Responses with events, over HTTP/1.1."""

    async def test_between_events(self) -> None:
        """A stream ends at once, whole to its client, and its server is let go."""
        upstream = await self.upstream(EVENTS + chunk(EVENT))
        gate = self.front(upstream)
        client = await self.connect(gate)
        client.send(request(headers=[ACCEPT]))
        await client.when(lambda: EVENT in client.data)
        await gate.stop()
        self.assertEqual(await client.gone(), "closed")
        self.assertEqual((await client.response()).body, EVENT)
        self.assertEqual(await upstream.connections[0].gone(), ABORTED)
        self.assertEqual(outcome(gate.lines[0]), ENDED)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_within_an_event(self) -> None:
        """A stream within an event ends behind it."""
        upstream = await self.upstream(EVENTS + chunk(EVENT[:5]))
        gate = self.front(upstream)
        client = await self.connect(gate)
        client.send(request(headers=[ACCEPT]))
        await client.when(lambda: EVENT[:5] in client.data)
        stopped = gate.stop()
        upstream.connections[0].send(chunk(EVENT[5:] + EVENT[:3]))
        await stopped
        self.assertEqual((await client.response()).body, EVENT)

    async def test_begins_meanwhile(self) -> None:
        """A stream that begins while the gate drains ends with its head."""
        upstream = await self.upstream(None)
        gate = self.front(upstream)
        client = await self.connect(gate)
        client.send(request(headers=[ACCEPT]))
        await upstream.arrived()
        stopped = gate.stop()
        upstream.connections[0].send(EVENTS)
        answer = await client.response()
        self.assertEqual((answer.body, answer.one(b"Connection")), (b"", b"close"))
        await stopped

    async def test_never_ends(self) -> None:
        """An event that never ends is cut after the grace: it must not look whole."""
        upstream = await self.upstream(EVENTS + chunk(b"data: 1\n"))
        gate = self.front(upstream, rest=PATIENT)
        client = await self.connect(gate)
        client.send(request(headers=[ACCEPT]))
        await client.when(lambda: b"data" in client.data)
        await gate.stop()
        self.assertEqual(await client.gone(), ABORTED)
        self.assertFalse(client.data.endswith(b"0\r\n\r\n"))
        self.assertEqual(outcome(gate.lines[0]), CUT)

    async def test_answer_to_post(self) -> None:
        """The answer to a POST, or to who asked for no events, is awaited like any other."""
        for method, headers in ((b"POST", [ACCEPT]), (b"GET", [])):
            upstream = await self.upstream(EVENTS + chunk(EVENT))
            gate = self.front(upstream, rest=PATIENT)
            client = await self.connect(gate)
            client.send(request(method, headers=headers, body=b"" if method == b"POST" else None))
            await client.when(lambda client=client: EVENT in client.data)  # type: ignore[misc]  # a default
            stopped = gate.stop()
            upstream.connections[0].send(chunk(EVENT) + b"0\r\n\r\n")
            self.assertEqual((await client.response()).body, EVENT * 2)
            await stopped

    async def test_pictures(self) -> None:
        """A camera's pictures, which have no end, are cut after the grace."""
        upstream = await self.upstream(PICTURES + chunk(b"--b\r\n"))
        gate = self.front(upstream, rest=PATIENT)
        client = await self.connect(gate)
        client.send(request())
        await client.when(lambda: b"--b" in client.data)
        await gate.stop()
        self.assertEqual(await client.gone(), ABORTED)
        self.assertEqual(outcome(gate.lines[0]), CUT)

    async def test_reads_nothing(self) -> None:
        """A client that does not read its events holds the gate no longer than the timeout."""
        upstream = await self.upstream(EVENTS)
        gate = self.front(upstream, rest=LIMITS.format(timeout="100ms", grace="0s"))
        client = await self.connect(gate)
        client.send(request(headers=[ACCEPT]))
        arrived = await upstream.arrived()
        tcp: Any = client.transport
        tcp.pauseProducing()
        arrived.connection.send(chunk(EVENT * 1_000_000))
        await gate.stop()
        self.assertIn(outcome(gate.lines[0]), (ENDED, STOPPED, CUT))


class EventStreamsByHttp2(Http2TestCase):
    """The same over HTTP/2, beside other streams."""

    async def test_ends(self) -> None:
        """Event streams end with END_STREAM; a download beside them goes on to its end."""
        upstream = await self.upstream()
        upstream.answer = lambda got: EVENTS + chunk(EVENT) if got.target == b"/v1/events" else None
        gate = self.over_tls(upstream)
        peer = await self.peer(gate)
        events = [peer.ask(b"/v1/events", [(b"accept", ACCEPT[1])]) for _ in range(3)]
        download = peer.ask(b"/v1/download")
        for number in events:
            await peer.when(lambda number=number: peer.answers[number].body == EVENT)  # type: ignore[misc]  # a default
        await upstream.when(lambda: len(upstream.requests) == 4)
        stopped = gate.stop()
        for number in events:
            got = await peer.whole(number)
            self.assertEqual((bytes(got.body), got.ended, got.reset), (EVENT, True, None))
        await peer.when(lambda: len(peer.goaways) == 2)
        self.assertEqual(peer.goaways, [2**31 - 1, download])
        (asked,) = [got for got in upstream.requests if got.target == b"/v1/download"]
        asked.connection.send(response(body=MEGABYTE))
        got = await peer.whole(download)
        self.assertEqual(bytes(got.body), MEGABYTE)
        await stopped
        self.assertEqual(sorted(map(str, map(outcome, gate.lines))), [*[ENDED] * 3, "None"][::-1])

    async def test_cut(self) -> None:
        """An event that never ends takes its own stream with it, and no other."""
        upstream = await self.upstream()
        upstream.answer = lambda got: (
            EVENTS + chunk(EVENT[:3]) if got.target == b"/v1/events" else None
        )
        gate = self.over_tls(upstream, rest=PATIENT)
        peer = await self.peer(gate)
        events, other = peer.ask(b"/v1/events", [(b"accept", ACCEPT[1])]), peer.ask(b"/v1/other")
        await peer.when(lambda: peer.answers[events].body == EVENT[:3])
        await upstream.when(lambda: len(upstream.requests) == 2)
        stopped = gate.stop()
        got = await peer.whole(events)
        self.assertFalse(got.ended)
        self.assertIsNotNone(got.reset)
        (asked,) = [got for got in upstream.requests if got.target == b"/v1/other"]
        asked.connection.send(response(body=b"fine"))
        self.assertEqual(bytes((await peer.whole(other)).body), b"fine")
        await stopped


class Bodies(GateTestCase):
    """What ends by itself is awaited."""

    async def test_whole(self) -> None:
        """A download and an upload that end within the timeout are whole."""
        upstream = await self.upstream(None)
        gate = self.front(upstream, rest=PATIENT)
        download, upload = await self.connect(gate), await self.connect(gate)
        download.send(request())
        arrived = await upstream.arrived()
        arrived.connection.send(response(body=MEGABYTE)[:-1000])
        whole = request(b"PUT", headers=[FROM_APP], body=MEGABYTE)
        upload.send(whole[:-1000])
        await upstream.when(lambda: len(upstream.connections) == 2)
        await download.when(lambda: b"\r\n\r\n" in download.data)
        stopped = gate.stop()
        upload.send(whole[-1000:])
        await upstream.when(lambda: len(upstream.requests) == 2)
        self.assertEqual(upstream.requests[1].body, MEGABYTE)
        upstream.requests[1].connection.send(response(201))
        answer = await upload.response()
        self.assertEqual((answer.status, answer.one(b"Connection")), (201, b"close"))
        self.assertFalse(stopped.called)
        arrived.connection.send(response(body=MEGABYTE)[-1000:])
        self.assertEqual((await download.response()).body, MEGABYTE)
        await stopped

    async def test_pipelined(self) -> None:
        """Requests that had come before the drain are all served; the last response says close."""
        upstream = await self.upstream()
        answers: dict[bytes, Message] = {}

        def answer(got: Message) -> None:
            answers[got.target] = got

        upstream.answer = answer
        gate = self.front(upstream, rest=PATIENT)
        client = await self.connect(gate)
        targets = [b"/v1/%d" % number for number in range(3)]
        client.send(b"".join(request(target=target) for target in targets))
        await upstream.when(lambda: answers)
        stopped = gate.stop()
        for target in targets:
            await upstream.when(lambda target=target: target in answers)  # type: ignore[misc]  # a default
            answers[target].connection.send(response(body=target))
        got = [await client.response() for _ in targets]
        self.assertEqual([each.body for each in got], targets)
        closes = [each.fields.get(b"connection") for each in got]
        self.assertEqual(closes, [None, None, [b"close"]])
        self.assertEqual(await client.gone(), "closed")
        await stopped

    async def test_tunnel(self) -> None:
        """Another protocol than WebSocket can't be told anything: it is cut after the grace."""
        upstream = await self.upstream(SWITCH + b"login:")
        gate = self.front(upstream, rest=PATIENT)
        client = await self.connect(gate)
        client.send(request(headers=OFFER))
        await client.when(lambda: client.data.endswith(b"login:"))
        await gate.stop()
        self.assertEqual(await client.gone(), "closed")
        await upstream.connections[0].gone()
        self.assertTrue(client.data.endswith(b"login:"))
        self.assertEqual(outcome(gate.lines[0]), TUNNEL_CUT)


class StalledTls(TlsTestCase):
    """Clients over TLS that do nothing more."""

    async def test_stalled(self) -> None:
        """A client that neither reads nor closes is cut at the timeout."""
        upstream = await self.upstream(response(body=MEGABYTE * 8))
        rest = LIMITS.format(timeout="200ms", grace="0s")
        servers = f'servers = ["{upstream.url}"]'
        gate = self.serve_config(config(servers, FIRST, OTHER, rest=rest))
        stalled: list[Client] = []
        for _ in range(2):
            client = await self.secured(gate)
            client.send(request(host=b"gate.test"))
            stalled.append(client)
            await client.when(lambda client=client: client.data)  # type: ignore[misc]  # a default
            # The socket below: TLS itself answers close_notify without being asked.
            tls: Any = client.transport
            tls.transport.pauseProducing()
        await upstream.when(lambda: len(upstream.requests) == 2)
        await gate.stop()
        self.assertEqual(list(map(outcome, gate.lines)), [STOPPED] * 2)
        for client in stalled:
            await client.close()
