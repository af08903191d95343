"""Apply a route's CORS policy to one request: forward it, respond here, or refuse it."""

from __future__ import annotations

from collections.abc import Sequence

from corsgate.cors.decision import VARY_BOTH, VARY_PREFLIGHT, Decision, Verdict, shown
from corsgate.cors.grants import Grant, listed_headers, listed_methods, preflight_headers
from corsgate.cors.names import (
    CORS_RESPONSE_HEADERS,
    FORBIDDEN_METHODS,
    SAFELISTED_METHODS,
    TOKEN,
)
from corsgate.cors.origin import MAX_ORIGIN_BYTES
from corsgate.cors.policy import Policy, Question
from corsgate.cors.sites import confine, is_own
from corsgate.message.headers import HeaderIndex, short_list

__all__ = [
    "CORS_RESPONSE_HEADERS",
    "Decision",
    "Verdict",
    "decide",
    "merge_vary",
]

MAX_ASKED_BYTES = 8 * 1024
"""The maximum size of Access-Control-Request-Headers, with all its fields joined."""

MAX_ASKED_NAMES = 256
"""The maximum number of names in it."""

MAX_ASKED_EMPTY = 16
"""The maximum number of empty elements in it; RFC 9110 5.6.1.2 asks for a reasonable limit."""

MAX_VARY_BYTES = 8 * 1024
"""The maximum size of an upstream's Vary; a longer one is treated as ``*``."""

MAX_REMEMBERED_BYTES = 512
"""The maximum size of the method and request headers of a remembered preflight."""

_NONE = [b""]

_NOT_CROSS_ORIGIN = "the route has no CORS policy, and the request is not cross-origin"
_UNPROTECTED = "the route has no CORS policy, and no credentials of the gate's own"
_NO_POLICY_PLAIN = Decision(verdict=Verdict.FORWARD, headers=(), reason=_UNPROTECTED)
_NO_POLICY_OWN = Decision(verdict=Verdict.FORWARD, headers=(VARY_BOTH,), reason=_NOT_CROSS_ORIGIN)
_NO_POLICY_PREFLIGHT = Decision(
    verdict=Verdict.REFUSE,
    headers=(VARY_PREFLIGHT,),
    reason="preflight on a route that has no CORS policy",
)


def decide(
    policy: Policy | None,
    method: bytes,
    index: HeaderIndex,
    own_origin: bytes,
    *,
    credentialed: bool,
    allow_framing: bool = False,
) -> Decision:
    """Decide how to handle a request, and which CORS headers its response gets.

    Args:
        policy: The route's policy; None for no cross-origin access.
        method: The request's method, with its case as received.
        index: The request's fields, by `corsgate.message.headers.index_headers`.
        own_origin: The origin by which the client reached the gate, as browsers write it; empty
            if the request has no host.
        credentialed: Whether the gate adds the upstream's credentials on this route.
        allow_framing: Whether pages of other origins may show the responses in frames.

    Returns:
        A decision, usually a prepared one. Its headers are sent with every response to this
        request.

    Source: Fetch ``#http-requests`` for the two kinds of request, and ``#http-responses`` for the
    responses to them.
    """
    origins = index.get(b"origin")
    if (
        method == b"OPTIONS"
        and origins is not None
        and len(origins) == 1
        and b"access-control-request-method" in index
    ):
        # Fetch #cors-preflight-request
        return _decide_preflight(policy, origins[0], index)
    if policy is None:
        decision = _without_policy(method, index, own_origin, credentialed)
    elif origins is None:
        decision = policy.unmarked[credentialed]
    else:
        decision = _decide_actual(policy, method, index, own_origin, credentialed)
    if credentialed and b"sec-fetch-site" in index and decision.verdict is Verdict.FORWARD:
        return confine(policy, method, index, decision, allow_framing=allow_framing)
    return decision


def ungranted(policy: Policy | None, method: bytes, index: HeaderIndex, decision: Decision) -> str:
    """Return what a forwarded request was not granted; empty if it was, or had no Origin.

    Any client can send any Origin, and any method without a preflight. So a forwarded request does
    not prove that a page of that origin may send it.

    Args:
        policy: The route's policy, or None.
        method: The request's method.
        index: The request's fields.
        decision: What `decide` returned for it.

    Returns:
        Words for the access log, which `corsgate learn` reads.
    """
    if b"origin" not in index or decision.verdict is not Verdict.FORWARD:
        return ""
    if policy is None or not decision.grants_origin:
        return "origin not allowed"
    if method in SAFELISTED_METHODS or method in policy.methods:
        return ""
    return "method not allowed" if method_refusal(policy, [method]) else ""


