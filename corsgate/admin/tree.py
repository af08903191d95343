"""The addresses of the admin listener."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted.internet.interfaces import IReactorTime

from corsgate.admin import masked_config, status
from corsgate.admin.changes import Changes
from corsgate.admin.events import Events
from corsgate.admin.explain_form import Explain
from corsgate.admin.health import HealthResource, ReadyResource
from corsgate.admin.page import add_page
from corsgate.admin.resource import AdminResource, AdminRoot, refuse
from corsgate.admin.turns import LongResource, Turns
from corsgate.admin.view import View
from corsgate.server.request import GateRequest

Begin = Callable[[GateRequest, View], tuple[bytes, Iterator[bytes]]]


def find_metrics() -> Begin | None:
    """Return the function that starts ``/metrics``; None if prometheus-client is not installed."""
    try:
        from corsgate.admin import metrics
    except ModuleNotFoundError:
        return None
    return metrics.begin


def populate(
    root: AdminRoot,
    view: View,
    reactor: IReactorTime,
    find: Callable[[], Begin | None] = find_metrics,
) -> None:
    """Add all addresses.

    Args:
        root: The root of the tree.
        view: The data source of the resources.
        reactor: Runs long responses in turns, and provides the time.
        find: As `find_metrics`.
    """
    turns = Turns(reactor)
    root.add(b"healthz", HealthResource())
    root.add(b"readyz", ReadyResource(view))
    metrics = find()
    if metrics is None:
        root.add(b"metrics", MissingMetrics())
    else:
        root.add(b"metrics", LongResource(turns, lambda request: metrics(request, view)))
    root.add(b"api/status", LongResource(turns, lambda request: status.begin(view)))
    root.add(b"api/config", LongResource(turns, lambda request: masked_config.begin(view)))
    root.add(b"api/events", Events(Changes(view), turns, reactor))
    root.add(b"api/explain", Explain(view, turns))
    add_page(root)


class MissingMetrics(AdminResource):
    """``/metrics`` if prometheus-client is not installed."""

    def serve(self, request: GateRequest) -> None:
        """Respond with the name of the missing package."""
        detail = (
            "Metrics need the package prometheus-client, which is not installed."
            " Run pip install 'corsgate[metrics]' and restart the gate."
        )
        refuse(request, 501, detail)
