"""Read recorded calls from a HAR file of a browser's devtools, or from a gate's access log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from corsgate.config.model.cors import PREFLIGHT_STATUSES
from corsgate.config.sections.routes import parse_place
from corsgate.errors import BadValue
from corsgate.explain.browser import READABLE, fetch
from corsgate.explain.call import Call
from corsgate.explain.trace import Answer, tokens, values
from corsgate.explain.url import Url
from corsgate.message.headers import Header

CUT = "\u2026"
"""The end of a truncated value in a gate's access log.

A client's value can't end in it: fields are read as ISO 8859-1, which lacks this character.
"""

# A value that always needs a preflight (#cors-safelisted-request-header).
_UNSAFE = b"()"

_BROWSERS_OWN = frozenset(
    b"accept accept-language authority cache-control if-modified-since if-none-match path pragma"
    b" priority purpose scheme method upgrade-insecure-requests user-agent x-client-data".split()
)
"""Request headers that browsers and devtools add themselves, besides the forbidden ones."""

_WHOLE = ("origin", "host", "method", "route", "asked_method", "asked_headers")
"""The values of a line of the access log that must not be truncated."""


@attrs.frozen(kw_only=True)
class Recorded:
    """One cross-origin call, as the record shows it.

    Attributes:
        call: The call; for a preflight, the call that it asks for.
        exposed: The response headers that the script may read, besides the safelisted ones.
        place: Host and prefix of the gate's route, or None.
        server: The origin of the server that got the call; empty if unknown.
        was_refused: Whether the call was refused, and so does not show that it should be allowed.
        has_cut_path: Whether the log has only the start of the call's path.
        is_preflight: Whether only a preflight for the call was recorded.
    """

    call: Call
    exposed: tuple[str, ...] = ()
    place: tuple[str | None, str] | None = None
    server: str = ""
    was_refused: bool = False
    has_cut_path: bool = False
    is_preflight: bool = False


def read_record(text: str) -> list[Recorded]:
    """Return the cross-origin calls of a record.

    Args:
        text: A HAR file, or lines of a gate's JSON access log, possibly among other log lines.

    Returns:
        The calls in order, except those of the gate's own pages and of the origin ``null``.

    Raises:
        BadValue: The text is neither.
    """
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    match whole:
        case {"log": {"entries": list(entries)}}:
            found = [_of_entry(entry) for entry in entries if isinstance(entry, dict)]
            return [each for each in found if each is not None]
    lines = [event for line in text.splitlines() if (event := _event(line)) is not None]
    if not lines:
        raise BadValue(
            "it is neither a HAR file nor a JSON access log",
            'save the devtools\' network panel as HAR, or use a log with log_format = "json"',
        )
    return [each for event in lines if (each := _of_line(event)) is not None]


def _of_entry(entry: Mapping[str, Any]) -> Recorded | None:
    """Return the call of a HAR entry (HAR 1.2 ``entries``), or None if it is not a CORS call."""
    request, response = _table(entry, "request"), _table(entry, "response")
    sent, came = tuple(_fields(request)), tuple(_fields(response))
    try:
        url = Url.parse(str(request.get("url", "")))
    except BadValue:
        return None
    origins = values(sent, b"origin")
    if len(origins) != 1 or not _counts(origins[0], url.origin):
        return None
    asked = values(sent, b"access-control-request-method")
    method = _bytes(request.get("method", "GET"))
    is_preflight = method == b"OPTIONS" and bool(asked)
    if is_preflight:
        names = tokens(values(sent, b"access-control-request-headers")) or ()
        call = _asked(origins[0], url, asked[0], names)
    else:
        call = Call(
            origin=origins[0],
            method=method,
            url=url,
            headers=tuple(field for field in sent if field[0].lower() not in _BROWSERS_OWN),
            credentials=bool(request.get("cookies") or values(sent, b"cookie")),
        )
    answer = Answer(status=_status(response), headers=came)
    return Recorded(
        call=call,
        exposed=_exposed(came),
        server=url.origin.decode("ascii"),
        was_refused=not (_passes(call, answer) if is_preflight else _shares(call, came)),
        is_preflight=is_preflight,
    )


def _passes(call: Call, answer: Answer) -> bool:
    """Return whether a preflight response lets the browser proceed (``#cors-preflight-fetch``)."""
    return (
        200 <= answer.status < 300
        and _shares(call, answer.headers)
        and fetch(call, lambda _: answer).allowed
    )


def _shares(call: Call, headers: Sequence[Header]) -> bool:
    """Return whether the calling page may read a response (``#cors-check``)."""
    allowed = values(headers, b"access-control-allow-origin")
    if not call.credentials:
        return allowed in ([call.origin], [b"*"])
    with_credentials = values(headers, b"access-control-allow-credentials")
    return allowed == [call.origin] and with_credentials == [b"true"]


def _status(response: Mapping[str, Any]) -> int:
    found = response.get("status")
    return found if isinstance(found, int) else 0


def _asked(origin: bytes, url: Url, method: bytes, names: Iterable[bytes]) -> Call:
    """Return the call that a preflight asks for."""
    headers = tuple((name, _UNSAFE) for name in names)
    return Call(origin=origin, method=method, url=url, headers=headers)


def _counts(origin: bytes, own: bytes) -> bool:
    """Return whether an origin counts: it must not be null, empty or the server's own."""
    return origin not in (b"null", b"", own)


def _fields(message: Mapping[str, Any]) -> Iterator[Header]:
    fields = message.get("headers")
    for field in fields if isinstance(fields, list) else ():
        if isinstance(field, dict):
            # For HTTP/2, browsers also record the pseudo-header fields.
            name = str(field.get("name", "")).lstrip(":")
            yield _bytes(name), _bytes(field.get("value", ""))


def _table(entry: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = entry.get(key)
    return found if isinstance(found, dict) else {}


def _bytes(value: object) -> bytes:
    """Return a JSON value as bytes, with unpaired surrogates replaced."""
    return str(value).encode("utf-8", "replace")


def _exposed(came: Iterable[Header]) -> tuple[str, ...]:
    """Return the headers of a response that its script may read."""
    fields = tuple(came)
    names = {name.lower() for name, _ in fields} - READABLE
    listed = tokens(values(fields, b"access-control-expose-headers")) or ()
    return tuple(dict.fromkeys(name.decode("latin-1") for name in listed if name.lower() in names))


def _event(line: str) -> dict[str, Any] | None:
    """Return the access log entry at the end of a line, or None."""
    _, brace, rest = line.partition("{")
    try:
        event = json.loads(brace + rest)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and "target" in event and "method" in event else None


def _is_cut(value: object) -> bool:
    return isinstance(value, str) and value.endswith(CUT)


def _of_line(event: Mapping[str, Any]) -> Recorded | None:
    """Return the call of an access log entry, or None if it is not a cross-origin call.

    An entry with a truncated value is ignored, because the client sent another value. Only the
    target may be truncated, because the route is enough.
    """
    if any(_is_cut(event.get(name)) for name in _WHOLE):
        return None
    origin = _bytes(event.get("origin") or "")
    route, host = event.get("route"), event.get("host")
    if not origin or not isinstance(route, str) or not isinstance(host, str):
        return None
    target = str(event["target"])
    try:
        url = Url.parse(f"http://{host}{target.removesuffix(CUT)}")
        place = parse_place(route)
    except BadValue:
        return None
    # The log does not have the scheme of the request.
    if not _counts(origin, url.origin) or origin == url.origin.replace(b"http:", b"https:", 1):
        return None
    asked = event.get("asked_method")
    server = str(event.get("server") or "")
    if event["method"] == "OPTIONS":
        # Without asked_method this is not a preflight. A script's own OPTIONS is covered by the
        # preflight that asks for it.
        if not isinstance(asked, str):
            return None
        # With debug, a refused preflight also passes, so that the browser reports the reason.
        passed = event.get("status") in PREFLIGHT_STATUSES
        granted = passed and not server and "outcome" not in event
        names = tokens([_bytes(event.get("asked_headers") or "")]) or ()
        call = _asked(origin, url, _bytes(asked), names)
    else:
        # Without a server, the gate itself responded with an error such as 403 or 405.
        granted = bool(server) and "ungranted" not in event
        call = Call(origin=origin, method=_bytes(event["method"]), url=url)
    return Recorded(
        call=call,
        place=place,
        server=server,
        was_refused=not granted,
        has_cut_path=target.endswith(CUT) and "?" not in target,
        is_preflight=event["method"] == "OPTIONS",
    )
