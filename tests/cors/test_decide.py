"""Requests and policies: which are forwarded, which get a response here, with which headers."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors
from corsgate.cors.decide import (
    CORS_RESPONSE_HEADERS,
    MAX_ASKED_BYTES,
    MAX_ASKED_EMPTY,
    MAX_ASKED_NAMES,
    MAX_REMEMBERED_BYTES,
    decide,
    merge_vary,
)
from corsgate.cors.decision import Decision
from corsgate.cors.policy import MAX_REMEMBERED, compile_policy
from tests.cors.cases import (
    ACTUAL,
    APP,
    EVIL,
    EXPOSE,
    EXTENSION,
    FETCH_SITES,
    FORWARD,
    FULL_PREFLIGHT,
    LONG,
    OWN,
    POLICIES,
    PREFLIGHT,
    PREFLIGHTS,
    REFUSE,
    SUB,
    VARY,
    preflight,
    run,
)

EMBEDDED = ((), b"same-site", b"no-cors")


class ActualTests(SynchronousTestCase):
    """Requests that are not preflights."""

    def test_table(self) -> None:
        """Verdict and headers follow from policy, Origin and whether credentials are injected."""
        for policy, method, origins, credentialed, verdict, headers in ACTUAL:
            decision = run(
                policy, method, [(b"Origin", o) for o in origins], credentialed=credentialed
            )
            case = (policy, method, origins, credentialed)
            self.assertEqual(decision.verdict, verdict, case)
            self.assertEqual(decision.headers, headers, case)
            self.assertTrue(decision.reason, case)

    def test_fetch_metadata(self) -> None:
        """Another site's page can use injected credentials only with CORS."""
        for policy, method, origins, site, mode, verdict in FETCH_SITES:
            headers = [(b"Origin", origin) for origin in origins]
            sec_fetch = [(b"Sec-Fetch-Site", site)]
            if mode is not None:
                sec_fetch.append((b"Sec-Fetch-Mode", mode))
            case = (policy, method, origins, site, mode)
            decision = run(policy, method, [*headers, *sec_fetch], credentialed=True)
            self.assertEqual(decision.verdict, verdict, case)
            without = run(policy, method, headers, credentialed=True)
            asks_referer = policy == "plain" and (origins, site, mode) == EMBEDDED
            vary = ((b"Vary", without.vary + b", Referer"),)
            expected = vary if asks_referer else without.headers
            self.assertEqual(decision.headers, expected, case)

    def test_fetch_metadata_without_credentials(self) -> None:
        """Without injected credentials, Sec-Fetch-* changes nothing."""
        for policy, method, origins, site, mode, _ in FETCH_SITES:
            headers = [(b"Origin", origin) for origin in origins]
            sec_fetch = [(b"Sec-Fetch-Site", site), (b"Sec-Fetch-Mode", mode or b"")]
            self.assertEqual(
                run(policy, method, [*headers, *sec_fetch]), run(policy, method, headers)
            )

    def test_one_answer_for_all(self) -> None:
        """With ``*`` a shared cache can't distinguish responses: all have its fields."""
        for policy in ("public", "public-lenient"):
            for credentialed in (False, True):
                seen = {
                    run(
                        policy, b"GET", [(b"Origin", o) for o in origins], credentialed=credentialed
                    ).headers
                    for origins in ((), (APP,), (OWN,), (b"",), (LONG,), (APP, EVIL))
                }
                self.assertEqual(len(seen), 1, (policy, credentialed))

    def test_no_own_origin(self) -> None:
        """If the gate's own origin is unknown, no Origin counts as the gate's."""
        for policy in (None, POLICIES["plain"]):
            for origin in (b"", b"http://", b"https://"):
                index = {b"origin": [origin]}
                decision = decide(policy, b"GET", index, b"", credentialed=True)
                self.assertEqual(decision.verdict, REFUSE, origin)
                own = {**index, b"sec-fetch-site": [b"same-origin"]}
                decision = decide(policy, b"POST", own, b"", credentialed=True)
                self.assertEqual(decision.verdict, REFUSE, origin)

    def test_own_by_fetch_metadata(self) -> None:
        """A form's POST from the gate's own page may have another Origin; Sec-Fetch-Site decides.

        This holds only for ``null`` and another scheme: no same-origin request has any other.
        """
        own, others = (b"same-origin",), ((b"same-site",), (b"none",), (), (b"same-origin",) * 2)
        other_scheme = OWN.replace(b"https", b"http")
        for policy in ("none", "plain", "full"):
            for origin in (b"null", other_scheme):
                for method, sites, expected in (
                    (b"POST", own, FORWARD),
                    (b"DELETE", own, FORWARD),
                    (b"GET", own, REFUSE),
                    (b"HEAD", own, REFUSE),
                    *((b"POST", other, REFUSE) for other in others),
                ):
                    headers = [(b"Origin", origin), *((b"Sec-Fetch-Site", site) for site in sites)]
                    decision = run(policy, method, headers, credentialed=True)
                    self.assertEqual(decision.verdict, expected, (policy, origin, method, sites))
                    own_headers = run(policy, method, [], credentialed=True).headers
                    self.assertEqual(decision.headers, own_headers)
            port, below = other_scheme + b":8080", OWN.replace(b"://", b"://x.")
            for origins in ((b"null",) * 2, (EVIL,), (port,), (below,), (b"gate.example",), (b"",)):
                headers = [*((b"Origin", each) for each in origins), (b"Sec-Fetch-Site", *own)]
                decision = run(policy, b"POST", headers, credentialed=True)
                self.assertEqual(decision.verdict, REFUSE, origins)

    def test_ready_decisions(self) -> None:
        """Common requests share one prepared decision."""
        for origins in ((), (APP,), (SUB,), (OWN,)):
            headers = [(b"Origin", origin) for origin in origins]
            for credentialed in (False, True):
                first = run("plain", b"GET", headers, credentialed=credentialed)
                self.assertIs(run("plain", b"PUT", headers, credentialed=credentialed), first)


