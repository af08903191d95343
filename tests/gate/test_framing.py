"""Frames, objects and forms of pages from elsewhere, through the gate."""

from __future__ import annotations

from tests.support import BASIC, GateTestCase


class Framing(GateTestCase):
    """What load events would tell a page, where the gate adds credentials."""

    async def test_frames_from_elsewhere(self) -> None:
        """Where the gate adds credentials, nobody else's frame or object tells 200 from 404."""
        upstream = await self.upstream()
        gate = self.front(upstream, upstream=BASIC)
        opened = self.front(upstream, upstream=BASIC, route="allow_framing = true")
        for site in (b"cross-site", b"same-site"):
            for dest in (b"iframe", b"frame", b"object", b"embed", b"fencedframe"):
                headers = [
                    (b"Sec-Fetch-Site", site),
                    (b"Sec-Fetch-Mode", b"navigate"),
                    (b"Sec-Fetch-Dest", dest),
                ]
                answer = await self.ask(gate, headers=headers)
                self.assertEqual(answer.status, 403, (site, dest))
                self.assertIn(b"Sec-Fetch-Dest", answer.one(b"Vary"))
                self.assertEqual(upstream.requests, [])
                form = await self.ask(opened, b"POST", headers=headers, body=b"")
                self.assertEqual(form.status, 403, (site, dest))
                self.assertEqual(upstream.requests, [])
                self.assertEqual((await self.ask(opened, headers=headers)).status, 200)
                upstream.requests.clear()
