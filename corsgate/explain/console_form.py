"""The form of one kind of console message, and what is read from it."""

from __future__ import annotations

import re

import attrs

from corsgate.explain.block_causes import Cause

QUOTE = "['\"\u2018\u2019\u201c\u201d]"
"""Any quotation mark, straight or curly: copying may change them."""

CHROMIUM = "chromium"
FIREFOX = "firefox"
SAFARI = "safari"
ANY = ""
"""For a message that several browsers print, or none in particular."""


@attrs.frozen
class Form:
    """One kind of message.

    Attributes:
        browser: Which browser prints it; empty if several do.
        pattern: Matches it anywhere in the copied text. Its named groups are read: ``url`` (what
            was called), ``first`` (what the script called, if a redirect followed), ``origin``
            (the page's), ``page`` (the page's URL), ``method``, ``header``, ``status``,
            ``allowed`` (Access-Control-Allow-Origin) and ``why`` (the browser's reason).
        cause: Why the call was blocked; None if that depends on ``why``.
    """

    browser: str
    pattern: re.Pattern[str]
    cause: Cause | None = None


def form(browser: str, pattern: str, cause: Cause | None = None) -> Form:
    """Return a form whose pattern is given as text."""
    return Form(browser, re.compile(pattern), cause)
