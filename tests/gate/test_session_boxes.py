"""A gate that logs in to each box with its documented configuration, over real sockets."""

from __future__ import annotations

from urllib.parse import quote

from twisted.internet.defer import Deferred, gatherResults

from tests.gate.session_case import PATHS, SECRETS, SessionTestCase
from tests.session_boxes import BOXES
from tests.support import PASSWORD


class BoxTests(SessionTestCase):
    """What all boxes have in common."""

    async def test_all_have_a_configuration(self) -> None:
        """There is a path for each box."""
        self.assertEqual(list(PATHS), list(BOXES))

    async def each(self, name: str) -> None:
        """Log in, use the session, and log in again."""
        gate, _, box = await self.open(name)
        path = PATHS[name]
        for method, body in ((b"GET", None), (b"POST", b"{}"), (b"GET", None), (b"POST", b"{}")):
            self.check(await self.ask(gate, method, path, body=body))
        made = box.made
        self.assertEqual(made, 1)
        box.expire()
        # A request that the box needs no session for does not notice.
        for method, body in ((b"POST", b"{}"), (b"GET", None)):
            self.check(await self.ask(gate, method, path, body=body))
        self.assertEqual(box.made, 2)
        box.expire()
        asked = [
            Deferred.fromCoroutine(self.ask(gate, b"POST", path, body=b"{}")) for _ in range(64)
        ]
        for answer in await gatherResults(asked):
            self.check(answer)
        self.assertEqual(box.made, 3)
        for line in gate.lines:
            for secret in (*SECRETS, quote(PASSWORD).encode()):
                self.assertNotIn(secret, line.encode())

    async def test_arcgis(self) -> None:
        """A token in the query, and an error in a 200."""
        await self.each("ArcGIS")

    async def test_couchdb(self) -> None:
        """JSON and a cookie."""
        await self.each("CouchDB")

    async def test_django(self) -> None:
        """A protected form, and redirects to it."""
        await self.each("Django")

    async def test_jenkins(self) -> None:
        """Basic and a crumb."""
        await self.each("Jenkins")

    async def test_odoo(self) -> None:
        """Nested JSON, and an error code in a 200."""
        await self.each("Odoo")

    async def test_openwrt(self) -> None:
        """Nested arrays, in the login and around the token."""
        await self.each("OpenWrt")

    async def test_wrong_password_of_json_rpc(self) -> None:
        """A box that responds 200 to a wrong password, with an error or a cookie, has no lock."""
        for name in ("Odoo", "OpenWrt"):
            gate, _, box = await self.open(name)
            box.password = "another"
            for _ in range(5):
                answer = await self.ask(gate, b"POST", PATHS[name], body=b"{}")
                self.assertEqual(answer.status, 502, name)
            self.assertEqual((box.logins, box.made), (2, 0), name)

    async def test_sap(self) -> None:
        """Basic, and a token that is fetched."""
        await self.each("SAP")

    async def test_transmission(self) -> None:
        """Basic, and a token from a 409."""
        await self.each("Transmission")

    async def test_unifi(self) -> None:
        """A cookie and a token from responses."""
        await self.each("UniFi")
