"""Pages of many origins at once, over both HTTPs, through reloads that swap accounts."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from functools import partial
from random import Random

from twisted.internet.defer import Deferred, gatherResults

from corsgate.config.model.values import Config
from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from corsgate.message.headers import Header
from tests.gate.test_http2 import Http2TestCase
from tests.gate.test_tls import FIRST
from tests.http2 import Http2Peer
from tests.peers import Client, Message, Upstream, request, response
from tests.support import Gate

PAGES = [f"http://page{number}.example" for number in range(7)]
ACCOUNTS = """
[credentials.basic]
type = "basic"
username = "basic"
password = "p"
[credentials.bearer]
type = "bearer"
token = "bearer"
[credentials.header]
type = "header"
headers = { "X-Key" = "header", "X-Tenant" = "header" }
[credentials.query]
type = "query"
name = "key"
value = "query"
[credentials.digest]
type = "digest"
username = "digest"
password = "p"
[credentials.other]
type = "digest"
username = "other"
password = "p"
"""
# The last page has none.
NAMES = ["basic", "bearer", "header", "query", "digest", "other"]
CHALLENGE = (b"WWW-Authenticate", b'Digest realm="r", nonce="n", qop="auth"')
FORGED = [
    (b"authorization", b"Bearer forged"),
    (b"x-key", b"forged"),
    (b"x_tenant", b"forged"),
    (b"cookie", b"key=forged"),
]
COUNT = 64


def config(server: Upstream, accounts: dict[str, str], *, by_url: bool = False) -> Config:
    """Return a configuration in which pages have these accounts."""
    named = ", ".join(f'"{origin}" = "{name}"' for origin, name in accounts.items())
    route = 'by_url = ["a"]' if by_url else 'upstream = "a"'
    files = {"/c": FIRST.pem, "/k": FIRST.key_pem}
    return parse_config(
        'hosts = ["gate.test", "localhost"]\n[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
        '[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
        'certificates = [{ chain = "/c", key = "/k" }]\n'
        f'[upstreams.a]\nservers = ["{server.url}"]\ncredentials_by_origin = {{ {named} }}\n'
        f"{ACCOUNTS}[cors.app]\nallow_origins = {json.dumps(PAGES)}\nallow_methods = ['PUT']\n"
        f'[routes."/v1"]\n{route}\ncors = "app"\n',
        file="gate.toml",
        environ={},
        read_file=files.__getitem__,
        cors_rules=CORS_RULES,
        has_http2=True,
    )


def account(message: Message) -> str:
    """Return all names in a request's credentials, each once."""
    fields = message.fields
    found = [*fields.get(b"x-key", []), *fields.get(b"x-tenant", []), *fields.get(b"x_tenant", [])]
    found += re.findall(rb"[?&]key=(\w+)", message.target)
    found += fields.get(b"cookie", [])
    for value in fields.get(b"authorization", []):
        scheme, _, rest = value.partition(b" ")
        if scheme == b"Basic":
            rest = b64decode(rest).partition(b":")[0]
        elif scheme == b"Digest":
            rest = re.findall(rb'username="(\w+)"', rest)[0]
        found.append(rest)
    return " ".join(sorted({each.decode() for each in found}))


def box(message: Message) -> bytes:
    """Return the name in a request's credentials, and the page that the request came from."""
    name = account(message)
    if not name:
        return response(401, [CHALLENGE])
    return response(200, [], f"{name} {message.one(b'x-page').decode()}".encode())


