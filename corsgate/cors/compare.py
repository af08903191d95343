"""Describe how two decisions on the same request differ for a page."""

from __future__ import annotations

from corsgate.cors.decision import Decision, Verdict

_ORIGIN = b"Access-Control-Allow-Origin"
_CREDENTIALS = b"Access-Control-Allow-Credentials"
_EXPOSED = b"Access-Control-Expose-Headers"


def change(live: Decision, tried: Decision, *, has_origin: bool) -> str | None:
    """Return what would change for the client if another policy made the decision.

    Args:
        live: The decision that was made.
        tried: The other policy's decision on the same request.
        has_origin: Whether the request has an Origin; browsers ignore CORS headers without one.

    Returns:
        One of a few phrases, whose subject is the other policy; None if nothing changes for a page.
        The cache lifetime and other permissions of a preflight are not compared.
    """
    refused, would_refuse = live.verdict is Verdict.REFUSE, tried.verdict is Verdict.REFUSE
    if refused and would_refuse:
        return None
    if would_refuse:
        return "would refuse it"
    if refused:
        return "would let it pass"
    if not has_origin:
        return None
    fields, others = dict(live.headers), dict(tried.headers)
    if (_ORIGIN in fields) != (_ORIGIN in others):
        return (
            "would let the page read the response"
            if _ORIGIN in others
            else "would keep the page from reading the response"
        )
    if (_CREDENTIALS in fields) != (_CREDENTIALS in others):
        return (
            "would allow credentials" if _CREDENTIALS in others else "would not allow credentials"
        )
    if (live.exposes_all, fields.get(_EXPOSED)) != (tried.exposes_all, others.get(_EXPOSED)):
        return "would expose other headers"
    return None
