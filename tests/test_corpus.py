"""The wire, proven row by row: raw bytes in, and what may come of them on the other side."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.corpus.judge import Judged, Malformed, read_request, read_responses
from tests.corpus.notation import Expected, decode, rows
from tests.corpus.recorder import FINE, Recorder, Script, send
from tests.peers import ABORTED, Client
from tests.support import BASIC, POLICY, Gate, GateTestCase

Row = Mapping[str, Any]
CaseT = TypeVar("CaseT", bound="type[CorpusCase]")

ASK = "GET /x HTTP/1.1\nHost: localhost\n\n"
STEPS = (0, 1, 7)
"""How many bytes are written at a time; 0 for all at once."""
MOST_TURNS = 700
"""A row that is longer is only written at once: each piece takes a turn of the reactor."""

CONFIGS = {
    "plain": ("", "", ""),
    "basic": (BASIC, "", ""),
    "cors": ("", 'cors = "app"', POLICY),
    "methods": ("", 'methods = ["GET", "POST"]', ""),
    "limits": (
        "",
        "",
        "[limits]\nmax_body_bytes = 10\nmax_headers = 5\nmax_target_bytes = 40\n"
        "max_head_bytes = 400\n",
    ),
}
"""By name: further lines of the upstream, of the route, and of the file."""

ROW_KEYS = frozenset(("name", "rfc", "todo", "config", "send", "get", "then"))
REQUEST_KEYS = ROW_KEYS | {"seen", "methods", "eof"}
RESPONSE_KEYS = ROW_KEYS | {"ask", "reuse", "early", "read"}


class CorpusCase(GateTestCase):
    """A test case whose methods are the rows of a corpus."""

    timeout = 30

    async def peers(
        self, row: Row, script: Script, more: str = ""
    ) -> tuple[Gate, Recorder, Client]:
        """Return a gate with one route, the only server behind it, and a client of it.

        Args:
            row: The row, which may name a configuration.
            script: What the server does.
            more: A further line for the upstream.
        """
        recorder = await Recorder(script).start()
        self.addCleanup(lambda: Deferred.fromCoroutine(recorder.stop()))
        upstream, route, rest = CONFIGS[row.get("config", "plain")]
        gate = self.serve(
            'hosts = ["localhost", "gate.example", "127.0.0.1", "[::1]"]\n'
            'listen = ["tcp:0:interface=127.0.0.1"]\n'
            f'[upstreams.a]\nservers = ["http://{recorder.authority.decode()}"]\n{upstream}\n'
            f'{more}\n{rest}\n[routes."/"]\nupstream = "a"\n{route}\n'
        )
        return gate, recorder, await self.connect(gate)

    async def assert_gate_serves(self, gate: Gate) -> None:
        """Assert that a good request on a new connection is served."""
        await self.assert_connection_serves(await self.connect(gate))

    async def assert_connection_serves(self, client: Client, before: int = 0) -> None:
        """Assert that a good request on a connection is served.

        Args:
            client: The connection.
            before: How many bytes on it belong to earlier responses.
        """
        client.send(FINE)

        def answered() -> bool:
            return client.outcome != "" or client.data[before:].endswith(b"fine")

        await client.when(answered)
        (answer,) = read_responses(client.data[before:], [b"GET"], ended=False)
        self.assertEqual((answer.status, answer.body), (200, b"fine"))

    def assert_message(self, found: Judged, text: str, authority: bytes) -> None:
        """Assert that a message is the one that a text says."""
        faults = list(Expected.read(text, authority).faults(found))
        self.assertEqual(faults, [], found)


def answers(client: Client, methods: list[bytes]) -> list[Judged]:
    """Return the responses that a client has got, the last one perhaps cut short."""
    return read_responses(client.data, methods, ended=client.outcome == "closed")


def finals(found: list[Judged]) -> list[Judged]:
    """Return the responses without the interim ones."""
    return [response for response in found if response.status >= 200]


async def answered(client: Client, methods: list[bytes]) -> list[Judged]:
    """Return all that a client gets: a final response to each request, or what comes before
    its connection ends.
    """

    def ended() -> bool:
        try:
            found = finals(answers(client, methods))
        except Malformed:
            return True
        last_whole = not found or found[-1].whole
        return client.outcome != "" or (len(found) == len(methods) and last_whole)

    await client.when(ended)
    return answers(client, methods)


def corpus(kind: str) -> Callable[[CaseT], CaseT]:
    """Give a test case a method for each row of a corpus and each way to write it."""

    def fill(case: CaseT) -> CaseT:
        for name, row in rows(kind):
            size = len(decode("".join(row["send"])))
            for step in STEPS if size <= MOST_TURNS else (0,):
                test = _make_test(case, row, step)
                test.__name__ = f"test_{name}" + (f"_by_{step}" if step else "")
                setattr(case, test.__name__, test)
        return case

    return fill


def _make_test(
    case: type[CorpusCase], row: Row, step: int
) -> Callable[[Any], Coroutine[Any, Any, None]]:
    async def test(self: Any) -> None:
        await self.check(row, step)

    test.__doc__ = f"{row['name']} (RFC {row['rfc']})"
    if "todo" in row:
        test.todo = row["todo"]  # type: ignore[attr-defined]  # trial looks for it
    return test


@corpus("requests")
class Requests(CorpusCase):
    """What a client sends: what of it reaches the upstream, and what the client gets."""

    async def check(self, row: Row, step: int) -> None:
        """Check one row."""
        self.assertLessEqual(row.keys(), REQUEST_KEYS)
        gate, recorder, client = await self.peers(row, Script())
        pieces = [row["send"]] if isinstance(row["send"], str) else row["send"]
        for number, piece in enumerate(pieces):
            if number:
                await client.when(lambda: client.data or client.outcome)
            await send(client, decode(piece), step)
        if row.get("eof"):
            client_tcp: Any = client.transport
            client_tcp.loseWriteConnection()
        await self.check_client(row, client, recorder)
        await self.assert_gate_serves(gate)
        if row["then"] == "waiting":
            self.assertEqual((client.data, client.outcome), (b"", ""))
            await client.close()
        await self.check_upstream(row, recorder)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def check_client(self, row: Row, client: Client, recorder: Recorder) -> None:
        """Check what the client got, and whether its connection goes on."""
        methods = [name.encode() for name in row.get("methods", ["GET"] * len(row["get"]))]

        await answered(client, methods)
        if row["then"] == "closed":
            await client.gone()
        found = finals(answers(client, methods))
        statuses = [response.status for response in found]
        allowed = [each if isinstance(each, list) else [each] for each in row["get"]]
        self.assertEqual(len(statuses), len(allowed), client.data)
        for status, either in zip(statuses, allowed, strict=True):
            self.assertIn(status, either, client.data)
        self.assertTrue(all(response.whole for response in found), client.data)
        if row["then"] == "open":
            await self.assert_connection_serves(client, len(client.data))
        if "methods" not in row:
            # The upstream answers with what it was asked: no client sees another's answer.
            served = [response.body for response in found if response.status == 200]
            asked = [request.target for request in recorder.requests]
            self.assertEqual(served, asked[: len(served)])

    async def check_upstream(self, row: Row, recorder: Recorder) -> None:
        """Check what reached the upstream: whole requests, each whole, or nothing."""
        seen = row.get("seen", [])
        broken = seen == "broken"
        self.assertEqual(len(recorder.requests), 0 if broken else len(seen), recorder.requests)
        for found, text in zip(recorder.requests, [] if broken else seen, strict=True):
            self.assert_message(found, text, recorder.authority)
        for connection in recorder.connections:
            if broken and connection.rest:
                await connection.gone()
            else:
                self.assertEqual(connection.rest, b"")


@corpus("responses")
class Responses(CorpusCase):
    """What an upstream sends: what of it the client gets, and what it never takes for whole.

    ``get`` says what the client gets with ``strict_responses``. Where it gets something else
    without, as the response is put right, ``read`` says what.
    """

    async def check(self, row: Row, step: int) -> None:
        """Check one row."""
        self.assertLessEqual(row.keys(), RESPONSE_KEYS)
        self.assertFalse(row.keys() >= {"read", "reuse"}, "nothing put right is used again")
        await self.check_response({**row, "get": row.get("read", row["get"])}, step)
        await self.check_response(row, step, "strict_responses = true")

    async def check_response(self, row: Row, step: int, more: str = "") -> None:
        """Check one row in one way of reading."""
        script = Script(
            answer=decode(row["send"]),
            ends=row.get("then", "keep"),
            step=step,
            early=row.get("early", False),
        )
        gate, recorder, client = await self.peers(row, script, more)
        ask = decode(row.get("ask", ASK))
        client.send(ask)
        await self.check_client(row, client, ask.partition(b" ")[0], recorder)
        await recorder.done()
        await self.assert_gate_serves(gate)
        reused = recorder.served[-1] is recorder.connections[0]
        self.assertEqual(reused, row.get("reuse", False), "whether its connection is reused")
        self.assertEqual(self.flushLoggedErrors(), [])

    async def check_client(
        self, row: Row, client: Client, method: bytes, recorder: Recorder
    ) -> None:
        """Check what the client got."""

        found = await answered(client, [method])
        expected = row["get"]
        if expected == "broken":
            self.assert_broken(found, client)
        elif isinstance(expected, int):
            statuses = [each.status for each in finals(found)]
            self.assertEqual(statuses, [expected], client.data)
            self.assertTrue(found[-1].whole, client.data)
        else:
            self.assertEqual(len(found), len(expected), client.data)
            for response, text in zip(found, expected, strict=True):
                self.assert_message(response, text, recorder.authority)

    def assert_broken(self, found: list[Judged], client: Client) -> None:
        """Assert that the client got 502, or can see that what it got is not whole."""
        if found and found[-1].whole:
            self.assertEqual(found[-1].status, 502, client.data)
        else:
            self.assertNotEqual(client.outcome, "")
            framed = bool(found) and b"\r\nConnection: close\r\n" not in client.data
            self.assertTrue(framed or client.outcome == ABORTED, client.data)


class Size(SynchronousTestCase):
    def test_rows(self) -> None:
        """The corpus is as large as it was promised to be."""
        self.assertGreaterEqual(len(list(rows("requests"))), 120)
        self.assertGreaterEqual(len(list(rows("responses"))), 60)


class Notation(SynchronousTestCase):
    def test_escapes(self) -> None:
        """A text gives exact bytes."""
        for text, data in (
            ("a\nb\n", b"a\r\nb\r\n"),
            ("a\\\nb", b"ab"),
            (r"\r\n\t\0\\\x8f", b"\r\n\t\0\\\x8f"),
            (r"a\{xy*3}b", b"axyxyxyb"),
            (r"\{X: \x01\r\n*2}", b"X: \x01\r\nX: \x01\r\n"),
        ):
            self.assertEqual(decode(text), data, text)

    def test_wrong(self) -> None:
        """What is no escape is no row."""
        for text in (r"\q", r"\xg0", "\\", r"\{a}", "\xe9"):
            with self.assertRaises(ValueError):
                decode(text)


class JudgeTests(SynchronousTestCase):
    def test_malformed(self) -> None:
        """The judge takes nothing that two readers could take for two things."""
        host = b"Host: a\r\n"
        for request in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + host * 2 + b"\r\n",
            b"GET / HTTP/1.0\r\n" + host + b"\r\n",
            b"GET /a b HTTP/1.1\r\n" + host + b"\r\n",
            b"GET / HTTP/1.1\r\n" + host + b"X : y\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + host + b"X: a\nY: b\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + host + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            b"GET / HTTP/1.1\r\n" + host + b"Content-Length: 01\r\n\r\nx",
            b"GET / HTTP/1.1\r\n" + host + b"Transfer-Encoding: x\r\n\r\n0\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n0;a\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n",
        ):
            with self.assertRaises(Malformed, msg=request):
                read_request(request)

    def test_whole(self) -> None:
        """The judge sees whether a message is whole."""
        head = b"HTTP/1.1 200 OK\r\n"
        chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
        for data, ended, whole in (
            (head + b"Content-Length: 2\r\n\r\nab", False, True),
            (head + b"Content-Length: 2\r\n\r\na", True, False),
            (chunked + b"1\r\na\r\n0\r\n\r\n", False, True),
            (chunked + b"1\r\na\r\n0\r\nX: y\r\n\r\n", False, True),
            (chunked + b"1\r\na\r\n0\r\n", True, False),
            (chunked + b"1\r\na\r\n", True, False),
            (head + b"\r\na", True, True),
            (head + b"\r\na", False, False),
        ):
            (found,) = read_responses(data, [b"GET"], ended=ended)
            self.assertEqual(found.whole, whole, data)

    def test_unasked(self) -> None:
        """A response to nobody is seen."""
        answer = b"HTTP/1.1 204 None\r\n\r\n"
        with self.assertRaises(Malformed):
            read_responses(answer * 2, [b"GET"], ended=True)
