"""Computes what the explainer's page shows for a form: a pure function from JSON to JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corsgate.config.pasted import read_pasted
from corsgate.cors.check import CORS_RULES
from corsgate.errors import BadValue, ConfigError
from corsgate.explain.block_causes import WORDS, Cause
from corsgate.explain.call import Call
from corsgate.explain.console import Message
from corsgate.explain.explanation import explain
from corsgate.explain.gate_policy import gate_policy, reason_of
from corsgate.explain.message_report import message_dict
from corsgate.explain.refused_by import GATE, refused_by
from corsgate.explain.servers import all_fixes, needs_preflight
from corsgate.explain.status_words import status_words
from corsgate.explain.trace import Answer, Request, Step, Trace, text
from corsgate.explain.wanted import wanted
from corsgate.explain_web.form import (
    Form,
    FormError,
    read_form,
    read_paste,
    with_fields,
    with_response,
)
from corsgate.explain_web.kinds import is_block, is_fixed_by_headers
from corsgate.explain_web.masks import masked_fields, masked_text, masked_url
from corsgate.explain_web.pasted import Details, Pasted, is_preflight
from corsgate.explain_web.recorded import allowed_origin, by_message, follow, misses, origin_misses

BLOCKED, ALLOWED, UNKNOWN, FAILED = "blocked", "allowed", "unknown", "failed"

_NEEDS_METHOD = (
    "The message is about a preflight, but does not name the call's method and headers. Fill them"
    " in below: the server must also allow them."
)
_NEEDS_ORIGIN = "This message does not name the page. Fill in the page's URL to get the fixes."


def answer(raw: object) -> dict[str, Any]:
    """Explain the call in a form.

    Args:
        raw: The form, parsed from JSON.

    Returns:
        An explanation with ``ok`` true; or ``ok`` false, the invalid ``field`` and the ``error``.
        Values of cookies, Authorization and other secrets are hidden.
    """
    try:
        return _explained(read_form(raw))
    except FormError as error:
        return {"ok": False, "field": error.field, "error": masked_text(error.text)}


def _explained(form: Form) -> dict[str, Any]:
    calls = read_paste(form)
    labels = _labels(calls)
    chosen = _chosen(form.chosen, labels)
    pasted, has_response = with_response(calls[chosen], form)
    details = with_fields(pasted, form)
    call = _call(details)
    if call is None and pasted.message is None:
        raise _incomplete(details, pasted)
    gate = _gate(form.toml, call) if form.toml else None
    found = _verdict(call, pasted, has_response=has_response)
    if found["verdict"] == UNKNOWN and pasted.kind != "har" and gate and "verdict" in gate:
        # Without responses, the gate's configuration decides.
        found = {**found, **_by_gate(gate)}
    return {
        "ok": True,
        "kind": pasted.kind,
        "gate_toml": "",
        **found,
        "call": None if call is None else _shown_call(call),
        "calls": labels if len(calls) > 1 else [],
        "chosen": chosen,
        "gate": gate,
    }


def _chosen(asked: int, labels: Sequence[Mapping[str, Any]]) -> int:
    """Return the number of the call to explain: by default, the first that does not work."""
    if asked >= 0:
        return min(asked, len(labels) - 1)
    verdicts = [each["verdict"] for each in labels]
    return next((verdicts.index(each) for each in (BLOCKED, UNKNOWN) if each in verdicts), 0)


def _by_gate(gate: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of an explanation that depend on the pasted configuration."""
    is_allowed = gate["verdict"] == ALLOWED
    return {
        "verdict": gate["verdict"],
        "reason": "The gate allows this call." if is_allowed else gate["reason"],
        "fix": "",
        "cause": None,
        "enough": [],
        "fixes": [],
        "steps": [],
        "notes": [],
        "asks": False,
    }


def _incomplete(details: Details, pasted: Pasted) -> FormError:
    """Return the error for a call with missing parts."""
    if pasted.kind == "form" and details.url is None and details.origin is None:
        text = "Paste a message, a curl command or a HAR file, or fill in the call below."
        return FormError("paste", text)
    if details.url is None:
        return FormError("url", "Fill in the URL that the page calls.")
    return FormError("origin", "Fill in the page that calls this URL.")


def _call(details: Details) -> Call | None:
    if details.url is None or details.origin is None:
        return None
    return Call(
        origin=details.origin.encode("latin-1", "replace"),
        method=(details.method or "GET").encode("utf-8"),
        url=details.url,
        headers=details.headers,
        credentials=details.credentials,
    )