def _decide_actual(
    policy: Policy, method: bytes, index: HeaderIndex, own_origin: bytes, credentialed: bool
) -> Decision:
    """Decide on a request with at least one Origin field (Fetch ``#cors-check``)."""
    origins = index[b"origin"]
    if len(origins) == 1:
        grant = policy.grant(origins[0])
        if grant is not None:
            return grant.actual[credentialed]
        if is_own(method, index, own_origin):
            return policy.unmarked[credentialed]
    return Decision(
        verdict=Verdict.REFUSE if policy.enforce_origin else Verdict.FORWARD,
        # The same as without Origin, because a shared cache may use either response for both.
        headers=policy.unmarked[credentialed].headers,
        reason=_why_denied(origins),
    )


def _without_policy(
    method: bytes, index: HeaderIndex, own_origin: bytes, credentialed: bool
) -> Decision:
    """Decide on an actual request on a route without a policy.

    If the gate adds credentials, pages of other origins must not use them. Otherwise such a page
    can do nothing here that it can't do at the upstream itself.
    """
    if not credentialed:
        return _NO_POLICY_PLAIN
    origins = index.get(b"origin")
    if origins is None or (len(origins) == 1 and is_own(method, index, own_origin)):
        return _NO_POLICY_OWN
    return Decision(
        verdict=Verdict.REFUSE,
        headers=(VARY_BOTH,),
        reason=f"{_why_denied(origins)}: the route injects credentials and has no CORS policy",
    )


def _decide_preflight(policy: Policy | None, origin: bytes, index: HeaderIndex) -> Decision:
    """Decide on a preflight, which is never forwarded.

    An allowed origin gets everything that the policy lists, not only what it asked for. That
    response is prepared, and the browser's preflight cache avoids later preflights. The response
    repeats what was asked for only with both ``*`` and credentials.

    Source: Fetch ``#cors-preflight-fetch``.
    """
    if policy is None:
        return _NO_POLICY_PREFLIGHT
    grant = policy.grant(origin)
    if grant is None:
        return Decision(
            verdict=Verdict.REFUSE, headers=(VARY_PREFLIGHT,), reason=_why_denied([origin])
        )
    methods = index[b"access-control-request-method"]
    values = index.get(b"access-control-request-headers", _NONE)
    question = _question(methods, values)
    names = None if question is None else policy.granted.get(question)
    if names is None:
        refusal = method_refusal(policy, methods)
        if refusal:
            return _refuse_preflight(grant, refusal)
        names = asked_names(values)
        if names is None:
            return _refuse_preflight(grant, "Access-Control-Request-Headers is too long")
        refusal = names_refusal(policy, names)
        if refusal:
            return _refuse_preflight(grant, refusal)
        if question is not None:
            policy.granted.add(question, names)
    if grant.preflight is not None:
        return grant.preflight
    if question is None:
        return _repeat(policy, grant, methods[0], names)
    decision = policy.repeated.get((origin, question))
    if decision is None:
        decision = _repeat(policy, grant, methods[0], names)
        policy.repeated.add((origin, question), decision)
    return decision


def _question(methods: list[bytes], values: list[bytes]) -> Question | None:
    """Return the method and header names that a preflight asks for; None if they are too long."""
    if len(methods) != 1 or len(values) != 1:
        return None
    (method,), (value,) = methods, values
    return (method, value) if len(method) + len(value) <= MAX_REMEMBERED_BYTES else None


def _refuse_preflight(grant: Grant, reason: str) -> Decision:
    """Return a refusal that grants the origin, so that the browser reports the actual reason."""
    return Decision(verdict=Verdict.REFUSE, headers=(*grant.opening, VARY_PREFLIGHT), reason=reason)


def method_refusal(policy: Policy, methods: list[bytes]) -> str:
    """Return why a preflight's method may not be used.

    Args:
        policy: The route's policy.
        methods: The values of Access-Control-Request-Method.

    Returns:
        One line of ASCII; empty if it may be used.
    """
    if len(methods) != 1:
        return "more than one Access-Control-Request-Method"
    method = methods[0]
    # The comparison is case-sensitive (Fetch #cors-preflight-fetch).
    if method in SAFELISTED_METHODS or method in policy.methods:
        return ""
    if not TOKEN.fullmatch(method):
        return f"{shown(method)} is not a method"
    if method.upper() in FORBIDDEN_METHODS:
        return f"{shown(method)} is a method that scripts can't send"
    if policy.any_method:
        return ""
    if method.upper() in policy.methods:
        return f"method {shown(method)} is in allow_methods, but in upper case"
    return f"method {shown(method)} is not in allow_methods"