class PreflightTests(SynchronousTestCase):
    """OPTIONS with one Origin and Access-Control-Request-Method."""

    def test_table(self) -> None:
        """An allowed preflight gets the policy's lists; others are refused."""
        for policy, origin, asked, asked_names, verdict, headers in PREFLIGHTS:
            decision = preflight(policy, origin, asked, asked_names)
            case = (policy, origin, asked, asked_names)
            self.assertEqual(decision.verdict, verdict, case)
            self.assertEqual(decision.headers, headers, case)
            self.assertTrue(decision.reason, case)

    def test_only_preflights_are_answered(self) -> None:
        """A request without one of the three marks is not a preflight."""
        origin, method = (b"Origin", APP), (b"Access-Control-Request-Method", b"GET")
        for verb, headers in (
            (b"OPTIONS", [origin]),
            (b"OPTIONS", [method]),
            (b"options", [origin, method]),
            (b"GET", [origin, method]),
            (b"OPTIONS", [origin, (b"Access-Control-Request-Headers", b"x-a")]),
        ):
            self.assertEqual(run("plain", verb, headers).verdict, FORWARD, (verb, headers))

    def test_two_origins_are_no_preflight(self) -> None:
        """With two Origin fields it is refused like any request, and nothing is allowed."""
        headers = [(b"Origin", APP), (b"Origin", APP), (b"Access-Control-Request-Method", b"GET")]
        decision = run("plain", b"OPTIONS", headers)
        self.assertEqual((decision.verdict, decision.headers), (REFUSE, (VARY,)))

    def test_injected_credentials_change_nothing(self) -> None:
        """A preflight carries no credentials, so its response is the same on all routes."""
        headers = [
            (b"Origin", APP),
            (b"Access-Control-Request-Method", b"GET"),
            (b"Sec-Fetch-Site", b"cross-site"),
            (b"Sec-Fetch-Mode", b"no-cors"),
        ]
        for policy in POLICIES:
            self.assertEqual(
                run(policy, b"OPTIONS", headers, credentialed=True),
                run(policy, b"OPTIONS", headers),
            )

    def test_bounds_on_names(self) -> None:
        """Bytes, names and empty elements pass up to their bounds, and not one more."""
        within = (
            b",".join(b"x-%d" % number for number in range(MAX_ASKED_NAMES)),
            b"," * MAX_ASKED_EMPTY + b"x-a",
            b"x" * MAX_ASKED_BYTES,
            b"x-a" + b" " * (MAX_ASKED_BYTES - 3),
        )
        for value in within:
            self.assertEqual(preflight("stars", APP, (b"PUT",), (value,)).verdict, PREFLIGHT)
        beyond = (
            (b",".join(b"x-%d" % number for number in range(MAX_ASKED_NAMES + 1)),),
            (b"," * (MAX_ASKED_EMPTY + 1) + b"x-a",),
            (b"x" * (MAX_ASKED_BYTES + 1),),
            (b"," * MAX_ASKED_BYTES,),
            (b"",) * (MAX_ASKED_EMPTY + 2),
            (b"x" * 5000, b"y" * 5000),
        )
        for values in beyond:
            decision = preflight("stars", APP, (b"PUT",), values)
            self.assertEqual(decision.verdict, REFUSE)
            self.assertIn("too long", decision.reason)

    def test_remembered_questions(self) -> None:
        """A repeated question gets a ready response for each origin, except a long one."""
        policy = compile_policy(
            Cors(
                allow_origins=("https://*.example", "https://b.test"),
                allow_methods=("*",),
                allow_headers=("*",),
                allow_credentials=True,
            )
        )

        def ask(origin: bytes, names: bytes, method: bytes = b"PUT") -> Decision:
            index = {
                b"origin": [origin],
                b"access-control-request-method": [method],
                b"access-control-request-headers": [names],
            }
            return decide(policy, b"OPTIONS", index, OWN, credentialed=False)

        for _ in range(3):
            for origin in (APP, b"https://a.example", b"https://b.test"):
                answer = dict(ask(origin, b"x-a").headers)
                self.assertEqual(answer[b"Access-Control-Allow-Origin"], origin)
                self.assertIs(ask(origin, b"x-a"), ask(origin, b"x-a"))
        for names, method in (
            (b"x" * (MAX_REMEMBERED_BYTES + 1), b"PUT"),
            (b"x-a", b"X" * MAX_REMEMBERED_BYTES),
        ):
            self.assertEqual(ask(APP, names, method).verdict, PREFLIGHT)
        self.assertEqual((len(policy.granted), len(policy.repeated)), (1, 3))
        for number in range(5 * MAX_REMEMBERED):
            self.assertEqual(ask(APP, b"x-%d" % number).verdict, PREFLIGHT)
        ready = ask(APP, b"x-a")
        self.assertIs(ask(APP, b"x-a"), ready)
        most = 2 * MAX_REMEMBERED
        self.assertLessEqual(max(len(policy.granted), len(policy.repeated)), most)

    @given(
        st.lists(
            st.sampled_from((b"Content-Type", b"if-match", b"AUTHORIZATION", b"x-a")), max_size=8
        ),
        st.randoms(use_true_random=False),
        st.sampled_from(("full", "echo", "stars", "echo-names", "public")),
    )
    def test_splitting_and_order(self, asked: list[bytes], random: Random, policy: str) -> None:
        """Order, case, lines, spaces and empty elements don't change the decision."""
        plain = (b",".join(sorted({name.lower() for name in asked})),)
        shuffled = list(asked)
        random.shuffle(shuffled)
        shuffled[1:1] = [b""]
        lines = tuple(name.swapcase() + b" \t" for name in shuffled)
        mixed = (b" ,".join(shuffled[:3]), b",\t".join(shuffled[3:]))
        expected = preflight(policy, APP, (b"PUT",), plain)
        self.assertEqual(preflight(policy, APP, (b"PUT",), lines), expected)
        self.assertEqual(preflight(policy, APP, (b"PUT",), mixed), expected)