def _verdict(call: Call | None, pasted: Pasted, *, has_response: bool) -> dict[str, Any]:
    """Return the verdict, its reason step by step, and the fixes."""
    message = pasted.message
    if message is not None and not (has_response and call is not None):
        return _by_message(call, message)
    assert call is not None
    trace, missing = follow(call, pasted.lookup)
    notes = list(pasted.notes)
    if missing is not None:
        return _unknown(call, trace, missing, pasted.kind, notes)
    cause = None if trace.failed is None else trace.failed.cause
    last = trace.exchanges[-1][1] if trace.exchanges else None
    if trace.allowed and pasted.failure:
        return _failed(call, trace, pasted.failure, notes)
    refusal = refused_by(trace, lambda _request: None)
    notes += refusal.words
    if trace.allowed and last is not None and last.status >= 400 and refusal.who != GATE:
        notes.append("CORS is not the problem: the page may read the response.")
        notes.append(f"Status {status_words(last.status)}")
    found = _blocked_or_allowed(call, cause, () if last is None else last.headers)
    if refusal.who == GATE and (not trace.allowed or (last is not None and last.status >= 400)):
        found = _of_gate(found, call, trace, refusal.page)
        notes += gate_policy(trace, call, refusal.page).words
    return {
        **found,
        "steps": _steps(trace.steps),
        "exchanges": _exchanges(trace),
        "near_misses": [] if last is None or cause is None else _masked(misses(call, last)),
        "notes": _masked(notes),
        "asks": False,
    }


def _by_message(call: Call | None, message: Message) -> dict[str, Any]:
    notes: list[str] = []
    near: list[str] = []
    is_simple = call is not None and not needs_preflight(call)
    if message.preflight and is_simple:
        notes.append(_NEEDS_METHOD)
    if call is None:
        if is_fixed_by_headers(message.cause):
            notes.append(_NEEDS_ORIGIN)
    elif (value := allowed_origin(message)) is not None:
        near = origin_misses(call, value)
    if message.redirected is not None:
        notes.append(
            f"{message.url} redirects to {message.redirected}. If that is a login, the server did"
            " not accept the page's credentials."
        )
    said = message_dict(message)
    if message.cause is None:
        notes.append(f"The reason in this message is unknown: {message.why}")
    elif not message.is_about_cors:
        notes.append("This is not a CORS problem, so no CORS header helps.")
    if said["status_means"] is not None:
        notes.append(f"Status {said['status_means']}")
    return {
        **_blocked_or_allowed(call, message.cause, (), preflight=message.preflight),
        "fix": masked_text(str(said["fix"] or "")),
        "verdict": _verdict_of(message.cause),
        "steps": _steps(by_message(call, message)),
        "exchanges": [],
        "near_misses": _masked(near),
        "notes": _masked(notes),
        "asks": _NEEDS_ORIGIN in notes or _NEEDS_METHOD in notes,
    }


def _verdict_of(cause: Cause | None) -> str:
    """Return the verdict on the call of a console message."""
    if cause is None or is_block(cause):
        return BLOCKED
    return {Cause.STATUS: ALLOWED, Cause.UNSPECIFIC: UNKNOWN}.get(cause, FAILED)


def _of_gate(found: dict[str, Any], call: Call, trace: Trace, page: str) -> dict[str, Any]:
    """Return the verdict for a call that a corsgate refused: its policy decides, no other server.

    Args:
        found: The verdict by the response alone.
        call: The call.
        trace: Its recorded requests and responses.
        page: The sentence of the gate's error page; empty without one.
    """
    policy = gate_policy(trace, call, page)
    reason = reason_of([each for _, each in trace.exchanges]) or page.rstrip(".")
    by_policy = "Add to the policy of the route, in the gate's configuration:"
    return {
        **found,
        "verdict": BLOCKED,
        "reason": masked_text(f"The gate refuses this call{reason and f': {reason}'}."),
        "fix": by_policy if policy.toml else "Paste the gate's configuration into the form.",
        "gate_toml": policy.toml,
        "enough": [],
        "fixes": [],
    }


def _unknown(
    call: Call, trace: Trace, missing: Request, kind: str, notes: list[str]
) -> dict[str, Any]:
    if kind != "har":
        what = "the preflight" if is_preflight(missing) else "the request"
        notes.append(
            f"Whether the browser allows this depends on the response to {what}. To find out, paste"
            " the heads of the responses into the form, or the message of the browser's console."
        )
    last = trace.exchanges[-1][1].headers if trace.exchanges else ()
    return {
        "verdict": UNKNOWN,
        "reason": "The response is unknown.",
        "fix": "For the call to work, the server must send this:",
        "enough": _enough(call),
        "fixes": _fixes(call, last),
        "cause": None,
        "steps": _steps(trace.steps),
        "exchanges": _exchanges(trace),
        "near_misses": [],
        "notes": _masked(notes),
        "asks": True,
    }


