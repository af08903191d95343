"""The forms of console messages."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain import console_chromium, console_firefox, console_safari
from corsgate.explain.console_form import QUOTE, Form, form
from tests.explain.console_messages import console_messages

GROUPS = {
    *("url", "first", "origin", "page", "method", "header", "status", "allowed", "why"),
    *("what", "quote", "redirect"),
}


def forms(module: object) -> list[Form]:
    """Return all forms of a module."""
    found: list[Form] = []
    for value in vars(module).values():
        if isinstance(value, Form):
            found.append(value)
        elif isinstance(value, tuple):
            found += [each for each in value if isinstance(each, Form)]
    return found


class FormTests(SynchronousTestCase):
    """`Form`."""

    def test_quotes(self) -> None:
        """Any quotation mark will do, since copying changes them."""
        pattern = form("", rf"{QUOTE}x{QUOTE}").pattern
        for said in ("'x'", '"x"', "\u201cx\u201d", "\u2018x\u2019"):
            self.assertIsNotNone(pattern.fullmatch(said))
        self.assertIsNone(pattern.fullmatch("x"))

    def test_groups_are_known(self) -> None:
        """No form names a part that nobody reads."""
        for module in (console_chromium, console_firefox, console_safari):
            for each in forms(module):
                self.assertLessEqual(set(each.pattern.groupindex), GROUPS, each)

    def test_each_is_used(self) -> None:
        """Every form matches a message that a browser prints, or that its source has."""
        texts = [" ".join(said.text.split()) for said in console_messages()]
        texts += ["net::ERR_BLOCKED_BY_PRIVATE_NETWORK_ACCESS_CHECKS"]
        texts += ['URL scheme must be "http" or "https" for CORS request.']
        for module in (console_chromium, console_firefox, console_safari):
            for each in forms(module):
                self.assertTrue(any(each.pattern.search(text) for text in texts), each.pattern)