class LawTests(SynchronousTestCase):
    """What holds for every request and policy."""

    @given(
        st.sampled_from(sorted(POLICIES)),
        st.sampled_from((b"GET", b"POST", b"OPTIONS", b"PUT")),
        st.lists(
            st.sampled_from((APP, SUB, OWN, EVIL, EXTENSION, b"null", b"*")) | st.binary(),
            max_size=2,
        ),
        st.lists(st.binary(max_size=20), max_size=2),
        st.lists(st.binary(max_size=20), max_size=2),
        st.booleans(),
    )
    def test_no_other_origin_is_ever_allowed(
        self,
        policy: str,
        method: bytes,
        origins: list[bytes],
        asked: list[bytes],
        asked_names: list[bytes],
        credentialed: bool,
    ) -> None:
        """Only an allowed origin is echoed, nothing splits a header, and each reason is a line."""
        headers = [
            *((b"Origin", origin) for origin in origins),
            *((b"Access-Control-Request-Method", value) for value in asked),
            *((b"Access-Control-Request-Headers", value) for value in asked_names),
        ]
        decision = run(policy, method, headers, credentialed=credentialed)
        answer = dict(decision.headers)
        said = answer.get(b"Access-Control-Allow-Origin")
        if policy == "none":
            self.assertIsNone(said)
        elif policy.startswith("public"):
            self.assertIn(said, (None, b"*"))
            self.assertNotIn(b"Access-Control-Allow-Credentials", answer)
        elif said is not None:
            self.assertEqual([said], origins)
            more = {"plain": (SUB,), "null": (b"null", EXTENSION)}.get(policy, ())
            self.assertIn(said, (APP, *more))
        self.assertEqual(len(answer), len(decision.headers))
        for value in answer.values():
            self.assertTrue(value and value.isascii() and value.decode("ascii").isprintable())
        self.assertTrue(decision.reason.isascii() and decision.reason.isprintable())
        self.assertLess(len(decision.reason), 600)
        self.assertEqual(decision.vary, answer.get(b"Vary", b""))
        if decision.verdict is PREFLIGHT:
            self.assertEqual(method, b"OPTIONS")
        if method == b"OPTIONS" and len(origins) == 1 and asked:
            self.assertIsNot(decision.verdict, FORWARD)

    def test_reasons_are_precise(self) -> None:
        """Each refusal has a reason of one line."""
        for decision, said in (
            (run("plain", b"GET", [(b"Origin", EVIL)]), "'https://evil.test'"),
            (run("plain", b"GET", [(b"Origin", b"null")]), "'null'"),
            (run("plain", b"POST", [(b"Origin", b"null")]), "Referrer-Policy: no-referrer"),
            (run("plain", b"GET", [(b"Origin", LONG)]), "520 bytes"),
            (run("plain", b"GET", [(b"Origin", APP)] * 3), "3 Origin fields"),
            (run("none", b"GET", [(b"Origin", EVIL)], credentialed=True), "injects credentials"),
            (preflight("none", APP, (b"GET",), ()), "no CORS policy"),
            (preflight("full", APP, (b"PATCH",), ()), "method 'PATCH'"),
            (preflight("full", APP, (b"put",), ()), "upper case"),
            (preflight("full", APP, (b"P\nT",), ()), "is not a method"),
            (preflight("full", APP, (b"PUT", b"GET"), ()), "more than one"),
            (preflight("full", APP, (b"PUT",), (b"x-b,x-a",)), "request header 'x-a'"),
            (preflight("stars", APP, (b"PUT",), (b"authorization",)), "never covers it"),
            (preflight("stars", APP, (b"PUT",), (b"x a",)), "'x a' is not a header name"),
            (preflight("full", APP, (b"X" * 500,), ()), "'..."),
        ):
            self.assertEqual(decision.verdict, REFUSE)
            self.assertIn(said, decision.reason)


