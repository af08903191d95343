"""The short page that the gate sends for an error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from http import HTTPStatus
from math import ceil

import attrs

from corsgate.config.model.balancing import Fallback
from corsgate.errors import (
    AddressRefused,
    BodyNotCovered,
    BodyTimedOut,
    BodyTooLarge,
    ChallengedMidUpload,
    ConnectFailed,
    ConnectTimedOut,
    CredentialsRejected,
    HandshakeFailed,
    LoginFailed,
    NoServer,
    SentToLogin,
    TargetError,
    UnsignableBody,
    UpstreamBusy,
    UpstreamError,
    UpstreamTimedOut,
    WeakChallenge,
)
from corsgate.gate.guide import SECURITY, Guide
from corsgate.message.head import ResponseHead
from corsgate.message.headers import Header, short_list

RETRY_AFTER_S = 5
"""When a client may try again after the upstream was busy, in seconds: a burst is over by then."""

JSON = b"application/problem+json"
HTML = b"text/html"
TEXT = b"text/plain"

_TYPES: dict[bytes, bytes] = {
    b"application/problem+json": JSON,
    b"application/json": JSON,
    b"application/*": JSON,
    b"*/*": JSON,
    b"text/html": HTML,
    b"application/xhtml+xml": HTML,
    b"text/plain": TEXT,
    b"text/*": TEXT,
}

_MOST_PARAMETERS = 8

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{status} {title}</title>
<h1>{status} {title}</h1>
<p>{detail}</p>
<p><small>Request {request_id}</small></p>
</html>
"""


@attrs.frozen(kw_only=True)
class Problem:
    """An error response that the gate itself makes.

    Attributes:
        status: 400 to 599.
        detail: One sentence for the client, without an address, an upstream's name or a secret.
        headers: Further fields of the response, such as Allow.
        guide: Hints for a developer; None for everybody else.
    """

    status: int
    detail: str
    headers: tuple[Header, ...] = ()
    guide: Guide | None = None


def render_fallback(fallback: Fallback) -> tuple[ResponseHead, bytes]:
    """Return the head and body that an upstream's ``on_down`` defines."""
    headers = [
        (b"Content-Type", fallback.content_type.encode("ascii")),
        (b"Cache-Control", b"no-store"),
        (b"X-Content-Type-Options", b"nosniff"),
    ]
    if fallback.status == 503:
        headers.append((b"Retry-After", b"%d" % RETRY_AFTER_S))
    reason = title_of(fallback.status).encode("ascii")
    head = ResponseHead(status=fallback.status, reason=reason, headers=headers)
    return head, fallback.body.encode("utf-8")


FAILED = Problem(status=500, detail="The gate failed; its log has the details.")
_SOON = ((b"Retry-After", b"%d" % RETRY_AFTER_S),)

TOO_LARGE = Problem(status=413, detail="The request's body is larger than this route accepts.")

_NOT_LOGGED_IN = Problem(
    status=502, detail="The gate could not log in to the upstream; its log has the reason."
)


_PROBLEMS: Sequence[tuple[type[BaseException], Problem]] = (
    (BodyTooLarge, TOO_LARGE),
    (BodyTimedOut, Problem(status=408, detail="The request's body did not arrive in time.")),
    (
        # The gate now has the server's challenge, so that it signs the next request from the start.
        ChallengedMidUpload,
        Problem(
            status=502,
            detail="The upstream asked for credentials only after it read the body, which can't be"
            " sent twice. The next request will usually be signed: send it again.",
        ),
    ),
    (
        BodyNotCovered,
        Problem(
            status=502,
            detail="The upstream requires a signed body, but the body is too large to sign.",
        ),
    ),
    (TargetError, Problem(status=400, detail="The request's body is not well-formed.")),
    (ConnectTimedOut, Problem(status=504, detail="The upstream did not respond in time.")),
    (UpstreamTimedOut, Problem(status=504, detail="The upstream did not respond in time.")),
    (
        UpstreamBusy,
        Problem(status=503, detail="The upstream is busy; try again in a moment.", headers=_SOON),
    ),
    (
        NoServer,
        Problem(
            status=503,
            detail="No server of the upstream is up; try again in a moment.",
            headers=_SOON,
        ),
    ),
    (
        SentToLogin,
        Problem(
            status=502,
            detail="The upstream redirects to its login page, although the gate has logged in. The"
            " gate's password may be wrong, or its user may lack the right to this resource.",
        ),
    ),
    (LoginFailed, _NOT_LOGGED_IN),
    (WeakChallenge, _NOT_LOGGED_IN),
    (HandshakeFailed, _NOT_LOGGED_IN),
    (ConnectFailed, Problem(status=502, detail="No server of the upstream could be reached.")),
    (UpstreamError, Problem(status=502, detail="The upstream sent no usable response.")),
)
"""The error response for each kind of failure; the first match counts."""


