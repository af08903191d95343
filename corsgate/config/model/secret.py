"""Text that is never shown."""

from __future__ import annotations

import attrs


@attrs.frozen(repr=False)
class Secret:
    """Text that must never be shown: neither its repr nor its str says it."""

    _text: str = attrs.field(repr=False)

    def reveal(self) -> str:
        """Return the text itself, for the one place that puts it on the wire."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"
