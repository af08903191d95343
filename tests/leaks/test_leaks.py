"""No secret leaves the gate but to its own box."""

from __future__ import annotations

import attrs

from tests.leaks.case import CRASHES, LeakTestCase
from tests.leaks.places import PLACES


class TextTests(LeakTestCase):
    """A daemon that logs as text."""

    async def test_nothing_leaks(self) -> None:
        """Neither log, page, header, command nor metric has a secret in any form."""
        await self.do_everything()
        self.assertEqual(self.found(), "")
        self.assertEqual(self.unsent(), [])
        fine = {key: each for key, each in self.statuses.items() if key.endswith("/fine")}
        self.assertEqual([key for key in fine if fine[key] != 200], ["/tls/fine"])
        self.assertEqual(sorted(self.box.failed), list(range(8)))
        seen = self.outputs["reprs"].decode()
        for name in (
            "Session",
            "Token",
            "Signed",
            "RotatingCredentials",
            "NtlmSigner",
            "QuerySigner",
        ):
            self.assertRegex(seen, rf"\b{name}\b")
        self.assertGreater(len(self.box.assertions), 2)
        self.assertGreater(len(self.box.derived), 5)
        # Once to each upstream, except to the one whose server is away.
        self.assertGreaterEqual(self.echoed, len(self.written.targets) - 1)
        log = self.outputs["log"].decode()
        # All of it has happened.
        for said in (
            "Traceback (most recent call last)",
            "forced, with",
            "the server refused the gate's credentials",
            "the old configuration stays in force",
            "a secret was rejected",
            "reload (a secret has changed) took",
        ):
            self.assertIn(said, log)


class JsonTests(TextTests):
    """A daemon that logs as JSON."""

    log_format = "json"
    # The first one has all sources.
    places = (PLACES[0], *(attrs.evolve(each, sources=("command",)) for each in PLACES[1:]))


class PlantedTests(LeakTestCase):
    """A daemon with leaks, which the search has to find."""

    places = PLACES[:1]
    prepare = (
        CRASHES
        + """
from twisted.logger import Logger
_crash = treq_client.ProxyClient.send
def send(self, origin, head, *rest):
    Logger().warn("{what}", what=str(head.headers))
    return _crash(self, origin, head, *rest)
treq_client.ProxyClient.send = send
"""
    )

    async def test_planted(self) -> None:
        """A line of the log with the Authorization of each request is found."""
        await self.begin()
        await self.call_all(("fine",))
        await self.end()
        found = self.found()
        for source in ("literal", "env", "file", "systemd", "command"):
            self.assertIn(f"basic-{source}-0, in Base64", found)
