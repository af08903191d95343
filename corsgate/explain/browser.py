"""Makes a cross-origin call step by step as a browser does, with any source of responses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn

from corsgate.cors.names import FORBIDDEN_METHODS, SAFELISTED_METHODS, TOKEN
from corsgate.cors.origin import MAX_ORIGIN_BYTES, take_apart
from corsgate.errors import BadValue
from corsgate.explain.block_causes import WORDS, Cause
from corsgate.explain.call import Call, preflight_reasons, unsafe_names
from corsgate.explain.trace import (
    Answer,
    Outcome,
    Request,
    Send,
    Step,
    Trace,
    shown,
    text,
    tokens,
    values,
)
from corsgate.message.headers import Header
from corsgate.message.host import is_loopback_name

MAX_REDIRECTS = 20
REDIRECTS = frozenset((301, 302, 303, 307, 308))
DEFAULT_MAX_AGE_S = 5

_BODY_FIELDS = (b"content-encoding", b"content-language", b"content-location", b"content-type")
READABLE = frozenset(
    b"cache-control content-language content-length content-type expires last-modified"
    b" pragma".split()
)
"""Response headers that scripts may always read (``#cors-safelisted-response-header-name``)."""

_NEVER_READABLE = frozenset((b"set-cookie", b"set-cookie2"))
_SECONDS = re.compile(rb"[0-9]+")
_LONGEST_S = 2**31
_MOST_DIGITS = len(str(_LONGEST_S))


def fetch(call: Call, send: Send) -> Trace:
    """Return the steps of a browser for a call, with their results.

    The preflight cache starts empty, so a preflight is sent whenever the call needs one.

    Args:
        call: The page's call.
        send: Returns the response to a request. If the call needs a preflight, that is the first.

    Source: Fetch ``#main-fetch``, ``#http-fetch``, ``#http-redirect-fetch``.
    """
    return _Fetch(call, send).run()


class _Blocked(Exception):
    """Ends a fetch at the last recorded step."""


class _Fetch:
    """The state of one call."""

    def __init__(self, call: Call, send: Send) -> None:
        self._send = send
        self._origin = call.origin
        self._tainted = False
        self._cors = False
        self._url = call.url
        self._method = call.sent_method
        self._headers = call.sent_headers
        self._credentials = call.credentials
        self._call = call
        self._steps: list[Step] = []
        self._exchanges: list[tuple[Request, Answer]] = []

    def run(self) -> Trace:
        """Make the call; return its trace."""
        try:
            self._start()
            for _ in range(MAX_REDIRECTS + 1):
                answer = self._one()
                if answer.status not in REDIRECTS or not values(answer.headers, b"location"):
                    self._note_readable(answer)
                    return self._trace(True)
                self._redirect(answer)
            self._fail("#http-redirect-fetch", "redirects", "21", Cause.REDIRECTS)
        except _Blocked:
            pass
        return self._trace(False)

    # Before anything is sent.

    def _start(self) -> None:
        method, origin = self._method, self._origin
        if method.upper() in FORBIDDEN_METHODS or not TOKEN.fullmatch(method):
            self._fail("#forbidden-method", "method", text(method), Cause.FORBIDDEN_METHOD)
        if method != self._call.method:
            why = f"The browser sends {text(method)}."
            self._note("#concept-method-normalize", "method", text(self._call.method), why)
        for name in self._call.dropped:
            why = "Scripts can't set this header; the browser leaves it out."
            self._note("#forbidden-request-header", "header", text(name), why)
        if origin != b"null" and (len(origin) > MAX_ORIGIN_BYTES or take_apart(origin) is None):
            why = "Browsers don't send an origin in this form; it is sent here as given."
            self._note("#origin-header", "origin", text(origin), why)

    # One request, with its preflight if it needs one.

    def _one(self) -> Answer:
        self._cors = self._cors or self._url.origin != self._origin
        secure = self._origin.startswith(b"https:")
        if secure and not self._url.is_trustworthy:
            self._fail("#main-fetch", "mixed content", str(self._url), Cause.MIXED_CONTENT)
        if not self._cors:
            why = "Page and URL have the same origin, so CORS does not apply."
            self._note("#main-fetch", "origin", text(self._origin), why)
            return self._ask(self._method, self._actual_headers(), self._credentials)
        own = take_apart(self._origin) if len(self._origin) <= MAX_ORIGIN_BYTES else None
        if self._url.is_loopback and own and not is_loopback_name(own[1].strip(b"[]")):
            why = "A page from elsewhere calls this machine: Chromium asks the user for permission."
            self._note("Local Network Access", "target", self._url.authority, why)
        names = unsafe_names(self._headers)
        reasons = preflight_reasons(self._method, names)
        seen = f"{text(self._method)} {' '.join(text(name) for name in names)}".strip()
        if reasons:
            self._note("#main-fetch", "preflight", seen, f"Needed: {'; '.join(reasons)}.")
            self._preflight(names)
        else:
            self._note("#main-fetch", "preflight", seen, "Not needed: the request is simple.")
        answer = self._ask(self._method, self._actual_headers(), self._credentials)
        self._check(answer, "the response")
        return answer

    def _actual_headers(self) -> tuple[Header, ...]:
        headers = self._headers
        if self._cors or self._method not in (b"GET", b"HEAD"):
            headers += ((b"Origin", self._serialized()),)
        return (*headers, (b"Sec-Fetch-Mode", b"cors"))

    def _serialized(self) -> bytes:
        """Return the Origin to send: null after a redirect from one foreign origin to another."""
        return b"null" if self._tainted else self._origin

    def _ask(self, method: bytes, headers: tuple[Header, ...], credentials: bool) -> Answer:
        request = Request(method=method, url=self._url, headers=headers, credentials=credentials)
        answer = self._send(request)
        self._exchanges.append((request, answer))
        by = f": {answer.by}" if answer.by else ""
        self._note(
            "#http-network-or-cache-fetch",
            f"request {len(self._exchanges)}",
            f"{text(method)} {self._url}",
            f"Response {answer.status}{by}.",
        )
        return answer

    def _preflight(self, names: Sequence[bytes]) -> None:
        """Send a preflight and check its response (``#cors-preflight-fetch``)."""
        asked: tuple[Header, ...] = (
            (b"Accept", b"*/*"),
            (b"Access-Control-Request-Method", self._method),
        )
        if names:
            asked += ((b"Access-Control-Request-Headers", b",".join(names)),)
        asked += ((b"Origin", self._serialized()), (b"Sec-Fetch-Mode", b"cors"))
        answer = self._ask(b"OPTIONS", asked, False)
        rule, status = "#cors-preflight-fetch", str(answer.status)
        # Fetch checks the origin first, but browsers report the redirect. Allowing the origin would
        # not fix it.
        if answer.status in REDIRECTS and values(answer.headers, b"location"):
            self._fail(rule, "preflight status", status, Cause.PREFLIGHT_REDIRECT)
        self._check(answer, "the preflight response")
        if not 200 <= answer.status <= 299:
            self._fail(rule, "preflight status", status, Cause.PREFLIGHT_STATUS)
        self._pass(rule, "preflight status", status, "It is from 200 to 299.")
        self._check_method(answer)
        self._check_names(answer, names)
        age = values(answer.headers, b"access-control-max-age")
        said = delta_seconds(age[0]) if len(age) == 1 else None
        kept = DEFAULT_MAX_AGE_S if said is None else said
        self._note(rule, "Access-Control-Max-Age", shown(age), f"Cached for at most {kept} s.")

    def _check_method(self, answer: Answer) -> None:
        found = values(answer.headers, b"access-control-allow-methods")
        allowed = tokens(found)
        where, seen = "Access-Control-Allow-Methods", shown(found)
        rule, method = "#cors-preflight-fetch", self._method
        if allowed is None:
            self._fail(rule, where, seen, Cause.UNREADABLE_METHODS)
        if method in SAFELISTED_METHODS:
            self._pass(rule, where, seen, f"{text(method)} need not be listed.")
        elif method in allowed:
            self._pass(rule, where, seen, f"It lists {text(method)}.")
        elif b"*" in allowed and not self._credentials:
            self._pass(rule, where, seen, f'"*" covers {text(method)}.')
        else:
            self._fail(rule, where, seen, Cause.METHOD, text(method))

    def _check_names(self, answer: Answer, names: Sequence[bytes]) -> None:
        found = values(answer.headers, b"access-control-allow-headers")
        allowed = tokens(found)
        where, seen = "Access-Control-Allow-Headers", shown(found)
        rule = "#cors-preflight-fetch"
        if allowed is None:
            self._fail(rule, where, seen, Cause.UNREADABLE_HEADERS)
        listed = {name.lower() for name in allowed}
        star = b"*" in listed and not self._credentials
        for name in names:
            # "*" never covers it: #cors-non-wildcard-request-header-name
            if name not in listed and (not star or name == b"authorization"):
                if star:
                    why = 'Chromium lets "*" cover authorization; the Fetch standard does not.'
                    self._note("#cors-non-wildcard-request-header-name", where, seen, why)
                self._fail(rule, where, seen, Cause.HEADER, text(name))
        if names:
            self._pass(rule, where, seen, f"It covers {', '.join(text(name) for name in names)}.")

    def _check(self, answer: Answer, title: str) -> None:
        """Do the CORS check (``#cors-check``), which compares byte for byte."""
        found = values(answer.headers, b"access-control-allow-origin")
        origin, wanted = b", ".join(found), self._serialized()
        rule, seen = "#cors-check", f"Access-Control-Allow-Origin: {shown(found)}"
        if not found:
            self._fail(rule, title, seen, Cause.MISSING_ORIGIN)
        elif origin == b"*" and not self._credentials:
            self._pass(rule, title, seen, '"*" allows every origin.')
            return
        elif origin != wanted:
            self._fail(rule, title, f"{seen}; origin: {text(wanted)}", unlike(origin))
        if not self._credentials:
            self._pass(rule, title, seen, "It is the page's origin.")
            return
        allow = values(answer.headers, b"access-control-allow-credentials")
        seen += f"; Access-Control-Allow-Credentials: {shown(allow)}"
        if b", ".join(allow) != b"true":
            self._fail(rule, title, seen, Cause.NO_CREDENTIALS)
        self._pass(rule, title, seen, "It is the page's origin, with credentials.")

    # After the response.

    def _redirect(self, answer: Answer) -> None:
        """Follow a redirect (``#http-redirect-fetch``)."""
        rule = "#http-redirect-fetch"
        location = text(values(answer.headers, b"location")[0])
        try:
            there = self._url.join(location)
        except BadValue:
            self._fail(rule, "Location", location, Cause.REDIRECT_SCHEME)
        if there.has_userinfo and (self._cors or there.origin != self._origin):
            self._fail(rule, "Location", str(there), Cause.REDIRECT_USERINFO)
        post = answer.status in (301, 302) and self._method == b"POST"
        see_other = answer.status == 303 and self._method not in (b"GET", b"HEAD")
        if post or see_other:
            self._method = b"GET"
            self._headers = tuple(h for h in self._headers if h[0].lower() not in _BODY_FIELDS)
        why = f"The browser continues with {text(self._method)}."
        if there.origin != self._url.origin:
            self._headers = tuple(h for h in self._headers if h[0].lower() != b"authorization")
            if self._url.origin != self._origin:
                self._tainted = True
                why += (
                    " It leads from one foreign origin to another, so Origin is null from now on."
                )
        self._note(rule, "Location", str(there), why)
        self._url = there

    def _note_readable(self, answer: Answer) -> None:
        """Note which fields scripts can't read (``#concept-header-extract-header-values``)."""
        if not self._cors:
            return
        exposed = values(answer.headers, b"access-control-expose-headers")
        names = {name.lower() for name in tokens(exposed) or ()} | READABLE
        star = b"*" in names and not self._credentials
        came = sorted({name.lower() for name, _ in answer.headers} - names - {b"vary"})
        hidden = [
            text(name)
            for name in came
            if not name.startswith(b"access-control-") and (not star or name in _NEVER_READABLE)
        ]
        if hidden:
            self._note(
                "#cors-safelisted-response-header-name",
                "Access-Control-Expose-Headers",
                shown(exposed),
                f"The script can't read {', '.join(hidden)}.",
            )

    # The steps.

    def _note(self, rule: str, title: str, seen: str, why: str) -> None:
        self._step(rule, title, seen, Outcome.NOTE, why)

    def _pass(self, rule: str, title: str, seen: str, why: str) -> None:
        self._step(rule, title, seen, Outcome.PASS, why)

    def _fail(self, rule: str, title: str, seen: str, cause: Cause, what: str = "") -> NoReturn:
        why = WORDS[cause].what + (f" It is {what}." if what else "")
        self._step(rule, title, seen, Outcome.FAIL, why, cause)
        raise _Blocked

    def _step(
        self,
        rule: str,
        title: str,
        seen: str,
        outcome: Outcome,
        why: str,
        cause: Cause | None = None,
    ) -> None:
        step = Step(rule=rule, title=title, seen=seen, outcome=outcome, why=why, cause=cause)
        self._steps.append(step)

    def _trace(self, allowed: bool) -> Trace:
        return Trace(steps=tuple(self._steps), exchanges=tuple(self._exchanges), allowed=allowed)


def delta_seconds(value: bytes) -> int | None:
    """Parse a number of seconds with any number of digits (RFC 9111 1.2.2).

    Returns:
        At most 2^31, as the RFC requires; None if it is not a number.
    """
    if not _SECONDS.fullmatch(value):
        return None
    return min(int(value.lstrip(b"0")[:_MOST_DIGITS] or b"0"), _LONGEST_S)


def unlike(origin: bytes) -> Cause:
    """Return the cause for an Access-Control-Allow-Origin that differs from the page's origin."""
    if origin == b"*":
        return Cause.WILDCARD_ORIGIN
    if b"," in origin or b" " in origin:
        return Cause.SEVERAL_ORIGINS
    if origin != b"null" and (len(origin) > MAX_ORIGIN_BYTES or take_apart(origin) is None):
        return Cause.INVALID_ORIGIN
    return Cause.OTHER_ORIGIN
