"""The status without the routes that have not changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from corsgate.admin.changes import Changes
from tests.admin.support import ADMIN, AdminTestCase, view_of
from tests.peers import request


def read(pieces: Iterator[bytes]) -> Any:
    """Return what pieces of JSON say."""
    return json.loads(b"".join(pieces))


class ChangesTests(AdminTestCase):
    """`Changes`."""

    async def test_changes(self) -> None:
        """The first has all routes, the next only those that had a request."""
        more = '[routes."/v2"]\nupstream = "a"\n'
        gate = self.front(await self.upstream(), rest=more + ADMIN)
        changes = Changes(view_of(gate))

        def labels() -> tuple[bool, list[str]]:
            made = read(changes.changed())
            return made["partial"], [route["label"] for route in made["routes"]]

        self.assertEqual(labels(), (False, ["/v1", "/v2"]))
        self.assertEqual(labels(), (True, []))
        await self.ask(gate, target=b"/v2/x")
        await gate.logged()
        self.assertEqual(labels(), (True, ["/v2"]))
        self.assertEqual(labels(), (True, []))
        whole = read(changes.whole())
        self.assertFalse(whole["partial"])
        self.assertEqual(len(whole["routes"]), 2)

    async def test_reload(self) -> None:
        """Another configuration in force is shown as a whole: routes may be gone."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        changes = Changes(view_of(gate))
        changes.begin()
        self.assertTrue(read(changes.changed())["partial"])
        await gate.reload(gate.service.config)
        self.assertFalse(read(changes.changed())["partial"])

    async def test_draining(self) -> None:
        """While the gate drains, this is what the status says."""
        upstream = await self.upstream(None)
        gate = self.front(upstream, rest=ADMIN)
        changes = Changes(view_of(gate))
        self.assertEqual(read(changes.changed())["gate"]["state"], "serving")
        client = await self.connect(gate)
        client.send(request(b"GET", b"/v1/slow"))
        await upstream.arrived()
        stopped = gate.stop()
        made = read(changes.changed())
        self.assertEqual((made["gate"]["state"], made["routes"][0]["in_flight"]), ("draining", 1))
        await client.close()
        await stopped
