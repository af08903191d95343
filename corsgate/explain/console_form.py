"""The pattern of one kind of console message, and the values that are read from it."""

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
"""The browser of messages that several browsers print."""


@attrs.frozen
class Form:
    """One kind of message.

    Attributes:
        browser: The browser that prints it; empty if several do.
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
    """Return a form with a pattern that is given as text."""
    return Form(browser, re.compile(pattern), cause)
