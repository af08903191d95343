"""The status with only the changed routes, since most of thousands do not change."""

from __future__ import annotations

from collections.abc import Iterator

from corsgate.admin.status import parts
from corsgate.admin.turns import json_pieces
from corsgate.admin.view import View
from corsgate.gate.compiled_route import CompiledRoute
from corsgate.gate.runtime import Runtime

_Stamp = tuple[int, int, int]


class Changes:
    """Makes the status for watchers that have an earlier one, as pieces of JSON.

    Its member ``partial`` is true if it contains only the routes that changed since the last time,
    and false if it contains all routes.

    Args:
        view: The source.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._runtime: Runtime | None = None
        self._stamps: dict[str, _Stamp] = {}

    def begin(self) -> None:
        """Start to track changes for `changed`."""
        self._note(self._view.gate.runtime)

    def whole(self) -> Iterator[bytes]:
        """Return the status with all routes."""
        return json_pieces({**parts(self._view), "partial": False})

    def changed(self) -> Iterator[bytes]:
        """Return the status with the routes that changed since the last call."""
        runtime = self._view.gate.runtime
        is_new = runtime is not self._runtime
        routes = self._note(runtime)
        return json_pieces({**parts(self._view, routes), "partial": not is_new})

    def _note(self, runtime: Runtime) -> list[CompiledRoute]:
        """Return the routes that changed since the last call; all of them after a reload."""
        if runtime is not self._runtime:
            self._runtime = runtime
            self._stamps.clear()
        changed = []
        for route in runtime.table.routes:
            stamp = _stamp(route)
            if self._stamps.get(route.label) != stamp:
                self._stamps[route.label] = stamp
                changed.append(route)
        return changed


def _stamp(route: CompiledRoute) -> _Stamp:
    """Return a value that changes with every change of the route's status."""
    counters = route.counters
    if counters is None:
        return (0, 0, 0)
    return (sum(counters.requests), counters.in_flight, counters.sent_bytes)
