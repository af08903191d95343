"""Show the line of a syntax error, with a caret under the error and without secrets."""

from __future__ import annotations

import re

MASK = "***"
"""Replaces text that may be part of a secret."""

WIDTH = 76
"""The maximum number of characters to show of a line."""

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
"""Keys whose values contain no secret. Everything after any other key is masked."""

_FIRST_KEY = re.compile(r"""\s*(?P<key>[A-Za-z0-9_.-]+|"[^"]*"|'[^']*')\s*[=:](?!//)""")
_NEXT_KEY = re.compile(r"""(?<![A-Za-z0-9_-])(?P<key>[A-Za-z0-9_-]+)\s*=""")
# An origin or a method in an array is harmless.
_TEXT = r"""["'](?!https?://|[A-Z]{1,9}["'])"""
_DOUBTFUL = re.compile(
    # A word that is followed by "=", ":" or another value is a key with a syntax error.
    r"""(?<![A-Za-z0-9_/.:-])["']?[A-Za-z_][A-Za-z0-9_-]*["']?"""
    rf"""(?:\s*[=:](?!//|[0-9]{{1,5}}\b)|(?=\s+(?:[A-Za-z0-9_]|{_TEXT})))"""
    # Text that follows other text may be its value.
    rf"""|["'](?=\s+{_TEXT})"""
    # A word after a comma has lost its "=", or a "=" its key.
    r"""|[,;{]\s*[A-Za-z_][A-Za-z0-9_-]*|="""
    # A query may contain a key.
    r"""|\?"""
)
"""What the value of a shown key doesn't contain. Everything after it is masked."""

_HEADER = re.compile(
    r"""\s*\[{1,2}\s*(?:upstreams|routes|cors|credentials|limits|listener|admin)\b"""
    r"""(?:[A-Za-z0-9_./-]|"[A-Za-z0-9_.'/\[\] -]*"?|'[A-Za-z0-9_."/\[\] -]*'?)*\s*\]*\s*"""
)
_HARMLESS = re.compile(
    r"""[\s\[\]{},]*(?:["']?https?://[A-Za-z0-9.*-]*(?::[0-9*]*)?["']?[\s\[\]{},]*)*"""
)
_TRIPLE = re.compile(r'"""|\'\'\'')


def excerpt(text: str, line: int, column: int) -> str:
    """Return a line of a file and, below it, a caret under a column.

    Any line may contain a password. So only parts with a known meaning are shown. The rest is
    masked, with a mask of constant length.

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
        # The text before the mask is unchanged, so the caret is correct there.
        caret = min(column - 1, shown)
        source = source[:shown] + MASK
    start = max(0, min(caret - WIDTH // 2, len(source) - WIDTH))
    # Replace each character by exactly one, so that the caret remains correct.
    window = "".join(
        char if char.isprintable() else " " if char == "\t" else "?"
        for char in source[start : start + WIDTH]
    )
    number = f"{line:5} | "
    return f"{number}{window}\n{' ' * (len(number) - 2)}| {' ' * (caret - start)}^"


def _shown_length(before: str, source: str) -> int:
    """Return how many leading characters of a line certainly contain no secret."""
    if len(_TRIPLE.findall(before)) % 2:
        return 0  # The line is part of a multi-line string.
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
        doubtful = _DOUBTFUL.search(source, at, end)
        if doubtful is not None:
            return doubtful.end()
        if following is None:
            return len(source)
        at, key = following.end(), following["key"]
    return at + (len(source[at:]) - len(source[at:].lstrip(" ")))
