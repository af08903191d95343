"""``/healthz`` and ``/readyz``: for load balancers and supervisors."""

from __future__ import annotations

from corsgate.admin.resource import TEXT, AdminResource, respond
from corsgate.admin.view import View, unready
from corsgate.server.request import GateRequest


class HealthResource(AdminResource):
    """``/healthz``: 200 while the process responds."""

    def serve(self, request: GateRequest) -> None:
        """Respond."""
        respond(request, TEXT, b"ok\n")


class ReadyResource(AdminResource):
    """``/readyz``: 200 while the gate listens and each upstream has a usable server."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self._view = view

    def serve(self, request: GateRequest) -> None:
        """Respond with 200, or with 503 and the reasons, one per line."""
        reasons = unready(self._view.gate)
        body = "".join(f"{reason}\n" for reason in reasons) or "ready\n"
        respond(request, TEXT, body.encode(), status=503 if reasons else 200)
