"""``corsgate explain``: why a page's call is allowed or blocked, and what fixes it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from textwrap import indent

import attrs

from corsgate.cli.live import NoAnswer, send
from corsgate.cli.load import load
from corsgate.cli.usage import FINE, FOUND, TROUBLE, complain, parser
from corsgate.config.toml.lines import Path
from corsgate.config.toml.writer import Toml, toml_tables
from corsgate.cors.names import KNOWN_METHODS, TOKEN
from corsgate.errors import BadValue, ConfigError
from corsgate.explain.block_causes import WORDS, Cause
from corsgate.explain.browser import fetch
from corsgate.explain.call import Call, usual_value
from corsgate.explain.console import Message, read_message
from corsgate.explain.explanation import Explanation, explain
from corsgate.explain.report import as_dict, as_text
from corsgate.explain.servers import server_fixes
from corsgate.explain.url import Url
from corsgate.message.headers import Header

_DESCRIPTION = """\
Go through a page's call as its browser would, step by step of the Fetch standard, and say why it
is allowed or blocked. What is asked is a configuration (--config), or any server (--live), which
really gets the preflight and, where that passes, the request itself. --error takes what the
browser's console said instead, from Chromium or Firefox; with --config it finds the change.

exit status: 0 allowed, 1 blocked, 2 what can't be judged: bad usage, a faulty file, no answer"""

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
"""What no header of an answer fixes."""


def main(argv: Sequence[str]) -> int:
    """Run the command; answer its exit status."""
    options = _parser()
    given = options.parse_args(argv)
    if given.live == (given.config is not None) and given.error is None:
        options.error("say what to ask: --config FILE or --live")
    if given.live and (given.config is not None or given.error is not None):
        options.error("--live goes with neither --config nor --error")
    if given.error is None and (given.url is None or given.origin is None):
        options.error("give --origin and the URL")
    try:
        if given.error is not None:
            return _read(given)
        call = _call(given)
        return _live(given, call) if given.live else _configured(given, call)
    except (BadValue, ConfigError, NoAnswer) as error:
        return complain(str(error))


def _parser() -> argparse.ArgumentParser:
    options = parser("explain", _DESCRIPTION, _EXAMPLE)
    options.add_argument("url", metavar="URL", nargs="?", help="what the page asks for, in full")
    options.add_argument("--config", metavar="FILE", help="ask what this configuration answers")
    options.add_argument("--live", action="store_true", help="ask the server itself")
    options.add_argument(
        "--error", metavar="TEXT", help='read a message of the console; "-" for standard input'
    )
    options.add_argument("--origin", metavar="O", help="the page's origin")
    options.add_argument("--method", metavar="M", help="the method (default: GET)")
    options.add_argument(
        "--header",
        metavar="N",
        action="append",
        default=[],
        help='a header that the script sets: "X-App", or "Content-Type: text/plain"',
    )
    options.add_argument(
        "--credentials", action="store_true", help='the page calls with credentials: "include"'
    )
    options.add_argument("--json", action="store_true", help="answer in JSON")
    return options


def _call(given: argparse.Namespace) -> Call:
    return Call(
        origin=_origin(given.origin),
        method=_method(given.method or "GET"),
        url=Url.parse(given.url),
        headers=tuple(_header(text) for text in given.header),
        credentials=given.credentials,
    )


def _origin(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise BadValue(f'"{text}" has letters beyond ASCII', "write its host in Punycode") from None


def _method(text: str) -> bytes:
    method = text.encode("utf-8")
    if not TOKEN.fullmatch(method):
        raise BadValue(f'"{text}" is not a method', 'write one, such as "PUT"')
    return method


def _header(text: str) -> Header:
    name, colon, value = text.partition(":")
    field = name.strip().encode("utf-8")
    if not TOKEN.fullmatch(field):
        raise BadValue(f'"{name}" is not a header name', 'write one, such as "Content-Type"')
    return field, value.strip().encode("utf-8") if colon else usual_value(field)


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
    failed = trace.failed
    explanation = Explanation(call=call, allowed=trace.allowed, trace=trace)
    if failed is not None and failed.cause is not None:
        explanation = attrs.evolve(
            explanation,
            reason=failed.why,
            cause=failed.cause,
            advice=(WORDS[failed.cause].fix,),
            servers=tuple(server_fixes(call, trace.exchanges[-1][1].headers))
            if trace.exchanges and failed.cause not in _REDIRECTED
            else (),
        )
    return _print(given, explanation)


def _read(given: argparse.Namespace) -> int:
    """Read a console's message, and go on with the configuration where there is one."""
    said = sys.stdin.read() if given.error == "-" else given.error
    message = read_message(said)
    if given.config is None:
        return _tell(given, message)
    url = given.url or (None if message.url is None else str(message.url))
    origin = given.origin or message.origin
    if url is None or origin is None:
        missing = "--origin: the message does not name the page's origin"
        raise BadValue(
            "the message does not say enough", f"add {missing if url else 'the URL as well'}"
        )
    headers = [*given.header, *([message.header] if message.header else [])]
    call = Call(
        origin=_origin(origin),
        method=_method(given.method or message.method or "GET"),
        url=Url.parse(url),
        headers=tuple(_header(text) for text in headers),
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
        "This configuration allows the call as far as the message describes it, so the message is"
        f" of another one, or of another server between ({message.why})."
    )


def _tell(given: argparse.Namespace, message: Message) -> int:
    words = None if message.cause is None else WORDS[message.cause]
    known = _known(message)
    if given.json:
        print(json.dumps(known, indent=2))
    elif words is None:
        return complain(f'{message.browser} says "{message.why}", which is not known here')
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
    """Return the keys that fix it, so far as the message says what is missing."""
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
    """Return the method that was meant by one that no server knows, such as patch."""
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
