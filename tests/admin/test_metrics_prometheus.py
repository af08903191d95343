"""Debian's Prometheus scrapes a gate that twistd runs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from tests.peers import Watched, reactor, request
from tests.ports import free_port
from tests.programs import require
from tests.support import FROM_FOREIGN, POLICY
from tests.twistd import DaemonTestCase

FILE = """
listen = ["tcp:0:interface=127.0.0.1"]
[admin]
listen = "tcp:0:interface=127.0.0.1"
[upstreams.a]
servers = ["{url}"]
{policy}
[routes."/v1"]
upstream = "a"
cors = "app"
"""
SCRAPES = """
scrape_configs:
  - job_name: corsgate
    scrape_interval: 200ms
    scrape_timeout: 200ms
    static_configs: [{{ targets: ["127.0.0.1:{port}"] }}]
"""
_ADMIN = re.compile(r"status and metrics: http://127\.0\.0\.1:(\d+)/")


class Prometheus(ProcessProtocol, Watched):
    """A Prometheus, until the test ends."""

    def __init__(self, home: Path, scraped: int) -> None:
        Watched.__init__(self)
        self.said = ""
        self.is_over = False
        self.port = free_port()
        (home / "prometheus.yml").write_text(SCRAPES.format(port=scraped), "utf-8")
        command = [
            require("prometheus", "prometheus"),
            *("--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{self.port}"),
            "--storage.tsdb.path=data",
        ]
        reactor.spawnProcess(self, command[0], command, env=dict(os.environ), path=str(home))

    def errReceived(self, data: bytes) -> None:
        """Keep what it says."""
        self.said += data.decode("utf-8", "replace")

    def processEnded(self, reason: Failure) -> None:
        """Note it."""
        self.is_over = True
        self.changed()

    def kill(self) -> Deferred[bool]:
        """End it, and wait for its end."""
        process: Any = self.transport
        if not self.is_over:
            process.signalProcess("KILL")
        return self.when(lambda: self.is_over)


class PrometheusTests(DaemonTestCase):
    """A scrape."""

    async def test_scrape(self) -> None:
        """What clients did is what Prometheus knows, in its OpenMetrics; the target is up."""
        upstream = await self.upstream()
        daemon = self.configured(FILE.format(url=upstream.url, policy=POLICY))
        port = await daemon.port()
        found = await daemon.when(lambda: _ADMIN.search(daemon.said))
        assert found is not None, "that was waited for"
        for headers in ((), (), (FROM_FOREIGN,)):
            await self.send_to(port, request(headers=headers))
        home = Path(self.mktemp())
        home.mkdir(parents=True)
        self.prometheus = Prometheus(home, int(found[1]))
        self.addCleanup(self.prometheus.kill)
        served = 'corsgate_requests_total{route="/v1",code="2xx",verdict="none"}'
        self.assertEqual(await self.query(served), ["2"])
        refused = 'corsgate_refusals_total{route="/v1",reason="origin"}'
        self.assertEqual(await self.query(refused), ["1"])
        self.assertEqual(await self.query('up{job="corsgate"}'), ["1"])
        slow = "histogram_quantile(0.5, corsgate_request_duration_seconds_bucket)"
        self.assertEqual(len(await self.query(slow)), 1)

    async def query(self, expression: str) -> list[str]:
        """Return the values of an expression, once there are any."""
        target = f"/api/v1/query?query={expression}".replace('"', "%22").replace(" ", "%20")
        target = target.replace("{", "%7B").replace("}", "%7D")
        while True:
            self.assertFalse(self.prometheus.is_over, self.prometheus.said)
            try:
                answer = await self.send_to(self.prometheus.port, request(target=target.encode()))
                result = json.loads(answer.body)["data"]["result"] if answer.status == 200 else []
            except (ConnectError, EOFError):
                result = []
            if result:
                return [each["value"][1] for each in result]
            # Nothing says when it has scraped; the test's own timeout bounds this.
            await deferLater(reactor, 0.1)
