"""What a change of the keys that an upstream's servers may have gives and takes."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.diff import differences
from corsgate.config.model.values import Config, UpstreamTls
from tests.config.test_diff import BASE
from tests.support import parse


class TlsTests(SynchronousTestCase):
    def test_pins(self) -> None:
        """A first pin takes all other keys away; without the last one they are back."""
        config, tls = parse(BASE), "upstreams.a, tls:"
        pins = tuple(f"sha256/{letter * 43}=" for letter in "AB")

        def pinned(*pin: str) -> Config:
            upstream = attrs.evolve(config.upstreams["a"], tls=UpstreamTls(pin=pin))
            return attrs.evolve(config, upstreams={**config.upstreams, "a": upstream})

        for old, new, expected in (
            (pinned(), pinned(*pins), [f"- {tls} no other key is accepted"]),
            (
                pinned(*pins),
                pinned(),
                [f"+ {tls} keys that are not pinned are accepted"],
            ),
            (pinned(*pins), pinned(pins[0]), []),
        ):
            found = [str(each) for each in differences(old, new)]
            self.assertEqual([each for each in found if "sha256" not in each], expected)
