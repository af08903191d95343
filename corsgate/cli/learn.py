"""``corsgate learn``: propose the smallest policy for recorded calls, or for a live server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from corsgate.cli import usage
from corsgate.cli.live import NoAnswer, send
from corsgate.cli.usage import FINE, FOUND, TROUBLE, complain, origin_option
from corsgate.cors.faults import LONGEST_MAX_AGE_S
from corsgate.errors import BadValue
from corsgate.explain.browser import delta_seconds, fetch
from corsgate.explain.call import Call
from corsgate.explain.trace import Answer, Request, tokens, values
from corsgate.explain.url import Url
from corsgate.learn.minimal import learn
from corsgate.learn.record import Recorded, read_record
from corsgate.transport.files import check_finite

METHODS = ("PUT", "PATCH", "DELETE")
HEADERS = ("Content-Type", "Authorization")

_DESCRIPTION = """\
Print a configuration with the smallest policy that allows the calls in a record. A record is a HAR
file saved by a browser's developer tools, or the gate's access log in JSON. Refused calls become
comments, since anyone can send them. A log lacks some facts: cookies, and the headers of calls
whose preflight the browser had cached.

With the URL of a live server, the policy allows what the server allows --origin. Only preflights
and one GET are sent, so no data is changed.

exit status: 0 complete, 1 some recorded calls can't be allowed, 2 nothing to learn"""

_EXAMPLE = """\
corsgate learn --from recorded.har > corsgate.toml
corsgate learn --from https://api.example.com/v1 --origin https://app.example.com"""


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    options = parser()
    given = options.parse_args(argv)
    live = given.source.startswith(("http://", "https://"))
    if live and given.origin is None:
        options.error("the URL of a live server requires --origin")
    max_age_s = None
    name = _named(given.source)
    try:
        if given.origin is not None:
            origin_option(given.origin)
    except BadValue as error:
        return complain(str(error))
    try:
        if live:
            recorded, max_age_s = _probe(given)
        else:
            recorded = _read(given)
        learned = learn(recorded, max_age_s)
    except (BadValue, NoAnswer) as error:
        return complain(f"{name}: {error}")
    for line in (*learned.refused, *learned.notes):
        print(line, file=sys.stderr)
    if not learned.toml:
        complain(f"{name}: it contains no cross-origin call that can be allowed")
        return TROUBLE
    print(f"# Learned from {name} by corsgate learn.\n{learned.toml}", end="")
    return FOUND if learned.refused else FINE


def _named(source: str) -> str:
    """Return the name of a source on one line, without those parts of a URL that may be secret."""
    try:
        url = Url.parse(source)
    except BadValue:
        return "".join(c if c.isprintable() else "?" for c in source)
    return f"{url.origin.decode('ascii')}{url.path}"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = usage.parser("learn", _DESCRIPTION, _EXAMPLE)
    options.add_argument(
        "--from",
        dest="source",
        metavar="LOG|URL",
        required=True,
        help='a HAR file or access log ("-" for standard input), or the URL of a live server',
    )
    options.add_argument("--only", metavar="URL", help="use only calls to this server")
    options.add_argument(
        "--origin",
        metavar="O",
        help="use only calls from this origin; a live server is tested for it",
    )
    options.add_argument(
        "--method",
        metavar="M",
        action="append",
        help=f"a method to test on a live server (default: {', '.join(METHODS)})",
    )
    options.add_argument(
        "--header",
        metavar="N",
        action="append",
        help=f"a header to test on a live server (default: {', '.join(HEADERS)})",
    )
    return options


def _read(given: argparse.Namespace) -> list[Recorded]:
    """Return the calls recorded in a file, filtered by the options."""
    if given.source == "-":
        text = sys.stdin.read()
    else:
        try:
            check_finite(given.source)
            text = Path(given.source).read_text("utf-8-sig", "replace")
        except OSError as error:
            raise BadValue(f"it can't be read: {error.strerror}", "name a readable file") from None
    only = None if given.only is None else Url.parse(given.only).origin.decode("ascii")
    return [
        each
        for each in read_record(text)
        if (only is None or each.server == only)
        and (given.origin is None or each.call.origin == given.origin.encode())
    ]


def _probe(given: argparse.Namespace) -> tuple[list[Recorded], int | None]:
    """Return the calls that a live server allows an origin, and its preflight age in seconds."""
    url, origin = Url.parse(given.source), given.origin.encode("utf-8")
    server = url.origin.decode("ascii")
    plain = fetch(Call(origin=origin, method=b"GET", url=url), send)
    _, answer = plain.exchanges[-1]
    if plain.failed is not None:
        raise BadValue(
            f"it does not allow {given.origin}: {plain.failed.why}", "try another origin"
        )
    credentials = values(answer.headers, b"access-control-allow-credentials") == [b"true"]
    exposed = [
        name.decode("latin-1")
        for name in tokens(values(answer.headers, b"access-control-expose-headers")) or ()
        if name != b"*"
    ]
    ages: list[int] = []

    def ask(request: Request) -> Answer:
        if request.method != b"OPTIONS":
            return answer  # Only preflights are sent, since other requests could change data.
        found = send(request)
        said = map(delta_seconds, values(found.headers, b"access-control-max-age"))
        ages.extend(age for age in said if age is not None)
        return found

    calls = [Call(origin=origin, method=b"GET", url=url, credentials=credentials)]
    for method in given.method or METHODS:
        calls.append(Call(origin=origin, method=method.encode(), url=url, credentials=credentials))
    for name in given.header or HEADERS:
        # This value always needs a preflight (#cors-safelisted-request-header).
        headers = ((name.encode(), b"()"),)
        calls.append(
            Call(origin=origin, method=b"GET", url=url, headers=headers, credentials=credentials)
        )
    allowed = [call for call in calls if fetch(call, ask).allowed]
    recorded = [Recorded(call=call, exposed=tuple(exposed), server=server) for call in allowed]
    return recorded, min(*ages, LONGEST_MAX_AGE_S) if ages else None
