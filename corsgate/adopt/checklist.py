"""The calls that test a configuration as a browser would, and their required results."""

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
        title: What was tested.
        is_fine: Whether the result is as required.
        words: The result.
        fix: What to do if the result is not as required.
    """

    title: str
    is_fine: bool
    words: str
    fix: str = ""


@attrs.frozen(kw_only=True)
class Case:
    """What to test.

    Attributes:
        look: The results of the probes.
        expected: The box's response to the request that the gate will send, with its login.
        app: The allowed origin.
        gate: The gate's URL for the box.
        method: A method that the policy lists besides GET, HEAD and POST; empty if it lists none.
        header: A header field that the policy lists; empty if it lists none.
        has_login: Whether the gate has credentials.
        is_proven: Whether the box already accepted the credentials, without the gate.
        login_path: The path that receives the login form. A redirect there means that the login
            failed.
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
        """The target whose response the page must be able to read."""
        return self.look.spot


def first_calls(case: Case) -> Iterator[Probe]:
    """Return the first calls. Only the last reaches the box, so a wrong login is tried once."""
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
    """Return the calls that follow if the page's GET succeeds."""
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
    """Return the result of a call to the gate."""
    if reply.failure:
        fix = "see the gate's log, and run: corsgate check"
        return Check(title=probe.words, is_fine=False, words=clip(reply.failure), fix=fix)
    match probe.name:
        case "preflight":
            return _preflight(case, probe, reply)
        case "stranger" | "strange-websocket":
            allowed = reply.value(b"access-control-allow-origin")
            is_fine = reply.status == 403 and not allowed
            fix = "" if is_fine else "do not use this gate; please report this bug"
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
    """Return whether further calls may reach the box. A rejected login must not be repeated."""
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
    words = problem or f"{reply.status}, from the gate"
    return Check(title=probe.words, is_fine=not problem, words=words, fix=fix)


def _get(case: Case, probe: Probe, reply: Reply) -> Check:
    """Check the page's GET: the response must be the box's, and readable for the page."""
    problem, fix = "", ""
    if not _is_readable(case, reply):
        problem, fix = f"the page can't read it: {_said(reply)}", "run: corsgate explain --live"
    elif reply.values(b"www-authenticate"):
        problem = "the box's challenge reaches the page, so the browser asks for a password"
        fix = "add credentials to the upstream"
        if not case.has_login:
            fix += ", unless each user has an account: then the page must send Authorization"
    elif case.login_path and case.login_path.encode() in reply.value(b"location"):
        problem, fix = "the box redirects to its login", "check the user and the password"
    elif reply.is_cut:
        problem, fix = (
            f"{reply.status}, but cut short",
            "the box ends the response too early; see its log",
        )
    elif not _is_expected(case, reply):
        problem, fix = _said(reply), _fix_of(case, reply)
    size = "" if reply.is_whole else ", as a stream"
    same = "; the box sends the same error without the gate" if reply.status >= 400 else ""
    words = problem or f"{reply.status}, readable{size}{same}"
    return Check(title=probe.words, is_fine=not problem, words=words, fix=fix)


def _is_expected(case: Case, reply: Reply) -> bool:
    if reply.status in (401, 403, 407, 409) or reply.status >= 500:
        return False  # The box refuses or fails, with or without the gate.
    if case.has_login and not case.is_proven:
        return True  # The box's response to a correct login is unknown.
    return alike(case.expected, reply)


def _fix_of(case: Case, reply: Reply) -> str:
    match reply.status:
        case 401:
            return "the box rejects the login; check the user and the password"
        case 502 if case.has_login and not case.is_proven:
            return "the gate can't log in; see its log"
        case 502 | 504:
            return "the gate can't use the box; see its log"
        case status if status >= 500 and alike(case.expected, reply):
            return "the box also fails without the gate: give a URL that works"
        case 403 | 409 if alike(case.expected, reply):
            return "the box responds the same without the gate: give a URL that this user may read"
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
        # After the login, the box no longer redirects.
        return Check(title=probe.words, is_fine=_is_readable(case, reply), words=_said(reply))
    location = reply.value(b"location")
    away = other_origin(location, case.gate)
    is_fine = not away and _is_readable(case, reply)
    fix = f"add {json.dumps(away)} to aliases of the upstream" if away else "check allow_origins"
    words = f"{reply.status} to {clip(location, 60)}"
    return Check(title=probe.words, is_fine=is_fine, words=words, fix=fix)


def _said(reply: Reply) -> str:
    """Return a response's status, with the reason if the gate made the response."""
    if b"application/problem+json" in reply.value(b"content-type"):
        try:
            detail = json.loads(reply.body).get("detail", "")
        except (ValueError, AttributeError):
            detail = ""
        if detail:
            return f"{reply.status}, {clip(str(detail), 120)}"
    return reply.words
