"""Where a page whose name is pointed at the gate would pass for the gate's own (DNS rebinding)."""

from __future__ import annotations

from collections.abc import Sequence

from corsgate.config.endpoint import is_loopback, is_tls
from corsgate.config.model import Listener, Route
from corsgate.config.rules import show

_LIST = "list the names that clients use in hosts"


def open_to_any_name(
    listeners: Sequence[Listener], routes: Sequence[Route]
) -> list[tuple[int, str, str]]:
    """Answer where such a page could act with an upstream's credentials, hosts being unsaid.

    A listener on loopback serves loopback names only, and one with certificates has none for the
    page's name. What a proxy in front lets through can't be known here, nor where a socket that
    systemd opens is reached; naming one's own names settles both.

    Args:
        listeners: Where the gate listens.
        routes: All routes; one of a host of its own is safe.

    Returns:
        The number of each listener, what is doubtful about it, and the mend.
    """
    open_to = [r.upstream for r in routes if r.host is None and r.upstream.credentials is not None]
    if not open_to:
        return []
    problem = (
        "it serves any Host: a page whose name is pointed here (DNS rebinding) can pass for the"
        f" gate's own and act with the credentials of the upstream {show(open_to[0].name)}"
    )
    return [
        (number, problem, _mend(one))
        for number, one in enumerate(listeners)
        if not (one.certificates or is_tls(one.endpoint) or is_loopback(one.endpoint))
    ]


def _mend(listener: Listener) -> str:
    is_direct = listener.endpoint.lower().startswith("tcp") and not listener.trusted_proxies
    return f"{_LIST}, or give it certificates, for https" if is_direct else _LIST
