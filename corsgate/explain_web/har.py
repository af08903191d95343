"""Reads the calls of a HAR file, with the recorded responses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

import attrs

from corsgate.errors import BadValue
from corsgate.explain.trace import Answer, Request, tokens, values
from corsgate.explain.url import Url
from corsgate.explain_web.curl import origin_of
from corsgate.explain_web.pasted import (
    MAX_FIELDS,
    MAX_VALUE_LENGTH,
    Details,
    Lookup,
    Pasted,
    is_preflight,
    of_script,
)
from corsgate.message.headers import Header

MAX_ENTRIES = 10_000
"""The maximum number of requests in a file."""

MAX_CALLS = 200
"""The maximum number of cross-origin calls that are read from a file."""

_HOW = "save the network panel of the developer tools as HAR"
_NO_PREFLIGHT = (
    "The HAR file has no preflight for this call. The browser had its response in a cache, or does"
    " not record preflights."
)
_NO_RESPONSE = (
    "The browser recorded no response to this call{}. Also paste the message of its console, which"
    " has the reason."
)


# A value that always needs a preflight (#cors-safelisted-request-header).
_UNSAFE = b"()"


@attrs.frozen(kw_only=True)
class _Entry:
    """One request, and its response if it is recorded."""

    url: Url
    method: str
    fields: tuple[Header, ...]
    origin: str
    has_cookies: bool
    answer: Answer | None
    error: str

    @property
    def asked(self) -> str | None:
        """The method that a preflight asks for; None for other requests."""
        found = values(self.fields, b"access-control-request-method")
        return found[0].decode("latin-1") if found and self.method == "OPTIONS" else None


def read_har(text: str) -> list[Pasted]:
    """Return the cross-origin calls of a HAR file, in order, at most `MAX_CALLS`.

    Args:
        text: The file (HAR 1.2).

    Raises:
        BadValue: It is not a HAR file, or has no cross-origin call. The message contains nothing
            of the file.
    """
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        raise BadValue("this is not a HAR file: it is not valid JSON", _HOW) from None
    match whole:
        case {"log": {"entries": list(entries)}}:
            pass
        case _:
            raise BadValue("this JSON is not a HAR file: it has no log.entries", _HOW)
    if len(entries) > MAX_ENTRIES:
        raise BadValue(
            f"the HAR file has more than {MAX_ENTRIES:,} requests",
            "filter the network panel to the blocked call, then save again",
        )
    found = [entry for raw in entries if (entry := _entry(raw)) is not None]
    calls = list(islice(_calls(found), MAX_CALLS))
    if not calls:
        raise BadValue(
            "the HAR file has no call from a page to another origin",
            "reload the page with the developer tools open, then save again",
        )
    return calls


def _entry(raw: object) -> _Entry | None:
    """Return an entry, or None if it is not a cross-origin call by a script."""
    request, response = _table(raw, "request"), _table(raw, "response")
    try:
        url = Url.parse(_text(request, "url"))
    except BadValue:
        return None
    fields = tuple(_fields(request))
    origin = origin_of(fields)
    if origin is None or origin == url.origin.decode("ascii") or _is_navigation(fields, raw):
        return None
    status = response.get("status")
    # Chromium records 0 for a blocked call.
    answer = None
    if isinstance(status, int) and 100 <= status <= 999:
        answer = Answer(status=status, headers=tuple(_fields(response)))
    error = _text(response, "_error")
    return _Entry(
        url=url,
        method=_text(request, "method") or "GET",
        fields=fields,
        origin=origin,
        has_cookies=bool(request.get("cookies") or values(fields, b"cookie")),
        answer=answer,
        error=error if error.startswith("net::") and error.isascii() else "",
    )


def _is_navigation(fields: Iterable[Header], raw: object) -> bool:
    """Return whether a request is for a page, image or script, for which CORS does not apply."""
    modes = values(tuple(fields), b"sec-fetch-mode")
    if modes:
        return modes[0] != b"cors"
    kind = raw.get("_resourceType") if isinstance(raw, dict) else None
    if kind is not None:
        return kind not in ("fetch", "xhr", "preflight", "eventsource", "font", "other")
    # Without either, only Origin shows that a script made the request.
    return not values(tuple(fields), b"origin")


def _calls(entries: list[_Entry]) -> Iterator[Pasted]:
    """Return each call once. A preflight is part of the call that it asks for."""
    lookup = _lookup(entries)
    made = {(str(entry.url), entry.method) for entry in entries if entry.asked is None}
    # The target of a redirect is a step of the redirected call.
    targets = {
        str(location)
        for entry in entries
        if entry.answer is not None and 300 <= entry.answer.status < 400
        for location in _locations(entry)
    }
    preflights = {(str(each.url), each.asked): each for each in entries if each.asked is not None}
    seen: set[tuple[str, str, str]] = set()
    for entry in entries:
        method = entry.asked or entry.method
        key = (str(entry.url), method, entry.origin)
        if key in seen or str(entry.url) in targets:
            continue
        if entry.asked is not None and (str(entry.url), method) in made:
            continue
        seen.add(key)
        yield _pasted(entry, method, lookup, preflights.get((str(entry.url), method)))


def _locations(entry: _Entry) -> Iterator[Url]:
    assert entry.answer is not None
    for value in values(entry.answer.headers, b"location"):
        with suppress(BadValue):
            yield entry.url.join(value.decode("latin-1"))


def _pasted(entry: _Entry, method: str, lookup: Lookup, preflight: _Entry | None) -> Pasted:
    headers = () if entry.asked is not None else of_script(entry.fields)
    notes: list[str] = []
    if preflight is not None:
        # Developer tools omit Authorization, unless the user saves sensitive data.
        known = {name.lower() for name, _ in headers}
        names = tokens(values(preflight.fields, b"access-control-request-headers")) or ()
        headers += tuple((name, _UNSAFE) for name in names if name.lower() not in known)
    if entry.asked is None and entry.answer is None:
        notes.append(_NO_RESPONSE.format(f" ({entry.error})" if entry.error else ""))
    return Pasted(
        kind="har",
        details=Details(
            origin=entry.origin,
            method=method,
            url=entry.url,
            headers=headers,
            credentials=entry.has_cookies,
        ),
        lookup=lookup,
        notes=tuple(notes),
        failure=entry.error,
    )


def _lookup(entries: Iterable[_Entry]) -> Lookup:
    """Return the recorded responses by URL. For several with one URL, the last counts."""
    answers: dict[tuple[bool, str], Answer] = {}
    for entry in entries:
        if entry.answer is not None:
            answers[entry.asked is not None, str(entry.url)] = entry.answer

    def found(request: Request) -> Answer | None:
        asks = is_preflight(request)
        answer = answers.get((asks, str(request.url)))
        if answer is None and asks and (False, str(request.url)) in answers:
            # The browser sent the request itself, so its preflight passed.
            return granting(request, by=_NO_PREFLIGHT)
        return answer

    return found


def granting(request: Request, by: str = "") -> Answer:
    """Return a response that allows a request, in place of an unknown one.

    Args:
        request: The request.
        by: Why the response is unknown.
    """
    sent = {name.lower(): value for name, value in request.headers}
    headers = [
        (b"Access-Control-Allow-Origin", sent.get(b"origin", b"*")),
        (b"Access-Control-Allow-Credentials", b"true"),
        (b"Access-Control-Allow-Methods", sent.get(b"access-control-request-method", b"")),
        (b"Access-Control-Allow-Headers", sent.get(b"access-control-request-headers", b"")),
    ]
    return Answer(status=204, headers=tuple(headers), by=by)


def _table(raw: object, key: str) -> Mapping[str, Any]:
    found = raw.get(key) if isinstance(raw, dict) else None
    return found if isinstance(found, dict) else {}


def _fields(message: Mapping[str, Any]) -> Iterator[Header]:
    fields = message.get("headers")
    for field in fields[:MAX_FIELDS] if isinstance(fields, list) else ():
        if isinstance(field, dict):
            # For HTTP/2, browsers also record the pseudo-header fields.
            yield _bytes(_text(field, "name").lstrip(":")), _bytes(_text(field, "value"))


def _text(table: Mapping[str, Any], key: str) -> str:
    """Return the text of a member, cut at `MAX_VALUE_LENGTH`; empty if it is not text."""
    found = table.get(key)
    return found[:MAX_VALUE_LENGTH] if isinstance(found, str) else ""


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "replace")
