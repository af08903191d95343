"""Renders the meaning of a console message, as text for people or as a dict for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent

from corsgate.config.toml.lines import Path
from corsgate.config.toml.writer import Toml, toml_tables
from corsgate.cors.names import KNOWN_METHODS
from corsgate.explain.block_causes import WORDS, Cause
from corsgate.explain.console import Message
from corsgate.explain.status_words import status_words

_OF_ORIGIN = (Cause.MISSING_ORIGIN, Cause.OTHER_ORIGIN, Cause.ORIGIN_NOT_ALLOWED)
_NAMED = ("url", "redirected", "origin", "method", "header", "status")


def message_text(message: Message) -> str:
    """Return the meaning of a message, in lines for a terminal.

    Args:
        message: A message whose cause is known.
    """
    return "".join(f"{line.rstrip()}\n" for line in _lines(message))


def _lines(message: Message) -> Iterator[str]:
    known = message_dict(message)
    for name in _NAMED:
        if known[name] is not None:
            yield f"{name}: {known[name]}"
    yield f"cause: {known['what']}"
    if not message.is_about_cors:
        yield "kind: not a CORS problem; no CORS header of the server or gate fixes it"
    yield f"fix: {known['fix']}"
    if known["status_means"] is not None:
        yield f"note: {known['status_means']}"
    if known["toml"] is not None:
        yield "in corsgate's configuration, in the policy of the route:"
        yield ""
        yield indent(in_toml(message), "    ")


def message_dict(message: Message) -> dict[str, object]:
    """Return the contents and meaning of a message as a dict for JSON, with keys in snake_case."""
    cause = message.cause
    means = "" if message.status is None else status_words(message.status)
    return {
        "browser": message.browser or None,
        "cause": None if cause is None else cause.value,
        "about_cors": None if cause is None else message.is_about_cors,
        "what": None if cause is None else WORDS[cause].what,
        "fix": None if cause is None else _fix(message, cause),
        "why": message.why,
        "url": None if message.url is None else str(message.url),
        "redirected": None if message.redirected is None else str(message.redirected),
        "origin": message.origin,
        "method": message.method,
        "header": message.header,
        "status": message.status,
        "status_means": means or None,
        "preflight": message.preflight,
        "credentials": message.credentials,
        "toml": in_toml(message) or None,
    }


def in_toml(message: Message) -> str:
    """Return the keys that fix the cause, as TOML; empty if the message does not suffice."""
    origin = message.origin if message.origin != "null" else None
    keys: list[tuple[Path, str, Toml]] = []
    match message.cause:
        case cause if cause in _OF_ORIGIN and origin and not message.redirected:
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
    if message.origin == "null" and cause in _OF_ORIGIN:
        return (
            "Find out why the origin is null. It is null for local files, sandboxed frames, and"
            " calls that were redirected to another origin. Serve the page over http, or call"
            " the URL that the redirect leads to."
        )
    return WORDS[cause].fix
