"""Secret text, kept out of logs and messages."""

from __future__ import annotations

import attrs


@attrs.frozen(repr=False)
class Secret:
    """Text that must never be shown; its repr and str hide it."""

    _text: str = attrs.field(repr=False)

    def reveal(self) -> str:
        """Return the text itself; only code that signs requests should call this."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"
