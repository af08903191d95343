"""Read ``[admin]``: the listener for metrics, status and health."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from corsgate.config.model.admin import (
    DEFAULT_ADMIN_LISTEN,
    Admin,
    check_admin_endpoint,
    check_not_taken,
)
from corsgate.config.model.endpoint import address_of, is_reached_at
from corsgate.config.model.rules import show
from corsgate.config.model.values import Listener, Upstream
from corsgate.config.toml.keys import Key, Keys, table_key
from corsgate.config.toml.reader import Table
from corsgate.config.toml.values import checked
from corsgate.errors import BadValue

LISTEN = Key(
    "listen",
    checked(check_admin_endpoint),
    DEFAULT_ADMIN_LISTEN,
    "Where the admin listener listens: a Twisted server endpoint for TCP on loopback, or for a"
    " Unix socket.",
    example='"unix:/run/corsgate/admin.sock"',
    range="tcp on a loopback interface, or unix",
)
ADMIN_KEYS = Keys(
    heading="[admin]",
    description="A listener for status, metrics and health. It does not ask for a password.",
    keys=(LISTEN,),
    models=(Admin,),
)
ADMIN = table_key(
    "admin",
    ADMIN_KEYS,
    "A listener for status, metrics (/metrics) and health (/healthz, /readyz). Without this"
    " table, there is no such listener.",
    example='{ listen = "tcp:9901:interface=127.0.0.1" }',
)


def read_admin(top: Table, listeners: Sequence[Listener]) -> Admin | None:
    """Read ``[admin]``.

    Args:
        top: The document.
        listeners: Where the gate listens.

    Returns:
        The admin listener; None if the table is absent or, after recording its faults, faulty.
    """
    item = top.item(ADMIN)
    table = None if item is None else item.table("write a table [admin]")
    if table is None:
        return None
    listen = table.get(LISTEN)
    table.finish(ADMIN_KEYS)
    try:
        check_not_taken(listen, [each.endpoint for each in listeners])
    except BadValue as error:
        table.notes.add((*table.path, "listen"), error.problem, error.fix)
        return None
    return Admin(listen=listen)


def exposing_upstreams(
    admin: Admin | None, upstreams: Iterable[Upstream]
) -> Iterator[tuple[str, str, str]]:
    """Find upstreams whose routes would show the admin listener to their clients.

    Args:
        admin: The admin listener, or None.
        upstreams: All upstreams.

    Returns:
        The name of each such upstream, the problem, and the fix.
    """
    if admin is None:
        return
    for upstream in upstreams:
        for server in upstream.servers:
            is_socket = server.socket is not None and address_of(admin.listen) == (
                "unix",
                server.socket,
            )
            if is_socket or is_reached_at(admin.listen, server.host, server.port):
                problem = (
                    f"the server {show(server.origin)} is the gate's own admin listener: everyone"
                    " who may use the routes of this upstream can read the status and configuration"
                )
                yield upstream.name, problem, "remove it, or write the address of the API"
