"""Reads the messages that browsers print on the console when a call fails."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import attrs

from corsgate.errors import BadValue
from corsgate.explain import console_chromium as chromium
from corsgate.explain import console_firefox as firefox
from corsgate.explain import console_safari as safari
from corsgate.explain.block_causes import NOT_CORS, Cause
from corsgate.explain.browser import unlike
from corsgate.explain.console_form import ANY, CHROMIUM, FIREFOX, SAFARI, Form, form
from corsgate.explain.url import Url

MAX_READ = 50_000
"""How many characters are read. It is longer than any message, and quick to read."""

_MAX_WHY = 2_000
"""How many characters of a reason are read. Real ones are shorter; any text may follow."""

_METHODS = "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"
_STATUSES: tuple[Form, ...] = (
    form(
        ANY,
        r"(?:(?P<url>https?://\S{1,2000}?):? (?:- )?)?(?:Failed to load resource: )?"
        r"(?P<why>the server responded with a status of (?P<status>[45][0-9]{2}))",
        Cause.STATUS,
    ),
    form(
        CHROMIUM,
        rf"(?P<method>{_METHODS}) (?P<url>https?://\S{{1,2000}}) (?P<why>(?P<status>[45][0-9]{{2}})"
        r" \([^)]{1,60}\))",
        Cause.STATUS,
    ),
    form(
        FIREFOX,
        rf"(?P<method>{_METHODS}) (?P<url>https?://\S{{1,2000}}) (?P<why>\[HTTP/[0-9.]{{1,3}}"
        r" (?P<status>[45][0-9]{2}))",
        Cause.STATUS,
    ),
)
_UNSPECIFIC: tuple[Form, ...] = (
    form(CHROMIUM, r"WebSocket connection to '(?P<url>\S+?)' (?P<why>failed)", Cause.SOCKET_FAILED),
    form(
        ANY,
        r"(?P<why>EventSource's response has a MIME type \(.{1,80}?\) that is not)",
        Cause.STREAM_TYPE,
    ),
    form(SAFARI, r"(?P<why>due to access control checks)", Cause.UNSPECIFIC),
    form(CHROMIUM, r"(?P<why>Failed to fetch)", Cause.UNSPECIFIC),
    form(FIREFOX, r"(?P<why>NetworkError when attempting to fetch resource)", Cause.UNSPECIFIC),
    form(SAFARI, r"(?P<why>TypeError: Load failed)", Cause.UNSPECIFIC),
    # Axios and Angular's HttpClient.
    form(
        ANY, r"(?P<why>Http failure response for (?P<url>\S+): 0 Unknown Error)", Cause.UNSPECIFIC
    ),
    form(ANY, r"(?P<why>(?:Axios)?Error:? (?:AxiosError: )?Network ?Error)", Cause.UNSPECIFIC),
)
_BESIDE = re.compile(r"net::ERR_FAILED (?P<status>[0-9]{3})\b")
"""Chromium's message with the status of a blocked response."""


@attrs.frozen(kw_only=True)
class Message:
    """The content of a console message.

    Attributes:
        browser: ``chromium``, ``firefox`` or ``safari``; empty if several print this message.
        cause: Why the call was blocked; None for an unknown reason.
        why: The reason in the browser's own words.
        url: The called URL, if known; that of a WebSocket has http instead of ws.
        redirected: The blocked URL that a redirect led to, or None.
        origin: The page's origin, which Firefox does not report.
        method: The method, if the message has it.
        header: The request header, if the message has one.
        status: The response's status, if the message has it.
        preflight: Whether the preflight failed.
        credentials: Whether the message implies that the call had credentials.
    """

    browser: str
    cause: Cause | None
    why: str
    url: Url | None = None
    redirected: Url | None = None
    origin: str | None = None
    method: str | None = None
    header: str | None = None
    status: int | None = None
    preflight: bool = False
    credentials: bool = False

    @property
    def is_about_cors(self) -> bool:
        """Whether CORS headers, or their lack, can be the reason."""
        return self.cause not in NOT_CORS


