"""The calls that prove a configuration, as a browser would make them, and what they must give."""

from __future__ import annotations

import json
from collections.abc import Iterator

import attrs

from corsgate.adopt.findings import other_origin
from corsgate.adopt.plan import STRANGER
from corsgate.adopt.probes import Look, Probe, Reply, alike, clip
from corsgate.explain.trace import tokens
from corsgate.explain.url import Url
from corsgate.message.headers import Header

MISSING = "corsgate-adopt-no-such-page"


@attrs.frozen(kw_only=True)
class Check:
    """One line of the checklist.

    Attributes:
        title: What was tried.
        is_fine: Whether it went as it must.
        words: What happened.
        fix: What to do if it is not fine.
    """

    title: str
    is_fine: bool
    words: str
    fix: str = ""


@attrs.frozen(kw_only=True)
class Case:
    """What the checklist is for.

    Attributes:
        look: What was seen of the box.
        expected: What the box responds to the request that the gate sends, login included.
        app: The allowed origin.
        gate: The gate's URL of the box's own.
        method: A method that the policy lists besides GET, HEAD and POST; empty if it lists none.
        header: A header field that it lists.
        has_login: Whether the gate has credentials.
        is_proven: Whether the credentials were accepted without the gate already.
        login_path: Where the login form is sent; a redirect there means that there is no login.
    """

    look: Look
    expected: Reply
    app: str
    gate: Url
    method: str
    header: str
    has_login: bool
    is_proven: bool
    login_path: str = ""

    @property
    def target(self) -> str:
        """The target that must be readable."""
        return self.look.spot


def first_calls(case: Case) -> Iterator[Probe]:
    """Return the calls that never reach the box, so that a wrong login costs nothing."""
    asks: tuple[Header, ...] = (
        (b"Origin", case.app.encode("ascii")),
        (b"Access-Control-Request-Method", (case.method or "GET").encode("ascii")),
    )
    if case.header:
        name = case.header.lower().encode("ascii")
        asks = (*asks, (b"Access-Control-Request-Headers", name))
    what = f"{case.method or 'GET'} with {case.header}" if case.header else case.method or "GET"
    yield Probe(
        name="preflight",
        words=f"preflight for {what}",
        method=b"OPTIONS",
        target=case.target,
        headers=asks,
    )
    yield Probe(
        name="stranger",
        words="GET from another origin is refused",
        target=case.target,
        headers=((b"Origin", STRANGER),),
    )
    yield Probe(name="get", words=f"GET from {case.app}", target=case.target, headers=_page(case))


def more_calls(case: Case) -> Iterator[Probe]:
    """Return the calls that follow if the page's GET gets through."""
    page = _page(case)
    yield Probe(
        name="cookies",
        words='fetch with credentials: "include"',
        target=case.target,
        headers=(*page, (b"Cookie", b"corsgate-adopt=1")),
    )
    base = case.look.url.path.rstrip("/")
    yield Probe(
        name="error",
        words="an error response is readable",
        target=f"{base}/{MISSING}",
        headers=page,
    )
    if case.look.visited and case.look.elsewhere is None and not case.look.loops:
        yield Probe(
            name="redirect",
            words="a redirect leads to the gate",
            target=case.look.url.target,
            headers=page,
        )
    if case.look.replies.get("websocket", Reply()).status == 101:
        yield Probe(
            name="websocket",
            words="a WebSocket opens",
            target=case.target,
            headers=(*_upgrade(), *page),
        )
        yield Probe(
            name="strange-websocket",
            words="a WebSocket from another origin is refused",
            target=case.target,
            headers=(*_upgrade(), (b"Origin", STRANGER)),
        )


def verdict(case: Case, probe: Probe, reply: Reply) -> Check:
    """Return what a call to the gate has shown."""
    if reply.failure:
        fix = "see the gate's log, and run: corsgate check"
        return Check(title=probe.words, is_fine=False, words=clip(reply.failure), fix=fix)
    match probe.name:
        case "preflight":
            return _preflight(case, probe, reply)
        case "stranger" | "strange-websocket":
            allowed = reply.value(b"access-control-allow-origin")
            is_fine = reply.status == 403 and not allowed
            fix = "" if is_fine else "do not use this gate; please report it as a bug"
            return Check(title=probe.words, is_fine=is_fine, words=f"{reply.status}", fix=fix)
        case "cookies":
            return _cookies(case, probe, reply)
        case "error":
            is_fine = _is_readable(case, reply)
            fix = "" if is_fine else "the policy's headers are missing; run: corsgate explain"
            # Some boxes respond to any path, such as with their app's page.
            title = probe.words if reply.status >= 400 else "a path that is unknown is readable"
            return Check(title=title, is_fine=is_fine, words=_said(reply), fix=fix)
        case "redirect":
            return _redirect(case, probe, reply)
        case "websocket":
            fix = "" if reply.status == 101 else "the box may check Origin; see origin in the docs"
            return Check(
                title=probe.words, is_fine=reply.status == 101, words=_said(reply), fix=fix
            )
    return _get(case, probe, reply)


def goes_on(check: Check, reply: Reply) -> bool:
    """Return whether further calls may reach the box: a rejected login must not be repeated."""
    return check.is_fine or not (reply.status in (0, 401, 403, 502) or reply.is_redirect)


