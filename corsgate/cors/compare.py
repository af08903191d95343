"""What one decision means to a page that another doesn't."""

from __future__ import annotations

from corsgate.cors.decision import Decision, Verdict

_ORIGIN = b"Access-Control-Allow-Origin"
_CREDENTIALS = b"Access-Control-Allow-Credentials"
_EXPOSED = b"Access-Control-Expose-Headers"


def change(live: Decision, tried: Decision, *, has_origin: bool) -> str | None:
    """Return what would change for the client of a request, were it decided otherwise.

    Args:
        live: The decision that was taken.
        tried: The decision that another policy takes on the same request.
        has_origin: Whether the request has an Origin; without one no browser looks at CORS headers.

    Returns:
        One of few phrases, to be read after the name of the other policy; None where nothing would
        change for a page. What else of a preflight is allowed, and for how long, is no change yet.
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
            "would let the page read the answer"
            if _ORIGIN in others
            else "would keep the page from reading the answer"
        )
    if (_CREDENTIALS in fields) != (_CREDENTIALS in others):
        return (
            "would allow credentials" if _CREDENTIALS in others else "would not allow credentials"
        )
    if (live.exposes_all, fields.get(_EXPOSED)) != (tried.exposes_all, others.get(_EXPOSED)):
        return "would expose other headers"
    return None
