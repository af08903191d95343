"""The limits on clients' connections, which a reload changes in place."""

from __future__ import annotations

from copy import copy

import attrs

from corsgate.config.model.limits import Limits


def live_copy(limits: Limits) -> Limits:
    """Return limits that `change` may change in place, so that every holder sees the change.

    Thousands of connections hold them, and don't have to be found that way.
    """
    return copy(limits)


def change(live: Limits, limits: Limits) -> None:
    """Change limits that `live_copy` returned.

    Args:
        live: The limits to change.
        limits: Their new values.
    """
    for field in attrs.fields(Limits):
        # The class is frozen, because no other limits ever change.
        object.__setattr__(live, field.name, getattr(limits, field.name))