def _failed(call: Call, trace: Trace, failure: str, notes: list[str]) -> dict[str, Any]:
    """Return the explanation of a call that failed although its recorded responses allow it."""
    if not call.credentials:
        notes.append(
            "A HAR file that was saved without sensitive data has no cookies. If the page calls"
            " with cookies, tick the box in the form."
        )
    return {
        **_unknown(call, trace, trace.exchanges[-1][0], "har", notes),
        "reason": f"The browser reports {failure}, but the recorded responses allow this call.",
    }


def _blocked_or_allowed(
    call: Call | None,
    cause: Cause | None,
    headers: Sequence[tuple[bytes, bytes]],
    *,
    preflight: bool = False,
) -> dict[str, Any]:
    words = None if cause is None else WORDS[cause]
    by_headers = call is not None and is_fixed_by_headers(cause)
    return {
        "verdict": ALLOWED if cause is None else BLOCKED,
        "reason": words.what if words else "The page may read the response.",
        "fix": words.fix if words else "",
        "cause": None if cause is None else cause.value,
        "enough": _enough(call) if call is not None and by_headers else [],
        "fixes": _fixes(call, headers, preflight) if call is not None and by_headers else [],
    }


def _enough(call: Call) -> list[list[str]]:
    return [list(field) for field in wanted(call).fields]


def _fixes(
    call: Call, headers: Sequence[tuple[bytes, bytes]], preflight: bool = False
) -> list[dict[str, Any]]:
    return [
        {"name": fix.name, "text": fix.text, "note": fix.note, "likely": fix.is_likely}
        for fix in all_fixes(call, headers, preflight=preflight)
    ]


def _gate(toml: str, call: Call | None) -> dict[str, Any]:
    """Return what the pasted configuration does with the call."""
    try:
        config, document = read_pasted(toml, CORS_RULES)
    except ConfigError as error:
        return {"faults": _masked(str(fault) for fault in error.faults)}
    if call is None:
        return {"problem": "The configuration has no faults. Fill in the page to test the call."}
    try:
        found = explain(config, document, call)
    except BadValue as error:
        return {"problem": masked_text(str(error))}
    return {
        "verdict": ALLOWED if found.allowed else BLOCKED,
        "reason": masked_text(found.reason),
        "route": found.route,
        "policy": found.policy,
        "near_misses": _masked(found.near_misses),
        "toml": found.toml,
        "advice": _masked(found.advice),
        "steps": _steps(found.trace.steps),
    }


def _steps(steps: Sequence[Step]) -> list[dict[str, str]]:
    return [
        {
            "rule": step.rule,
            "title": step.title,
            "seen": masked_text(step.seen),
            "verdict": step.outcome.value,
            "why": masked_text(step.why),
        }
        for step in steps
    ]


def _exchanges(trace: Trace) -> list[dict[str, Any]]:
    """Return the recorded exchanges, without assumed responses."""
    return [
        {
            "method": text(request.method),
            "url": masked_url(request.url),
            "request": masked_fields(request.headers),
            "status": found.status,
            "response": masked_fields(found.headers),
        }
        for request, found in trace.exchanges
        if not _stands_in(found)
    ]


def _stands_in(found: Answer) -> bool:
    return bool(found.by)


def _labels(calls: Sequence[Pasted]) -> list[Mapping[str, Any]]:
    """Return a line and the verdict for each call, to choose from."""
    labels: list[Mapping[str, Any]] = []
    for number, pasted in enumerate(calls):
        details, verdict, status = pasted.details, UNKNOWN, ""
        call = _call(details)
        if call is not None and len(calls) > 1:
            trace, missing = follow(call, pasted.lookup)
            if missing is None and not (trace.allowed and pasted.failure):
                verdict = ALLOWED if trace.allowed else BLOCKED
            if trace.exchanges and trace.allowed:
                status = f" ({trace.exchanges[-1][1].status})"
        where = "" if details.url is None else masked_url(details.url)
        label = f"{details.method} {where}{status}"
        labels.append({"number": number, "label": label, "verdict": verdict})
    return labels


def _shown_call(call: Call) -> dict[str, Any]:
    return {
        "origin": text(call.origin),
        "method": text(call.sent_method),
        "url": masked_url(call.url),
        "headers": [text(name) for name, _ in call.sent_headers],
        "credentials": call.credentials,
    }


def _masked(lines: Any) -> list[str]:
    return [masked_text(line) for line in lines]
