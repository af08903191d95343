"""``corsgate explain``: explain why a page's call is allowed or blocked, and how to fix it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from textwrap import indent

import attrs

from corsgate.cli import usage
from corsgate.cli.box_refusal import box_refusal
from corsgate.cli.live import NoAnswer, send
from corsgate.cli.load import load
from corsgate.cli.usage import FINE, FOUND, TROUBLE, complain
from corsgate.config.toml.lines import Path
from corsgate.config.toml.writer import Toml, toml_tables
from corsgate.cors.names import KNOWN_METHODS
from corsgate.credentials.refusal import REFUSED
from corsgate.errors import BadValue, ConfigError
from corsgate.explain.block_causes import WORDS, Cause
from corsgate.explain.browser import fetch
from corsgate.explain.call import Call
from corsgate.explain.console import Message, read_message
from corsgate.explain.cookies import CookieVerdict, cookies_of_response
from corsgate.explain.explanation import Explanation, explain
from corsgate.explain.given_call import given_call
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
asks that server directly, without them. --error reads a message from the console of Chromium or
Firefox instead; with --config it also finds the fix. --web serves a page on this machine that does
so, and reads HAR files and curl commands too.

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


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    options = parser()
    given = options.parse_args(argv)
    if given.web:
        # Only this needs a server.
        from corsgate.cli.explain_web import serve_given

        return serve_given(options, given)
    if given.port is not None or given.no_browser:
        options.error("--port and --no-browser need --web")
    if not given.live and given.config is None and given.error is None:
        options.error("give --config FILE or --live")
    if given.live and given.error is not None:
        options.error("--live can't be combined with --error")
    if given.error is None and (given.url is None or given.origin is None):
        options.error("give --origin and the URL")
    try:
        if given.error is not None:
            return _read(given)
        call = _call(given)
        return _live(given, call) if given.live else _configured(given, call)
    except (BadValue, ConfigError, NoAnswer) as error:
        return complain(str(error))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = usage.parser("explain", _DESCRIPTION, _EXAMPLE)
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
    options.add_argument("--web", action="store_true", help="explain in a page on this machine")
    options.add_argument("--port", metavar="N", type=int, help="the port of --web (default: 5599)")
    options.add_argument("--no-browser", action="store_true", help="open no browser for --web")
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
    failed, refusal = trace.failed, refused_by(trace, _again)
    if given.config is not None and refusal.who != GATE:
        refusal = _of_box(given.config, call, trace, refusal)
    cookies: tuple[CookieVerdict, ...] = ()
    if call.credentials and trace.exchanges:
        cookies = cookies_of_response(call, trace.exchanges[-1][1].headers)
    explanation = Explanation(
        call=call,
        allowed=trace.allowed,
        trace=trace,
        advice=refusal.words,
        refused_by=refusal.who,
        cookies=cookies,
    )
    if failed is not None and failed.cause is not None:
        is_of_gate = refusal.who == GATE
        explanation = attrs.evolve(
            explanation,
            reason=failed.why,
            cause=failed.cause,
            # What a server would have to do is no help where a gate decides.
            advice=refusal.words if is_of_gate else (WORDS[failed.cause].fix, *refusal.words),
            servers=tuple(server_fixes(call, trace.exchanges[-1][1].headers))
            if trace.exchanges and failed.cause not in _REDIRECTED and not is_of_gate
            else (),
        )
    return _print(given, explanation)


def _of_box(file: str, call: Call, trace: Trace, refusal: RefusedBy) -> RefusedBy:
    """Return who refused a call, explained by the file of the gate that it went through."""
    config = load(file).config
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
    if given.config is None:
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
    return _print(given, explanation, message=_known(message))


def _otherwise(message: Message) -> str:
    return (
        "This configuration allows the call that the message describes. So the message is about a"
        f" different call, or it comes from another server on the path ({message.why})."
    )


def _tell(given: argparse.Namespace, message: Message) -> int:
    words = None if message.cause is None else WORDS[message.cause]
    known = _known(message)
    if given.json:
        print(json.dumps(known, indent=2))
    elif words is None:
        return complain(f'unknown message of {message.browser}: "{message.why}"')
    else:
        for name in ("url", "redirected", "origin", "method", "header"):
            if known[name] is not None:
                print(f"{name}: {known[name]}")
        print(f"cause: {words.what}\nfix: {known['fix']}")
        hint = _in_toml(message)
        if hint:
            print("in corsgate's configuration, in the policy of the route:\n")
            print(indent(hint, "    "))
    return TROUBLE if message.cause is None else FOUND


def _in_toml(message: Message) -> str:
    """Return the keys that fix the cause, as TOML; empty if the message does not name them."""
    origin = message.origin if message.origin != "null" else None
    keys: list[tuple[Path, str, Toml]] = []
    match message.cause:
        case Cause.MISSING_ORIGIN | Cause.OTHER_ORIGIN if origin and not message.redirected:
            keys = [((), "allow_origins", [origin])]
        case Cause.WILDCARD_ORIGIN if origin:
            keys = [((), "allow_origins", [origin]), ((), "allow_credentials", True)]
        case Cause.METHOD if message.method and not _miscased(message):
            keys = [((), "allow_methods", [message.method])]
        case Cause.HEADER if message.header:
            keys = [((), "allow_headers", [message.header])]
        case Cause.NO_CREDENTIALS:
            keys = [((), "allow_credentials", True)]
    return toml_tables(keys).rstrip("\n")


def _miscased(message: Message) -> str:
    """Return the intended method if only its case is wrong, such as PATCH for patch."""
    upper = (message.method or "").upper()
    return upper if upper != message.method and upper.encode() in KNOWN_METHODS else ""


def _fix(message: Message, cause: Cause) -> str:
    if cause is Cause.METHOD and _miscased(message):
        return f'Write "{_miscased(message)}" in the script: methods are case-sensitive.'
    if message.redirected is not None and cause is Cause.MISSING_ORIGIN:
        return f"Find out why {message.url} redirects, often to a login. {WORDS[cause].fix}"
    return WORDS[cause].fix


def _known(message: Message) -> dict[str, object]:
    words = None if message.cause is None else WORDS[message.cause]
    return {
        "browser": message.browser,
        "cause": None if message.cause is None else message.cause.value,
        "what": None if words is None else words.what,
        "fix": None if message.cause is None else _fix(message, message.cause),
        "why": message.why,
        "url": None if message.url is None else str(message.url),
        "redirected": None if message.redirected is None else str(message.redirected),
        "origin": message.origin,
        "method": message.method,
        "header": message.header,
        "preflight": message.preflight,
        "credentials": message.credentials,
        "toml": _in_toml(message) or None,
    }
