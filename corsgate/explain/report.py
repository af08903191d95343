"""Renders an explanation as text for people, or as a dict for JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from textwrap import indent

import attrs

from corsgate.explain.block_causes import WORDS
from corsgate.explain.explanation import Explanation
from corsgate.explain.refused_by import GATE
from corsgate.explain.status_words import status_words
from corsgate.explain.trace import Answer, Outcome, Request, text
from corsgate.message.headers import Header

_MARKS = {Outcome.PASS: "ok  ", Outcome.FAIL: "FAIL", Outcome.NOTE: "    "}

_SECRET = re.compile(rb"authorization|cookie|token|secret|passw|api-?key|session", re.IGNORECASE)
"""Matches the names of fields whose values are not shown."""


def verdict(explanation: Explanation) -> str:
    """Return in one line whether the call is allowed, and whether the server accepts it."""
    call = explanation.call
    return f"{text(call.sent_method)} {call.url} from {text(call.origin)}: {_result(explanation)}"


def _result(explanation: Explanation) -> str:
    status = explanation.status
    if not explanation.allowed:
        if not explanation.trace.allowed:
            return "blocked"
        # Of a gate that is only simulated, the trace has the status.
        status = status or explanation.trace.exchanges[-1][1].status
        return f"refused by the gate with {status}"
    if status < 400:
        return "allowed"
    if explanation.by_origin:
        return f"allowed by CORS, but the server itself refuses this origin with {status}"
    who = "gate" if explanation.refused_by == GATE else "server"
    return f"allowed by CORS, but the {who} responds with {status}"


def as_text(explanation: Explanation, file: str = "") -> str:
    """Return an explanation in lines for a terminal.

    Args:
        explanation: The explanation.
        file: The configuration file to change; empty without one.
    """
    said = "".join(f"{line.rstrip()}\n" for line in _lines(explanation, file))
    return said.rstrip("\n") + "\n"


def _lines(explanation: Explanation, file: str) -> Iterator[str]:
    yield verdict(explanation)
    if explanation.route:
        yield f"route {explanation.route}, {explanation.policy or 'no CORS policy'}"
    yield ""
    number = 0
    for step in explanation.trace.steps:
        yield f"{_MARKS[step.outcome]} {step.rule} {step.title}: {step.seen}"
        yield f"       {step.why}"
        if step.rule == "#http-network-or-cache-fetch":
            request, answer = explanation.trace.exchanges[number]
            number += 1
            yield from _wire(request, answer)
    if explanation.seen:
        yield f"     {explanation.seen}"
    if explanation.allowed:
        yield ""
        if explanation.status >= 400:
            yield f"status: {status_words(explanation.status)}"
        yield from (f"note: {line}" for line in explanation.advice)
        for each in explanation.cookies:
            does = "keeps" if each.kept else "drops"
            yield f"cookie {each.cookie}: {each.browser} {does} it: {each.why}"
        return
    yield ""
    yield f"reason: {explanation.reason}"
    if explanation.status >= 400 and explanation.refused_by != GATE:
        yield f"status: {status_words(explanation.status)}"
    for miss in explanation.near_misses:
        yield f"near miss: {miss}"
    if explanation.toml:
        yield f"to allow it, write{f' in {file}' if file else ''}:"
        yield ""
        yield indent(explanation.toml.rstrip("\n"), "    ")
        if explanation.advice:
            yield ""
    for line in explanation.advice:
        yield f"note: {line}"
    if explanation.gate_toml:
        yield "in the gate's configuration, add to the policy of the route:"
        yield ""
        yield indent(explanation.gate_toml, "    ")
    for title, text_of_server in explanation.servers:
        yield f"{title}:"
        yield ""
        yield indent(text_of_server, "    ")
        yield ""


def _wire(request: Request, answer: Answer) -> Iterator[str]:
    yield f"       > {text(request.method)} {request.url.target}"
    for name, value in request.headers:
        yield f"       > {text(name)}: {_value(name, value)}"
    yield f"       < {answer.status}"
    for name, value in answer.headers:
        yield f"       < {text(name)}: {_value(name, value)}"


def as_dict(explanation: Explanation) -> dict[str, object]:
    """Return an explanation as a dict for JSON, with keys in snake_case."""
    call, cause = explanation.call, explanation.cause
    return {
        "allowed": explanation.allowed,
        "origin": text(call.origin),
        "method": text(call.sent_method),
        "url": str(call.url),
        "credentials": call.credentials,
        "route": explanation.route or None,
        "policy": explanation.policy or None,
        "seen": explanation.seen or None,
        "steps": [
            {
                "rule": step.rule,
                "title": step.title,
                "input": step.seen,
                "verdict": step.outcome.value,
                "why": step.why,
                "cause": None if step.cause is None else step.cause.value,
            }
            for step in explanation.trace.steps
        ],
        "exchanges": [
            {
                "method": text(request.method),
                "url": str(request.url),
                "request_headers": _pairs(request.headers),
                "status": answer.status,
                "response_headers": _pairs(answer.headers),
            }
            for request, answer in explanation.trace.exchanges
        ],
        "reason": explanation.reason or None,
        "cause": None if cause is None else cause.value,
        "fix": None if cause is None else WORDS[cause].fix,
        "refused_by": explanation.refused_by or None,
        "status": explanation.status or None,
        "status_means": status_words(explanation.status) or None,
        "server_refuses_origin": explanation.by_origin,
        "gate_toml": explanation.gate_toml or None,
        "near_misses": list(explanation.near_misses),
        "toml": explanation.toml or None,
        "advice": list(explanation.advice),
        "servers": [{"title": title, "text": lines} for title, lines in explanation.servers],
        "cookies": [attrs.asdict(each) for each in explanation.cookies],
    }


def _pairs(headers: Sequence[Header]) -> list[list[str]]:
    return [[text(name), _value(name, value)] for name, value in headers]


def _value(name: bytes, value: bytes) -> str:
    """Return a field's value, or dots if it may be a secret."""
    return "..." if _SECRET.search(name) else text(value)
