"""The patterns that stand for many origins, matched at a cost that their number doesn't raise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from corsgate.cors.origin import MAX_ORIGIN_BYTES, Pattern, take_apart


class Wildcards:
    """The patterns of a policy that stand for many origins, as one set.

    An origin is turned into the few patterns that could stand for it, and those are looked up.
    So the cost depends on the labels of the origin, at most as many as the longest pattern has,
    and never on how many patterns there are.
    """

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        """Take the patterns that are neither exact nor ``*``.

        Args:
            patterns: What `parse_pattern` answered; exact ones and ``*`` are passed over.
        """
        kept = [p for p in patterns if not (p.is_any or p.is_exact)]
        self._texts = frozenset(p.text.encode("ascii") for p in kept)
        self._labels = max((p.host.count(".") + 1 for p in kept if p.subdomains), default=0)

    def match(self, origin: bytes) -> bool:
        """Return whether a pattern stands for the origin.

        Args:
            origin: The value of an Origin field, of any bytes, at most `MAX_ORIGIN_BYTES`.

        Returns:
            True only for a serialized origin: what does not parse never matches, so that
            nothing but the grammar's characters is ever echoed.
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
    """A set of origins, some of them by patterns.

    Args:
        patterns: None of them ``*``.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._exact = frozenset(p.text.encode("ascii") for p in patterns if p.is_exact)
        self._wildcards = Wildcards(patterns)

    def __contains__(self, origin: bytes) -> bool:
        """Return whether an origin, the value of a field of any bytes and length, is in it."""
        return origin in self._exact or (
            len(origin) <= MAX_ORIGIN_BYTES and self._wildcards.match(origin)
        )
