"""The endpoint of the admin listener, which only programs on this machine can reach."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from corsgate.config.model.endpoint import (
    address_of,
    check_endpoint,
    is_loopback,
    is_reached_at,
    port_of,
)
from corsgate.config.model.rules import show
from corsgate.config.model.validators import rule
from corsgate.errors import BadValue

DEFAULT_ADMIN_LISTEN = "tcp:9901:interface=127.0.0.1"

FREE_ADMIN_LISTEN = "tcp:0:interface=127.0.0.1"
"""Any free port on loopback."""

SOCKET_MODE = "660"
"""The default permissions of a Unix socket: only the gate's own user and group."""

_FIX = f"write {show(DEFAULT_ADMIN_LISTEN)}, or a Unix socket such as unix:/run/corsgate/admin.sock"


def check_admin_endpoint(text: str) -> None:
    """Reject an endpoint that is neither TCP on loopback nor a Unix socket.

    The admin listener shows the whole configuration except secrets, and does not authenticate
    clients.

    Args:
        text: An endpoint string.

    Raises:
        BadValue: It is not an endpoint, or programs on other machines could connect to it.
    """
    check_endpoint(text)
    kind = text.partition(":")[0].lower()
    if kind == "unix" or (kind in ("tcp", "tcp6") and is_loopback(text)):
        return
    if kind in ("tcp", "tcp6"):
        problem = "other machines can connect to it, and the admin listener has no authentication"
    else:
        problem = "the admin listener listens only on TCP without TLS, or on a Unix socket"
    raise BadValue(f"{show(text)}: {problem}", _FIX)


def check_not_taken(text: str, listeners: Iterable[str]) -> None:
    """Reject an admin endpoint on which a listener of the gate also listens.

    Args:
        text: An endpoint that `check_admin_endpoint` accepts.
        listeners: The endpoints of the gate's listeners.

    Raises:
        BadValue: One of the gate's listeners has the same address.
    """
    port = port_of(text)
    is_unix = text.partition(":")[0].lower() == "unix"
    for endpoint in listeners:
        # With port 0, each endpoint gets a different port.
        is_same_port = port is not None and is_reached_at(endpoint, "127.0.0.1", port)
        if is_same_port or (is_unix and address_of(endpoint) == address_of(text)):
            raise BadValue(
                f"{show(text)} has the same address as the gate's listener {show(endpoint)}",
                "use another port or path",
            )


@attrs.frozen(kw_only=True)
class Admin:
    """The admin listener: metrics, status and health of the gate.

    Attributes:
        listen: Where it listens: an endpoint string for TCP on loopback, or for a Unix socket.
    """

    listen: str = attrs.field(default=DEFAULT_ADMIN_LISTEN, validator=rule(check_admin_endpoint))
