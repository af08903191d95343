"""Read ``[admin]``: the listener for metrics, status and health."""

from __future__ import annotations

from collections.abc import Sequence

from corsgate.config.model.admin import (
    DEFAULT_ADMIN_LISTEN,
    Admin,
    check_admin_endpoint,
    check_not_taken,
)
from corsgate.config.model.values import Listener
from corsgate.config.toml.reader import Table, checked
from corsgate.errors import BadValue


def read_admin(top: Table, listeners: Sequence[Listener]) -> Admin | None:
    """Read ``[admin]``.

    Args:
        top: The document.
        listeners: Where the gate listens.

    Returns:
        The admin listener; None if the table is absent or, after recording its faults, faulty.
    """
    item = top.item("admin")
    table = None if item is None else item.table("write a table [admin]")
    if table is None:
        return None
    listen = table.get("listen", checked(check_admin_endpoint), DEFAULT_ADMIN_LISTEN)
    table.finish()
    if listen is None:
        return None
    try:
        check_not_taken(listen, [each.endpoint for each in listeners])
    except BadValue as error:
        table.notes.add((*table.path, "listen"), error.problem, error.fix)
        return None
    return Admin(listen=listen)
