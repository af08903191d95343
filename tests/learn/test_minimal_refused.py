"""Calls that were refused in the record are not learned."""

from __future__ import annotations

import tomllib

from twisted.trial.unittest import SynchronousTestCase

from corsgate.learn.minimal import learn
from corsgate.learn.record import read_record
from tests.learn.test_minimal import APP, BOX, CHROME, entry, har, line


class RefusedTests(SynchronousTestCase):
    """`learn` with records of refused calls."""

    def test_refused_in_a_log(self) -> None:
        """Calls that a gate refused, or forwarded without a grant, become only comments."""
        evil = "https://evil.example"
        refused = (
            line("GET", "/v1/a", evil, status=403, server=None, outcome="x"),
            line("GET", "/v1/a", evil, status=403, server=None),
            # On a route without enforce_origin or without a policy.
            line("GET", "/v1/a", evil, ungranted="origin not allowed"),
            line("PURGE", "/v1/a", ungranted="method not allowed"),
            # The gate's own errors, such as for a method that the route does not serve.
            line("PURGE", "/v1/a", status=405, server=None),
            line("PURGE", "/v1/a", status=502, server=None),
            line("OPTIONS", "/v1/a", evil, status=403, asked_method="GET"),
            line("OPTIONS", "/v1/a", status=403, asked_method="PURGE"),
            line("OPTIONS", "/v1/a", status=403, asked_method="GET", asked_headers="x-evil"),
            # With debug in the policy, so that the browser names the cause.
            line("OPTIONS", "/v1/a", asked_method="PURGE", outcome="not in allow_methods"),
            # Forwarded, since it has two Origin fields.
            line("OPTIONS", "/v1/a", evil, asked_method="PURGE", server=BOX),
        )
        own = line("GET", "/v1/a")
        for each in refused:
            for text in ("\n".join((own, each)), "\n".join((each, own))):
                found = learn(read_record(text))
                policy = tomllib.loads(found.toml)["cors"]["learned"]
                self.assertEqual(policy, {"allow_origins": [APP]}, each)
                comment = found.toml.partition("# refused before: ")[2].partition("\n")[0]
                expected = evil if evil in each else f"{APP} PURGE" if "PURGE" in each else "x-evil"
                self.assertIn(expected, comment)
            alone = learn(read_record(each))
            self.assertEqual((alone.toml, len(alone.notes)), ("", 1))
            self.assertTrue(alone.notes[0].startswith("refused before: "))

    def test_refused_in_a_har(self) -> None:
        """So do calls that their response, or that of their preflight, did not grant."""
        asked = {"Origin": APP, "Access-Control-Request-Method": "PUT"}
        grant = {"Access-Control-Allow-Origin": APP}
        refused = [
            entry("PUT", f"{BOX}/a", CHROME, granted=False),
            entry("PUT", f"{BOX}/a", CHROME, {"Access-Control-Allow-Origin": "https://b.example"}),
            entry("PUT", f"{BOX}/a", CHROME, {"Access-Control-Allow-Origin": "*"}, cookies=1),
            entry("PUT", f"{BOX}/a", CHROME, {"Access-Control-Allow-Credentials": ""}, cookies=1),
            entry("OPTIONS", f"{BOX}/a", asked, grant, granted=False),
            entry("OPTIONS", f"{BOX}/a", asked, {"Access-Control-Allow-Methods": "PATCH"}),
            entry(
                "OPTIONS",
                f"{BOX}/a",
                {**asked, "Access-Control-Request-Headers": "x-evil"},
                {"Access-Control-Allow-Headers": "x-other"},
            ),
        ]
        refused.append(entry("OPTIONS", f"{BOX}/a", asked))
        refused[-1]["response"]["status"] = 403
        own = entry("GET", f"{BOX}/a", CHROME)
        for each in refused:
            found = learn(read_record(har(each, own)))
            policy = tomllib.loads(found.toml)["cors"]["learned"]
            self.assertEqual(policy, {"allow_origins": [APP]}, each)
            self.assertIn(f"# refused before: {APP} PUT", found.toml)
        granted = entry("OPTIONS", f"{BOX}/a", asked, {"Access-Control-Allow-Methods": "*"})
        found = learn(read_record(har(granted, own)))
        self.assertEqual(tomllib.loads(found.toml)["cors"]["learned"]["allow_methods"], ["PUT"])
        self.assertNotIn("refused", found.toml)

    def test_refused_once_and_granted_later(self) -> None:
        """A call that was granted later is learned, and not listed in a comment."""
        text = "\n".join((line("GET", "/v1/a", status=403, server=None), line("GET", "/v1/a")))
        self.assertNotIn("refused", learn(read_record(text)).toml)

    def test_comments_are_bounded_lines(self) -> None:
        """Strangers' text stays in comments, whose number and length are bounded."""
        odd = '\n[cors.learned]\nallow_origins = ["*"]\x00\x85\u2028'
        lines = [line("GET", "/v1/a")]
        for number in range(1000):
            origin = f"https://a{number}.example{odd}" + "x" * 5000
            lines.append(line("GET", "/v1/a", origin, status=403, server=None))
            lines.append(line("GET", "/v2/a", origin, status=403, server=None, route="/v2"))
        found = learn(read_record("\n".join(lines)))
        document = tomllib.loads(found.toml)
        self.assertEqual(document["cors"], {"learned": {"allow_origins": [APP]}})
        self.assertEqual(list(document["routes"]), ["/v1"])
        comments = [each for each in found.toml.split("\n") if each.startswith("#")]
        self.assertEqual(len([each for each in comments if "refused" in each]), 42)
        self.assertIn("# refused before: 980 more", comments)
        self.assertLess(max(map(len, comments)), 250)
        self.assertTrue(found.toml.isascii())

    def test_refused_paths_and_servers_count_for_nothing(self) -> None:
        """Refused calls affect neither the route's prefix nor the upstreams."""
        text = har(
            entry("GET", f"{BOX}/v1/a", CHROME),
            entry("GET", f"{BOX}/v1/b", CHROME),
            entry("GET", f"{BOX}/other", CHROME, granted=False),
            entry("GET", "http://evil.example/v1", CHROME, granted=False),
        )
        document = tomllib.loads(learn(read_record(text)).toml)
        self.assertEqual(list(document["routes"]), ["/v1"])
        self.assertEqual(document["upstreams"], {"api": {"servers": [BOX]}})
