"""An admin listener on a socket, beside a gate, for tests of all its parts together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from corsgate.admin import tree
from corsgate.admin.listener import AdminService
from corsgate.admin.resource import AdminRoot
from corsgate.admin.view import View
from corsgate.message.headers import Header
from tests.peers import Message, reactor, request
from tests.support import Gate, GateTestCase

ALL = ["healthz", "readyz", "metrics", "api/status", "api/config"]
"""The addresses of the admin listener."""

ADMIN = '[admin]\nlisten = "tcp:0:interface=127.0.0.1"\n'


class NoReloads:
    """Stands where a `Reloader` does that has not reloaded yet."""

    last = None
    succeeded = 0
    failed = 0


def view_of(gate: Gate, reloads: Any = NoReloads) -> View:
    """Return what an admin listener reads of a gate."""
    return View(
        gate=gate.service,
        reloads=reloads,
        clock=reactor.seconds,
        wall_clock=time.time,
        started_s=1.5,
    )


def port_of(service: AdminService) -> int:
    """Return the TCP port of an admin listener."""
    assert service.port is not None, "it does not listen"
    address: Any = service.port.getHost()
    return int(address.port)


class AdminTestCase(GateTestCase):
    """A test case with a gate and its admin listener."""

    def admin(
        self, gate: Any, populate: Callable[[AdminRoot], None], *, any_port: bool = False
    ) -> AdminService:
        """Return the admin listener of a gate, which ends with the test."""
        service = AdminService(gate.service, reactor, populate, any_port=any_port)
        service.privilegedStartService()
        service.startService()

        def stop() -> Deferred[Any]:
            gate.stop()
            return service.stopService()

        self.addCleanup(stop)
        return service

    def whole(self, gate: Gate, reloads: Any = NoReloads) -> AdminService:
        """Return the admin listener of a gate with all its addresses."""
        view = view_of(gate, reloads)
        return self.admin(gate, partial(tree.populate, view=view, reactor=reactor))

    async def get(
        self,
        service: AdminService,
        target: bytes = b"/",
        headers: Iterable[Header] = (),
        *,
        method: bytes = b"GET",
        host: bytes = b"localhost:9901",
    ) -> Message:
        """Send one request to an admin listener; return the response."""
        data = request(method, target, headers, None, host=host)
        return await self.send_to(port_of(service), data)
