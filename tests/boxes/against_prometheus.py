"""Prometheus of Debian, and a stand-in for Grafana's check of Origin."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from tests.boxes.box import Box
from tests.boxes.case import BoxTestCase, direct, from_json
from tests.boxes.stand_in import Asked, Reply, StandIn
from tests.ports import free_port
from tests.programs import require

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Prometheus(Box):
    """Prometheus that scrapes nothing."""

    ready = "/-/ready"

    def prepare(self) -> None:
        """Write its file."""
        (self.home / "prometheus.yml").write_text("global: {}\n", "utf-8")

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [
            require("prometheus", "prometheus"),
            *("--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{port}"),
            f"--storage.tsdb.path={self.home}/data",
        ]


def grafana(asked: Asked) -> Reply:
    """Answer as Grafana does: 403 for a change whose Origin is not of its own host."""
    origin = asked.headers.get("origin", "")
    changes = asked.method not in ("GET", "HEAD", "OPTIONS")
    if changes and origin and urlsplit(origin).netloc != asked.headers["host"]:
        return Reply(status=403, pieces=(b"origin not allowed",))
    if asked.headers.get("authorization") != "Bearer token-of-grafana":
        return Reply(status=401, pieces=(b'{"message": "Unauthorized"}',))
    return Reply(pieces=(json.dumps({"path": asked.target}).encode(),))


class PrometheusTests(BoxTestCase):
    """Prometheus."""

    def test_page(self) -> None:
        """An app asks by GET and POST and reads errors; a stranger, welcome before, may not."""
        box = self.start(Prometheus)
        query = "/api/v1/query?query=1%2B1"
        open_to_all = direct(box.port, "GET", query, {"Origin": self.app.stranger})
        self.assertEqual(open_to_all.headers["Access-Control-Allow-Origin"], "*")
        ports = {9090: box.port, 3000: free_port()}
        self.open("prometheus", ports, {"GRAFANA_TOKEN": "token-of-grafana"})
        self.assertEqual(from_json(self.read(query))["data"]["result"][1], "2")
        posted = self.check(self.send("POST", "/api/v1/query", FORM, b"query=vector(3)"))
        self.assertEqual(from_json(posted)["data"]["result"][0]["value"][1], "3")
        failed = self.read("/api/v1/query?query=%28", 400)
        self.assertEqual(from_json(failed)["errorType"], "bad_data")
        self.check(self.send("DELETE", "/api/v1/series"), 405)
        self.check_stranger("GET", query)


class GrafanaTests(BoxTestCase):
    """A stand-in for Grafana."""

    def test_changes(self) -> None:
        """A page that is allowed may make changes; the token is the gate's."""
        box = StandIn(grafana)
        self.addCleanup(box.stop)
        ports = {3000: box.port, 9090: free_port()}
        self.open("prometheus", ports, {"GRAFANA_TOKEN": "token-of-grafana"})
        made = self.write("POST", "/grafana/api/dashboards/db", {})
        self.assertEqual(from_json(made), {"path": "/api/dashboards/db"})
        self.read("/grafana/api/search")
        self.check_stranger("POST", "/grafana/api/dashboards/db", b"{}")
