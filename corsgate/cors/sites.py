"""Which site a request comes from, by Sec-Fetch-*, and whether that is allowed."""

from __future__ import annotations

from corsgate.cors.decision import Decision, Verdict, shown
from corsgate.cors.policy import Policy
from corsgate.message.headers import HeaderIndex

_SAFE_METHODS = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))


def is_own(method: bytes, index: HeaderIndex, own_origin: bytes) -> bool:
    """Return whether a request with one Origin field comes from a page of the gate's own origin.

    Browsers also send Origin with a same-origin POST. It is ``null`` for a form whose page has the
    referrer policy ``no-referrer``. It has another scheme than the gate knows if a proxy in front
    terminates TLS and does not report that. In both cases Sec-Fetch-Site decides. It is read only
    for methods whose responses are not cached, because Vary would have to name it for others. A
    same-origin request with a safe method has no Origin anyway.

    A page of another origin can't get ``same-origin`` into the field. Scripts can't set it, neither
    in a page nor in a service worker. A foreign form that the gate's own worker passes on stays
    cross-site. The field compares origins, not their text, so a sandboxed frame is cross-site. It
    covers all redirects: after one foreign URL nothing is same-origin. WebSockets use GET, so they
    are excluded. Any other Origin is still refused: no browser sends it with ``same-origin``.

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
    """Refuse what other sites send without CORS, as by ``<img>``, ``<iframe>`` or ``<form>``.

    Such requests often have no Origin. The rule applies where credentials are injected, with every
    policy including ``*``. ``enforce_origin = false`` switches it off, like the check of Origin.
    An Origin that the policy names passes: its page could do the same with CORS, and read the
    response. Browsers that send no Sec-Fetch-* are not covered. Over plain http browsers send it
    to loopback only.

    Args:
        policy: The route's policy; None for no cross-origin access.
        method: The request's method.
        index: The request's fields, with Sec-Fetch-Site.
        decision: The decision by Origin, which is to forward the request.
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
        # Every other mode sends Origin, which was checked already. A request without Origin and
        # without a known mode is treated as a navigation: forwarding it unchecked would fail open.
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
    """Return what makes a navigation more harmful than a link in a tab; empty if it is not.

    A page sees the load events of its frames and objects. So it could tell a 200 of the upstream
    from a 404, with the gate's credentials. It sees no events of a tab.
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
    """Refuse what a page of another port or subdomain embeds, unless its origin is allowed.

    An ``<img>`` or ``<script>`` of such a page sends no Origin, but Referer has the page's origin.
    Scripts can't forge Referer; a page can only omit it. Without this rule, a page that is not
    allowed could run a script from the upstream, fetched with the gate's credentials, and so
    read it.

    Source: Fetch Metadata ``#sec-fetch-site-header``, Referrer Policy
    ``#referrer-policy-strict-origin-when-cross-origin``.
    """
    what = "same-site request in mode no-cors, where credentials are injected, from a page whose"
    if policy is not None and policy.public is not None:
        return decision
    if b"origin" in index:
        if policy is None or not policy.allows(index[b"origin"][0]) or _names_origin(policy, index):
            return decision
        # A page that is not allowed sends null, too, if its referrer policy is no-referrer.
        reason = f"{what} origin is allowed by no name"
        return Decision(verdict=Verdict.REFUSE, headers=decision.headers, reason=reason)
    return _refuse_unless_referred(
        policy, index, decision, f"{what} origin is not allowed, or not shown by Referer"
    )


def _refuse_unless_referred(
    policy: Policy | None, index: HeaderIndex, decision: Decision, reason: str
) -> Decision:
    """Refuse a same-site request without Origin, unless its Referer has an allowed origin.

    With ``*`` no Referer is allowed or even read, so that Vary need not name it.
    """
    headers = decision.headers
    if policy is not None and policy.public is None:
        referers = index.get(b"referer", ())
        if len(referers) == 1 and policy.names(b"/".join(referers[0].split(b"/", 3)[:3])):
            return policy.referred
        headers = policy.referred.headers
    return Decision(verdict=Verdict.REFUSE, headers=headers, reason=reason)
