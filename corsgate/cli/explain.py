"""``corsgate explain``: explain why a page's call is allowed or blocked, and how to fix it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

import attrs

from corsgate.cli.box_refusal import box_refusal
from corsgate.cli.live import NoAnswer, send
from corsgate.cli.load import Loaded, load
from corsgate.cli.usage import FINE, FOUND, TROUBLE, complain, origin_option, parser
from corsgate.credentials.refusal import REFUSED
from corsgate.errors import BadValue, ConfigError
from corsgate.explain.block_causes import WORDS, Cause
from corsgate.explain.browser import fetch
from corsgate.explain.call import Call
from corsgate.explain.console import Message, read_message
from corsgate.explain.cookies import CookieVerdict, cookies_of_response
from corsgate.explain.explanation import Explanation, explain
from corsgate.explain.gate_policy import gate_policy, reason_of
from corsgate.explain.given_call import given_call
from corsgate.explain.message_report import message_dict, message_text
from corsgate.explain.refused_by import GATE, SERVER, RefusedBy, is_preflight, refused_by
from corsgate.explain.report import as_dict, as_text
from corsgate.explain.servers import server_fixes
from corsgate.explain.trace import Answer, Request, Trace

_DESCRIPTION = """\
Follow a page's call through the steps of the Fetch standard, as a browser does, and explain why it
is allowed or blocked. With --config, a configuration responds; with --live, the server itself does:
it receives the preflight and, if that passes, the request itself. If the response is an error, it
says whether a gate or the server behind it refused; for a server, a GET or HEAD is sent once more
without Origin. With both, it also finds out why a server refused the credentials of the gate: it
asks that server directly, without them. --error reads a message from the console of Chromium,
Firefox or Safari instead; with --config it also finds the fix.

exit status: 0 allowed, 1 blocked, 2 unknown: bad usage, a faulty file, no response"""

_EXAMPLE = """\
corsgate explain --config etc/minimal.toml --origin http://localhost:4200 --method PUT \
--header X-App http://localhost:5555/v1/documents"""

_REDIRECTED = frozenset(
    (
        Cause.PREFLIGHT_REDIRECT,
        Cause.REDIRECT_SCHEME,
        Cause.REDIRECT_USERINFO,
        Cause.REDIRECTS,
    )
)
"""The causes that no response header fixes."""


_REFUSALS = frozenset((400, 403, 404, 405, 421, 501))
"""The statuses of a gate that mean that its configuration does not allow a call."""

_ONLY_ERRORS = (
    "Many servers leave CORS headers out of errors. Find out first why this one responds with an"
    " error."
)
_WITH_FILE = (
    "With --config and the gate's file, this command finds the exact change, and --apply makes it."
)
_OTHER_FILE = "{} allows this call. The running gate has another file, or was not reloaded."


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    options = _parser()
    given = options.parse_args(argv)
    if not given.live and given.config is None and given.error is None:
        options.error("give --config FILE or --live")
    if given.live and given.error is not None:
        options.error("--live can't be combined with --error")
    if given.error is None and (given.url is None or given.origin is None):
        options.error("give --origin and the URL")
    try:
        if given.origin is not None:
            origin_option(given.origin)
        if given.error is not None:
            return _read(given)
        call = _call(given)
        return _live(given, call) if given.live else _configured(given, call)
    except (BadValue, ConfigError, NoAnswer) as error:
        return complain(str(error))


def _parser() -> argparse.ArgumentParser:
    options = parser("explain", _DESCRIPTION, _EXAMPLE)
    options.add_argument("url", metavar="URL", nargs="?", help="the full URL that the page calls")
    options.add_argument("--config", metavar="FILE", help="use this configuration")
    options.add_argument("--live", action="store_true", help="send the requests to the server")
    options.add_argument(
        "--error", metavar="TEXT", help='a message from the console; "-" for standard input'
    )
    options.add_argument("--origin", metavar="O", help="the page's origin")
    options.add_argument("--method", metavar="M", help="the method (default: GET)")
    options.add_argument(
        "--header",
        metavar="N",
        action="append",
        default=[],
        help='a header that the script sets, such as "X-App" or "Content-Type: text/plain"',
    )
    options.add_argument(
        "--credentials", action="store_true", help='the page calls with credentials: "include"'
    )
    options.add_argument("--json", action="store_true", help="print JSON")
    return options


def _call(given: argparse.Namespace) -> Call:
    return given_call(
        origin=given.origin,
        method=given.method or "GET",
        url=given.url,
        headers=given.header,
        credentials=given.credentials,
    )


def _print(given: argparse.Namespace, explanation: Explanation, **more: object) -> int:
    if given.json:
        print(json.dumps({**as_dict(explanation), **more}, indent=2))
    else:
        print(as_text(explanation, given.config or ""), end="")
    return FINE if explanation.allowed else FOUND


def _configured(given: argparse.Namespace, call: Call) -> int:
    loaded = load(given.config)
    return _print(given, explain(loaded.config, loaded.document, call))


def _live(given: argparse.Namespace, call: Call) -> int:
    trace = fetch(call, send)
    refusal = refused_by(trace, _again)
    loaded = None if given.config is None else load(given.config)
    if loaded is not None and refusal.who != GATE:
        refusal = _of_box(loaded, call, trace, refusal)
    explanation = _seen(call, trace, refusal)
    if refusal.who == GATE and not explanation.allowed:
        explanation = _by_policy(explanation, refusal, loaded)
    return _print(given, explanation)


