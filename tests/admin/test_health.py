"""``/healthz`` and ``/readyz``."""

from __future__ import annotations

from corsgate.balance.health import Standing
from tests.admin.support import ADMIN, AdminTestCase
from tests.peers import request, response


class HealthTests(AdminTestCase):
    """Both addresses over sockets."""

    async def test_ready(self) -> None:
        """Both are 200 while all is well."""
        service = self.whole(self.front(await self.upstream(), rest=ADMIN))
        for target, body in ((b"/healthz", b"ok\n"), (b"/readyz", b"ready\n")):
            answer = await self.get(service, target)
            self.assertEqual((answer.status, answer.body), (200, body))

    async def test_no_server(self) -> None:
        """Without a usable server the gate lives, and is not ready."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        service = self.whole(gate)
        (state,) = gate.service.upstreams["a"].balancer.states.values()
        state.health.standing = Standing.DOWN
        self.assertEqual((await self.get(service, b"/healthz")).status, 200)
        answer = await self.get(service, b"/readyz")
        self.assertEqual(answer.status, 503)
        self.assertEqual(answer.body, b"upstream a: no server is usable\n")

    async def test_draining(self) -> None:
        """A gate that drains lives, and is not ready: load balancers send it nothing more."""
        upstream = await self.upstream(None)
        gate = self.front(upstream, rest=ADMIN)
        service = self.whole(gate)
        client = await self.connect(gate)
        client.send(request())
        asked = await upstream.arrived()
        stopped = gate.stop()
        self.assertEqual((await self.get(service, b"/healthz")).status, 200)
        answer = await self.get(service, b"/readyz")
        self.assertEqual((answer.status, answer.body), (503, b"the gate is draining\n"))
        asked.connection.send(response())
        await stopped
