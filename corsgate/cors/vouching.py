"""Choose the Origin that an upstream with its own Origin check gets."""

from __future__ import annotations

from corsgate.cors.decision import Decision
from corsgate.cors.policy import Policy
from corsgate.cors.sites import is_own
from corsgate.message.headers import HeaderIndex

KEEP = "keep"
SERVER = "server"

_SAME_ORIGIN = [b"same-origin"]


def origin_mode(
    configured: str | None,
    policy: Policy | None,
    decision: Decision,
    method: bytes,
    index: HeaderIndex,
    own_origin: bytes,
    *,
    hosts_checked: bool,
) -> str:
    """Return which Origin and Referer an upstream gets with a forwarded request.

    By default it gets its own origin if the gate has checked the origin of the page: an enforced
    policy allows that origin by name (`Policy.names`), or the page is the gate's own. Otherwise it
    gets what the client sent, and makes its own decision.

    Args:
        configured: The ``origin`` of the upstream; None for the default.
        policy: The route's policy, or None.
        decision: The policy's decision, which is to forward the request.
        method: The request's method.
        index: The request's fields.
        own_origin: The origin that the client used to reach the gate; empty if the request has no
            host.
        hosts_checked: Whether the listener serves only configured hosts, or loopback names.

    Returns:
        One of `corsgate.config.model.request_rules.ORIGIN_MODES`, or an origin. It is `KEEP` if
        there is neither Origin nor Referer.
    """
    origins = index.get(b"origin")
    if origins is None:
        if b"referer" not in index:
            return KEEP
        return _mode_by_referer(configured, policy, index, own_origin, hosts_checked=hosts_checked)
    if configured is not None:
        return configured
    if decision.is_vouched:
        return SERVER
    if hosts_checked and len(origins) == 1 and is_own(method, index, own_origin):
        return SERVER
    return KEEP


def _mode_by_referer(
    configured: str | None,
    policy: Policy | None,
    index: HeaderIndex,
    own_origin: bytes,
    *,
    hosts_checked: bool,
) -> str:
    """Return which Origin and Referer an upstream gets if only Referer names the page.

    An enforced policy allows such a request from any page. So the configured mode applies only to
    pages that the policy lists, and to the gate's own.

    After a redirect by another site, Referer still names the page that made the first request.
    Origin would then be ``null``; without it, only Sec-Fetch-Site reveals the other site.

    Source: Fetch ``#concept-request-tainted-origin``, Fetch Metadata ``#sec-fetch-site-header``.
    """
    referers, sites = index[b"referer"], index.get(b"sec-fetch-site", _SAME_ORIGIN)
    origin = b"/".join(referers[0].split(b"/", 3)[:3]) if len(referers) == 1 else b""
    is_own = origin != b"" and origin == own_origin
    is_enforced = policy is not None and policy.enforce_origin and policy.public is None
    is_named = is_enforced and policy is not None and policy.names(origin)
    if configured is not None:
        # Behind a proxy that ends TLS without reporting it, the gate's own pages look foreign.
        is_same = index.get(b"sec-fetch-site") == _SAME_ORIGIN
        return configured if is_own or is_same or is_named or not is_enforced else KEEP
    if is_named and b"cross-site" not in sites:
        return SERVER
    # If hosts are not checked, any page can have the gate's own origin, by pointing its name at the
    # gate. After a redirect by another port or subdomain, the request is same-site.
    return SERVER if is_own and hosts_checked and sites == _SAME_ORIGIN else KEEP
