"""Why a CORS call was refused, and what would allow it: worked out when somebody looks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from corsgate.config.model.values import Config
from corsgate.cors.origin import take_apart
from corsgate.errors import BadValue
from corsgate.explain.call import Call, usual_value
from corsgate.explain.explanation import Explanation, explain
from corsgate.explain.url import Url
from corsgate.gate.refusals import Refusal

SHOWN = 20
"""How many refusals are shown, the newest of all routes."""

MAX_CACHED = 200
"""How many explanations are kept."""

MAX_NEW = 10
"""How many refusals are explained at once; the others are explained the next time."""

ROUTES_AT_ONCE = 2000
"""How many routes may be gone through at once: an explanation goes through all of them."""

NO_ORIGIN = "-"
"""How a `Refusal` shows that there was no Origin."""

_ALLOWED_NOW = "The configuration in force allows this call."
_NOT_CORS = (
    "The request had no Origin, so it is not a CORS call: another site's page made a form, a link"
    " or an image of it."
)

_NOT_SENT = "Browsers send no such Origin."


@attrs.frozen(kw_only=True)
class Remedy:
    """What a configuration has that is similar to a refused call, and what would allow the call.

    Attributes:
        near_miss: How the call differs from similar ones that are allowed; None if there are none.
        toml: The keys to write; None if no configuration can allow the call.
        option: The command line option that allows it, without a file; None with one.
        advice: What else to do or know.
    """

    near_miss: str | None = None
    toml: str | None = None
    option: str | None = None
    advice: tuple[str, ...] = ()


def call_of(refusal: Refusal) -> Call | None:
    """Return the call that a page made, or None if it made no CORS call that can be explained.

    For a preflight it is the call that the browser asked about.
    """
    if refusal.origin == NO_ORIGIN or not refusal.gate_origin:
        return None
    method, names = refusal.method, ""
    if refusal.is_preflight:
        method, names = refusal.asked_method or "", refusal.asked_headers or ""
    fields = [name.strip().encode("latin-1") for name in names.split(",") if name.strip()]
    try:
        return Call(
            origin=refusal.origin.encode("latin-1"),
            method=method.encode("latin-1"),
            url=Url.parse(refusal.gate_origin + refusal.path),
            headers=tuple((name, usual_value(name)) for name in fields),
            credentials=refusal.has_cookies,
        )
    except (BadValue, UnicodeEncodeError):
        return None


def option_for(config: Config, explanation: Explanation) -> str | None:
    """Return the command line option that allows a call, if the gate has no configuration file."""
    if config.written:
        return None
    if len(explanation.changes) != 1:
        return None
    value = explanation.changes[0].value
    origins = value.get("allow_origins") if isinstance(value, Mapping) and len(value) == 1 else None
    return f"--allow-origin {origins[-1]}" if isinstance(origins, list) else None


def remedy(config: Config, refusal: Refusal) -> Remedy:
    """Explain a refusal with the configuration in force."""
    call = call_of(refusal)
    if call is None:
        return Remedy(advice=(_NOT_CORS,) if refusal.origin == NO_ORIGIN else ())
    try:
        explanation = explain(config, config.written, call)
    except BadValue as error:
        return Remedy(advice=(str(error),))
    if explanation.allowed:
        return Remedy(advice=(_ALLOWED_NOW,))
    option = option_for(config, explanation)
    near_miss = "; ".join(explanation.near_misses) or None
    if take_apart(call.origin) is None:
        # No browser sent it, and what it resembles may not be what anybody wants to allow.
        return Remedy(near_miss=near_miss, advice=explanation.advice or (_NOT_SENT,))
    return Remedy(
        near_miss=near_miss,
        toml=None if option else explanation.toml or None,
        option=option,
        advice=explanation.advice,
    )


class RefusedCalls:
    """Explains refusals, each once.

    One that differs only in its time and number is not explained again. The time that this takes at
    once is bounded, as clients choose how many different calls are refused.
    """

    def __init__(self) -> None:
        self._config: Config | None = None
        self._known: OrderedDict[Refusal, Remedy] = OrderedDict()

    def shown(
        self, config: Config, refusals: Iterable[tuple[str, Refusal]]
    ) -> list[dict[str, Any]]:
        """Return the newest refusals for the status, the newest first.

        Args:
            config: The configuration in force.
            refusals: Each with the label of its route.
        """
        if self._config is not config:
            self._known.clear()
            self._config = config
        new = max(1, min(MAX_NEW, ROUTES_AT_ONCE // len(config.routes)))
        newest = sorted(refusals, key=lambda each: each[1].time_s, reverse=True)[:SHOWN]
        found = []
        for route, refusal in newest:
            same = attrs.evolve(refusal, time_s=0, id="", count=1)
            known = self._known.pop(same, None)
            if known is None and new:
                new -= 1
                known = remedy(config, refusal)
            if known is not None:
                self._known[same] = known
            found.append(_as_dict(route, refusal, known or Remedy()))
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
