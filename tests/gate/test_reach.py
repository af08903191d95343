"""What a request may reach: the paths that are allowed, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.reach import path_at_gate
from tests.config.model.test_path_rules import TRICKS
from tests.peers import Upstream, request
from tests.support import APP, FROM_APP, FROM_FOREIGN, Gate, GateTestCase

ASKED = (b"Access-Control-Request-Method", b"PUT")


class AllowPaths(GateTestCase):
    """``allow_paths``."""

    async def begin(self, patterns: Sequence[str], **more: Any) -> tuple[Gate, Upstream]:
        """Return a gate with one route, and its server."""
        upstream = await self.upstream()
        route = f"allow_paths = {json.dumps(patterns)}\n{more.pop('route', '')}"
        return self.front(upstream, route=route, **more), upstream

    async def test_serves_what_is_allowed(self) -> None:
        """What matches is forwarded as it came; all else gets a reason that the page can read."""
        gate, upstream = await self.begin(["GET /v1/docs/**", "/v1/*/search"])
        for method, target in (
            (b"GET", b"/v1/docs?uri=/a"),
            (b"HEAD", b"/v1/docs/a%2Fb"),
            (b"POST", b"/v1/x;y/search?q=1"),
        ):
            headers = [FROM_APP]
            self.assertEqual((await self.ask(gate, method, target, headers)).status, 200, target)
            self.assertEqual(upstream.requests[-1].target, target)
        count = len(upstream.requests)
        for method, target in ((b"PUT", b"/v1/docs"), (b"GET", b"/v1"), (b"GET", b"/v1/x/find")):
            answer = await self.ask(gate, method, target, [FROM_APP])
            self.assertEqual(
                (answer.status, answer.one(b"access-control-allow-origin")), (403, APP)
            )
            self.assertIn(b"This route does not allow this", answer.body)
            self.assertIn("does not allow this", json.loads(gate.lines[-1])["outcome"])
        self.assertEqual(len(upstream.requests), count)

    async def test_tricks(self) -> None:
        """No spelling leads to a server that may read it as another path."""
        gate, upstream = await self.begin(["/api/*/read"], prefix="/")
        for target in TRICKS:
            answer = await self.ask(gate, target=target, headers=[FROM_APP])
            self.assertIn(answer.status, (400, 403), target)
        self.assertEqual(upstream.connections, [])
        self.assertEqual((await self.ask(gate, target=b"/api/a/read")).status, 200)

    async def test_before_stripping(self) -> None:
        """The path is judged as the client sent it."""
        gate, upstream = await self.begin(["/v1/docs"], route="strip_prefix = true")
        self.assertEqual((await self.ask(gate, target=b"/v1/docs")).status, 200)
        self.assertEqual(upstream.requests[0].target, b"/docs")
        self.assertEqual((await self.ask(gate, target=b"/v1/v1/docs")).status, 403)

    async def test_preflight(self) -> None:
        """A preflight is granted by the policy; another OPTIONS must be allowed."""
        gate, upstream = await self.begin(["GET /v1/docs"])
        answer = await self.ask(gate, b"OPTIONS", b"/v1/other", [FROM_APP, ASKED])
        self.assertEqual(answer.status, 204)
        self.assertEqual((await self.ask(gate, b"OPTIONS", b"/v1/docs", [FROM_APP])).status, 403)
        answer = await self.ask(gate, target=b"/v1/other", headers=[FROM_FOREIGN])
        self.assertNotIn(b"does not allow this path", answer.body)
        self.assertEqual(upstream.connections, [])

    async def test_upload(self) -> None:
        """A body that is not wanted is not waited for, and the connection serves on or ends."""
        gate, _ = await self.begin(["/v1/docs"])
        client = await self.connect(gate)
        client.send(request(b"PUT", b"/v1/x", [FROM_APP], b"x" * 10))
        self.assertEqual((await client.response()).status, 403)

    async def test_method_overrides(self) -> None:
        """Where patterns judge methods, a field that replaces the method does not pass."""
        for patterns, passes in ((["GET /v1/**"], False), (["/v1/**"], True)):
            gate, upstream = await self.begin(patterns)
            await self.ask(gate, headers=[(b"X-HTTP-Method-Override", b"DELETE")])
            fields = upstream.requests[0].fields
            self.assertEqual(b"x-http-method-override" in fields, passes)

    async def test_destination(self) -> None:
        """What WebDAV moves or copies stays within the paths that are allowed."""
        gate, upstream = await self.begin(["/v1/mine/**", "PROPFIND /v1/**"])
        origin = b"http://localhost"
        for destination, status in (
            (b"/v1/mine/b", 200),
            (origin + b"/v1/mine/b", 200),
            (b"/v1/mine/../theirs", 403),
            (b"/v1/mine/%2e%2e/theirs", 403),
            (b"/v1/theirs", 403),
            (origin + b"/v1/theirs", 403),
            (b"http://localhost:1/v1/mine/b", 403),
            (b"http://evil.example/v1/mine/b", 403),
            (upstream.url.encode() + b"/v1/mine/b", 403),
            (b"//evil.example/v1/mine/b", 403),
            (b"v1/mine/b", 403),
            (b"", 403),
        ):
            headers = [FROM_APP, (b"Destination", destination)]
            answer = await self.ask(gate, b"MOVE", b"/v1/mine/a", headers)
            self.assertEqual(answer.status, status, destination)
            self.assertEqual(
                b"This route does not allow this Destination" in answer.body, status == 403
            )
        self.assertEqual(len(upstream.requests), 2)


class DestinationTests(SynchronousTestCase):
    """The path that a Destination names at the gate."""

    def test_paths(self) -> None:
        """A path, or a URL of the gate; other URLs name no path of it."""
        gate = b"https://gate.example:8443"
        for destination, path in (
            (b"/a/b?c", b"/a/b"),
            (b"https://GATE.example:8443/a", b"/a"),
            (b"https://gate.example:8443", b"/"),
            (b"https://gate.example/a", b""),
            (b"http://gate.example:8443/a", b""),
            (b"https://box.lan/a", b""),
        ):
            self.assertEqual(path_at_gate(destination, gate), path, destination)
        self.assertEqual(path_at_gate(b"/a", b""), b"/a")
        self.assertEqual(path_at_gate(b"http://localhost/a", b""), b"")
        for destination in (b"//gate.example:8443/a\\b", b"a", b"/a/../b", b"/a#b", b"/\x00", b""):
            self.assertEqual(path_at_gate(destination, gate), b"", destination)
        self.assertEqual(path_at_gate(b"/a", b"http://odd~host"), b"")
