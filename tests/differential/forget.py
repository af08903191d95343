"""Drops all that a gate remembers, at any moment, so that nothing it does may depend on it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from corsgate.config.model.values import Config, Listener, Route, Server, Upstream
from corsgate.cors.two_tier_cache import TwoTierCache
from corsgate.gate.service import GateService

_OURS = "corsgate."
_CONFIG = (Config, Listener, Route, Server, Upstream)
"""It remembers nothing, and there is much of it."""


def forgetter(service: GateService) -> Callable[[], object]:
    """Return what drops all that a gate has remembered, wherever it is.

    That is what its connections keep for the next request, while none is under way; what its
    policies have decided; and what functions and methods have cached for the whole process.
    """
    caches = _caches(len(sys.modules))
    stores = [each for each in _reachable(service) if isinstance(each, TwoTierCache)]

    def forget() -> None:
        for clear in caches:
            clear()
        for store in stores:
            for name in store.__slots__:
                part = getattr(store, name)
                if isinstance(part, dict):
                    part.clear()
        for listener in service.listeners:
            for channel in list(listener.site.connections.channels):
                channel.rest()

    return forget


@cache
def _caches(modules: int) -> Sequence[Callable[[], object]]:
    """Return what clears each of functools' caches in corsgate: functions' and methods'.

    Args:
        modules: How many modules have been imported: where there are more, there may be more.
    """
    caches: list[Any] = []
    for name, module in sorted(sys.modules.items()):
        if name.startswith(_OURS):
            for value in list(vars(module).values()):
                if getattr(value, "__module__", "") == name:
                    caches += vars(value).values() if isinstance(value, type) else (value,)
    return [cache.cache_clear for cache in caches if _is_cache(cache)]


def _is_cache(value: Any) -> bool:
    """Return whether something is a function with a cache, of more than the one thing it reads."""
    parameters = getattr(value, "cache_parameters", None)
    return parameters is not None and parameters()["maxsize"] != 1


def _reachable(start: object) -> Iterator[object]:
    """Return all objects of corsgate's classes that an object leads to, but for configuration."""
    seen: set[int] = set()
    waiting: list[Any] = [start]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list | tuple):
            waiting += value
        elif type(value).__module__.startswith(_OURS) and not isinstance(value, _CONFIG):
            yield value
            waiting += vars(value).values() if hasattr(value, "__dict__") else ()
            for kind in type(value).__mro__:
                slots = kind.__dict__.get("__slots__", ())
                names = (slots,) if isinstance(slots, str) else slots
                waiting += [getattr(value, name) for name in names if hasattr(value, name)]
