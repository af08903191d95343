"""What a refused client is told of the reason, where its policy says that it may know."""

from __future__ import annotations

import attrs

from corsgate.cors.decide import asked_names, method_refusal, names_refusal
from corsgate.cors.decision import Decision, Verdict
from corsgate.cors.grants import Grant, listed_headers, listed_methods, preflight_headers
from corsgate.cors.names import SAFELISTED_METHODS, TOKEN
from corsgate.cors.policy import Policy
from corsgate.message.headers import Header, HeaderIndex

MAX_REASON_BYTES = 300
"""How much of a reason, which may quote what the client sent, it is told."""


def tell(policy: Policy, decision: Decision, index: HeaderIndex, *, loopback: bool) -> Decision:
    """Return a refusal as the client gets it: with the reason, if it may know.

    A page can't read the answer to a preflight, and its browser says of one that failed no more
    than that. So a preflight of an allowed origin is answered as if it had passed, but with what
    the policy allows and not what was asked: the browser refuses by itself, and its console names
    the method or header that is missing.

    Args:
        policy: The route's policy.
        decision: A refusal.
        index: The request's fields.
        loopback: Whether the client is on the gate's own machine.

    Returns:
        The same decision where the client may not know.

    Source: Fetch ``#cors-preflight-fetch``; that its last steps name the cause is up to browsers.
    """
    origins = index.get(b"origin", ())
    if not (
        (policy.source.debug and loopback)
        or (len(origins) == 1 and origins[0] in policy.debug_origins)
    ):
        return decision
    reason: Header = (b"Corsgate-Reason", decision.reason.encode("ascii")[:MAX_REASON_BYTES])
    asked = b"access-control-request-method"
    # Only the refusal of a preflight by an allowed origin says who is allowed.
    if len(origins) == 1 and asked in index and _is_preflight(decision):
        grant = policy.grant(origins[0])
        answer = None if grant is None else _as_if_passed(policy, grant, index)
        if answer is not None:
            return Decision(
                verdict=Verdict.PREFLIGHT, headers=(reason, *answer), reason=decision.reason
            )
    return attrs.evolve(decision, headers=(reason, *decision.headers))


def _is_preflight(decision: Decision) -> bool:
    return b"Access-Control-Request-Method" in decision.vary


def _as_if_passed(policy: Policy, grant: Grant, index: HeaderIndex) -> tuple[Header, ...] | None:
    """Return what makes a browser refuse and say why; None where one might not refuse."""
    methods = index[b"access-control-request-method"]
    names = asked_names(index.get(b"access-control-request-headers", ()))
    if len(methods) != 1 or names is None or not TOKEN.fullmatch(methods[0]):
        return None
    if policy.any_method and method_refusal(policy, methods):
        return None
    if policy.any_header and any(not TOKEN.fullmatch(name) for name in names):
        return None
    cors = policy.source
    allowed_methods, allowed_names = listed_methods(cors), listed_headers(cors)
    if policy.any_method and cors.allow_credentials:
        # A "*" would be taken for a name, and be missing for all that was asked.
        allowed_methods = methods[0]
    if policy.any_header:
        # Without credentials too: Chromium takes a "*" for Authorization, and would not refuse.
        passed = (name for name in names if not names_refusal(policy, frozenset((name,))))
        allowed_names = b", ".join(sorted(passed))
    # Without a list of methods, one that has an upload listener would pass whatever its method.
    allowed_methods = allowed_methods or b", ".join(sorted(SAFELISTED_METHODS))
    return preflight_headers(
        attrs.evolve(cors, max_age_s=None), grant.opening, allowed_methods, allowed_names
    )
