"""Requests of other sites without CORS: navigations, and requests without a mode."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.headers import Header
from tests.cors.cases import APP, EVIL, EXTENSION, FETCH_SITES, FORWARD, REFUSE, run
from tests.explain.cases_navigation import CROSS, DOCUMENT, IFRAME, NAVIGATIONS, SIBLING, Navigation


def navigation(case: Navigation) -> list[Header]:
    """Return the fields of a navigation."""
    _, _, origins, site, dests, referer, _, _ = case
    return [
        *((b"Origin", origin) for origin in origins),
        (b"Sec-Fetch-Site", site),
        (b"Sec-Fetch-Mode", b"navigate"),
        *((b"Sec-Fetch-Dest", dest) for dest in dests),
        *((b"Referer", value) for value in (referer,) if value is not None),
    ]


class NavigationTests(SynchronousTestCase):
    """Requests whose responses no script can read."""

    def test_navigations(self) -> None:
        """Other sites may open the gate in a tab, but in a frame or object only if allowed."""
        for case in NAVIGATIONS:
            policy, method, *_, verdict, by_referer = case
            headers = navigation(case)
            decision = run(policy, method, headers, credentialed=True)
            self.assertEqual(decision.verdict, verdict, case)
            origins = [field for field in headers if field[0] == b"Origin"]
            without = run(policy, method, origins, credentialed=True)
            vary = ((b"Vary", without.vary + b", Referer"),)
            self.assertEqual(decision.headers, vary if by_referer else without.headers, case)
            if verdict is REFUSE and without.verdict is FORWARD:
                self.assertIn("where credentials are injected", decision.reason)
                self.assertIn("navigation", decision.reason)
                self.assertLess(len(decision.reason), 300)
            # Without injected credentials, the page could frame the upstream itself.
            self.assertEqual(run(policy, method, headers), run(policy, method, origins), case)

    def test_referer_names_an_origin(self) -> None:
        """What only lets strangers in allows no Referer."""
        for referer, verdict in (
            (APP + b"/page", FORWARD),
            (EXTENSION + b"/page.html", REFUSE),
            (b"null", REFUSE),
        ):
            headers = [
                (b"Sec-Fetch-Site", b"same-site"),
                (b"Sec-Fetch-Mode", b"no-cors"),
                (b"Referer", referer),
            ]
            decision = run("null", b"GET", headers, credentialed=True)
            self.assertEqual((referer, decision.verdict), (referer, verdict))

    def test_allow_framing(self) -> None:
        """It opens a route to frames, but not to forms or anything else."""
        for case in NAVIGATIONS:
            policy, method, *_, verdict, _ = case
            headers = navigation(case)
            decision = run(policy, method, headers, credentialed=True, allow_framing=True)
            expected = FORWARD if method in (b"GET", b"HEAD") else verdict
            self.assertEqual(decision.verdict, expected, case)
            self.assertTrue(decision.vary or policy.endswith("lenient"), case)
        for policy, method, origins, site, mode, verdict in FETCH_SITES:
            if mode is not None:
                headers = [(b"Origin", origin) for origin in origins]
                headers += [(b"Sec-Fetch-Site", site), (b"Sec-Fetch-Mode", mode)]
                decision = run(policy, method, headers, credentialed=True, allow_framing=True)
                self.assertEqual(decision.verdict, verdict, (policy, method, origins, site, mode))

    def test_no_mode(self) -> None:
        """A request of another site without Origin and mode passes only as a tab's.

        No browser sends one, but an unknown future mode is treated in the same way.
        """
        for site in (CROSS, SIBLING):
            for modes in ((), (b"cors",), (b"websocket",), (b"unheard-of",)):
                for dests, verdict in (
                    ((), REFUSE),
                    ((b"empty",), REFUSE),
                    (IFRAME, REFUSE),
                    (DOCUMENT, FORWARD),
                ):
                    headers = [
                        (b"Sec-Fetch-Site", site),
                        *((b"Sec-Fetch-Mode", mode) for mode in modes),
                        *((b"Sec-Fetch-Dest", dest) for dest in dests),
                    ]
                    for policy in ("none", "plain", "public"):
                        decision = run(policy, b"GET", headers, credentialed=True)
                        self.assertEqual(decision.verdict, verdict, (policy, headers))
                        self.assertEqual(run(policy, b"GET", headers).verdict, FORWARD)

    def test_vary_of_all(self) -> None:
        """Vary names all fields for which another request could be refused."""
        for policy in ("none", "plain", "full", "public"):
            for origins in ((), (APP,), (EVIL,)):
                headers = [(b"Origin", origin) for origin in origins]
                vary = run(policy, b"GET", headers, credentialed=True).vary.split(b", ")
                names = {b"Sec-Fetch-Site", b"Sec-Fetch-Mode", b"Sec-Fetch-Dest"}
                self.assertLessEqual(names, set(vary), (policy, origins))
