"""Tests of `corsgate.config.model.balancing`: what a valid balancing is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from corsgate.config.model import balancing
from corsgate.config.model.balancing import Balancing, Ejection, Fallback, HealthCheck, Sticky
from tests.config.support import TableTestCase, fault_of


class CheckTests(TableTestCase):
    """The checks of single values."""

    def test_hash_on(self) -> None:
        """The client, the target, or a header or cookie by its name."""
        known = 'write "client", "target", "header:NAME" or "cookie:NAME"'
        bad = {
            "": f'"" is unknown; {known}',
            "header": f'"header" is unknown; {known}',
            "Client": f'"Client" is unknown; {known}',
            "client:a": f'"client:a" is unknown; {known}',
            "header:": '"" is not a valid name; remove spaces and separators',
            "cookie:a b": '"a b" is not a valid name; remove spaces and separators',
        }
        good = ["client", "target", "header:X-Key", "cookie:session"]
        self.assert_checked(balancing.check_hash_on, good, bad)

    def test_statuses(self) -> None:
        """A final status: an interim one never ends a probe."""
        bad = {
            199: "199 is too small; write 200 or more",
            600: "600 is too large; write 599 or less",
        }
        self.assert_checked(balancing.check_status, [200, 599], bad)

    def test_causes(self) -> None:
        """A status is only a cause if a proxy in front of the application may have made it."""
        for cause in ("400", "429", "501", "505", "CONNECT", ""):
            self.assertIn("is unknown; write", fault_of(balancing.check_cause, cause), cause)
        self.assert_checked(balancing.check_cause, balancing.CAUSES, {})

    def test_content_types(self) -> None:
        """One line of ASCII, since it goes into a header."""
        self.assert_checked(balancing.check_content_type, ["text/html; charset=utf-8"], {})
        for text in ("", "text/html\r\nX-A: b", "t\u00e9xt/html"):
            self.assertNotEqual(fault_of(balancing.check_content_type, text), "", text)


class ValueTests(TableTestCase):
    """The frozen values."""

    def test_a_500_is_not_a_failure_by_default(self) -> None:
        """It is the application's own response: another server would send the same."""
        self.assertEqual(set(balancing.CAUSES) - set(balancing.FAILURES), {"500"})
        self.assertEqual(Ejection().on, balancing.FAILURES)
        self.assertEqual(Balancing().retry_on, balancing.FAILURES)

    def test_defaults_are_safe(self) -> None:
        """Probes are signed, no cookie is set, and retries are bounded."""
        self.assertFalse(HealthCheck(path="/").anonymous)
        found = Balancing()
        self.assertEqual((found.sticky, found.health, found.on_down), (None, None, None))
        self.assertEqual((found.balance, found.retries, found.max_tries), ("round_robin", 1, 5))

    def test_a_head_has_no_body_to_check(self) -> None:
        """A probe with HEAD can't look for text."""
        fault = fault_of(lambda: HealthCheck(path="/", method="HEAD", body="ok"))
        self.assertEqual(fault, 'a response to HEAD has no body; write method = "GET"')
        self.assertEqual(fault_of(lambda: HealthCheck(path="/", method="HEAD")), "")
        self.assertEqual(fault_of(lambda: HealthCheck(path="/", body="ok")), "")

    def test_ranges(self) -> None:
        """The ends of each range are valid, and the next value is not."""
        cases: tuple[tuple[Callable[..., object], str, object, object, str], ...] = (
            (_health, "interval_s", 0.01, 0.009, "9ms is too small; write 10ms or more"),
            (_health, "interval_s", 3600, 3601, "3601s is too large; write 1h or less"),
            (_health, "timeout_s", 0.01, 0.0, "0s is too small; write 10ms or more"),
            (_health, "rise", 1, 0, "0 is too small; write 1 or more"),
            (_health, "fall", 100, 101, "101 is too large; write 100 or less"),
            (_health, "port", 65535, 65536, "65536 is too large; write 65535 or less"),
            (_health, "status", (599,), (600,), "600 is too large; write 599 or less"),
            (Ejection, "failures", 0, -1, "-1 is too small; write 0 or more"),
            (Ejection, "time_s", 0.001, 0.0, "0s is too small; write 1ms or more"),
            (Fallback, "status", 200, 101, "101 is too small; write 200 or more"),
            (Balancing, "retries", 10, 11, "11 is too large; write 10 or less"),
            (Balancing, "max_tries", 1, 0, "0 is too small; write 1 or more"),
            (Balancing, "slow_start_s", 0, 3601, "3601s is too large; write 1h or less"),
            (Balancing, "max_requests", 1, 0, "0 is too small; write 1 or more"),
        )
        for make, name, good, bad, fault in cases:
            found = [fault_of(partial(make, **{name: value})) for value in (good, bad)]
            self.assertEqual((name, found), (name, ["", fault]))

    def test_names_are_checked(self) -> None:
        """A value that only a reader of files had checked would reach the wire."""
        for make in (
            lambda: Sticky(cookie="a=b"),
            lambda: Balancing(balance="fastest"),
            lambda: Balancing(hash_on="ip"),
            lambda: Balancing(retry_on=("404",)),
            lambda: Ejection(on=("404",)),
            lambda: Fallback(content_type="a\nb"),
            lambda: HealthCheck(path="health"),
            lambda: HealthCheck(path="/", method="get"),
        ):
            self.assertNotEqual(fault_of(make), "")

    def test_fallback_body_is_bounded(self) -> None:
        """It is counted in bytes of UTF-8, not in characters."""
        longest = balancing.MAX_FALLBACK_BYTES // 2
        self.assertEqual(fault_of(lambda: Fallback(body="é" * longest)), "")
        self.assertIn("is too large", fault_of(lambda: Fallback(body="é" * (longest + 1))))


def _health(**changes: Any) -> HealthCheck:
    return HealthCheck(path="/", **changes)
