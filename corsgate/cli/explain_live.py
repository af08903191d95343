"""``corsgate explain --live``: send the requests of a call, and explain the responses."""

from __future__ import annotations

import attrs

from corsgate.cli.box_refusal import box_refusal
from corsgate.cli.live import NoAnswer, send
from corsgate.cli.load import Loaded
from corsgate.credentials.refusal import REFUSED
from corsgate.explain.block_causes import WORDS, Cause
from corsgate.explain.browser import fetch
from corsgate.explain.call import Call
from corsgate.explain.cookies import CookieVerdict, cookies_of_response
from corsgate.explain.explanation import Explanation, explain
from corsgate.explain.gate_policy import gate_policy, reason_of
from corsgate.explain.refused_by import GATE, SERVER, RefusedBy, is_preflight, refused_by
from corsgate.explain.servers import server_fixes
from corsgate.explain.trace import Answer, Request, Trace

_REDIRECTED = frozenset(
    (
        Cause.PREFLIGHT_REDIRECT,
        Cause.REDIRECT_SCHEME,
        Cause.REDIRECT_USERINFO,
        Cause.REDIRECTS,
    )
)
"""The causes that a response header can't fix."""


_REFUSALS = frozenset((400, 403, 404, 405, 421, 501))
"""The statuses by which a gate says that its configuration does not allow a call."""

_ONLY_ERRORS = (
    "Many servers send errors without CORS headers. First find out why this one responds with an"
    " error."
)
_WITH_FILE = (
    "With --config and the gate's file, this command finds the exact change. --apply makes it."
)
_OTHER_FILE = "{} allows this call. The running gate uses a different file, or was not reloaded."


def live(call: Call, loaded: Loaded | None) -> Explanation:
    """Make a call as a browser would, and explain the response.

    Args:
        call: The call.
        loaded: The configuration of the gate on its path; None if it is unknown.

    Raises:
        NoAnswer: The server does not respond.
    """
    trace = fetch(call, send)
    refusal = refused_by(trace, _again)
    if loaded is not None and refusal.who != GATE:
        refusal = _of_box(loaded, call, trace, refusal)
    explanation = _seen(call, trace, refusal)
    if refusal.who == GATE and not explanation.allowed:
        explanation = _by_policy(explanation, refusal, loaded)
    return explanation


def _seen(call: Call, trace: Trace, refusal: RefusedBy) -> Explanation:
    """Return the explanation of a call that was sent."""
    request, answer = trace.exchanges[-1] if trace.exchanges else (None, None)
    status = 0
    cookies: tuple[CookieVerdict, ...] = ()
    if request is not None and answer is not None:
        status = 0 if is_preflight(request) else answer.status
        cookies = cookies_of_response(call, answer.headers) if call.credentials else ()
    failed, is_of_gate = trace.failed, refusal.who == GATE
    explanation = Explanation(
        call=call,
        allowed=trace.allowed and not (is_of_gate and status in _REFUSALS),
        trace=trace,
        reason=refusal.page,
        advice=refusal.words,
        refused_by=refusal.who,
        cookies=cookies,
        status=status,
        by_origin=refusal.by_origin,
    )
    if failed is None or failed.cause is None:
        return explanation
    advice = refusal.words
    servers: tuple[tuple[str, str], ...] = ()
    if not is_of_gate:
        # If a gate decides, advice about the server would not help.
        advice = (WORDS[failed.cause].fix, *advice)
        if failed.cause is Cause.MISSING_ORIGIN and status >= 400:
            advice = (*advice, _ONLY_ERRORS)
        if answer is not None and failed.cause not in _REDIRECTED:
            servers = tuple(server_fixes(call, answer.headers))
    return attrs.evolve(
        explanation, reason=failed.why, cause=failed.cause, advice=advice, servers=servers
    )


def _by_policy(explanation: Explanation, refusal: RefusedBy, loaded: Loaded | None) -> Explanation:
    """Explain a gate's refusal by the policy in its file, or else in its responses."""
    call, trace = explanation.call, explanation.trace
    found = gate_policy(trace, call, refusal.page)
    given = reason_of([answer for _, answer in trace.exchanges]) or refusal.page
    reason = given.rstrip(".") or explanation.reason
    explanation = attrs.evolve(explanation, reason=reason)
    if loaded is None:
        more = (*found.words, _WITH_FILE)
        return attrs.evolve(explanation, gate_toml=found.toml, advice=(*explanation.advice, *more))
    by_file = explain(loaded.config, loaded.document, call)
    if by_file.allowed:
        advice = (*explanation.advice, _OTHER_FILE.format(loaded.file))
        return attrs.evolve(explanation, gate_toml=found.toml, advice=advice)
    return attrs.evolve(
        explanation,
        route=by_file.route,
        policy=by_file.policy,
        reason=by_file.reason,
        near_misses=by_file.near_misses,
        changes=by_file.changes,
        toml=by_file.toml,
        advice=(*explanation.advice, *by_file.advice),
    )


def _of_box(loaded: Loaded, call: Call, trace: Trace, refusal: RefusedBy) -> RefusedBy:
    """Return who refused a call, explained by the configuration of the gate on its path."""
    config = loaded.config
    request, answer = trace.exchanges[-1] if trace.exchanges else (None, None)
    if request is None or answer is None or answer.status not in REFUSED or is_preflight(request):
        return refusal
    words = tuple(box_refusal(config, call, answer.status, send))
    return RefusedBy(who=SERVER, words=words) if words else refusal


def _again(request: Request) -> Answer | None:
    try:
        return send(request)
    except NoAnswer:
        return None
