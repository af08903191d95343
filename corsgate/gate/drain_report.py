"""The report of a drain in one line: which exchanges finished, were ended, and were cut."""

from __future__ import annotations

from collections import Counter

import attrs

from corsgate.transport.endless import Fate


@attrs.define
class DrainReport:
    """The exchanges that ended during a drain, counted by kind.

    Attributes:
        finished: Those that ended on their own.
        ended: Those that might never have ended on their own, and were ended cleanly.
        cut: Those that were cut.
        lost: Those whose client left or broke the protocol.
        seconds: How long the drain took, in seconds.
    """

    finished: Counter[str] = attrs.Factory(Counter)
    ended: Counter[str] = attrs.Factory(Counter)
    cut: Counter[str] = attrs.Factory(Counter)
    lost: Counter[str] = attrs.Factory(Counter)
    seconds: float = 0.0

    def count(self, kind: str, fate: Fate, *, lost: bool = False) -> None:
        """Count one exchange.

        Args:
            kind: A singular noun.
            fate: How the drain ended it.
            lost: Whether the client's fault ended it.
        """
        if fate is Fate.CUT:
            self.cut[kind] += 1
        elif lost:
            self.lost[kind] += 1
        elif fate is Fate.ENDED:
            self.ended[kind] += 1
        else:
            self.finished[kind] += 1

    def __str__(self) -> str:
        """Return the report as text, such as "5.2 s: 12 requests finished; cut: 1 WebSocket"."""
        parts = [
            *(f"{each} finished" for each in _counted(self.finished)),
            *(f"{each} closed" for each in _counted(self.ended)),
            *(f"{each} left by the client" for each in _counted(self.lost)),
        ]
        cut = ", ".join(_counted(self.cut))
        what = f"cut: {cut}" if cut else "nothing was cut"
        return f"{self.seconds:.1f} s: " + "; ".join([", ".join(parts), what] if parts else [what])


def _counted(counter: Counter[str]) -> list[str]:
    found = []
    for kind, count in sorted(counter.items()):
        noun, without, what = kind.partition(" without ")
        found.append(f"{count} {noun}{'s' * (count > 1)}{without}{what}")
    return found
