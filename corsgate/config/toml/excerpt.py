"""Show the line of a syntax error with a caret under the place, without any secret."""

from __future__ import annotations

import re

MASK = "***"
"""Replaces whatever may be part of a secret."""

WIDTH = 76
"""How many characters of a line are shown."""

_SHOWN_KEYS = frozenset(
    (
        *("listen", "endpoint", "hosts", "http2", "log_format", "watch", "trusted_proxies"),
        *("servers", "url", "weight", "backup", "drain", "balance", "health", "interval", "path"),
        *("timeout", "rise", "fall", "upstream", "cors", "methods", "strip_prefix", "type"),
        *("allow_origins", "allow_methods", "allow_headers", "expose_headers", "max_age"),
        *("allow_credentials", "enforce_origin", "debug", "debug_origins", "preserve_host"),
        *("origins", "origin", "retries", "keep_alive", "max_body_bytes", "connect_timeout"),
        *("env", "systemd"),
    )
)
"""Keys whose values hold no secret. Everything that follows any other key is masked."""

_FIRST_KEY = re.compile(r"""\s*(?P<key>[A-Za-z0-9_.-]+|"[^"]*"|'[^']*')\s*[=:](?!//)""")
_NEXT_KEY = re.compile(r"""(?<![A-Za-z0-9_-])(?P<key>[A-Za-z0-9_-]+)\s*=""")
_HEADER = re.compile(
    r"""\s*\[{1,2}\s*(?:upstreams|routes|cors|credentials|limits|listener|admin)\b"""
    r"""[A-Za-z0-9_."'/\[\] -]*"""
)
_HARMLESS = re.compile(r"""[\s\[\]{},]*(?:["']?https?://[A-Za-z0-9.:*-]*["']?[\s\[\]{},]*)*""")
_TRIPLE = re.compile(r'"""|\'\'\'')


def excerpt(text: str, line: int, column: int) -> str:
    """Return a line of a file and, below it, a caret under a column.

    The line may hold a password, as any key or list may. So only the parts whose meaning is known
    are shown; the rest is masked, in a length that says nothing.

    Args:
        text: The whole file, with any syntax error.
        line: The number of the line, from 1.
        column: The column in characters, from 1; it may be just after the line's end.
    """
    lines = text.split("\n")
    source = lines[line - 1].rstrip("\r")
    shown = _shown_length("\n".join(lines[: line - 1]), source)
    if shown >= len(source):
        caret = min(column - 1, len(source))
    else:
        # What precedes the mask is as it was written, so the caret is right in it.
        caret = min(column - 1, shown)
        source = source[:shown] + MASK
    start = max(0, min(caret - WIDTH // 2, len(source) - WIDTH))
    # One character for each, so that the caret stays right.
    window = "".join(
        char if char.isprintable() else " " if char == "\t" else "?"
        for char in source[start : start + WIDTH]
    )
    number = f"{line:5} | "
    return f"{number}{window}\n{' ' * (len(number) - 2)}| {' ' * (caret - start)}^"


def _shown_length(before: str, source: str) -> int:
    """Return how many characters at the beginning of a line are certainly no secret."""
    if len(_TRIPLE.findall(before)) % 2:
        return 0  # The line belongs to a text of several lines.
    blank = len(source) - len(source.lstrip())
    for whole in (_HEADER, _HARMLESS):
        match = whole.match(source)
        if match is not None and match.end() == len(source):
            return len(source)
    first = _FIRST_KEY.match(source)
    if first is None:
        return blank
    at = first.end()
    key = first["key"]
    while key in _SHOWN_KEYS:
        following = _NEXT_KEY.search(source, at)
        end = len(source) if following is None else following.start()
        comment = source.find("#", at, end)
        if "@" in source[at:end] or comment != -1:
            break
        if following is None:
            return len(source)
        at, key = following.end(), following["key"]
    return at + (len(source[at:]) - len(source[at:].lstrip(" ")))
