"""The limits on clients' connections, which a reload changes in place."""

from __future__ import annotations

from copy import copy

import attrs

from corsgate.config.model.limits import Limits


def live_copy(limits: Limits) -> Limits:
    """Return limits of which `change` may be called: all that hold them see the change at once.

    Thousands of connections and their parts hold them, and don't have to be found.
    """
    return copy(limits)


def change(live: Limits, limits: Limits) -> None:
    """Change limits that `live_copy` returned.

    Args:
        live: The limits to change.
        limits: Their new values.
    """
    for field in attrs.fields(Limits):
        # The class is frozen, since no other limits ever change.
        object.__setattr__(live, field.name, getattr(limits, field.name))