class ResponseHeaderTests(SynchronousTestCase):
    """How an upstream's response is changed."""

    def test_names(self) -> None:
        """Every CORS response header of Fetch is removed; Vary and others are not."""
        for headers in (FULL_PREFLIGHT, (EXPOSE,)):
            for name, _ in headers:
                if name != b"Vary":
                    self.assertIn(name.lower(), CORS_RESPONSE_HEADERS)
        self.assertTrue(all(name == name.lower() for name in CORS_RESPONSE_HEADERS))
        self.assertNotIn(b"vary", CORS_RESPONSE_HEADERS)
        self.assertNotIn(b"timing-allow-origin", CORS_RESPONSE_HEADERS)

    def test_merge_a_long_vary(self) -> None:
        """A Vary that is too long to read becomes ``*``; none of the gate's names gets lost."""
        for upstream in ([b"x" * 9000], [b"," * 300], [b"a"] * 300):
            self.assertEqual(merge_vary(upstream, b"Origin"), b"*")

    def test_merge_vary(self) -> None:
        """No name in the upstream's Vary is lost, and none is repeated."""
        for upstream, ours, expected in (
            ([], b"", None),
            ([], b"Origin", b"Origin"),
            ([b"Accept"], b"", b"Accept"),
            ([b"Accept"], b"Origin", b"Accept, Origin"),
            ([b"Origin"], b"Origin", b"Origin"),
            ([b"origin, Accept"], b"Origin", b"origin, Accept"),
            ([b"Accept", b"Cookie,accept"], b"Origin", b"Accept, Cookie, Origin"),
            ([b"Cookie"], b"Origin, Sec-Fetch-Site", b"Cookie, Origin, Sec-Fetch-Site"),
            ([b"*"], b"Origin", b"*"),
            ([b"Accept", b"Cookie, *"], b"Origin", b"*"),
            ([b"*"], b"", b"*"),
            ([b"", b" , "], b"", None),
            ([b""], b"Origin", b"Origin"),
        ):
            self.assertEqual(merge_vary(upstream, ours), expected, (upstream, ours))

    @given(
        st.lists(st.sampled_from((b"Accept", b"accept, Origin", b"ORIGIN", b"Cookie,", b"*", b""))),
        st.sampled_from((b"", b"Origin", b"Origin, Sec-Fetch-Site, Sec-Fetch-Mode")),
    )
    def test_merging_again(self, upstream: list[bytes], ours: bytes) -> None:
        """Merging twice is merging once."""
        once = merge_vary(upstream, ours)
        self.assertEqual(merge_vary([once] if once is not None else [], ours), once)
