"""What a listener leaves open to pages of other sites, or closed to those of its own users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from corsgate.config.model.endpoint import is_loopback, is_tls
from corsgate.config.model.rules import show
from corsgate.config.model.values import Listener, Route

_LIST = "list the names that clients use in hosts"
_CERTIFICATES = "give it certificates, for https"
_CLOSED = (
    "it serves loopback names only: what its trusted proxies were asked for by another name (Host,"
    " X-Forwarded-Host, Forwarded) gets 421",
    _LIST,
)


def listener_warnings(
    listeners: Sequence[Listener], routes: Sequence[Route], *, has_hosts: bool
) -> Iterator[tuple[int, str, str]]:
    """Find what is doubtful about where the gate listens, one finding at most for each listener.

    - Without hosts, a page whose name is pointed at the gate (DNS rebinding) could act with an
      upstream's credentials. A listener on loopback serves loopback names only, and one with
      certificates has none for the page's name. What a proxy in front lets through can't be known
      here, nor where a socket that systemd opens is reached; naming one's own names settles both.
    - Over plain http browsers send no Sec-Fetch-*, except to loopback, so nothing tells a page that
      embeds an answer from a person who follows a link. A proxy in front may speak TLS.
    - Without hosts, a proxy on the same machine that tells of a public name is refused.

    Args:
        listeners: Where the gate listens.
        routes: All routes.
        has_hosts: Whether ``hosts`` is written.

    Returns:
        The number of a listener, what is doubtful about it, and the fix.

    Source: Fetch Metadata ``#sec-fetch-site-header``: only to a potentially trustworthy URL.
    """
    guarded = [route for route in routes if route.upstream.credentials is not None]
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
    untold = (
        "over plain http browsers do not say whose page asks (Sec-Fetch-*), so what any page"
        " embeds or frames is loaded with the credentials of the upstream "
    )
    if nameless:
        name = show(nameless[0].upstream.name)
        problem = (
            "it serves any Host: a page whose name is pointed here (DNS rebinding) can pass for the"
            f" gate's own and act with the credentials of the upstream {name}"
        )
        if not is_direct:
            return problem, _LIST
        if not enforced:
            return problem, f"{_LIST}, or {_CERTIFICATES}"
        problem += f"; and {untold}{show(enforced[0].upstream.name)}"
        return problem, f"{_CERTIFICATES}; if it can have none, at least {_LIST}"
    if is_direct and enforced:
        fix = f"{_CERTIFICATES}, or name the proxy in front of it in trusted_proxies"
        return untold + show(enforced[0].upstream.name), fix
    return None
