"""``corsgate explain``: explain why a page's call is allowed or blocked, and how to fix it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from corsgate.cli import usage
from corsgate.cli.explain_live import live
from corsgate.cli.live import NoAnswer
from corsgate.cli.load import Loaded, load
from corsgate.cli.usage import FINE, FOUND, TROUBLE, complain, origin_option
from corsgate.errors import BadValue, ConfigError
from corsgate.explain.block_causes import Cause
from corsgate.explain.call import Call
from corsgate.explain.console import Message, read_message
from corsgate.explain.explanation import Explanation, explain
from corsgate.explain.given_call import given_call
from corsgate.explain.message_report import message_dict, message_text
from corsgate.explain.report import as_dict, as_text

_DESCRIPTION = """\
Follow a page's call through the steps of the Fetch standard, as a browser does, and explain why it
is allowed or blocked. The response comes from one of these:

  --config FILE   a gate with this configuration; nothing is sent
  --live          the server at the URL. It receives the preflight and, if that passes, the request.
                  If the response is an error, the explanation says whether a gate or the server
                  refused the request. To find out, a GET or HEAD is repeated without Origin.
  both            as --live. If a server refused the gate's credentials, it also receives a request
                  without them, to find out why.

--error explains a message from the console of Chromium, Firefox or Safari instead. With --config,
it also finds the fix. --apply makes the fix in the file: it shows the changed lines, asks, and
keeps comments and layout. --web serves a page on this machine that does the same, and also reads
HAR files and curl commands.

exit status: 0 allowed, or allowed by the change that --apply made
             1 blocked
             2 unknown: bad usage, a faulty file, no response"""

_EXAMPLE = """\
corsgate explain --config etc/minimal.toml --origin http://localhost:4200 --method PUT \
--header X-App http://localhost:5555/v1/documents"""


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    options = parser()
    given = options.parse_args(argv)
    if given.web:
        # Imported here, since only this option needs a server.
        from corsgate.cli.explain_web import serve_given

        return serve_given(options, given)
    if given.port is not None or given.no_browser:
        options.error("--port and --no-browser need --web")
    if given.apply is not None and given.config not in (None, given.apply):
        options.error("--config and --apply name different files")
    if given.apply is not None and given.json:
        options.error("--apply can't be combined with --json")
    if given.yes and given.apply is None:
        options.error("--yes needs --apply FILE")
    given.config = given.config or given.apply
    if not given.live and given.config is None and given.error is None:
        options.error("give --config FILE, --apply FILE or --live")
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
        if given.live:
            loaded = None if given.config is None else load(given.config)
            return _print(given, live(call, loaded), loaded)
        return _configured(given, call)
    except (BadValue, ConfigError, NoAnswer) as error:
        return complain(str(error))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = usage.parser("explain", _DESCRIPTION, _EXAMPLE)
    options.add_argument("url", metavar="URL", nargs="?", help="the full URL that the page calls")
    options.add_argument(
        "--config", metavar="FILE", help="explain what a gate with this configuration does"
    )
    options.add_argument(
        "--apply",
        metavar="FILE",
        help="as --config, then show the change to the file, ask, and make it",
    )
    options.add_argument(
        "--yes", action="store_true", help="with --apply: make the change without asking"
    )
    options.add_argument(
        "--live", action="store_true", help="send the requests to the server at the URL"
    )
    options.add_argument(
        "--error", metavar="TEXT", help='a message from the browser console; "-" for standard input'
    )
    options.add_argument(
        "--origin", metavar="O", help="the page's origin, such as http://localhost:4200"
    )
    options.add_argument("--method", metavar="M", help="the request's method (default: GET)")
    options.add_argument(
        "--header",
        metavar="N",
        action="append",
        default=[],
        help='a header that the script sets, such as "X-App" or "Content-Type: text/plain"; '
        "repeat it for several",
    )
    options.add_argument(
        "--credentials", action="store_true", help='the page calls with credentials: "include"'
    )
    options.add_argument(
        "--web", action="store_true", help="serve a page on this machine that explains calls"
    )
    options.add_argument(
        "--port", metavar="N", type=int, help="with --web: the port (default: 5599)"
    )
    options.add_argument(
        "--no-browser", action="store_true", help="with --web: don't open a browser"
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


def _print(
    given: argparse.Namespace,
    explanation: Explanation,
    loaded: Loaded | None = None,
    **more: object,
) -> int:
    if given.json:
        print(json.dumps({**as_dict(explanation), **more}, indent=2))
    else:
        print(as_text(explanation, given.config or ""), end="")
    if given.apply is not None and loaded is not None:
        # Imported here, since only --apply needs tomlkit.
        from corsgate.cli.apply import apply, on_terminal

        return apply(given.apply, loaded, explanation, on_terminal(given.yes))
    return FINE if explanation.allowed else FOUND


def _configured(given: argparse.Namespace, call: Call) -> int:
    loaded = load(given.config)
    return _print(given, explain(loaded.config, loaded.document, call), loaded)


def _read(given: argparse.Namespace) -> int:
    """Explain a message from the console, and use the configuration if one is given."""
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
                "add the --method and --header of the page's script",
            )
        print(_otherwise(message), file=sys.stderr)
    return _print(given, explanation, loaded, message=message_dict(message))


def _is_of_policy(message: Message) -> bool:
    """Return whether a gate's configuration helps to explain a message."""
    # A gate refuses a WebSocket from an origin that is not allowed, though that is not CORS.
    if message.cause in (Cause.SOCKET_STATUS, Cause.SOCKET_FAILED):
        return message.status in (None, 403)
    return message.is_about_cors and message.cause is not Cause.UNSPECIFIC


def _otherwise(message: Message) -> str:
    return (
        "This configuration allows the call in the message. So the message is about a different"
        f" call, or another server on the path caused it ({message.why})."
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
