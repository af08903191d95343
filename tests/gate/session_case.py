"""A gate before a box with a login, with its documented configuration."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

from twisted.internet.defer import Deferred

from tests.peers import Message, Upstream
from tests.session_boxes import BOXES, SessionBox, documented
from tests.support import PASSWORD, Gate, GateTestCase

PATHS = {
    "ArcGIS": b"/arcgis/rest/services",
    "CouchDB": b"/db",
    "Django": b"/api/items",
    "Jenkins": b"/job/a/build",
    "Odoo": b"/web/dataset/call_kw",
    "OpenWrt": b"/ubus/call/system",
    "SAP": b"/sap/opu/odata/sap/x",
    "Transmission": b"/transmission/rpc",
    "UniFi": b"/proxy/network/api/s",
}
SECRETS = (b"session-", b"csrf-", PASSWORD.encode(), b64encode(f"gate:{PASSWORD}".encode()))


def always(data: bytes) -> Callable[[Message], bytes]:
    """Return what responds with the same to every request."""
    return lambda _: data


class SessionTestCase(GateTestCase):
    """A test case with a box."""

    async def open(self, name: str, change: str = "") -> tuple[Gate, Upstream, SessionBox]:
        """Return a gate before a box of `BOXES`, and both parts of the box."""
        box = BOXES[name]()
        upstream = await self.upstream()
        upstream.answer = box
        text = documented(name, upstream.url)
        old, _, new = change.partition(" -> ")
        self.assertIn(old, text)
        return self.serve(text.replace(old, new) if change else text), upstream, box

    def start_ask(self, gate: Gate, target: bytes) -> Deferred[Message]:
        """Send a request; return a Deferred of the response."""
        return Deferred.fromCoroutine(self.ask(gate, b"GET", target))

    def check(self, message: Message, *, ok: bool = True) -> None:
        """Assert that a response is a success, and has nothing of the session."""
        self.assertEqual(message.status < 300, ok, message.raw)
        for secret in SECRETS:
            self.assertNotIn(secret, message.raw)
