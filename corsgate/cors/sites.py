"""Whose page asks, as browsers tell by Sec-Fetch-*, and what follows from it."""

from __future__ import annotations

from corsgate.cors.decision import Decision, Verdict, shown
from corsgate.cors.policy import Policy
from corsgate.message.headers import HeaderIndex

_SAFE_METHODS = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))


def is_own(method: bytes, index: HeaderIndex, own_origin: bytes) -> bool:
    """Return whether a request with one Origin field comes from a page of the gate's own origin.

    Browsers send Origin with a same-origin POST too: ``null`` by a form whose page has the referrer
    policy ``no-referrer``, and one of another scheme than the gate knows where a proxy in front
    ends TLS untold. Then Sec-Fetch-Site tells. It counts for requests alone that no cache answers,
    whose Vary would have to name it: others have no Origin.

    No page of another origin gets that said of it. No script can set the field, in a page or a
    service worker, and a foreign form that a worker of the gate's own passes on stays cross-site.
    The field compares origins, not their spelling, so a sandboxed frame's request is cross-site;
    and it speaks of a redirect's whole chain: after one foreign URL nothing is same-origin.
    WebSockets ask by GET, which is left out. Any other Origin than these two is refused all the
    same: no browser sends it with that field.

    Source: Fetch ``#append-a-request-origin-header``, Fetch Metadata ``#sec-fetch-site-header``.
    """
    origin = index[b"origin"][0]
    if own_origin and origin == own_origin:
        return True
    if method in _SAFE_METHODS or index.get(b"sec-fetch-site") != [b"same-origin"]:
        return False
    return origin == b"null" or _differs_by_scheme(origin, own_origin)


def _differs_by_scheme(origin: bytes, own_origin: bytes) -> bool:
    """Return whether two origins are of one host and port, as Host has them."""
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
    """Refuse what a page from elsewhere sends without CORS: ``<img>``, ``<iframe>``, ``<form>``.

    Such requests often carry no Origin. The rule holds where credentials are injected, for
    every policy, ``*`` too; ``enforce_origin = false`` switches it off with the origin's. An Origin
    that the policy names passes: by CORS its page could do the same, and read the answer.
    Browsers that send no Sec-Fetch-* are not covered; none does over plain http, but to loopback.

    Args:
        policy: The route's policy; None for no cross-origin access.
        method: The request's method.
        index: The request's fields, with Sec-Fetch-Site.
        decision: What was decided by Origin, which is to forward the request.
        allow_framing: Whether pages from elsewhere may show the route's answers in frames.

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
        # Every other mode sends Origin, which was judged already. What has no Origin and no known
        # mode is treated as a navigation: passing it unjudged would fail open.
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
    """Return what a navigation does that no link in a tab could; empty where it is as harmless.

    A page sees the load events of its frames and objects, and so could tell the upstream's 200
    from its 404 with the gate's credentials. It sees none of a tab.
    """
    if method not in _SAFE_METHODS:
        return f"navigation by {shown(method)}"
    dests = index.get(b"sec-fetch-dest")
    if allow_framing or dests == [b"document"]:
        return ""
    where = "without Sec-Fetch-Dest" if dests is None else f"into {shown(dests[0])}"
    return f"navigation {where} (allow_framing is false)"


def _names_origin(policy: Policy, index: HeaderIndex) -> bool:
    """Return whether a request's one Origin is allowed otherwise than by ``*``."""
    origins = index.get(b"origin", ())
    return policy.public is None and len(origins) == 1 and policy.allows(origins[0])


def _confine_sibling(policy: Policy | None, index: HeaderIndex, decision: Decision) -> Decision:
    """Refuse what a page of another port or subdomain embeds, unless its origin is allowed.

    An ``<img>`` or ``<script>`` of such a page sends no Origin, but the origin of its page in
    Referer, which no script can forge and a page can only leave out. A script that is run there
    could otherwise be read, with the gate's credentials, by a page that is not allowed.

    Source: Fetch Metadata ``#sec-fetch-site-header``, Referrer Policy
    ``#referrer-policy-strict-origin-when-cross-origin``.
    """
    if b"origin" in index or (policy is not None and policy.public is not None):
        return decision
    return _refuse_unless_referred(
        policy,
        index,
        decision,
        "same-site request in mode no-cors, where credentials are injected, from a page"
        " whose origin is not allowed, or not told by Referer",
    )


def _refuse_unless_referred(
    policy: Policy | None, index: HeaderIndex, decision: Decision, reason: str
) -> Decision:
    """Refuse a same-site request without Origin, unless its Referer has an allowed origin.

    ``*`` allows none here, and then Referer is not read, so that Vary need not name it.
    """
    headers = decision.headers
    if policy is not None and policy.public is None:
        referers = index.get(b"referer", ())
        if len(referers) == 1 and policy.allows(b"/".join(referers[0].split(b"/", 3)[:3])):
            return policy.referred
        headers = policy.referred.headers
    return Decision(verdict=Verdict.REFUSE, headers=headers, reason=reason)
