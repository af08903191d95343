"""Explains at each request why CORS calls were refused, and what would allow them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import attrs

from corsgate.config.model.values import Config
from corsgate.gate.refusal_fix import Remedy, remedy, work_of
from corsgate.gate.refusals import Refusal

SHOWN = 20
"""How many refusals are shown: the newest of all routes."""

MAX_CACHED = 200
"""How many explanations are cached."""

MAX_NEW = 10
"""How many refusals are explained for one status. The others are explained later."""

WORK_AT_ONCE = 2000
"""How much work one status may do for explanations, counted in routes; about 0.1 s."""


class RefusedCalls:
    """Explains refusals, and caches the explanations.

    A refusal that differs only in its time and count is not explained again. The time for one
    status is bounded, since clients determine how many different calls are refused.
    """

    def __init__(self) -> None:
        self._config: Config | None = None
        self._work = 1
        self._credit = 0
        self._known: OrderedDict[Refusal, Remedy] = OrderedDict()

    def shown(
        self, config: Config, refusals: Iterable[tuple[str, Refusal]]
    ) -> list[dict[str, Any]]:
        """Return the newest refusals for the status, the newest first.

        Args:
            config: The configuration in force.
            refusals: The refusals, each with the label of its route.
        """
        if self._config is not config:
            self._known.clear()
            self._config = config
            self._work = self._credit = work_of(config)
        # An explanation that is more work than that waits until enough credit has accumulated.
        self._credit = min(self._credit + WORK_AT_ONCE, max(self._work, WORK_AT_ONCE))
        new = min(MAX_NEW, self._credit // self._work)
        newest = sorted(refusals, key=lambda each: each[1].time_s, reverse=True)[:SHOWN]
        found = []
        for route, refusal in newest:
            same = attrs.evolve(refusal, time_s=0, id="", count=1)
            known = self._known.pop(same, None)
            if known is None and new:
                new -= 1
                self._credit -= self._work
                known = remedy(config, refusal)
            if known is not None:
                self._known[same] = known
            found.append(
                {
                    **_as_dict(route, refusal, known or Remedy()),
                    "explained": known is not None,
                }
            )
        while len(self._known) > MAX_CACHED:
            self._known.popitem(last=False)
        return found


def _as_dict(route: str, refusal: Refusal, found: Remedy) -> dict[str, Any]:
    return {
        "time_s": refusal.time_s,
        "id": refusal.id,
        "route": route,
        "origin": refusal.origin,
        "method": refusal.method,
        "path": refusal.path,
        "url": refusal.gate_origin + refusal.path if refusal.gate_origin else None,
        "reason": refusal.reason,
        "count": refusal.count,
        "asked_method": refusal.asked_method,
        "asked_headers": refusal.asked_headers,
        "credentials": refusal.has_cookies,
        "near_miss": found.near_miss,
        "toml": found.toml,
        "option": found.option,
        "advice": list(found.advice),
    }
