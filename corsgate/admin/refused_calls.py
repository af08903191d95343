"""Why a CORS call was refused, and what would allow it, explained when somebody looks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from corsgate.config.model.values import Config
from corsgate.cors.origin import NULL, take_apart
from corsgate.errors import BadValue
from corsgate.explain.call import Call, usual_value
from corsgate.explain.explanation import Explanation, explain
from corsgate.explain.url import Url
from corsgate.gate.log_text import MAX_SHOWN
from corsgate.gate.refusals import Refusal

SHOWN = 20
"""How many refusals are shown, the newest of all routes."""

MAX_CACHED = 200
"""How many explanations are kept."""

MAX_NEW = 10
"""How many refusals are explained at once; the others are explained the next time."""

WORK_AT_ONCE = 2000
"""How much work explanations may be at once, in routes that they go through: some 0.1 s."""

_ORIGIN, _HEADER = 4, 16
"""The work of an entry of allow_origins or allow_headers, each of which may be a near miss."""

NO_ORIGIN = "-"
"""How a `Refusal` shows that there was no Origin."""

_CUT = "The call is too long to be kept whole, so what would allow it is not known."
_NO_BROWSERS = "No browser sends such an Origin, so no entry of allow_origins is proposed for it."
_ALLOWED_NOW = "The configuration in force allows this call."
_NOT_CORS = (
    "The request had no Origin, so it is not a CORS call: another site's page made a form, a link"
    " or an image of it."
)


@attrs.frozen(kw_only=True)
class Remedy:
    """What a configuration has that is similar to a refused call, and what would allow the call.

    Attributes:
        near_miss: How the call differs from similar ones that are allowed; None if there are none.
        toml: The keys to write; None if no configuration can allow the call.
        option: The command line option that allows it, without a file; None with one.
        advice: Further advice, in sentences.
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
    if _is_cut(refusal):
        return Remedy(advice=(_CUT,))
    call = call_of(refusal)
    if call is None:
        return Remedy(advice=(_NOT_CORS,) if refusal.origin == NO_ORIGIN else ())
    try:
        explanation = explain(config, config.written, call)
    except BadValue as error:
        return Remedy(advice=(str(error),))
    if explanation.allowed:
        return Remedy(advice=(_ALLOWED_NOW,))
    near_miss = "; ".join(explanation.near_misses) or None
    if refusal.origin != NULL and take_apart(call.origin) is None:
        # An entry for what it resembles would not allow this call, but pages of another origin.
        return Remedy(near_miss=near_miss, advice=(_NO_BROWSERS,))
    option = option_for(config, explanation)
    return Remedy(
        near_miss=near_miss,
        toml=None if option else explanation.toml or None,
        option=option,
        advice=explanation.advice,
    )


def _is_cut(refusal: Refusal) -> bool:
    """Return whether a text of a refusal may lack its end, and so be about another call."""
    texts = (refusal.origin, refusal.method, refusal.path, refusal.gate_origin)
    return any(len(text) >= MAX_SHOWN for text in (*texts, refusal.asked_method or ""))


class RefusedCalls:
    """Explains refusals, each once.

    One that differs only in its time and count is not explained again. The time for one status is
    bounded, since clients choose how many different calls are refused.
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
            refusals: Each with the label of its route.
        """
        if self._config is not config:
            self._known.clear()
            self._config = config
            self._work = self._credit = _work_of(config)
        # One that is more work than that is put off until there has been time for it.
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
            found.append(_as_dict(route, refusal, known or Remedy()))
        while len(self._known) > MAX_CACHED:
            self._known.popitem(last=False)
        return found


def _work_of(config: Config) -> int:
    """Return how much work one explanation is: it goes through all routes, and through a policy."""
    policies = {id(each.cors): each.cors for each in config.routes if each.cors is not None}
    entries = (
        _ORIGIN * len(each.allow_origins) + _HEADER * len(each.allow_headers)
        for each in policies.values()
    )
    return len(config.routes) + max(entries, default=0)


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
