"""Finds out who refused a call that was sent: the gate, or the server behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape

import attrs

from corsgate.explain.gate_policy import reason_of
from corsgate.explain.trace import Answer, Request, Trace, text, values

GATE = "gate"
SERVER = "server"

_SAFE = (b"GET", b"HEAD")
_KEYS = frozenset(("type", "title", "status", "detail", "request_id"))
_PROBLEM, _HTML, _PLAIN = b"application/problem+json", b"text/html", b"text/plain"
_HTML_PAGE = re.compile(r"<p>(.*)</p>\n<p><small>Request (\S+)</small></p>\n</html>\n\Z")
_PLAIN_PAGE = re.compile(r"\A[0-9]{3} .*\n(.*)\nRequest (\S+)\n\Z")


_POLICY = "This is a corsgate. Its policy decides about the call, so a second gate would not help."


@attrs.frozen(kw_only=True)
class RefusedBy:
    """Who refused a call.

    Attributes:
        who: `GATE` or `SERVER`; empty if the call was not refused, or if it is unknown.
        words: Notes about it, each one or more sentences.
        page: The sentence of a gate's error page; empty without one.
        by_origin: Whether the server itself refuses the page's origin, even if a gate allows it.
    """

    who: str = ""
    words: tuple[str, ...] = ()
    page: str = ""
    by_origin: bool = False


def refused_by(trace: Trace, again: Callable[[Request], Answer | None]) -> RefusedBy:
    """Return who refused a call.

    Both kinds of refusal have the gate's CORS headers, so these don't help. But the error pages of
    a gate can be recognized. If a server refuses, a safe request is sent once more without Origin:
    many servers refuse foreign origins by a check of their own.

    Args:
        trace: The sent call.
        again: Sends a request; returns None if there is no response.
    """
    if not trace.exchanges:
        return RefusedBy()
    request, answer = trace.exchanges[-1]
    if answer.status < 400:
        # With debug, a gate sends a preflight response that the browser refuses, with the reason.
        reason = "" if trace.allowed else reason_of([answer])
        if reason or (not trace.allowed and _is_of_gate(request, again)):
            return RefusedBy(who=GATE, words=(_POLICY,))
        return RefusedBy()
    page = _page(answer)
    if page is not None:
        return RefusedBy(who=GATE, words=tuple(_of_gate(answer, *page)), page=page[0])
    if answer.status >= 500 or is_preflight(request):
        return RefusedBy()
    found = _of_credentials(answer)
    return found or _of_server(request, answer.status, again, was_let_through=trace.allowed)


def _is_of_gate(request: Request, again: Callable[[Request], Answer | None]) -> bool:
    """Return whether a gate serves a URL. This sends a preflight from an origin no gate allows."""
    headers = (
        (b"Access-Control-Request-Method", b"GET"),
        (b"Origin", b"https://corsgate.invalid"),
        (b"Sec-Fetch-Mode", b"cors"),
    )
    asked = Request(method=b"OPTIONS", url=request.url, headers=headers, credentials=False)
    answer = again(asked)
    return answer is not None and answer.status == 403 and _page(answer) is not None


def is_preflight(request: Request) -> bool:
    """Return whether a request is a preflight, to which the gate itself responds."""
    return any(name.lower() == b"access-control-request-method" for name, _ in request.headers)


def _page(answer: Answer) -> tuple[str, str] | None:
    """Return the sentence and the request id of a gate's error page; None for other responses.

    Both are empty if the response has no body.
    """
    media = b"".join(values(answer.headers, b"content-type")).partition(b";")[0]
    if (
        media not in (_PROBLEM, _HTML, _PLAIN)
        or values(answer.headers, b"cache-control") != [b"no-store"]
        or values(answer.headers, b"x-content-type-options") != [b"nosniff"]
    ):
        return None
    if not answer.body:
        return "", ""
    body = answer.body.decode("utf-8", "replace")
    if media != _PROBLEM:
        found = (_HTML_PAGE.search if media == _HTML else _PLAIN_PAGE.search)(body)
        return None if found is None else (unescape(found[1]), found[2])
    try:
        problem = json.loads(body)
    except ValueError:
        return None
    if not isinstance(problem, dict) or problem.keys() != _KEYS:
        return None
    return str(problem["detail"]), str(problem["request_id"])


def _of_gate(answer: Answer, detail: str, request_id: str) -> list[str]:
    said = f": {text(detail.encode('utf-8'))}" if detail else "."
    words = [f"This is a corsgate. The gate itself responded with {answer.status}{said}"]
    if request_id and not reason_of([answer]):
        shown = text(request_id.encode("utf-8"))
        words.append(f"Its access log has the reason, in the line of request {shown}.")
    return words


def _of_credentials(answer: Answer) -> RefusedBy | None:
    """Find out whether a server refused the credentials of a gate; None if that is unlikely.

    Every 401 has a challenge (RFC 9110 15.5.2), but a gate with credentials removes it. Clients
    that may know the reason receive it in a field.
    """
    if answer.status not in (401, 403):
        return None
    reasons = values(answer.headers, b"corsgate-reason")
    if reasons:
        return RefusedBy(who=SERVER, words=(f"The gate's reason: {text(reasons[0])}.",))
    ids = values(answer.headers, b"x-request-id")
    if answer.status == 403 or not ids or values(answer.headers, b"www-authenticate"):
        return None
    words = (
        "The 401 has no challenge. A gate that adds credentials removes it. In that case, the"
        " server refused the gate's own credentials, not the page's.",
        "See the gate's log for what the server asks for, or add --config with the gate's file, so"
        f" that this command finds out. The request's id in the access log is {text(ids[0])}.",
    )
    return RefusedBy(who=SERVER, words=words)


def _of_server(
    request: Request,
    status: int,
    again: Callable[[Request], Answer | None],
    *,
    was_let_through: bool,
) -> RefusedBy:
    """Find out whether a server itself refuses the page's origin.

    The usual status is 403. Some servers use 404, to hide what exists. Other statuses than 403
    count only if the same request succeeds without Origin.
    """
    who = (
        f"CORS lets the page read this {status}, so the server itself refused the call, not a gate."
        if was_let_through
        else f"The server itself responded with {status}."
    )
    fix = (
        'If there is a gate in front, origin = "server" on the upstream sends the server\'s own'
        ' origin instead. For servers that read X-Forwarded-Host (Rails, Django), origin = "gate"'
        " sends the gate's."
    )
    is_safe = request.method in _SAFE
    without = _without_origin(request)
    answer = again(without) if is_safe and without != request else None
    if answer is not None and answer.status < 400:
        why = (
            f"Without Origin, the same request gets {answer.status}: the server refuses foreign"
            f" origins by a check of its own. {fix}"
        )
        return RefusedBy(who=SERVER, words=(who, why), by_origin=True)
    if status != 403:
        return RefusedBy()
    if not is_safe:
        why = (
            "Many servers refuse foreign origins by a check of their own. This server was not"
            f" tested for it, since {text(request.method)} may change data. {fix}"
        )
        return RefusedBy(who=SERVER, words=(who, why))
    if answer is None:
        return RefusedBy(who=SERVER, words=(who,))
    why = f"Without Origin, it gets {answer.status}, so the page's origin is not the only cause."
    return RefusedBy(who=SERVER, words=(who, why))


def _without_origin(request: Request) -> Request:
    """Return a request as a program other than a browser would send it."""
    headers = tuple(
        (name, value)
        for name, value in request.headers
        if name.lower() != b"origin" and not name.lower().startswith(b"sec-fetch-")
    )
    return attrs.evolve(request, headers=headers)