def names_refusal(policy: Policy, names: frozenset[bytes]) -> str:
    """Return which of the request headers that a preflight asks for may not be used, and why.

    Args:
        policy: The route's policy.
        names: The result of `asked_names`.

    Returns:
        One line of ASCII; empty if all may be used.
    """
    unlisted = names - policy.header_names
    if not unlisted:
        return ""
    if not policy.any_header:
        return f"request header {shown(min(unlisted))} is not in allow_headers"
    if b"authorization" in unlisted:
        # Fetch #cors-non-wildcard-request-header-name
        return "request header 'authorization' is not in allow_headers, and '*' never covers it"
    odd = [name for name in unlisted if not TOKEN.fullmatch(name)]
    return f"{shown(min(odd))} is not a header name" if odd else ""


def asked_names(values: Sequence[bytes]) -> frozenset[bytes] | None:
    """Return the lower-cased names asked for, or None if there are too many or they are too long.

    Browsers send them sorted, in one field, without spaces. Proxies may split the field, add white
    space and leave empty elements (RFC 9110 5.3 and 5.6.1). The time is linear in the number of
    bytes, which is at most `MAX_ASKED_BYTES`.

    Args:
        values: The values of Access-Control-Request-Headers, in order.
    """
    if not values:
        return frozenset()
    joined = b",".join(values) if len(values) > 1 else values[0]
    if len(joined) > MAX_ASKED_BYTES:
        return None
    if joined.count(b",") >= MAX_ASKED_NAMES + MAX_ASKED_EMPTY:
        return None
    elements = joined.lower().split(b",")
    names = [name for name in (element.strip(b" \t") for element in elements) if name]
    if len(names) > MAX_ASKED_NAMES or len(elements) - len(names) > MAX_ASKED_EMPTY:
        return None
    return frozenset(names)


def _repeat(policy: Policy, grant: Grant, method: bytes, names: frozenset[bytes]) -> Decision:
    """Return a decision that grants by name what a preflight asked for, because ``*`` would not.

    With credentials, browsers treat ``*`` as the name of a method or header (Fetch
    ``#cors-protocol-and-credentials``).
    """
    cors = policy.source
    if policy.any_method:
        methods = b"" if method in SAFELISTED_METHODS else method
    else:
        methods = listed_methods(cors)
    asked = b", ".join(sorted(names)) if policy.any_header else listed_headers(cors)
    return Decision(
        verdict=Verdict.PREFLIGHT,
        headers=preflight_headers(cors, grant.opening, methods, asked),
        reason="the origin is allowed; requested methods and headers are repeated instead of '*'",
    )


def _why_denied(origins: list[bytes]) -> str:
    """Return why the origin in these Origin fields is not allowed."""
    if len(origins) != 1:
        return f"{len(origins)} Origin fields instead of one"
    origin = origins[0]
    if len(origin) > MAX_ORIGIN_BYTES:
        return f"an Origin of {len(origin)} bytes, more than {MAX_ORIGIN_BYTES}"
    if origin == b"null":
        return (
            "origin 'null' (of a local file, a sandboxed frame, a form under Referrer-Policy:"
            " no-referrer, or a request redirected from elsewhere) is not allowed"
        )
    return f"origin {shown(origin)} is not allowed"


def merge_vary(upstream: Sequence[bytes], ours: bytes) -> bytes | None:
    """Combine the upstream's Vary with the gate's into one value.

    Args:
        upstream: The values of the upstream's Vary fields, in order.
        ours: `Decision.vary`, which may be empty.

    Returns:
        ``*`` if the upstream sent that, or too many or too long members. Otherwise the upstream's
        members as it spells them, followed by those of the gate that are missing, each once. None
        if there are no members.

    Source: RFC 9110 12.5.5.
    """
    if not upstream:
        return ours or None
    members: dict[bytes, bytes] = {}
    named = short_list([*upstream, ours], MAX_VARY_BYTES, MAX_ASKED_NAMES)
    if named is None:
        return b"*"
    for member in named:
        members.setdefault(member.lower(), member)
    if b"*" in members:
        return b"*"
    return b", ".join(members.values()) or None
