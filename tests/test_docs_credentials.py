"""``docs/credentials.md``: each configuration in it can be used."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from tests.prose import Prose


class CredentialsTests(SynchronousTestCase):
    """The page."""

    def test_configurations(self) -> None:
        """Each loads without a warning."""
        blocks = list(Prose.read("docs/credentials.md").blocks("toml"))
        self.assertGreater(len(blocks), 1)
        for block in blocks:
            config = parse_config(
                block,
                file="docs/credentials.md",
                environ={
                    "INTRANET_PASSWORD": "a",
                    "ML_DEV_PASSWORD": "b",
                    "ML_READER_PASSWORD": "c",
                },
                read_file=lambda _: b"",
                cors_rules=CORS_RULES,
            )
            self.assertEqual([str(each) for each in config.warnings], [])
