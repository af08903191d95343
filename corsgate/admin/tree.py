"""The addresses of the admin listener."""

from __future__ import annotations

from corsgate.admin.health import HealthResource, ReadyResource
from corsgate.admin.masked_config import ConfigResource
from corsgate.admin.resource import AdminRoot
from corsgate.admin.status import StatusResource
from corsgate.admin.view import View


def populate(root: AdminRoot, view: View) -> None:
    """Add all addresses.

    Args:
        root: The root of the tree.
        view: What the resources read.
    """
    root.add(b"healthz", HealthResource())
    root.add(b"readyz", ReadyResource(view))
    root.add(b"api/status", StatusResource(view))
    root.add(b"api/config", ConfigResource(view))
