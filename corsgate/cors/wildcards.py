"""Match an origin against many patterns, at a cost that does not grow with their number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from corsgate.cors.origin import MAX_ORIGIN_BYTES, Pattern, take_apart

_STAR = re.compile(rb"[a-z0-9-]+")
"""What a ``*`` within a label matches, and the ``*`` of an extension."""


_Literals: TypeAlias = dict[bytes, dict[bytes, str]]
"""Patterns by the text before the star in its label, and by the text after it."""


class Wildcards:
    """The patterns of a policy that match many origins, as one set.

    For an origin, the few patterns that could match it are built and looked up. The cost grows with
    the number of labels of the origin, up to that of the longest pattern. It also grows with the
    length of a label that may contain a star. It does not depend on the number of patterns.
    """

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        """Keep the patterns that are neither exact nor ``*``.

        Args:
            patterns: Results of `parse_pattern`; exact ones and ``*`` are ignored.
        """
        kept = [p for p in patterns if not (p.is_any or p.is_exact)]
        within = [p for p in kept if p.has_star_within]
        self._texts = frozenset(p.text.encode("ascii") for p in kept if not p.has_star_within)
        self._labels = max((p.host.count(".") + 1 for p in kept if p.subdomains), default=0)
        self._within: dict[bytes, _Literals] = {}
        depths = set()
        for pattern in within:
            before, behind, key = _split(pattern.text.encode("ascii"))
            self._within.setdefault(key, {}).setdefault(before, {})[behind] = pattern.text
            depths.add(pattern.above.count(".") + 1)
        self._depths = tuple(sorted(depths))

    def find(self, origin: bytes) -> str:
        """Return a pattern that matches the origin; empty if there is none.

        Args:
            origin: The value of an Origin field, with any bytes, at most `MAX_ORIGIN_BYTES` long.

        Returns:
            A pattern only for a serialized origin. Other values never match, so a response never
            echoes characters outside its grammar.
        """
        parsed = take_apart(origin) if self._texts or self._within else None
        if parsed is None:
            return ""
        scheme, host, port = parsed
        start = scheme + b"://"
        ends = (b":" + port, b":*") if port else (b"", b":*")
        for place in self._places(host):
            for end in ends:
                text = start + place + end
                if text in self._texts:
                    return text.decode("ascii")
        return self._find_within(start, host, ends) if self._within else ""

    def _places(self, host: bytes) -> Iterator[bytes]:
        """Return the host parts of all patterns without a star within a label that match a host."""
        yield host
        # For extensions; no other scheme has such a pattern.
        if _STAR.fullmatch(host):
            yield b"*"
        dot = len(host)
        for _ in range(self._labels):
            dot = host.rfind(b".", 0, dot)
            if dot < 0:
                return
            yield b"*" + host[dot:]

    def _find_within(self, start: bytes, host: bytes, ends: Iterable[bytes]) -> str:
        """Return a pattern that matches a host by a star within a label; empty if none does."""
        labels = host.split(b".")
        for depth in self._depths:
            at = len(labels) - 1 - depth
            if at < 0:
                break
            key = start + b".".join((*labels[:at], b"*", *labels[at + 1 :]))
            for end in ends:
                found = _find_literals(self._within.get(key + end, {}), labels[at])
                if found:
                    return found
        return ""


def _split(text: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the text before and after a star in its label, and the pattern without both."""
    head, _, tail = text.partition(b"*")
    start = max(head.rfind(b"."), head.rfind(b"/")) + 1
    behind = tail.partition(b".")[0]
    return head[start:], behind, head[:start] + b"*" + tail[len(behind) :]


def _find_literals(literals: _Literals, label: bytes) -> str:
    """Return the pattern that matches a label; empty if none does."""
    if not literals:
        return ""
    for before in range(len(label)):
        found = literals.get(label[:before])
        if found is None:
            continue
        for end in range(before + 1, len(label) + 1):
            text = found.get(label[end:])
            if text is not None and _STAR.fullmatch(label, before, end):
                return text
    return ""


class Origins:
    """A set of origins and patterns.

    Args:
        patterns: The patterns; ``*`` is not allowed.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._exact = frozenset(p.text.encode("ascii") for p in patterns if p.is_exact)
        self._wildcards = Wildcards(patterns)

    def __contains__(self, origin: bytes) -> bool:
        """Return whether a field's value, with any bytes and length, is an origin of this set."""
        return origin in self._exact or (
            len(origin) <= MAX_ORIGIN_BYTES and self._wildcards.find(origin) != ""
        )