def problem_of(error: BaseException | None) -> Problem:
    """Return the error response for a failure on the way to or from an upstream.

    Args:
        error: The exception; None if it is unknown.

    Returns:
        For the client's body 413, 408 or 400. For the upstream 503 if it accepts no more requests
        now, 504 if time ran out, else 502 (RFC 9110 15.6). For a failure of the gate 500.
    """
    match error:
        case AddressRefused():
            return Problem(status=error.status, detail=error.detail)
        case CredentialsRejected():
            wait_s = ceil(error.retry_s)
            return Problem(
                status=502,
                detail="The upstream rejects the gate's credentials. To keep the account from being"
                f" locked, the gate tries them again in {wait_s} s at the earliest; its operator"
                " has to correct them.",
                headers=((b"Retry-After", b"%d" % wait_s),),
            )
        case UnsignableBody():
            return Problem(status=413, detail=str(error))
    problem = next((problem for kind, problem in _PROBLEMS if isinstance(error, kind)), FAILED)
    if isinstance(error, LoginFailed) and error.retry_s:
        wait = (b"Retry-After", b"%d" % ceil(error.retry_s))
        problem = attrs.evolve(problem, headers=(*problem.headers, wait))
    return problem


def title_of(status: int) -> str:
    """Return the registered phrase of a status (RFC 9110 15)."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def render(
    problem: Problem, accept: Sequence[bytes], request_id: str, more: Iterable[Header] = ()
) -> tuple[ResponseHead, bytes]:
    """Return an error's head and body.

    Args:
        problem: What went wrong.
        accept: The values of the request's Accept fields.
        request_id: The request's id, which is also in the access log.
        more: Further fields, such as the route's CORS headers.

    Returns:
        A head without framing fields, and the body: problem details (RFC 9457) unless the
        client prefers HTML or plain text.
    """
    title = title_of(problem.status)
    kind = choose_type(accept)
    guide = problem.guide
    if kind == JSON:
        text = (
            json.dumps(
                {
                    "type": "about:blank",
                    "title": title,
                    "status": problem.status,
                    "detail": problem.detail,
                    "request_id": request_id,
                    **({} if guide is None else guide.members),
                }
            )
            + "\n"
        )
        content_type = JSON
    elif kind == HTML and guide is not None:
        text = guide.html(problem.status, title, problem.detail, request_id)
        more = [(b"Content-Security-Policy", SECURITY), *more]
        content_type = HTML + b"; charset=utf-8"
    elif kind == HTML:
        text = _PAGE.format(
            status=problem.status,
            title=escape(title),
            detail=escape(problem.detail),
            request_id=escape(request_id),
        )
        content_type = HTML + b"; charset=utf-8"
    else:
        said = "" if guide is None else guide.text
        text = f"{problem.status} {title}\n{problem.detail}\n{said}Request {request_id}\n"
        content_type = TEXT + b"; charset=utf-8"
    headers = [
        (b"Content-Type", content_type),
        (b"Cache-Control", b"no-store"),
        (b"X-Content-Type-Options", b"nosniff"),
        *problem.headers,
        *more,
    ]
    reason = title.encode("ascii")
    head = ResponseHead(status=problem.status, reason=reason, headers=headers)
    return head, text.encode("utf-8")


def choose_type(accept: Sequence[bytes]) -> bytes:
    """Return which of `JSON`, `HTML` and `TEXT` a client prefers (RFC 9110 12.5.1).

    Args:
        accept: The values of its Accept fields.

    Returns:
        The type with the highest weight, the first among equals. `JSON` if none of the three is
        named, because the reader is more likely a program. `JSON` also if Accept is longer than any
        real one.
    """
    best, best_weight = JSON, 0.0
    for member in short_list(accept) or ():
        # Anything after the first few parameters is irrelevant here.
        media, *parameters = (part.strip() for part in member.lower().split(b";", _MOST_PARAMETERS))
        kind = _TYPES.get(media)
        weight = _weight(parameters)
        if kind is not None and weight > best_weight:
            best, best_weight = kind, weight
    return best


def _weight(parameters: Iterable[bytes]) -> float:
    for parameter in parameters:
        if parameter.startswith(b"q="):
            try:
                return min(max(float(parameter[2:]), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
