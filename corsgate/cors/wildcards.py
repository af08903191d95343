"""Match an origin against many patterns, at a cost that does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from corsgate.cors.origin import MAX_ORIGIN_BYTES, Pattern, take_apart


class Wildcards:
    """The patterns of a policy that cover many origins, as one set.

    For an origin, the few patterns that could cover it are built and looked up. So the cost depends
    on the number of labels of the origin, bounded by that of the longest pattern. It does not
    depend on the number of patterns.
    """

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        """Keep the patterns that are neither exact nor ``*``.

        Args:
            patterns: Results of `parse_pattern`; exact ones and ``*`` are ignored.
        """
        kept = [p for p in patterns if not (p.is_any or p.is_exact)]
        self._texts = frozenset(p.text.encode("ascii") for p in kept)
        self._labels = max((p.host.count(".") + 1 for p in kept if p.subdomains), default=0)

    def match(self, origin: bytes) -> bool:
        """Return whether a pattern covers the origin.

        Args:
            origin: The value of an Origin field, with any bytes, at most `MAX_ORIGIN_BYTES` long.

        Returns:
            True only for a serialized origin. Other values never match, so a response never echoes
            characters outside its grammar.
        """
        parsed = take_apart(origin)
        if parsed is None:
            return False
        scheme, host, port = parsed
        ports = (b":" + port if port else b"", b":*")
        if scheme + b"://" + host + ports[1] in self._texts:
            return True
        dot = len(host)
        for _ in range(self._labels):
            dot = host.rfind(b".", 0, dot)
            if dot < 0:
                return False
            below = scheme + b"://*" + host[dot:]
            if below + ports[0] in self._texts or below + ports[1] in self._texts:
                return True
        return False


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
            len(origin) <= MAX_ORIGIN_BYTES and self._wildcards.match(origin)
        )
