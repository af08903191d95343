"""The addresses of the admin listener, and what is missing without the library for metrics."""

from __future__ import annotations

import sys
from functools import partial

from corsgate.admin.tree import find_metrics, populate
from tests.admin.support import ADMIN, ALL, AdminTestCase, view_of
from tests.peers import reactor
from tests.programs import output

WITHOUT = """
import sys
sys.modules["prometheus_client"] = None  # Importing it fails then, as if it were not installed.
from corsgate.admin.tree import find_metrics
print(find_metrics())
"""


class TreeTests(AdminTestCase):
    """`populate` and `find_metrics`."""

    async def test_all(self) -> None:
        """Each address is served."""
        service = self.whole(self.front(await self.upstream(), rest=ADMIN))
        for path in ALL:
            self.assertEqual((await self.get(service, b"/" + path.encode())).status, 200, path)

    async def test_missing_library(self) -> None:
        """Without prometheus-client, /metrics says what to install; the rest works."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        tree = partial(populate, view=view_of(gate), reactor=reactor, find=lambda: None)
        service = self.admin(gate, tree)
        answer = await self.get(service, b"/metrics")
        self.assertEqual(answer.status, 501)
        self.assertIn(b"pip install 'corsgate[metrics]'", answer.body)
        self.assertEqual((await self.get(service, b"/api/status")).status, 200)

    async def test_find(self) -> None:
        """The library is an optional one: without it nothing fails."""
        self.assertIsNotNone(find_metrics())
        self.assertEqual(await output(sys.executable, ["-c", WITHOUT]), "None\n")
