"""Suggests settings that would allow a refused call: for the status page and the log."""

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
"""The maximum length of TOML in a log line. For longer TOML the line refers to a command."""

MAX_CACHED = 100
"""The maximum number of refusals whose lines are cached."""

WORK_PER_SECOND = 500
"""The limit on explanations for the log per second, in examined routes; it is about 25 ms."""

MAX_WORK = 2000
"""If one explanation takes more work than this, about 0.1 s, the log goes without."""

_log = Logger()

_LEAST_WORK = 25
_ORIGIN, _HEADER = 4, 16
"""The work for an entry of allow_origins and allow_headers, each of which may be a near miss."""

NO_ORIGIN = "-"
"""The value of `Refusal.origin` if there was no Origin."""

_CUT = "The call is too long to be kept whole, so the gate can't say what would allow it."
_NO_BROWSERS = "No browser sends such an Origin, so there is no entry to add to allow_origins."
_ALLOWED_NOW = "The current configuration allows this call."
_NOT_CORS = (
    "The request had no Origin, so it is not a CORS call: a form, a link or an image on another"
    " site's page sent it."
)


@attrs.frozen(kw_only=True)
class Remedy:
    """How a refused call differs from allowed ones, and the settings that would allow it.

    Attributes:
        near_miss: How the call differs from similar ones that are allowed; None if there are none.
        toml: The keys to write, as TOML; None if no configuration can allow the call.
        changes: The same keys one by one.
        option: The command line option that allows it; None if there is a configuration file.
        advice: Further advice, in sentences.
    """

    near_miss: str | None = None
    toml: str | None = None
    changes: tuple[Change, ...] = ()
    option: str | None = None
    advice: tuple[str, ...] = ()


def call_of(refusal: Refusal) -> Call | None:
    """Return the call that a page made, or None if it is not a CORS call that can be explained.

    If the request is a preflight, return the call that would follow it.
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
    """Explain a refusal by the current configuration."""
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
        # Allowing a similar origin would not allow this call, but would allow that origin's pages.
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
    """Return whether part of a refusal may be cut off, so that it would describe another call."""
    texts = (refusal.origin, refusal.method, refusal.path, refusal.gate_origin)
    return any(len(text) >= MAX_SHOWN for text in (*texts, refusal.asked_method or ""))


def work_of(config: Config) -> int:
    """Return the work for one explanation: it examines all routes, and all of one policy."""
    policies = {id(each.cors): each.cors for each in config.routes if each.cors is not None}
    entries = (
        _ORIGIN * len(each.allow_origins) + _HEADER * len(each.allow_headers)
        for each in policies.values()
    )
    return len(config.routes) + max(entries, default=0)


def short_remedy(found: Remedy) -> str:
    """Return the settings that would allow a call, in one line; empty if none would.

    If an origin only looks like an allowed one, the line says that instead, since nobody should
    add such an origin in a hurry.
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
    """Explains refusals for lines of the log, with a limit on the work per second.

    Args:
        config: Returns the current configuration.
    """

    def __init__(self, config: Callable[[], Config]) -> None:
        self._get_config = config
        self._config: Config | None = None
        self._work = 0
        self._second = float("-inf")
        self._credit = 0
        self._known: OrderedDict[Refusal, str] = OrderedDict()

    def line(self, refusal: Refusal, now: float) -> str:
        """Return the settings that would allow a call; empty if none or over the limit.

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
                # A failure here must not keep a request from ending.
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
