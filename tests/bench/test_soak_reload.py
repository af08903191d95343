"""``bench/soak_reload.py``: the files that it writes are what it takes them for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from twisted.trial.unittest import SynchronousTestCase

from bench.soak_reload_config import EVERY_BROKEN, KINDS, Files, Ports, Step
from bench.soak_reload_http2 import Http2
from corsgate.config.model.values import Config
from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from corsgate.errors import ConfigError

TURNS = 2 * EVERY_BROKEN * len(KINDS)


class FilesTests(SynchronousTestCase):
    """Each file differs from the last one in one respect, or is broken."""

    def setUp(self) -> None:
        """Write the first one."""
        directory = Path(self.mktemp())
        directory.mkdir()
        ports = Ports(plain=1001, tls=1002, extra=1003, boxes=(2001, 2002, 2003))
        self.files = Files(directory, ports)

    def load(self) -> Config:
        """Return the configuration of the file that was written last."""
        return parse_config(
            self.files.config.read_text("utf-8"),
            file="gate.toml",
            environ={},
            read_file=lambda name: Path(name).read_bytes(),
            cors_rules=CORS_RULES,
            has_http2=True,
        )

    def seen(self, config: Config) -> tuple[object, ...]:
        """Return what clients see of each of `KINDS`."""
        cors = config.routes[0].cors
        assert cors is not None
        return (
            [route.prefix for route in config.routes],
            (cors.allow_origins, cors.max_age_s),
            [server.origin for server in config.routes[0].upstream.servers],
            [each.chain_pem for each in config.listeners[-1].certificates],
            [listener.endpoint for listener in config.listeners],
        )

    def assert_broken(self, step: Step) -> None:
        """Assert that the file has one fault, which names the step's mark."""
        with self.assertRaises(ConfigError) as caught:
            self.load()
        (fault,) = caught.exception.faults
        self.assertIn(step.mark, str(fault))

    def test_each_change(self) -> None:
        """Each of `KINDS` changes alone, in turn; each fifth file has a fault with its mark."""
        before, kinds = self.seen(self.load()), []
        for number in range(1, TURNS + 1):
            step = self.files.change()
            self.assertEqual(step.number, number)
            if number % EVERY_BROKEN == 0:
                self.assertEqual(step.kind, "broken")
                self.assert_broken(step)
                continue
            after = self.seen(self.load())
            pairs = zip(KINDS, before, after, strict=True)
            self.assertEqual([kind for kind, old, new in pairs if old != new], [step.kind])
            before = after
            kinds.append(step.kind)
        self.assertEqual(kinds[: len(KINDS)], list(KINDS))
        self.assertEqual(kinds, [*KINDS] * (len(kinds) // len(KINDS)))


class Http2Tests(SynchronousTestCase):
    """The soak's HTTP/2 client."""

    def test_goaway(self) -> None:
        """A response that comes behind GOAWAY is taken; what was not seen is to be sent again."""

        async def play() -> list[object]:
            reader, sent = asyncio.StreamReader(), bytearray()
            writer: Any = SimpleNamespace(write=sent.extend, close=lambda: None)
            client = Http2(reader, writer)
            asked = [asyncio.ensure_future(client.get(path, "https://a")) for path in ("/a", "/b")]
            await asyncio.sleep(0)
            server = H2Connection(H2Configuration(client_side=False))
            server.initiate_connection()
            server.receive_data(bytes(sent))
            goaway = b"\0\0\x08\x07\0\0\0\0\0" + b"\0\0\0\x01" + b"\0\0\0\0"
            server.send_headers(1, [(":status", "200")], end_stream=True)
            data = goaway + server.data_to_send()
            for piece in (data[:5], data[5:40], data[40:]):
                reader.feed_data(piece)
                await asyncio.sleep(0)
            found: list[object] = []
            found += await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 30)
            await client.close()
            return found

        first, second = asyncio.run(play())
        self.assertEqual(first, (200, {b":status": b"200"}, b""))
        self.assertIsInstance(second, EOFError)
        self.assertEqual(getattr(second, "args", None), ())
