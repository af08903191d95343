"""What a route may reach, as it is written in a file."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cors.check import CORS_RULES
from tests.config.support import TOP, faults_of, parse, warned

UPSTREAMS = """
[upstreams.maps]
servers = ["https://maps.lan/geo"]
[upstreams.box]
servers = ["https://box.lan", "https://box2.lan"]
credentials = { type = "bearer", token = "t" }
[upstreams.found]
servers = ["srv+https://_maps._tcp.lan"]
[cors.app]
allow_origins = ["https://app.example"]
[cors.any]
allow_origins = ["*"]
"""
BY_URL = f'{TOP}{UPSTREAMS}[routes."/proxy"]\nby_url = ["maps", "box"]\n'
ONLY_MAPS = BY_URL.replace(', "box"', "")
PATHS = f'{TOP}{UPSTREAMS}[routes."/v1"]\nupstream = "maps"\n'


def said(source: str) -> str:
    """Return the problem of the only fault of a file, with its place and its fix."""
    (fault,) = faults_of(source, cors_rules=CORS_RULES)
    return fault.partition(": ")[2]


class ByUrlTests(SynchronousTestCase):
    """``by_url``."""

    def test_read(self) -> None:
        """The upstreams stand in the order in which they are written."""
        (route,) = parse(BY_URL).routes
        self.assertEqual([each.name for each in route.by_url], ["maps", "box"])
        self.assertEqual(route.upstream.name, "maps")
        (route,) = parse(PATHS).routes
        self.assertEqual(route.by_url, ())

    def test_faults(self) -> None:
        """It stands instead of upstream, and its URLs must decide."""
        names = '"maps", "box"'
        for source, fault in (
            (BY_URL + 'upstream = "box"\n', "by_url: it can't go with upstream; remove one"),
            (BY_URL + "strip_prefix = true\n", "strip_prefix: the URL is forwarded, not the"),
            (BY_URL.replace(f"[{names}]", "[]"), "by_url: it is empty; name an upstream"),
            (BY_URL.replace(f"[{names}]", '"maps"'), "by_url: it is text; write an array, such"),
            (
                BY_URL.replace(names, '"map"'),
                'by_url[0]: there is no [upstreams.map]; did you mean "',
            ),
            (BY_URL.replace(names, '"maps", 5'), "by_url[1]: it is an integer; write a name under"),
            (BY_URL.replace(names, '"maps", "maps"'), 'by_url: "maps" is listed twice; remove one'),
            (BY_URL.replace(names, '"found"'), 'by_url: no URL can name a server of "found"'),
            (BY_URL.replace(f"by_url = [{names}]", ""), "upstream: it is missing; write the name"),
        ):
            self.assertIn(fault, said(source).removeprefix('routes."/proxy".'), source)

    def test_counts_as_credentialed(self) -> None:
        """Every upstream is checked with the policy, and each finding is reported once."""
        self.assertEqual(faults_of(BY_URL + 'cors = "app"', cors_rules=CORS_RULES), [])
        self.assertIn('the upstream "box" has credentials', said(BY_URL + 'cors = "any"'))
        self.assertEqual(faults_of(ONLY_MAPS + 'cors = "any"', cors_rules=CORS_RULES), [])
        inline = 'cors = { allow_origins = ["https://a.example"], allow_methods = ["PUT"] }\n'
        found = parse(BY_URL + inline + 'methods = ["GET"]', cors_rules=CORS_RULES).warnings
        unserved = [each for each in found if "PUT" in each.problem]
        self.assertEqual(len(unserved), 1)
        rebound = [each for each in warned(BY_URL) if "DNS rebinding" in each]
        self.assertIn('the credentials of upstream "box"', rebound[0])

    def test_all_are_used(self) -> None:
        """An upstream that by_url names is used."""
        unused = [each for each in warned(BY_URL) if "upstreams" in each and "not used" in each]
        self.assertEqual([each.split()[1] for each in unused], ["upstreams.found:"])


class AllowPathsTests(SynchronousTestCase):
    """``allow_paths``."""

    def test_read(self) -> None:
        """The patterns stand in the order in which they are written."""
        (route,) = parse(PATHS + 'allow_paths = ["GET /v1/docs/**", "/v1/*/search"]').routes
        self.assertEqual([*map(str, route.allow_paths)], ["GET /v1/docs/**", "/v1/*/search"])
        (route,) = parse(PATHS).routes
        self.assertEqual(route.allow_paths, ())

    def test_faults(self) -> None:
        """A pattern that never matches is a fault, as is one that is none."""
        never = 'allow_paths[1]: "/docs" never matches: it is outside '
        for source, fault in (
            (f"{PATHS}allow_paths = []", "allow_paths: it is empty; list paths or remove the key"),
            (f'{PATHS}allow_paths = ["v1"]', 'allow_paths[0]: "v1" is not a path; write a path'),
            (f"{PATHS}allow_paths = [5]", "allow_paths[0]: 5 is an integer; write text in quotes"),
            (
                f'{PATHS}allow_paths = ["/v1", "/docs"]',
                f'{never}the route "/v1"; write the path with',
            ),
            (f'{BY_URL}allow_paths = ["/**", "/a*"]', 'allow_paths[1]: "/a*" has a star within'),
            (
                f'{ONLY_MAPS}allow_paths = ["/geo/**", "/docs"]',
                f"{never}the paths of its servers; write the path as it is in the URL",
            ),
        ):
            self.assertIn(fault, said(source).partition('".')[2], source)
        self.assertEqual(faults_of(f'{BY_URL}allow_paths = ["/docs", "/geo/x"]'), [])

    def test_prefixes(self) -> None:
        """A prefix is compared as it stands in a target."""
        for prefix, pattern in (("/", "/x"), ("/a b", "/a%20b/x"), ("/\u00e9", "/\u00e9/**")):
            source = PATHS.replace('"/v1"', f'"{prefix}"') + f'allow_paths = ["{pattern}"]'
            self.assertEqual(faults_of(source), [], prefix)

    def test_warnings(self) -> None:
        """Methods that the route does not serve, and duplicates, produce a warning."""
        source = f'{PATHS}methods = ["GET"]\nallow_paths = ["PUT /v1", "/v1", "/v1"]'
        found = [each.partition(': "')[2] for each in warned(source) if "allow_paths" in each]
        self.assertEqual(
            found,
            [
                'PUT /v1" never matches: the route does not serve PUT; remove it, or add the method'
                " to the route's methods",
                '/v1" is a duplicate; remove it',
            ],
        )

    def test_templates(self) -> None:
        """What other programs write for any segment is compared as it stands, with a warning."""
        for part, is_doubtful in (
            *(("{id}", True), (":id", True), ("<id>", True), ("[0-9]+", True)),
            *(("a:b", False), ("x{1}", False), ("*", False)),
        ):
            for pattern in (f"/v1/{part}", f"GET /v1/{part}/x"):
                found = warned(f'{PATHS}allow_paths = ["{pattern}"]')
                said = f'"{part}" only matches itself; write "*" for any one segment'
                self.assertEqual(any(said in each for each in found), is_doubtful, pattern)

    def test_passed_headers(self) -> None:
        """A field that some servers take for the target would go round the patterns."""
        passed = 'pass_headers = ["X-Original-URL", "X-Real-IP", "X_HTTP_Method_Override"]\n'
        ours = warned(f'{PATHS}{passed}allow_paths = ["/v1"]')
        found = [each for each in ours if "reach" in each]
        self.assertEqual(
            [each.partition("pass_headers")[2].partition(" may")[0] for each in found],
            ['[0]: "X-Original-URL"', '[2]: "X_HTTP_Method_Override"'],
        )
        self.assertFalse([each for each in warned(f"{PATHS}{passed}") if "reach" in each])

    def test_methods_of_no_pattern(self) -> None:
        """A method that the route or its own policy allows, and no pattern does, is pointed out."""
        cors = (
            'cors = { allow_origins = ["https://a.example"], allow_methods = ["PUT", "PATCH"] }\n'
        )
        for more, methods in (
            (f'{cors}allow_paths = ["GET /v1", "PATCH /v1"]', ['cors.allow_methods[0]: "PUT"']),
            (f'{cors}allow_paths = ["GET /v1", "/v1/x"]', []),
            ('methods = ["GET", "HEAD", "PUT"]\nallow_paths = ["GET /v1"]', ['methods[2]: "PUT"']),
            ('cors = "app"\nallow_paths = ["GET /v1"]', []),
        ):
            found = [each for each in warned(PATHS + more) if "no pattern of" in each]
            shown = [each.partition('"/v1".')[2].partition(" never")[0] for each in found]
            self.assertEqual(shown, methods)
