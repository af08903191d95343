"""Warnings about unused entries, word for word: `corsgate.config.parse`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import ConfigError
from tests.config.support import OPEN, parse, warned


class UnusedTests(SynchronousTestCase):
    """An entry that nothing uses."""

    LOCAL = 'listen = ["tcp:80:interface=127.0.0.1"]\n'
    SPARE = """[credentials.a]
type = "bearer"
token = "t"
[cors.b]
allow_origins = ["https://a.example.com"]
[upstreams.c]
servers = ["http://127.0.0.1:8001"]
"""

    def test_warned(self) -> None:
        """Each kind, in line order, with the place where it could be used."""
        self.assertEqual(
            warned(self.LOCAL + self.SPARE + OPEN),
            [
                "c.toml:2: credentials.a: it is not used; use it as the credentials of an "
                "upstream, or remove it",
                "c.toml:5: cors.b: it is not used; use it as the cors of a route, or remove it",
                "c.toml:7: upstreams.c: it is not used; use it as the upstream of a route, "
                "or remove it",
            ],
        )

    def test_not_warned(self) -> None:
        """An entry that is used once or more, also as a report-only policy."""
        for cors in ('cors = "b"', 'cors_report_only = "b"', 'cors = "b"\ncors_report_only = "b"'):
            source = (
                f'{self.LOCAL}{self.SPARE}credentials = "a"\n'
                f'[routes."/"]\nupstream = "c"\n{cors}\n[routes."/d"]\nupstream = "c"\n'
            )
            self.assertEqual(warned(source), [])

    def test_misspelled(self) -> None:
        """A misspelled name produces only that fault."""
        source = self.LOCAL + OPEN.replace('= "box"', '= "bocks"')
        error = self.assertRaises(ConfigError, parse, source)
        self.assertEqual((len(error.faults), error.warnings), (1, ()))
