"""The CORS headers for a path that no route serves, if a policy with `debug` allows them.

Without them, the browser's console reports a CORS error, although the path is merely wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from corsgate.cors.debug import REASON, may_know
from corsgate.cors.decide import asked_names
from corsgate.cors.decision import Decision, Verdict
from corsgate.cors.grants import preflight_headers
from corsgate.cors.names import TOKEN
from corsgate.cors.policy import Policy
from corsgate.message.headers import Header, HeaderIndex

_WHY = "no route serves this path"


@attrs.frozen(kw_only=True, eq=False)
class RoutePolicy:
    """A policy with the place of its route.

    Attributes:
        host: The host name that the route is limited to, in lower case; None for any host.
        path: The segments of its prefix, percent-decoded.
        policy: Its policy.
    """

    host: bytes | None
    path: tuple[bytes, ...]
    policy: Policy


def nearest(
    routes: Iterable[RoutePolicy],
    host: bytes,
    path: Sequence[bytes],
    index: HeaderIndex,
    *,
    loopback: bool,
) -> Policy | None:
    """Return the policy to apply to a path without a route; None if there is none.

    Only policies qualify that allow the page's origin, and that let this client see why a call is
    refused (`corsgate.cors.debug.may_know`). The nearest one has the longest prefix of whole
    segments in common with the path; among equals the first one wins. A policy without a common
    segment qualifies only if it allows the origin by name. Otherwise ``*`` on one route would open
    all other paths.

    Args:
        routes: The policies of all routes.
        host: The host name of the request, in lower case.
        path: The segments of its path, percent-decoded.
        index: Its fields.
        loopback: Whether the client is on the gate's own machine.
    """
    origins = index.get(b"origin", ())
    if len(origins) != 1:
        return None
    best, most = None, -1
    for route in routes:
        policy = route.policy
        if route.host not in (None, host) or not may_know(policy, index, loopback=loopback):
            continue
        common = _in_common(route.path, path)
        if common <= most or not policy.allows(origins[0]):
            continue
        if common or policy.names(origins[0]):
            best, most = policy, common
    return best


def decide_unrouted(policy: Policy, method: bytes, index: HeaderIndex) -> Decision | None:
    """Return the decision on a request whose path no route serves.

    A preflight is granted everything it asks for, so that the browser sends the request itself,
    which gets 404. No upstream gets it. The browser must not cache the grant, because a reload may
    add a route for the path.

    Args:
        policy: The result of `nearest`.
        method: The request's method.
        index: Its fields; it has one Origin.

    Returns:
        The decision. For a preflight, it is the whole response. For any other request, its headers
        are sent with the 404. None for a preflight that no browser sends.

    Source: Fetch ``#cors-preflight-fetch``.
    """
    grant = policy.grant(index[b"origin"][0])
    if grant is None:
        return None
    reason: Header = (REASON, _WHY.encode("ascii"))
    asked = index.get(b"access-control-request-method")
    if method != b"OPTIONS" or asked is None:
        passed = grant.actual[False]
        return attrs.evolve(passed, headers=(reason, *passed.headers), reason=_WHY)
    names = asked_names(index.get(b"access-control-request-headers", ()))
    if len(asked) != 1 or not TOKEN.fullmatch(asked[0]) or names is None:
        return None
    if not all(TOKEN.fullmatch(name) for name in names):
        return None
    headers = preflight_headers(
        attrs.evolve(policy.source, max_age_s=0),
        grant.opening,
        asked[0],
        b", ".join(sorted(names)),
    )
    return Decision(verdict=Verdict.PREFLIGHT, headers=(reason, *headers), reason=_WHY)


def _in_common(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    """Return the number of leading segments that two paths have in common."""
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count
