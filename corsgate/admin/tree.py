"""The addresses of the admin listener."""

from __future__ import annotations

from typing import Any

from corsgate.admin.changes import Changes
from corsgate.admin.events import Events
from corsgate.admin.explain_form import Explain
from corsgate.admin.health import HealthResource, ReadyResource
from corsgate.admin.masked_config import ConfigResource
from corsgate.admin.page import add_page
from corsgate.admin.resource import AdminRoot
from corsgate.admin.status import StatusResource
from corsgate.admin.view import View


def populate(root: AdminRoot, view: View, reactor: Any) -> None:
    """Add all addresses.

    Args:
        root: The root of the tree.
        view: What the resources read.
        reactor: Tells the time.
    """
    root.add(b"healthz", HealthResource())
    root.add(b"readyz", ReadyResource(view))
    root.add(b"api/status", StatusResource(view))
    root.add(b"api/config", ConfigResource(view))
    root.add(b"api/events", Events(Changes(view), reactor))
    root.add(b"api/explain", Explain(view))
    add_page(root)