class LoadTests(Http2TestCase):
    """Which page gets which account."""

    def setUp(self) -> None:
        """Choose the same at each run."""
        self.chance = Random(13)
        self.accounts = dict(zip(PAGES, NAMES, strict=False))
        # All that have been in force, so that a request in flight may have the one before.
        self.history = [self.accounts]

    async def begin(self, *, by_url: bool = False) -> None:
        """Start a server and a gate."""
        self.box = await self.upstream()
        self.box.answer = box
        self.by_url = by_url
        self.gate = self.serve_config(config(self.box, self.accounts, by_url=by_url))

    def port(self, gate: Gate, number: int) -> int:
        """Return the port of a listener."""
        address = gate.service.ports[number].getHost()
        return int(address.port)  # type: ignore[attr-defined]

    def some(self) -> tuple[bytes, bytes, bytes | None, list[Header], str]:
        """Return a method, target, body, fields and the page that sends them."""
        page = self.chance.choice(PAGES)
        method, body = self.chance.choice(
            [(b"GET", None), (b"HEAD", None), (b"PUT", b"some"), (b"POST", b"x" * 20_000)]
        )
        path = self.chance.choice([b"/x", b"/y?a=1", b"/y?keys=forged&b"])
        if self.by_url:
            path = b"/" + self.box.url.encode() + path
        # The box sees its own origin as Origin.
        fields = [
            (b"origin", page.encode()),
            (b"x-page", page.encode()),
            *self.chance.sample(FORGED, 2),
        ]
        self.chance.shuffle(fields)
        return method, b"/v1" + path, body, fields, page

    def check(self, page: str, since: int, status: int, body: bytes, *, bodiless: bool) -> None:
        """Assert that a response is one to a page's own account, or 403."""
        allowed = {each.get(page) for each in self.history[since:]}
        if status == 403:
            self.assertIn(None, allowed)
        elif status == 502:
            # The first request of an account that was swapped in is one whose body is streamed.
            # This box ignores Expect, so that its challenge comes too late.
            self.assertIn(b"only after it read the body", body)
            self.assertGreater(len(self.history), 1)
        else:
            self.assertEqual(status, 200, body)
            if not bodiless:
                name, _, origin = body.decode().partition(" ")
                self.assertEqual(origin, page)
                self.assertIn(name, allowed)

    async def of_http1(self, client: Client, count: int) -> None:
        """Send requests one after the other on a connection."""
        for _ in range(count):
            method, target, body, fields, page = self.some()
            since = len(self.history) - 1
            client.send(request(method, target, fields, body))
            answer = await client.response(bodiless=method == b"HEAD")
            bodiless = method == b"HEAD"
            self.check(page, since, answer.status, answer.body, bodiless=bodiless)

    async def of_http2(self, peer: Http2Peer, count: int) -> None:
        """Send requests at the same time on a connection."""
        sent = []
        since = len(self.history) - 1
        for _ in range(count):
            method, target, body, fields, page = self.some()
            number = peer.ask(target, fields, method=method, body=body)
            sent.append((number, page, method == b"HEAD"))
        for number, page, bodiless in sent:
            answer = await peer.whole(number)
            self.check(page, since, answer.status, bytes(answer.body), bodiless=bodiless)

    async def all_at_once(self, count: int) -> None:
        """Send requests on all connections, one of them over HTTP/2."""
        clients = [await self.connect_to(self.port(self.gate, 0)) for _ in range(COUNT)]
        peer = await self.peer_at("127.0.0.1", self.port(self.gate, 1))
        runs = [self.of_http1(client, count) for client in clients]
        runs.append(self.of_http2(peer, COUNT))
        await gatherResults([Deferred.fromCoroutine(each) for each in runs], consumeErrors=True)
        self.assertEqual(
            {account(each) for each in self.box.requests} - {""},
            {name for each in self.history for name in each.values()},
        )

    async def test_mixed(self) -> None:
        """64 connections, and 64 streams of one, whose pages change with each request."""
        await self.begin()
        await self.all_at_once(5)

    async def test_mixed_by_url(self) -> None:
        """The same where the URL is in the target."""
        await self.begin(by_url=True)
        await self.all_at_once(5)

    async def test_swapped(self) -> None:
        """Reloads that swap the accounts while they are in use."""
        await self.begin()
        await gatherResults(
            [
                Deferred.fromCoroutine(self.all_at_once(8)),
                Deferred.fromCoroutine(self.swap(10)),
            ],
            consumeErrors=True,
        )
        # From here on, only the last one counts.
        client = await self.connect_to(self.port(self.gate, 0))
        await self.of_http1(client, 30)

    async def swap(self, times: int) -> None:
        """Give each page another account, after every 40 requests."""
        for number in range(times):
            await self.box.when(partial(self.has_seen, number * 40))
            names = self.chance.sample(NAMES, 6)
            self.history.append(dict(zip(self.chance.sample(PAGES, 6), names, strict=True)))
            await self.gate.reload(config(self.box, self.history[-1]))

    def has_seen(self, count: int) -> bool:
        """Return whether the box has got more requests."""
        return len(self.box.requests) > count