def _page(case: Case) -> tuple[Header, ...]:
    return ((b"Origin", case.app.encode("ascii")), (b"User-Agent", b"Mozilla/5.0 corsgate-adopt"))


def _upgrade() -> tuple[Header, ...]:
    return (
        (b"Connection", b"Upgrade"),
        (b"Upgrade", b"websocket"),
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
    )


def _is_readable(case: Case, reply: Reply) -> bool:
    """Return whether the page may read a response (Fetch ``#cors-check``, without cookies)."""
    return reply.values(b"access-control-allow-origin") == [case.app.encode("ascii")]


def _preflight(case: Case, probe: Probe, reply: Reply) -> Check:
    methods = tokens(reply.values(b"access-control-allow-methods")) or ()
    headers = {each.lower() for each in tokens(reply.values(b"access-control-allow-headers")) or ()}
    problem, fix = "", ""
    if not 200 <= reply.status < 300 or not _is_readable(case, reply):
        problem, fix = f"refused: {_said(reply)}", "check allow_origins"
    elif case.method and case.method.encode("ascii") not in methods:
        problem, fix = f"{case.method} is not allowed", f"add {case.method} to allow_methods"
    elif case.header and not {case.header.lower().encode("ascii"), b"*"} & headers:
        problem, fix = f"{case.header} is not allowed", f"add {case.header} to allow_headers"
    words = problem or f"{reply.status}, answered by the gate"
    return Check(title=probe.words, is_fine=not problem, words=words, fix=fix)


def _get(case: Case, probe: Probe, reply: Reply) -> Check:
    """Judge the page's own GET: it must be what the box responds, and readable."""
    problem, fix = "", ""
    if not _is_readable(case, reply):
        problem, fix = f"the page can't read it: {_said(reply)}", "run: corsgate explain --live"
    elif reply.values(b"www-authenticate"):
        problem = "the box's challenge reaches the page, so the browser asks for a password"
        fix = "add credentials to the upstream"
        if not case.has_login:
            fix += ", unless each user has an account: then the page sends Authorization itself"
    elif case.login_path and case.login_path.encode() in reply.value(b"location"):
        problem, fix = "the box leads back to its login", "check the user and the password"
    elif reply.is_cut:
        problem, fix = f"{reply.status}, but cut short", "the box ends it too early; see its log"
    elif not _is_expected(case, reply):
        problem, fix = _said(reply), _fix_of(case, reply)
    size = "" if reply.is_whole else ", as a stream"
    same = "; the box sends the same error without the gate" if reply.status >= 400 else ""
    words = problem or f"{reply.status}, readable{size}{same}"
    return Check(title=probe.words, is_fine=not problem, words=words, fix=fix)


def _is_expected(case: Case, reply: Reply) -> bool:
    if reply.status in (401, 403, 407, 409) or reply.status >= 500:
        return False  # It refuses or fails, be it with or without the gate.
    if case.has_login and not case.is_proven:
        return True  # What the box says to the right login is unknown.
    return alike(case.expected, reply)


def _fix_of(case: Case, reply: Reply) -> str:
    match reply.status:
        case 401:
            return "the box rejects the login; check the user and the password"
        case 502 if case.has_login and not case.is_proven:
            return "the gate can't log in; its log says why"
        case 502 | 504:
            return "the gate can't use the box; its log says why"
        case status if status >= 500 and alike(case.expected, reply):
            return "the box fails without the gate, too: give a URL that works"
        case 403 | 409 if alike(case.expected, reply):
            return "the box says the same without the gate: give a URL that this user may read"
        case 403 | 400 | 421:
            return 'the box refuses it; try origin = "gate" or forwarded = "none" on the upstream'
    return f"without the gate, the box responds {case.expected.words}"


def _cookies(case: Case, probe: Probe, reply: Reply) -> Check:
    allowed = reply.value(b"access-control-allow-credentials") == b"true"
    is_fine = _is_readable(case, reply)
    words = "the page may send cookies and read the response"
    if not allowed:
        words = "not readable, as configured: allow_credentials is off"
    fix = "" if is_fine else "run: corsgate explain --live"
    return Check(title=probe.words, is_fine=is_fine, words=words, fix=fix)


def _redirect(case: Case, probe: Probe, reply: Reply) -> Check:
    if not reply.is_redirect:
        # A login has changed what the box does.
        return Check(title=probe.words, is_fine=_is_readable(case, reply), words=_said(reply))
    location = reply.value(b"location")
    away = other_origin(location, case.gate)
    is_fine = not away and _is_readable(case, reply)
    fix = f"add {json.dumps(away)} to aliases of the upstream" if away else "check allow_origins"
    words = f"{reply.status} to {clip(location, 60)}"
    return Check(title=probe.words, is_fine=is_fine, words=words, fix=fix)


def _said(reply: Reply) -> str:
    """Return a response's status, with the gate's reason if it is the gate's own."""
    if b"application/problem+json" in reply.value(b"content-type"):
        try:
            detail = json.loads(reply.body).get("detail", "")
        except (ValueError, AttributeError):
            detail = ""
        if detail:
            return f"{reply.status}, {clip(str(detail), 120)}"
    return reply.words
