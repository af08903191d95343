"""MLflow, which refuses changes of origins that it does not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.boxes.box import Box
from tests.boxes.case import JSON, BoxTestCase, direct, from_json
from tests.boxes.installed import python

API = "/api/2.0/mlflow"


class MlFlow(Box):
    """An MLflow tracking server."""

    ready = "/health"

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [
            *(python(), "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}"),
            *("--workers=1", f"--backend-store-uri=sqlite:///{self.home}/runs.db"),
            f"--default-artifact-root={self.home}/artifacts",
        ]

    def environ(self, port: int) -> Mapping[str, str]:
        """Keep it from calling home, and from starting workers for jobs."""
        return {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "1",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }


class MlFlowTests(BoxTestCase):
    """MLflow."""

    def test_page(self) -> None:
        """An app logs a run and reads it; the server's errors can be read; a stranger gets 403."""
        box = self.start(MlFlow)
        create = f"{API}/experiments/create"
        refused = direct(box.port, "POST", create, {"Origin": self.lan, **JSON}, b'{"name": "x"}')
        self.assertEqual((refused.status, refused.body), (403, b"Cross-origin request blocked"))
        self.open("mlflow", {5000: box.port})
        self.check_preflight(create, "POST", "Content-Type")
        for origin in (self.app.origin, self.lan):
            made = self.write("POST", create, {"name": origin}, origin=origin)
        number = from_json(made)["experiment_id"]
        run = {"experiment_id": number, "start_time": 1, "tags": []}
        made = self.write("POST", f"{API}/runs/create", run, origin=self.lan)
        metric = {"run_id": from_json(made)["run"]["info"]["run_id"], "key": "loss", "value": 0.5}
        metric |= {"timestamp": 1, "step": 1}
        self.write("POST", f"{API}/runs/log-metric", metric, origin=self.lan)
        found = self.read(f"{API}/runs/get?run_id={metric['run_id']}")
        self.assertEqual(from_json(found)["run"]["data"]["metrics"][0]["value"], 0.5)
        again = self.write("POST", create, {"name": self.lan}, 400, origin=self.lan)
        self.assertEqual(from_json(again)["error_code"], "RESOURCE_ALREADY_EXISTS")
        self.check_stranger("POST", create, b'{"name": "stranger"}')
        self.check_stranger("GET", f"{API}/runs/get?run_id={metric['run_id']}")
