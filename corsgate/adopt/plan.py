"""Decides which probes to send, depending on the replies so far.

The plan is a generator: it yields probes, receives replies, and returns the results. It does no
I/O, so a test can take the place of the box.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TypeAlias

import attrs

from corsgate.adopt.known import more_targets
from corsgate.adopt.probes import (
    AGENT,
    BROWSER_AGENT,
    NO_TIME,
    REFUSALS,
    Look,
    Probe,
    Reply,
    alike,
    clip,
)
from corsgate.errors import BadValue
from corsgate.explain.url import Url
from corsgate.message.headers import Header

MAX_HOPS = 5
_REFUSES_HOST = frozenset((400, 403, 421))
STRANGER = b"https://not-allowed.invalid"

Plan: TypeAlias = Generator[Probe, Reply, Look]
Shaping: TypeAlias = Generator[Probe, Reply, tuple[Mapping[str, str | bool] | None, list[str]]]

SHAPES: tuple[Mapping[str, str | bool], ...] = (
    {},
    {"origin": "gate"},
    {"forwarded": "none"},
    {"via": False},
    {"origin": "drop"},
    {"origin": "drop", "forwarded": "none", "via": False},
)
"""Keys of the upstream that change how the gate looks to the box, in order of preference."""


def look_at(url: Url, app: str, gate: str) -> Plan:
    """Return the plan for a box.

    Args:
        url: Its URL.
        app: The origin of a page that will use it.
        gate: The gate's own origin.
    """
    replies: dict[str, Reply] = {}
    first = yield Probe(
        name="first", words=f"GET {clip(url.target, 40)}", target=url.target, headers=_agent(AGENT)
    )
    replies["first"] = first
    if first.failure:
        return Look(url=url, spot=url.target, replies=replies | {"page": first})
    agent = AGENT
    if first.status in REFUSALS:
        again = yield Probe(
            name="browser",
            words="the same with a browser's User-Agent",
            target=url.target,
            headers=_agent(BROWSER_AGENT),
        )
        replies["browser"] = again
        if not again.failure and not alike(first, again):
            agent, first = BROWSER_AGENT, again
    if first.status in _REFUSES_HOST:
        name = other_name(url)
        replies["other-host"] = yield Probe(
            name="other-host",
            words=f"the same with Host: {name}",
            target=url.target,
            headers=(*_agent(agent), (b"Host", name.encode("ascii"))),
        )
    look = yield from _follow(Look(url=url, spot=url.target, replies=replies), first, agent)
    if look.use_https or look.page.failure:
        return look
    replies = dict(look.replies)
    yield from _look_closer(look, app, gate, agent, replies)
    shape, tried = yield from find_shape(
        look.url, look.spot, gate, look.page, agent=agent, replies=replies
    )
    targets = {"root": "/"}
    for number, target in enumerate(more_targets(attrs.evolve(look, replies=replies))):
        words = f"GET {clip(target, 50)}"
        name = f"known-{number}"
        targets[name] = target
        replies[name] = yield Probe(name=name, words=words, target=target, headers=_agent(agent))
    replies = {name: reply for name, reply in replies.items() if reply.failure != NO_TIME}
    return attrs.evolve(
        look, replies=replies, shape=shape, shape_tries=tuple(tried), targets=targets
    )


def other_name(url: Url) -> str:
    """Return another Host value that a box may expect."""
    port = "" if url.port is None else f":{url.port}"
    return f"127.0.0.1{port}" if url.host == "localhost" else f"localhost{port}"


def _follow(look: Look, reply: Reply, agent: bytes) -> Generator[Probe, Reply, Look]:
    """Follow redirects within the box."""
    visited: list[str] = []
    here = look.url
    replies = dict(look.replies)
    elsewhere = use_https = None
    loops = False
    while reply.is_redirect:
        location = reply.value(b"location")
        visited.append(clip(location, 200))
        try:
            there = here.join(location.decode("ascii"))
        except (BadValue, ValueError):
            break
        if there.scheme == "https" and here.scheme == "http" and there.host == here.host:
            use_https = there
            break
        if there.origin != here.origin:
            elsewhere = there
            break
        if str(there) == str(here) or len(visited) > MAX_HOPS:
            loops = True
            break
        here = there
        name = f"hop-{len(visited)}"
        words = f"follow to {clip(there.target, 50)}"
        reply = yield Probe(name=name, words=words, target=there.target, headers=_agent(agent))
        replies[name] = reply
    replies["page"] = reply
    return attrs.evolve(
        look,
        spot=here.target,
        replies=replies,
        visited=tuple(visited),
        elsewhere=elsewhere,
        use_https=use_https,
        loops=loops,
    )


def _look_closer(
    look: Look, app: str, gate: str, agent: bytes, replies: dict[str, Reply]
) -> Generator[Probe, Reply, None]:
    """Send probes that each differ from a plain request in one way."""
    own, page = look.url.origin, app.encode("ascii")
    asks = (
        (b"Origin", page),
        (b"Access-Control-Request-Method", b"PUT"),
        (b"Access-Control-Request-Headers", b"content-type"),
    )
    upgrade = (
        (b"Connection", b"Upgrade"),
        (b"Upgrade", b"websocket"),
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
        (b"Origin", own),
    )
    host = gate.partition("://")[2].encode("ascii")
    via = (b"Via", b"1.1 corsgate")
    packed = (b"Accept-Encoding", b"gzip")
    plain: tuple[tuple[str, str, bytes, tuple[Header, ...]], ...] = (
        ("app-origin", f"Origin: {app}", b"GET", ((b"Origin", page),)),
        ("own-origin", f"Origin: {clip(own)}", b"GET", ((b"Origin", own),)),
        ("preflight", "a preflight for PUT", b"OPTIONS", asks),
        ("options", "OPTIONS", b"OPTIONS", ()),
        ("head", "HEAD", b"HEAD", ()),
        ("gate-host", f"Host: {clip(host)}", b"GET", ((b"Host", host),)),
        ("gzip", "Accept-Encoding: gzip", b"GET", (packed,)),
        ("websocket", "a WebSocket handshake", b"GET", upgrade),
    )
    for name, words, method, fields in plain:
        headers = (*_agent(agent), *fields)
        replies[name] = yield Probe(
            name=name, words=words, method=method, target=look.spot, headers=headers
        )
    if b"gzip" in replies["gzip"].value(b"content-encoding"):
        replies["gzip-via"] = yield Probe(
            name="gzip-via",
            words="the same with Via",
            target=look.spot,
            headers=(*_agent(agent), packed, via),
        )
    replies["kept"] = yield Probe(
        name="kept",
        words="two requests on one connection",
        target=look.spot,
        headers=_agent(agent),
        twice=True,
    )
    if look.url.target != "/" and look.spot != "/":
        replies["root"] = yield Probe(name="root", words="GET /", target="/", headers=_agent(agent))


def find_shape(
    url: Url,
    spot: str,
    gate: str,
    page: Reply,
    *,
    agent: bytes = AGENT,
    replies: dict[str, Reply] | None = None,
) -> Shaping:
    """Return a plan that finds the keys with which the box accepts the gate's requests.

    Args:
        url: The box's URL.
        spot: The target to request.
        gate: The gate's own origin.
        page: The box's response without the gate's fields.
        agent: The User-Agent to send.
        replies: Receives the replies, if given.

    Returns:
        The first of `SHAPES` whose response is like `page`, or None; and the names of the probes.
    """
    tried: list[str] = []
    for number, shape in enumerate(SHAPES):
        name = f"as-gate-{number}"
        keys = ", ".join(f"{key} = {str(value).lower()}" for key, value in shape.items())
        words = f"as the gate sends it, with {keys}" if keys else "as the gate sends it"
        reply = yield Probe(
            name=name,
            words=words,
            target=spot,
            headers=(*_agent(agent), *as_gate(url, gate, shape)),
        )
        if reply.failure == NO_TIME:
            return {}, tried  # The defaults were not refused.
        tried.append(name)
        if replies is not None:
            replies[name] = reply
        if alike(page, reply):
            return shape, tried
        if reply.failure and not reply.closed and number:
            break  # The box no longer responds, so further probes would waste time.
    return None, tried


def as_gate(url: Url, gate: str, shape: Mapping[str, str | bool]) -> tuple[Header, ...]:
    """Return the fields by which a box can distinguish the gate from a browser.

    Args:
        url: The box's URL.
        gate: The gate's own origin.
        shape: Keys of the upstream; see `SHAPES`.
    """
    scheme, _, host = gate.encode("ascii").partition(b"://")
    fields: list[Header] = []
    if shape.get("origin") != "drop":
        seen = gate.encode("ascii") if shape.get("origin") == "gate" else url.origin
        fields += [(b"Origin", seen), (b"Referer", seen + b"/")]
    if shape.get("forwarded") != "none":
        fields += [
            (b"X-Forwarded-For", b"127.0.0.1"),
            (b"X-Forwarded-Host", host),
            (b"X-Forwarded-Proto", scheme),
            (b"Forwarded", b'for=127.0.0.1;host="%b";proto=%b' % (host, scheme)),
        ]
    if shape.get("via") is not False:
        fields.append((b"Via", b"1.1 corsgate"))
    return tuple(fields)


def _agent(agent: bytes) -> tuple[Header, ...]:
    return ((b"User-Agent", agent), (b"Accept", b"*/*"))