def _seen(call: Call, trace: Trace, refusal: RefusedBy) -> Explanation:
    """Return the explanation of a call that was really made."""
    request, answer = trace.exchanges[-1] if trace.exchanges else (None, None)
    status = 0
    cookies: tuple[CookieVerdict, ...] = ()
    if request is not None and answer is not None:
        status = 0 if is_preflight(request) else answer.status
        cookies = cookies_of_response(call, answer.headers) if call.credentials else ()
    failed, is_of_gate = trace.failed, refusal.who == GATE
    explanation = Explanation(
        call=call,
        allowed=trace.allowed and not (is_of_gate and status in _REFUSALS),
        trace=trace,
        reason=refusal.page,
        advice=refusal.words,
        refused_by=refusal.who,
        cookies=cookies,
        status=status,
        by_origin=refusal.by_origin,
    )
    if failed is None or failed.cause is None:
        return explanation
    advice = refusal.words
    servers: tuple[tuple[str, str], ...] = ()
    if not is_of_gate:
        # What a server would have to do is no help where a gate decides.
        advice = (WORDS[failed.cause].fix, *advice)
        if failed.cause is Cause.MISSING_ORIGIN and status >= 400:
            advice = (*advice, _ONLY_ERRORS)
        if answer is not None and failed.cause not in _REDIRECTED:
            servers = tuple(server_fixes(call, answer.headers))
    return attrs.evolve(
        explanation, reason=failed.why, cause=failed.cause, advice=advice, servers=servers
    )


def _by_policy(explanation: Explanation, refusal: RefusedBy, loaded: Loaded | None) -> Explanation:
    """Return the explanation of a gate's refusal by its policy: its file's, or what it shows."""
    call, trace = explanation.call, explanation.trace
    found = gate_policy(trace, call, refusal.page)
    given = reason_of([answer for _, answer in trace.exchanges]) or refusal.page
    reason = given.rstrip(".") or explanation.reason
    explanation = attrs.evolve(explanation, reason=reason)
    if loaded is None:
        more = (*found.words, _WITH_FILE)
        return attrs.evolve(explanation, gate_toml=found.toml, advice=(*explanation.advice, *more))
    by_file = explain(loaded.config, loaded.document, call)
    if by_file.allowed:
        advice = (*explanation.advice, _OTHER_FILE.format(loaded.file))
        return attrs.evolve(explanation, gate_toml=found.toml, advice=advice)
    return attrs.evolve(
        explanation,
        route=by_file.route,
        policy=by_file.policy,
        reason=by_file.reason,
        near_misses=by_file.near_misses,
        changes=by_file.changes,
        toml=by_file.toml,
        advice=(*explanation.advice, *by_file.advice),
    )


def _of_box(loaded: Loaded, call: Call, trace: Trace, refusal: RefusedBy) -> RefusedBy:
    """Return who refused a call, explained by the file of the gate that it went through."""
    config = loaded.config
    request, answer = trace.exchanges[-1] if trace.exchanges else (None, None)
    if request is None or answer is None or answer.status not in REFUSED or is_preflight(request):
        return refusal
    words = tuple(box_refusal(config, call, answer.status, send))
    return RefusedBy(who=SERVER, words=words) if words else refusal


def _again(request: Request) -> Answer | None:
    try:
        return send(request)
    except NoAnswer:
        return None


def _read(given: argparse.Namespace) -> int:
    """Explain a message from the console, with the help of a configuration if there is one."""
    said = sys.stdin.read() if given.error == "-" else given.error
    message = read_message(said)
    if given.config is None or not _is_of_policy(message):
        return _tell(given, message)
    url = given.url or (None if message.url is None else str(message.url))
    origin = given.origin or message.origin
    if url is None or origin is None:
        missing = "--origin: the message does not name the page's origin"
        raise BadValue(
            "the message does not contain enough information",
            f"add {missing if url else 'the URL as well'}",
        )
    headers = [*given.header, *([message.header] if message.header else [])]
    call = given_call(
        origin=origin,
        method=given.method or message.method or "GET",
        url=url,
        headers=headers,
        credentials=given.credentials or message.credentials,
    )
    loaded = load(given.config)
    explanation = explain(loaded.config, loaded.document, call)
    if explanation.allowed:
        if message.preflight and call.sent_method == b"GET" and not call.headers:
            raise BadValue(
                "the message says that a preflight failed, but not what it asked for",
                "add --method and --header as the page's script has them",
            )
        print(_otherwise(message), file=sys.stderr)
    return _print(given, explanation, message=message_dict(message))


def _is_of_policy(message: Message) -> bool:
    """Return whether a gate's configuration can say more about a message."""
    # A gate refuses a WebSocket from an origin that is not allowed, though that is not CORS.
    if message.cause in (Cause.SOCKET_STATUS, Cause.SOCKET_FAILED):
        return message.status in (None, 403)
    return message.is_about_cors and message.cause is not Cause.UNSPECIFIC


def _otherwise(message: Message) -> str:
    return (
        "This configuration allows the call that the message describes. So the message is about a"
        f" different call, or it comes from another server on the path ({message.why})."
    )


def _tell(given: argparse.Namespace, message: Message) -> int:
    if message.cause is None:
        if given.json:
            print(json.dumps(message_dict(message), indent=2))
        else:
            complain(f'unknown message of {message.browser}: "{message.why}"')
        return TROUBLE
    if given.json:
        print(json.dumps(message_dict(message), indent=2))
    else:
        print(message_text(message), end="")
    return FOUND
