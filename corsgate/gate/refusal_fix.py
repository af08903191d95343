"""What would allow a refused call: for the status page, and in short for a line of the log."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import attrs
from twisted.logger import Logger

from corsgate.config.model.values import Config
from corsgate.config.toml.lines import key_text
from corsgate.config.toml.writer import toml_value
from corsgate.cors.origin import NULL, take_apart
from corsgate.errors import BadValue
from corsgate.explain.call import Call, usual_value
from corsgate.explain.explanation import Explanation, explain
from corsgate.explain.fix import Change
from corsgate.explain.url import Url
from corsgate.gate.log_text import MAX_SHOWN, printable
from corsgate.gate.refusals import Refusal

MAX_LINE = 300
"""How many characters of TOML a line of the log has at most; for more, it says where to look."""

MAX_CACHED = 100
"""For how many refusals a line is kept."""

WORK_PER_SECOND = 500
"""How much work explanations for the log may be in a second, in routes gone through: 25 ms."""

MAX_WORK = 2000
"""The work of one explanation from which the log goes without: some 0.1 s."""

_log = Logger()

_LEAST_WORK = 25
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
        changes: The same, key by key.
        option: The command line option that allows it, without a file; None with one.
        advice: Further advice, in sentences.
    """

    near_miss: str | None = None
    toml: str | None = None
    changes: tuple[Change, ...] = ()
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
    return f"--allow {origins[-1]}" if isinstance(origins, list) else None


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
        changes=() if option else explanation.changes,
        option=option,
        advice=explanation.advice,
    )


def _is_cut(refusal: Refusal) -> bool:
    """Return whether a text of a refusal may lack its end, and so be about another call."""
    texts = (refusal.origin, refusal.method, refusal.path, refusal.gate_origin)
    return any(len(text) >= MAX_SHOWN for text in (*texts, refusal.asked_method or ""))


def work_of(config: Config) -> int:
    """Return how much work one explanation is: it goes through all routes, and through a policy."""
    policies = {id(each.cors): each.cors for each in config.routes if each.cors is not None}
    entries = (
        _ORIGIN * len(each.allow_origins) + _HEADER * len(each.allow_headers)
        for each in policies.values()
    )
    return len(config.routes) + max(entries, default=0)


def short_remedy(found: Remedy) -> str:
    """Return what would allow a call, in one line; empty if nothing does.

    An origin that only looks like an allowed one gets that said instead. Nobody should add it in
    a hurry.
    """
    near_miss = found.near_miss or ""
    if _looks_alike(near_miss):
        return printable(near_miss)
    if found.option:
        return f"to allow it, add {printable(found.option)}"
    if not found.changes:
        return ""
    toml = printable(_on_one_line(found.changes))
    if len(toml) > MAX_LINE:
        return "corsgate refusals shows the TOML that allows it"
    return f"to allow it, write {toml}"


class RemedyLines:
    """Explains refusals for lines of the log, within a bound of time per second.

    Args:
        config: Returns the configuration in force.
    """

    def __init__(self, config: Callable[[], Config]) -> None:
        self._get_config = config
        self._config: Config | None = None
        self._work = 0
        self._second = float("-inf")
        self._credit = 0
        self._known: OrderedDict[Refusal, str] = OrderedDict()

    def line(self, refusal: Refusal, now: float) -> str:
        """Return what would allow a call; empty if nothing does, or there is no time to find out.

        Args:
            refusal: A refusal of the call.
            now: The reactor's seconds.
        """
        config = self._get_config()
        if config is not self._config:
            self._known.clear()
            self._config, self._work = config, max(work_of(config), _LEAST_WORK)
        if refusal.origin == NO_ORIGIN or self._work > MAX_WORK:
            return ""
        same = attrs.evolve(refusal, time_s=0, id="", count=1)
        known = self._known.pop(same, None)
        if known is None:
            if now - self._second >= 1:
                self._second, self._credit = now, max(WORK_PER_SECOND, self._work)
            if self._credit < self._work:
                return ""
            self._credit -= self._work
            try:
                known = short_remedy(remedy(config, refusal))
            except Exception:
                # A line of the log must not keep a request from ending.
                _log.failure("a refused call can't be explained")
                known = ""
        self._known[same] = known
        if len(self._known) > MAX_CACHED:
            self._known.popitem(last=False)
        return known


def _looks_alike(near_miss: str) -> bool:
    return near_miss.startswith("another site: ") or "only contains its name" in near_miss


def _on_one_line(changes: Sequence[Change]) -> str:
    """Return keys to write as ``in [cors.app]: allow_methods = ["PUT"], ...``."""
    tables: dict[str, list[str]] = {}
    for each in changes:
        keys = tables.setdefault(f"[{key_text(each.table)}]", [])
        keys.append(f"{key_text((each.key,))} = {toml_value(each.value)}")
    return "; ".join(f"in {table}: {', '.join(keys)}" for table, keys in tables.items())
