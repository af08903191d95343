"""Check that a label in Punycode decodes to a valid name."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_PREFIX = "xn--"
_NEVER = frozenset(("Cc", "Cs", "Co", "Zs", "Zl", "Zp"))


def bad_label(labels: Iterable[str]) -> str:
    """Return the first label that starts with ``xn--`` but does not decode to a valid name.

    By the URL standard such a URL can't be loaded. Chromium does not decode Punycode and would load
    it, but nobody can register the name, so it is a typing error. Only rules that no new version of
    Unicode can change are checked. Emoji and other symbols are valid in browsers, though not in
    most registries.

    Args:
        labels: The labels of a host, in lower-cased ASCII.

    Returns:
        The label; empty if all are fine.

    Source: RFC 3492, UTS 46 4.1, URL ``#concept-domain-to-ascii``.
    """
    return next((label for label in labels if not _is_name(label)), "")


def _is_name(label: str) -> bool:
    if not label.startswith(_PREFIX):
        return True
    encoded = label.removeprefix(_PREFIX)
    try:
        name = encoded.encode("ascii").decode("punycode")
        again = name.encode("punycode").decode("ascii")
    except (ValueError, OverflowError):
        return False
    # The codec decodes some spellings that it never produces.
    if again != encoded or name.isascii():
        return False
    if name != unicodedata.normalize("NFC", name) or name != name.lower():
        return False
    return not any(unicodedata.category(char) in _NEVER for char in name)
