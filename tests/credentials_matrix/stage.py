"""A gate before the boxes of a kind of credentials."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, eventAsText, globalLogPublisher
from zope.interface import provider

from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from tests.credentials_matrix.box import Box, Reply, Seen
from tests.credentials_matrix.kind import FORGED, SECRET, Kind
from tests.credentials_matrix.leaks import leaked
from tests.credentials_matrix.uploader import Uploader, connect
from tests.peers import Message
from tests.support import APP, LISTEN, POLICY, Gate, GateTestCase


class MatrixTestCase(GateTestCase):
    """A test of one kind.

    Attributes:
        kind_class: The kind.
        kind: Its instance for this test.
    """

    timeout = 60
    kind_class: ClassVar[type[Kind]]

    async def begin(self) -> None:
        """Start the kind, and take down what the daemon logs."""
        self.kind = self.kind_class()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.kind.stop()))
        await self.kind.start()
        self.events: list[str] = []

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            self.events.append(eventAsText(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    async def box(self, judge: Callable[[Box, Seen], Reply] | None = None) -> Box:
        """Return a box; by default it checks the kind's credentials."""
        chosen = judge or self.kind.judge
        box = Box(lambda seen: chosen(box, seen), self.kind.is_login)
        await box.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(box.stop()))
        return box

    def gate(
        self, servers: Sequence[Box] | str, secret: str = SECRET, more: str = "", upstream: str = ""
    ) -> Gate:
        """Return a gate.

        Args:
            servers: The upstream's servers, or the file that names them.
            secret: The secret that is configured.
            more: Further tables.
            upstream: Further lines of the upstream.
        """
        if isinstance(servers, str):
            listed = f'{{ file = "{servers}" }}'
        else:
            listed = json.dumps([box.url for box in servers])
        text = (
            f"[credentials.k]\n{self.kind.table(secret)}\n{POLICY}\n"
            f'[upstreams.a]\nservers = {listed}\ncredentials = "k"\n{upstream}\n'
            f'[routes."/v1"]\nupstream = "a"\ncors = "app"\n{more}\n'
        )
        config = parse_config(
            LISTEN + text,
            file="gate.toml",
            environ={},
            read_file=lambda name: Path(name).read_bytes(),
            has_spnego=True,
            cors_rules=CORS_RULES,
        )
        return self.serve_config(config)

    async def client(self, gate: Gate) -> Uploader:
        """Return a new client."""
        client = await connect(gate.port)
        self.addCleanup(client.close)
        return client

    def own(self, box: Box) -> list[Seen]:
        """Return the requests of clients that a box saw, without the gate's own."""
        return [seen for seen in box.seen if not self.kind.is_login(seen)]

    # What holds of every response, request and log.

    def assert_readable(self, answer: Message) -> None:
        """Assert that a page can read a response, and that it shows nothing of the credentials."""
        self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
        for name in (b"www-authenticate", b"authentication-info", b"proxy-authenticate"):
            self.assertNotIn(name, answer.fields)
        self.assertEqual(leaked(self.kind.secrets, answer.raw), [])

    def assert_nothing_forged(self, *boxes: Box) -> None:
        """Assert that nothing of what a client forged has reached a box."""
        for box in boxes:
            for seen in box.seen:
                values = b"\n".join(value for _, value in seen.headers)
                self.assertNotIn(FORGED, values + seen.target)

    def assert_nothing_of(self, issuer: Box, box: Box) -> None:
        """Assert that nothing which one box has issued has reached another."""
        for seen in box.seen:
            fields = [value for name, value in seen.headers if name.lower() != b"origin"]
            self.assertNotIn(issuer.authority.encode(), b"\n".join([*fields, seen.target]))

    def assert_no_credentials(self, box: Box) -> None:
        """Assert that a box outside the upstream saw nothing of the credentials."""
        for seen in box.seen:
            data = b"\n".join([*(value for _, value in seen.headers), seen.target, seen.body])
            self.assertEqual(leaked(self.kind.secrets, data), [])
            self.assertNotIn(b"authorization", seen.fields)

    def assert_logs_nothing(self, gate: Gate) -> None:
        """Assert that no log shows a secret."""
        text = "\n".join([*gate.lines, *self.events])
        self.assertEqual(leaked(self.kind.secrets, text.encode()), [])


def for_each_kind(
    base: type[MatrixTestCase], suffix: str, module: str, kinds: Sequence[type[Kind]]
) -> dict[str, type[MatrixTestCase]]:
    """Return a test case for each kind, by its name, such as ``DigestCells``."""
    make = partial(_case, base, suffix, module)
    return dict(make(kind) for kind in kinds)


def _case(
    base: type[MatrixTestCase], suffix: str, module: str, kind: type[Kind]
) -> tuple[str, type[MatrixTestCase]]:
    name = "".join(part.title() for part in kind.name.split("_")) + suffix
    return name, type(name, (base,), {"kind_class": kind, "__module__": module})
