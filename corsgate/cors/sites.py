"""Find out from Sec-Fetch-* which site a request comes from, and whether that is allowed."""

from __future__ import annotations

from corsgate.cors.decision import Decision, Verdict, shown
from corsgate.cors.policy import Policy
from corsgate.message.headers import HeaderIndex

_SAFE_METHODS = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))


def is_own(method: bytes, index: HeaderIndex, own_origin: bytes) -> bool:
    """Return whether a request with one Origin field comes from a page of the gate's own origin.

    Browsers also send Origin with a same-origin POST. It is ``null`` for a form whose page has the
    referrer policy ``no-referrer``. If a proxy in front terminates TLS and does not report that,
    its scheme differs from the one that the gate expects. In both cases Sec-Fetch-Site decides. It
    is read only for methods whose responses are not cached, because Vary would have to name it for
    others. A same-origin request with a safe method has no Origin anyway.

    A page of another origin can't send ``same-origin`` in this field. Scripts can't set the field,
    either in a page or in a service worker. A foreign form stays cross-site if the gate's own
    worker forwards it. The browser compares origins, not their text, so a sandboxed frame is
    cross-site. All redirects count: after one foreign URL nothing is same-origin. WebSockets use
    GET, so they are excluded. Any other Origin is still refused, because no browser sends it with
    ``same-origin``.

    Source: Fetch ``#append-a-request-origin-header``, Fetch Metadata ``#sec-fetch-site-header``.
    """
    origin = index[b"origin"][0]
    if own_origin and origin == own_origin:
        return True
    if method in _SAFE_METHODS or index.get(b"sec-fetch-site") != [b"same-origin"]:
        return False
    return origin == b"null" or _differs_by_scheme(origin, own_origin)


def _differs_by_scheme(origin: bytes, own_origin: bytes) -> bool:
    """Return whether two origins have the same host and port."""
    authority = origin.partition(b"://")[2]
    return authority != b"" and authority == own_origin.partition(b"://")[2]


def confine(
    policy: Policy | None,
    method: bytes,
    index: HeaderIndex,
    decision: Decision,
    *,
    allow_framing: bool = False,
) -> Decision:
    """Refuse requests that other sites send without CORS: ``<img>``, ``<iframe>``, ``<form>``.

    Such requests often have no Origin. The rule applies to routes with injected credentials, for
    every policy including ``*``. ``enforce_origin = false`` turns it off, like the check of Origin.
    An Origin that the policy names is allowed, because its page could send the same request with
    CORS, and read the response. Browsers that don't send Sec-Fetch-* are not covered. Over plain
    http, browsers send it only to loopback.

    Args:
        policy: The route's policy; None for no cross-origin access.
        method: The request's method.
        index: The request's fields, with Sec-Fetch-Site.
        decision: The decision based on Origin, which is to forward the request.
        allow_framing: Whether pages of other sites may show the route's responses in frames.

    Returns:
        The same decision, or a refusal.

    Source: Fetch Metadata ``#sec-fetch-site-header``, ``#sec-fetch-mode-header``,
    ``#sec-fetch-dest-header``.
    """
    if policy is not None and not policy.enforce_origin:
        return decision
    sites = index[b"sec-fetch-site"]
    is_sibling = b"cross-site" not in sites
    if is_sibling and b"same-site" not in sites:
        return decision
    modes = index.get(b"sec-fetch-mode", ())
    if b"no-cors" in modes:
        if is_sibling:
            return _confine_sibling(policy, index, decision)
        reason = "cross-site request in mode no-cors, where credentials are injected"
    elif b"navigate" in modes or b"origin" not in index:
        # Requests in every other mode have Origin, which was checked already. A request without
        # Origin and without a known mode is treated as a navigation, so as not to fail open.
        what = _harmful_navigation(method, index, allow_framing=allow_framing)
        if not what:
            return decision
        site = "same-site" if is_sibling else "cross-site"
        reason = f"{site} {what}, where credentials are injected"
        if is_sibling and b"origin" not in index:
            return _refuse_unless_referred(policy, index, decision, reason)
    else:
        return decision
    if policy is not None and _names_origin(policy, index):
        return decision
    return Decision(verdict=Verdict.REFUSE, headers=decision.headers, reason=reason)


def _harmful_navigation(method: bytes, index: HeaderIndex, *, allow_framing: bool) -> str:
    """Return why a navigation is more harmful than a link in a tab; empty if it is not.

    A page gets the load events of its frames and objects. So it could distinguish a 200 from a 404
    of the upstream, using the gate's credentials. It gets no events of another tab.
    """
    if method not in _SAFE_METHODS:
        return f"navigation by {shown(method)}"
    dests = index.get(b"sec-fetch-dest")
    if allow_framing or dests == [b"document"]:
        return ""
    where = "without Sec-Fetch-Dest" if dests is None else f"into {shown(dests[0])}"
    return f"navigation {where} (allow_framing is false)"


def _names_origin(policy: Policy, index: HeaderIndex) -> bool:
    """Return whether the request has one Origin, and the policy names it."""
    origins = index.get(b"origin", ())
    return len(origins) == 1 and policy.names(origins[0])


def _confine_sibling(policy: Policy | None, index: HeaderIndex, decision: Decision) -> Decision:
    """Refuse embedding by a page of another port or subdomain, unless its origin is allowed.

    The request for an ``<img>`` or ``<script>`` of such a page has no Origin, but its Referer has
    the page's origin. Scripts can't forge Referer; a page can only omit it. Without this rule, a
    page that is not allowed could run a script of the upstream, fetched with the gate's
    credentials, and so read it.

    Source: Fetch Metadata ``#sec-fetch-site-header``, Referrer Policy
    ``#referrer-policy-strict-origin-when-cross-origin``.
    """
    what = "same-site request in mode no-cors, where credentials are injected, from a page whose"
    if policy is not None and policy.public is not None:
        return decision
    if b"origin" in index:
        if policy is None or not policy.allows(index[b"origin"][0]) or _names_origin(policy, index):
            return decision
        # A page that is not allowed also sends null, if its referrer policy is no-referrer.
        reason = f"{what} origin is allowed by no name"
        return Decision(verdict=Verdict.REFUSE, headers=decision.headers, reason=reason)
    return _refuse_unless_referred(
        policy, index, decision, f"{what} origin is not allowed, or not shown by Referer"
    )


def _refuse_unless_referred(
    policy: Policy | None, index: HeaderIndex, decision: Decision, reason: str
) -> Decision:
    """Refuse a same-site request without Origin, unless its Referer has an allowed origin.

    With ``*``, Referer is not read, so that Vary need not name it, and the request is refused.
    """
    headers = decision.headers
    if policy is not None and policy.public is None:
        referers = index.get(b"referer", ())
        if len(referers) == 1 and policy.names(b"/".join(referers[0].split(b"/", 3)[:3])):
            return policy.referred
        headers = policy.referred.headers
    return Decision(verdict=Verdict.REFUSE, headers=headers, reason=reason)
