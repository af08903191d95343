"""Patterns that are proposed for recorded calls."""

from __future__ import annotations

import json
import tomllib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.path_rules import AllowedPaths, PathPattern
from corsgate.errors import BadValue
from corsgate.explain.call import Call
from corsgate.explain.url import Url
from corsgate.learn.minimal import learn
from corsgate.learn.paths import MAX_PROPOSED, calls_by_url, proposed_paths
from corsgate.learn.record import CUT, Recorded, read_record
from tests.learn.test_minimal import APP, config_of, line


def recorded(method: str, path: str) -> Recorded:
    """Return a call."""
    url = Url.parse(f"http://localhost:5555{path}")
    return Recorded(call=Call(origin=APP.encode(), method=method.encode(), url=url))


def proposed(*calls: str) -> list[str]:
    """Return what is proposed for calls such as ``GET /v1``."""
    return proposed_paths([recorded(*call.split(" ", 1)) for call in calls])


class PathTests(SynchronousTestCase):
    """What is proposed."""

    def test_paths(self) -> None:
        """Each path that was called, and no other; queries don't count."""
        for calls, patterns in (
            ((), []),
            (("GET /v1/a?x", "GET /v1/a?y"), ["GET /v1/a"]),
            (("GET /v1/b", "PUT /v1/a", "GET /v1/a"), ["GET /v1/a", "PUT /v1/a", "GET /v1/b"]),
            (("HEAD /a", "GET /a", "HEAD /b"), ["GET /a", "HEAD /b"]),
            (("GET /a/", "GET /a"), ["GET /a", "GET /a/"]),
            (("GET /a%20b/*/%C3%A9",), ["GET /a%20b/%2A/%C3%A9"]),
        ):
            self.assertEqual(proposed(*calls), patterns, calls)

    def test_ids(self) -> None:
        """An id becomes a star if calls differ in it alone, and in its digits alone."""
        first, second = (
            "0b0f1e6a-5c1d-4f5e-9a40-1f0e2d3c4b5a",
            "11111111-2222-3333-4444-555555555555",
        )
        for calls, patterns in (
            (("GET /users/1", "GET /users/23"), ["GET /users/*"]),
            (("GET /users/1",), ["GET /users/1"]),
            (("GET /users/1", "PUT /users/2"), ["GET /users/1", "PUT /users/2"]),
            (("GET /u/1/x", "GET /u/2/x", "GET /u/2/y"), ["GET /u/*/x", "GET /u/2/y"]),
            (("GET /d/doc-1.json", "GET /d/doc-2.json"), ["GET /d/*"]),
            ((f"GET /o/{first}", f"GET /o/{second}"), ["GET /o/*"]),
            (("GET /g/0123456789ab", "GET /g/deadbeefcafe"), ["GET /g/*"]),
            # Names, not ids.
            (("GET /v1/x", "GET /v2/x"), ["GET /v1/x", "GET /v2/x"]),
            (("GET /users", "GET /groups"), ["GET /groups", "GET /users"]),
            (("GET /oauth2", "GET /saml2"), ["GET /oauth2", "GET /saml2"]),
            (("GET /users/me", "GET /users/1"), ["GET /users/1", "GET /users/me"]),
            # They differ in two segments, so that a star in both would allow more.
            (("GET /u/1/p/2", "GET /u/3/p/4"), ["GET /u/1/p/2", "GET /u/3/p/4"]),
            (("GET /u/1/p/2", "GET /u/1/p/3", "GET /u/2/p/9"), ["GET /u/1/p/*", "GET /u/2/p/9"]),
        ):
            self.assertEqual(sorted(proposed(*calls)), sorted(patterns), calls)

    def test_nothing(self) -> None:
        """There is no proposal that would not allow the calls, or that nobody would read."""
        self.assertEqual(proposed("GET /a", "GET /b%2Fc"), [])
        self.assertEqual(proposed("GET /a", "GET //b"), [])
        many = [f"GET /{chr(97 + n % 26)}/{chr(97 + n // 26)}" for n in range(MAX_PROPOSED + 1)]
        self.assertEqual(proposed(*many), [])
        self.assertEqual(len(proposed(*many[1:])), MAX_PROPOSED)

    @given(
        st.lists(
            st.lists(st.sampled_from(("v1", "a", "7", "42", "x-9")), min_size=1, max_size=4),
            min_size=1,
            max_size=8,
        )
    )
    def test_allows_the_calls(self, paths: list[list[str]]) -> None:
        """Whatever was called is allowed."""
        targets = ["/" + "/".join(path) for path in paths]
        patterns = proposed(*(f"PUT {target}" for target in targets))
        allowed = AllowedPaths(tuple(map(PathPattern, patterns)))
        for target in targets:
            self.assertTrue(allowed.allows(b"PUT", target.encode()), (patterns, target))


class LogTests(SynchronousTestCase):
    """Proposals in what `learn` writes."""

    def test_in_a_comment(self) -> None:
        """The proposal is a comment of its route, and is valid once it is no comment any more."""
        text = "\n".join(line("GET", f"/v1/docs/{number}") for number in range(3))
        learned = learn(read_record(text)).toml
        self.assertIn('# allow_paths = ["GET /v1/docs/*"]\n', learned)
        self.assertNotIn("allow_paths", tomllib.loads(learned)["routes"]["/v1"])
        (route,) = config_of(learned.replace("# allow", "allow")).routes
        self.assertEqual([*map(str, route.allow_paths)], ["GET /v1/docs/*"])

    def test_cut_paths(self) -> None:
        """A path that the log has cut proposes nothing; a cut query does no harm."""
        for target, has_proposal in ((f"/v1/{'a' * 9}{CUT}", False), (f"/v1/a?b={CUT}", True)):
            learned = learn(read_record(line("GET", target))).toml
            self.assertEqual("allow_paths" in learned, has_proposal, target)

    def test_refused_calls(self) -> None:
        """A call that was refused, or can't be allowed, proposes nothing."""
        text = "\n".join(
            (
                line("GET", "/v1/a"),
                line("GET", "/v1/refused", status=403, server=None),
                line("*", "/v1/odd"),
            )
        )
        self.assertIn('# allow_paths = ["GET /v1/a"]\n', learn(read_record(text)).toml)

    def test_preflights(self) -> None:
        """A preflight proposes nothing, since it is granted on paths that are not allowed too."""
        asked = json.loads(line("OPTIONS", "/v1/refused", status=204, server=None))
        text = "\n".join(
            (
                line("PUT", "/v1/a"),
                json.dumps(asked | {"asked_method": "PUT"}),
                line("PUT", "/v1/refused", status=403, server=None),
            )
        )
        self.assertIn('# allow_paths = ["PUT /v1/a"]\n', learn(read_record(text)).toml)

    def test_by_url(self) -> None:
        """Where every call names a URL, a note says how to write such a route."""
        target = "/v1?url=http%3A%2F%2Fbox.lan%2Fa"
        text = "\n".join((line("GET", target), line("GET", "/v1?http://box.lan/b")))
        learned = learn(read_record(text)).toml
        self.assertIn("write by_url with the upstreams", learned)
        self.assertNotIn("allow_paths", learned)
        self.assertFalse(calls_by_url([recorded("GET", target), recorded("GET", "/v1")], "/v1"))

    def test_star_is_no_method(self) -> None:
        """A record can't propose a pattern for all methods."""
        self.assertRaises(BadValue, PathPattern, "* /v1")
        self.assertEqual(proposed("* /v1"), [])
