"""Changes of ``[admin]``, as `corsgate diff` describes them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.diff import differences
from tests.config.test_diff import BASE
from tests.support import parse


class AdminTests(SynchronousTestCase):
    """`differences` of the admin listener."""

    def test_admin(self) -> None:
        """Where status and metrics can be had, or no longer."""
        plain = parse(BASE)
        table = '[admin]\nlisten = "{}"\n'
        one = parse(BASE + table.format("tcp:9901:interface=127.0.0.1"))
        other = parse(BASE + table.format("unix:/run/a.sock"))
        cases = (
            (plain, one, "+ admin: status and metrics are on tcp:9901:interface=127.0.0.1"),
            (one, plain, "- admin: status and metrics are no longer on tcp:9901:inter"),
            (one, other, "~ admin: listen is unix:/run/a.sock, previously tcp:9901:interface="),
        )
        for old, new, said in cases:
            (found,) = differences(old, new)
            self.assertIn(said, str(found))