def read_message(said: str) -> Message:
    """Read a message from a browser's console.

    Args:
        said: The copied text. It may also contain file names, line numbers, line ends and other
            messages. Of several messages, the one with the most precise reason counts.

    Raises:
        BadValue: The text contains no message of Chromium, Firefox or Safari about a failed call.
    """
    words = " ".join(said[: 4 * MAX_READ].split())[:MAX_READ]
    flat = "".join(c if c.isprintable() else "\ufffd" for c in words)
    found = next(_messages(flat), None)
    if found is None:
        raise BadValue(
            "this is not a message of Chromium, Firefox or Safari about a failed call",
            'copy the whole message, starting with "Access to ...", "Cross-Origin Request Blocked"'
            ' or "Origin ... is not allowed"',
        )
    beside = _BESIDE.search(flat)
    if found.status is None and beside is not None:
        return attrs.evolve(found, status=int(beside["status"]))
    return found


def _messages(flat: str) -> Iterator[Message]:
    """Return the messages in a text, those with the most precise reasons first."""
    if parts := _match(chromium.ENVELOPE, flat):
        yield _message(CHROMIUM, parts, chromium.REASONS)
    yield from _read_all(firefox.LOCAL_NETWORK, flat)
    if parts := _match(firefox.ENVELOPE, flat):
        yield _message(FIREFOX, parts, firefox.REASONS)
    if "Access-Control-Allow-" in flat or "address space" in flat:
        # Only the end of a message was copied.
        for each in (*chromium.REASONS, *firefox.REASONS):
            if each.pattern.search(flat):
                yield _message(each.browser, {"why": flat}, (each,))
    called = safari.CALLED.search(flat)
    for message in _read_all((*safari.REASONS, *safari.OTHERS), flat):
        url = message.url or (None if called is None else _url(called["url"]))
        yield attrs.evolve(message, url=url)
    yield from _read_all((*chromium.OTHERS, *firefox.OTHERS), flat)
    if parts := _match(chromium.NET_ERROR, flat):
        yield _message(CHROMIUM, parts, chromium.NET_REASONS)
    yield from _read_all((*_STATUSES, chromium.MIXED_WARNING), flat)
    for message in _read_all(_UNSPECIFIC, flat):
        yield attrs.evolve(message, url=message.url or (called and _url(called["url"])))


def _read_all(forms: Sequence[Form], flat: str) -> Iterator[Message]:
    for each in forms:
        if parts := _match(each, flat):
            yield _message(each.browser, parts, (), each.cause)


def _match(each: Form, flat: str) -> dict[str, str]:
    found = each.pattern.search(flat)
    if found is None:
        return {}
    return {name: value for name, value in found.groupdict().items() if value is not None}


def _message(
    browser: str, parts: dict[str, str], reasons: Sequence[Form], cause: Cause | None = None
) -> Message:
    """Return a message with the cause of the first reason that matches its ``why``."""
    why = parts["why"][:_MAX_WHY].strip()
    for each in reasons:
        found = each.pattern.search(why)
        if found is not None:
            more = {name: value for name, value in found.groupdict().items() if value is not None}
            parts = {**parts, **more}
            cause = each.cause
            if "allowed" in parts:
                # The cause depends on the value: "*", a different origin, or not an origin.
                cause = unlike(parts["allowed"].encode())
            break
    if browser == FIREFOX:
        why = why.removesuffix(")").removesuffix(").")
    page = _url(parts.get("page", ""))
    url = parts.get("url")
    return Message(
        browser=browser,
        cause=cause,
        why=why,
        url=_url(parts.get("first") or url or ""),
        redirected=_url(url or "") if parts.get("first") else None,
        origin=parts.get("origin") or (None if page is None else page.origin.decode("ascii")),
        method=parts.get("method"),
        header=parts.get("header"),
        status=int(parts["status"]) if "status" in parts else None,
        preflight="preflight" in why.lower()
        or cause in (Cause.METHOD, Cause.HEADER, Cause.PREFLIGHT_STATUS),
        credentials=cause in (Cause.WILDCARD_ORIGIN, Cause.NO_CREDENTIALS),
    )


def _url(text: str) -> Url | None:
    """Return a URL with http instead of ws, since a WebSocket starts with an HTTP request."""
    scheme, mark, rest = text.partition("://")
    scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
    try:
        return Url.parse(f"{scheme}{mark}{rest}")
    except BadValue:
        return None
