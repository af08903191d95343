"""Follows a call with recorded responses, or with the message of a browser's console."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

import attrs

from corsgate.config.model.cors import Cors
from corsgate.cors.policy import compile_policy
from corsgate.errors import BadValue, PolicyError
from corsgate.explain.block_causes import WORDS, Cause
from corsgate.explain.browser import fetch
from corsgate.explain.call import Call, unsafe_names
from corsgate.explain.console import Message
from corsgate.explain.near_miss import near_misses, spell
from corsgate.explain.trace import Answer, Outcome, Request, Step, Trace, text, tokens, values
from corsgate.explain_web.har import granting
from corsgate.explain_web.kinds import is_of_response
from corsgate.explain_web.pasted import Lookup, is_preflight

_REQUEST = "#http-network-or-cache-fetch"
_MAX_COMPARED = 50
"""How many header names or methods are compared with each other."""

_VALUE = re.compile(
    r"Access-Control-Allow-Origin['\u2018\u2019]? (?:header )?(?:has a value|contains the invalid"
    r" value|contains multiple values|does not match) ['\u2018](.*?)['\u2019]"
)


def follow(call: Call, lookup: Lookup) -> tuple[Trace, Request | None]:
    """Follow a call through the steps of Fetch.

    Args:
        call: The call.
        lookup: The recorded responses.

    Returns:
        The trace, and the first request without a recorded response, or None. The trace ends
        before that request.
    """
    missing: list[tuple[int, Request]] = []
    sent = 0

    def send(request: Request) -> Answer:
        nonlocal sent
        sent += 1
        answer = lookup(request)
        if answer is None:
            missing.append((sent, request))
            return granting(request)
        return answer

    trace = fetch(call, send)
    if not missing:
        return trace, None
    number, request = missing[0]
    kept = _before(trace.steps, number)
    exchanges = trace.exchanges[: number - 1]
    return Trace(steps=tuple(kept), exchanges=exchanges, allowed=False), request


def by_message(call: Call | None, message: Message) -> tuple[Step, ...]:
    """Return the steps of a call up to the failed step in a browser's message.

    Args:
        call: The call; None if it is not fully known.
        message: The message.
    """
    steps: list[Step] = []
    of_response = message.cause is not None and is_of_response(message.cause)
    if call is not None and message.redirected is None and of_response:
        trace = fetch(call, granting)
        asks = bool(trace.exchanges) and is_preflight(trace.exchanges[0][0])
        if asks or not message.preflight:
            steps += _before(trace.steps, 1)
        if asks and not message.preflight:
            why = "It passed, since the message is about the response to the request itself."
            steps.append(_step("#cors-preflight-fetch", "preflight", "", Outcome.PASS, why))
    if message.cause is None:
        return tuple(steps)
    title = "the preflight response" if message.preflight else "the response"
    rule = "#cors-preflight-fetch" if message.preflight else "#cors-check"
    if not of_response:
        title, rule = "the call", "#main-fetch"
    what = WORDS[message.cause].what
    steps.append(_step(rule, title, message.why, Outcome.FAIL, what, message.cause))
    return tuple(steps)


def allowed_origin(message: Message) -> str | None:
    """Return the value of Access-Control-Allow-Origin that a message quotes, or None."""
    found = _VALUE.search(message.why)
    return found[1] if found else None


def misses(call: Call, answer: Answer) -> Iterator[str]:
    """Return the parts of a response that nearly allow a call.

    Args:
        call: The call.
        answer: The response that blocked it.
    """
    origins = values(answer.headers, b"access-control-allow-origin")
    if len(origins) == 1:
        yield from origin_misses(call, text(origins[0]))
    methods = tokens(values(answer.headers, b"access-control-allow-methods")) or ()
    for method in methods[:_MAX_COMPARED]:
        if method != call.sent_method and method.upper() == call.sent_method.upper():
            yield (
                f"case: the response lists {text(method)}, but methods are case-sensitive, and the"
                f" script sends {text(call.sent_method)}"
            )
    names = tokens(values(answer.headers, b"access-control-allow-headers")) or ()
    listed = [text(name).lower() for name in names[:_MAX_COMPARED]]
    for name in map(text, unsafe_names(call.sent_headers)[:_MAX_COMPARED]):
        near = difflib.get_close_matches(name, listed, n=1)
        if name not in listed and near and "*" not in listed:
            yield f"header {name} is not listed; {near[0]} is"


def origin_misses(call: Call, value: str) -> list[str]:
    """Return how an Access-Control-Allow-Origin differs from the call's origin if it resembles it.

    Args:
        call: The call.
        value: The field's value.
    """
    origin = text(call.origin)
    if value in (origin, "*"):
        return []
    if spell(value) == origin:
        what = "trailing slash" if value.rstrip("/") == origin else "spelling"
        return [f"{what}: the response has {value}, which browsers compare with {origin}"]
    simple = attrs.evolve(call, method=b"GET", headers=(), credentials=False)
    try:
        return near_misses(compile_policy(Cors(allow_origins=(value,))), simple)
    except (BadValue, PolicyError):
        return []


def _before(steps: tuple[Step, ...], request: int) -> list[Step]:
    """Return the steps before a request. Requests are counted from 1."""
    found: list[Step] = []
    for step in steps:
        request -= step.rule == _REQUEST
        if request == 0:
            break
        found.append(step)
    return found


def _step(
    rule: str, title: str, seen: str, outcome: Outcome, why: str, cause: Cause | None = None
) -> Step:
    return Step(rule=rule, title=title, seen=seen, outcome=outcome, why=why, cause=cause)
