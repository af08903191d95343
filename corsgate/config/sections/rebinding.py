"""Warn about listeners that are open to pages of other sites, or closed to intended users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from corsgate.config.model.by_url import signed_upstream
from corsgate.config.model.endpoint import is_handed_over, is_loopback, is_tls
from corsgate.config.model.rules import show
from corsgate.config.model.values import Listener, Route

_LIST = "list the names that clients use in hosts"
_CERTIFICATES = "add certificates, for https"
_CLOSED = (
    "it serves loopback names only: requests that its trusted proxies receive under another name"
    " (Host, X-Forwarded-Host, Forwarded) get 421",
    _LIST,
)


def listener_warnings(
    listeners: Sequence[Listener], routes: Sequence[Route], *, has_hosts: bool
) -> Iterator[tuple[int, str, str]]:
    """Find risky listeners, and return at most one finding for each.

    - Without hosts, a site can point its own name at the gate (DNS rebinding), and its pages can
      then use an upstream's credentials. This can't happen on loopback, where only loopback names
      are served. Nor can it happen with certificates, since none is valid for that name. The gate
      can't know which names a proxy in front accepts, or where a socket from systemd is reachable.
      With hosts, it need not.
    - Over plain http browsers send no Sec-Fetch-*, except to loopback. So a request from a page
      that embeds a response looks like one from a user who follows a link. This is not reported
      behind a proxy, which may use TLS.
    - Without hosts, a proxy on the same machine that forwards a public name gets 421.

    Args:
        listeners: Where the gate listens.
        routes: All routes.
        has_hosts: Whether ``hosts`` is in the file.

    Returns:
        The index of a listener, the problem, and the fix.

    Source: Fetch Metadata ``#sec-fetch-site-header``: only to a potentially trustworthy URL.
    """
    guarded = [route for route in routes if signed_upstream(route) is not None]
    nameless = [] if has_hosts else [route for route in guarded if route.host is None]
    enforced = [route for route in guarded if route.cors is None or route.cors.enforce_origin]
    for number, one in enumerate(listeners):
        if is_loopback(one.endpoint):
            found = _CLOSED if one.trusted_proxies and not has_hosts else None
        else:
            found = _open(one, nameless, enforced)
        if found is not None:
            yield number, *found


def _open(
    listener: Listener, nameless: Sequence[Route], enforced: Sequence[Route]
) -> tuple[str, str] | None:
    if listener.certificates or is_tls(listener.endpoint):
        return None
    is_direct = listener.endpoint.lower().startswith("tcp") and not listener.trusted_proxies
    unsent = (
        "over plain http browsers do not send Sec-Fetch-*, so any page can embed or frame responses"
        " that need the credentials of upstream "
    )
    if nameless:
        name = _signed(nameless[0])
        # The address is that of the socket unit.
        unless = ", unless its socket is on loopback" if is_handed_over(listener.endpoint) else ""
        problem = (
            f"it serves any Host{unless}: a site that points its name here (DNS rebinding) has the"
            f" gate's own origin, and can use the credentials of upstream {name}"
        )
        if not is_direct:
            return problem, _LIST
        if not enforced:
            return problem, f"{_LIST}, or {_CERTIFICATES}"
        problem += f"; and {unsent}{_signed(enforced[0])}"
        return problem, f"{_CERTIFICATES}; if that is not possible, {_LIST}"
    if is_direct and enforced:
        fix = f"{_CERTIFICATES}, or name the proxy in front of it in trusted_proxies"
        return unsent + _signed(enforced[0]), fix
    return None


def _signed(route: Route) -> str:
    """Return the name of the upstream whose credentials a route uses, for a message."""
    upstream = signed_upstream(route)
    assert upstream is not None, "only routes that use credentials are checked"
    return show(upstream.name)
