"""What a client sends can make a line of the access log only so long."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.access_log import MAX_LINE_BYTES, MAX_VALUE_BYTES, AccessLog
from corsgate.learn.record import CUT, read_record
from corsgate.server.fields_memo import FieldsMemo
from corsgate.server.request_log import RequestLog
from tests.peers import response
from tests.support import FROM_APP, GateTestCase

LONG = b"\x80" * 3900
FIELDS = ("origin", "user-agent", "referer", "access-control-request-method")
NAMES = "access-control-request-headers"


def request(
    fields: dict[str, bytes], *, target: bytes = b"/v1", method: bytes = b"OPTIONS", **said: Any
) -> Any:
    """Return what the log reads of a request."""
    log = RequestLog()
    for name, value in {"id": "1-1", "client": "127.0.0.1", "route": "/v1", **said}.items():
        setattr(log, name, value)
    return SimpleNamespace(
        log=log,
        index={name.encode(): [value] for name, value in fields.items()},
        memo=FieldsMemo(),
        method=method,
        uri=target,
        authority=b"localhost",
        clientproto=b"HTTP/2",
        code=200,
        startedWriting=1,
        sentLength=0,
        arrived_s=0.0,
    )


def line(of: Any, log_format: str = "json") -> str:
    """Return a request's line."""
    lines: list[str] = []
    AccessLog(log_format, lines.append, lambda: 0.0, lambda: 0.0).record(of)
    return lines[0]


class Bounds(SynchronousTestCase):
    """A value has 512 bytes at most, a line 4 KiB."""

    def test_hostile(self) -> None:
        """Where everything is as long as can be, and so is each escape, the line is whole."""
        hostile = request(
            dict.fromkeys((*FIELDS, NAMES), LONG),
            target=LONG,
            method=b"OPTIONS",
            client="\x80" * 3900,
            route="\x80" * 3900,
            server="\x80" * 3900,
            outcome="\x80" * 3900,
            tried=["\x80" * 3900] * 300,
        )
        hostile.authority = LONG
        shown = line(hostile)
        self.assertLess(len(shown), MAX_LINE_BYTES)
        event = json.loads(shown)
        self.assertEqual(event["status"], 200)
        for name in ("origin", "user_agent", "target", "host", "outcome", "client", "asked_method"):
            self.assertTrue(event[name].endswith("\x80" + CUT), name)
        self.assertEqual(event["tried"][-1], CUT)
        self.assertLess(len(line(hostile, "combined")), MAX_LINE_BYTES)

    def test_one_long_value(self) -> None:
        """A long value is cut at 512 bytes and marked; the others are whole."""
        event = json.loads(line(request({"user-agent": b"a" * 513, "origin": b"o" * 512})))
        self.assertEqual(event["origin"], "o" * 512)
        self.assertEqual(event["user_agent"], "a" * (512 - len(r"\u2026")) + CUT)

    @given(st.binary(max_size=1500), st.binary(max_size=1500))
    def test_values_are_whole_or_marked(self, agent: bytes, target: bytes) -> None:
        """A value is what was sent, or the beginning of it with the mark behind."""
        shown = line(request({"user-agent": agent}, target=target))
        event = json.loads(shown)
        for value, sent in ((event["user_agent"], agent), (event["target"], target)):
            text = sent.decode("latin-1")
            written = len(json.dumps(value)) - 2
            self.assertLessEqual(written, MAX_VALUE_BYTES)
            if value != text:
                self.assertTrue(text.startswith(value.removesuffix(CUT)) and value.endswith(CUT))
                self.assertGreater(len(json.dumps(text)) - 2, MAX_VALUE_BYTES)
                self.assertGreaterEqual(written, MAX_VALUE_BYTES - 5)

    @given(st.binary(max_size=1500))
    def test_combined(self, sent: bytes) -> None:
        """The parts of a combined line are cut, and each still ends where it ends."""
        shown = line(request({"user-agent": sent, "referer": sent}, target=sent), "combined")
        self.assertLess(len(shown), MAX_LINE_BYTES)
        self.assertTrue(shown.isascii() and shown.isprintable())
        self.assertEqual(shown.replace("\\\\", "").replace('\\"', "").count('"'), 6)
        self.assertIn(" HTTP/2", shown)


class Learned(SynchronousTestCase):
    """`corsgate learn` takes no part of a value for the whole."""

    def test_cut_is_no_evidence(self) -> None:
        """A line whose origin, method or headers were cut has no call in it."""
        plain = {"origin": b"https://app.example", FIELDS[3]: b"PUT", NAMES: b"x-a"}
        self.assertEqual(len(read_record(line(request(plain)))), 1)
        for name, value in (
            ("origin", b"https://app.example" + b"e" * 600),
            (FIELDS[3], b"P" * 600),
            (NAMES, b"x-a, " * 200),
        ):
            shown = line(request({**plain, name: value}))
            self.assertIn(json.dumps(CUT)[1:], shown)
            self.assertEqual(read_record(shown), [], name)

    def test_cut_target(self) -> None:
        """A long query is cut, but the call's origin, method and route are known."""
        asked = request(
            {"origin": b"https://app.example"}, method=b"PUT", target=b"/v1?q=" + b"x" * 600
        )
        (found,) = read_record(line(asked))
        self.assertEqual((found.call.method, found.place), (b"PUT", (None, "/v1")))


class OverTheWire(GateTestCase):
    """The same, of requests that were really sent."""

    async def test_line(self) -> None:
        """Fields full of bytes that are escaped make a line that is bounded, valid and marked."""
        gate = self.front(await self.upstream(response()))
        sent = [FROM_APP, *((name, LONG) for name in (b"User-Agent", b"Referer", b"X-A", b"X-B"))]
        await self.ask(gate, target=b"/v1/" + b"x" * 3900, headers=sent)
        (shown,) = gate.lines
        self.assertLess(len(shown), MAX_LINE_BYTES)
        event = json.loads(shown)
        self.assertEqual(event["origin"], "https://app.example")
        self.assertTrue(event["user_agent"].endswith(CUT))
        self.assertTrue(event["target"].endswith("x" + CUT))
