"""Send the reason for a refusal to the client, if the policy allows that."""

from __future__ import annotations

import attrs

from corsgate.cors.decide import asked_names, method_refusal, names_refusal
from corsgate.cors.decision import Decision, Verdict
from corsgate.cors.grants import Grant, listed_headers, listed_methods, preflight_headers
from corsgate.cors.names import SAFELISTED_METHODS, TOKEN
from corsgate.cors.policy import Policy
from corsgate.message.headers import Header, HeaderIndex

REASON = b"Corsgate-Reason"
"""The response field with the reason."""

MAX_REASON_BYTES = 300
"""The maximum length of a sent reason, which may quote the client's own input."""


def may_know(policy: Policy, index: HeaderIndex, *, loopback: bool) -> bool:
    """Return whether a client may see why it was refused.

    Args:
        policy: The route's policy.
        index: The request's fields.
        loopback: Whether the client is on the gate's own machine.
    """
    origins = index.get(b"origin", ())
    return (policy.source.debug and loopback) or (
        len(origins) == 1 and origins[0] in policy.debug_origins
    )


def is_readable_by_strangers(policy: Policy, index: HeaderIndex) -> bool:
    """Return whether a page that the policy does not know may read the response to a request.

    Such as any page by ``*``. It must not read what is for developers only.

    Args:
        policy: The policy whose CORS headers the response gets.
        index: The request's fields.
    """
    return any(policy.allows(each) and not policy.names(each) for each in index.get(b"origin", ()))


def tell(policy: Policy, decision: Decision, index: HeaderIndex, *, loopback: bool) -> Decision:
    """Return a refusal with its reason added, if the client may see it.

    A page can't read a preflight response, and the browser reports only that the preflight failed.
    So the preflight of an allowed origin gets a successful response, which lists what the policy
    allows. Then the browser itself refuses the call, and its console names the missing method or
    header.

    Args:
        policy: The route's policy.
        decision: A refusal.
        index: The request's fields.
        loopback: Whether the client is on the gate's own machine.

    Returns:
        The same decision if the client may not see the reason.

    Source: Fetch ``#cors-preflight-fetch``. The browser chooses the text on the console.
    """
    if not may_know(policy, index, loopback=loopback):
        return decision
    origins = index.get(b"origin", ())
    reason: Header = (REASON, decision.reason.encode("ascii")[:MAX_REASON_BYTES])
    asked = b"access-control-request-method"
    # What is allowed is listed only for a refused preflight, and only to an allowed origin.
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
    """Return the fields that make a browser refuse and report why; None if it might not refuse."""
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
        # With credentials "*" is an ordinary name, so the browser would report every method.
        allowed_methods = methods[0]
    if policy.any_header:
        # Also without credentials: Chromium lets "*" cover Authorization, and would not refuse.
        passed = (name for name in names if not names_refusal(policy, frozenset((name,))))
        allowed_names = b", ".join(sorted(passed))
    # Without a list, a preflight caused only by an upload listener would pass for any method.
    allowed_methods = allowed_methods or b", ".join(sorted(SAFELISTED_METHODS))
    return preflight_headers(
        attrs.evolve(cors, max_age_s=None), grant.opening, allowed_methods, allowed_names
    )
