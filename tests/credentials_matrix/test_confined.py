"""Credentials reach the servers of their own upstream, and nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.credentials_matrix.box import CUT, Box, Reply, Seen
from tests.credentials_matrix.kinds import kinds
from tests.credentials_matrix.stage import MatrixTestCase, for_each_kind
from tests.support import FROM_APP


class Confined(MatrixTestCase):
    """The credentials of one kind."""

    async def other(self) -> Box:
        """Return a box outside the upstream, which accepts everything."""
        return await self.box(lambda _box, _seen: Reply())

    async def test_redirect(self) -> None:
        """A redirect to another server is the client's to follow."""
        await self.begin()
        other = await self.other()

        def judge(box: Box, seen: Seen) -> Reply:
            reply = self.kind.judge(box, seen)
            if reply.status >= 300 or self.kind.is_login(seen):
                return reply
            return Reply(status=307, headers=[(b"Location", f"{other.url}/x".encode())])

        box = await self.box(judge)
        gate = self.gate([box])
        for method, body in ((b"GET", None), (b"POST", b"abc")):
            answer = await self.ask(gate, method, headers=[FROM_APP], body=body)
            self.assertEqual(answer.status, 307)
            self.assert_readable(answer)
        self.assertEqual(other.seen, [])
        self.assert_logs_nothing(gate)

    async def test_host(self) -> None:
        """Nothing that a client says of hosts leads elsewhere."""
        await self.begin()
        other, box = await self.other(), await self.box()
        gate = self.gate([box])
        authority = other.authority.encode()
        local = (b"Host", b"localhost")
        for target, fields in (
            (b"/v1/x", [(b"Host", authority)]),
            (b"http://%b/v1/x" % authority, [(b"Host", authority)]),
            (b"http://%b/v1/x" % authority, [local]),
            (b"/v1/x", [local, (b"Host", authority)]),
            (b"/v1/x", [local, (b"X-Forwarded-Host", authority)]),
            (b"/v1/x", [local, (b"Forwarded", b"host=%b" % authority)]),
            (b"/v1/x", [local, (b"X-Original-URL", b"http://%b/x" % authority)]),
            (b"//%b/v1/x" % authority, [local]),
            (b"/v1//%b/x" % authority, [local]),
            (b"/v1/@%b/x" % authority, [local]),
            (b"/v1/http://%b/x" % authority, [local]),
            (b"/v1/x?url=http://%b/" % authority, [local]),
        ):
            lines = [b"GET %b HTTP/1.1" % target, *(b"%b: %b" % each for each in fields)]
            answer = await self.send(gate, b"\r\n".join(lines) + b"\r\n\r\n")
            self.assertIn(answer.status, (200, 400, 403, 404, 421))
        self.assertEqual(other.seen, [])
        self.assertEqual({seen.first(b"host") for seen in box.seen}, {box.authority.encode()})

    async def test_other_upstream(self) -> None:
        """The server of another upstream gets none, nor does one that the client names there."""
        await self.begin()
        other, box = await self.other(), await self.box()
        more = (
            f'[upstreams.b]\nservers = ["{other.url}"]\n[routes."/other"]\nupstream = "b"\n'
            'cors = "app"\n'
        )
        gate = self.gate([box], more=more)
        for target in (b"/v1/x", b"/other/x", b"/other/..%2fv1/x"):
            answer = await self.ask(gate, target=target, headers=[FROM_APP])
            self.assertIn(answer.status, (200, 400))
        self.assertTrue(other.seen)
        self.assert_no_credentials(other)
        self.assert_nothing_of(box, other)

    async def test_retry(self) -> None:
        """A request that goes to a second server is signed for that one."""
        await self.begin()
        down: list[Box] = []

        def judge(box: Box, seen: Seen) -> Reply:
            return CUT if box in down else self.kind.judge(box, seen)

        first, second = await self.box(judge), await self.box(judge)
        gate = self.gate([first, second])
        for more in ([], [first]):
            down += more
            for method, body in ((b"GET", None), (b"PUT", b"abc")) * 2:
                answer = await self.ask(gate, method, headers=[FROM_APP], body=body)
                self.assertEqual(answer.status, 200)
        self.assertTrue(self.own(first))
        self.assertTrue(self.own(second))
        self.assert_nothing_of(first, second)
        self.assert_nothing_of(second, first)

    async def test_discovery(self) -> None:
        """A server that has left gets nothing more, and what it issued goes to no other."""
        await self.begin()
        old, new = await self.box(), await self.box()
        path = Path(self.mktemp()).absolute()
        path.write_text(f'servers = ["{old.url}"]', "utf-8")
        gate = self.gate(str(path))
        self.assertEqual((await self.ask(gate)).status, 200)
        count = len(old.seen)
        path.write_text(f'servers = ["{new.url}"]', "utf-8")
        for watcher in gate.service.runtime.upstreams["a"].watchers:
            await watcher.refresh()
        for body in (None, b"abc"):
            self.assertEqual((await self.ask(gate, b"PUT", body=body)).status, 200)
        self.assertEqual(len(old.seen), count)
        self.assert_nothing_of(old, new)


globals().update(for_each_kind(Confined, "Confined", __name__, [*kinds()]))
del Confined
