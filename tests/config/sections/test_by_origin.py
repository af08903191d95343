"""``credentials_by_origin``, as it is read, and what looks at all of an upstream's credentials."""

from __future__ import annotations

from corsgate.admin.masked_config import masked
from corsgate.config.model.by_origin import OriginCredentials
from corsgate.config.model.values import BearerCredentials, Credentials, Secret
from corsgate.config.sections.by_origin import read_by_origin
from corsgate.config.toml.reader import Named
from corsgate.cors.check import CORS_RULES
from corsgate.gate.start_lines import summary
from tests.config.support import TableTestCase, faults_of, noted, table_of, warned
from tests.support import parse

TOKEN = BearerCredentials(token=Secret("t"))
FILE = """
listen = ["tcp:5555:interface=127.0.0.1"]
[upstreams.a]
servers = ["{server}"]
credentials_by_origin = {{ "http://localhost:4200" = "one", "http://localhost:4300" = "two" }}
{upstream}
[credentials.one]
type = "bearer"
token = "hunter2"
[credentials.two]
type = "header"
name = "X-Key"
value = "hunter3"
[cors.app]
allow_origins = ["http://localhost:4200"]
{cors}
[routes."/v1"]
upstream = "a"
cors = "app"
{route}
"""


def config(server: str = "https://b", upstream: str = "", cors: str = "", route: str = "") -> str:
    """Return a configuration."""
    return FILE.format(server=server, upstream=upstream, cors=cors, route=route)


class ReadTests(TableTestCase):
    """`read_by_origin`."""

    def read(self, value: str) -> tuple[tuple[OriginCredentials, ...], list[str]]:
        """Return what the key is read as, and what was recorded."""
        table = table_of(f"credentials_by_origin = {value}")
        named: Named[Credentials] = Named(section="credentials", entries={"t": TOKEN, "bad": None})
        return read_by_origin(table, named), noted(table)

    def test_valid(self) -> None:
        """Origins and names."""
        found, recorded = self.read('{ "http://a" = "t", "https://b:1" = "t" }')
        self.assertEqual([each.origin for each in found], ["http://a", "https://b:1"])
        self.assertEqual({each.credentials for each in found}, {TOKEN})
        self.assertEqual(recorded, [])

    def test_faults(self) -> None:
        """Each is recorded at its key; the secret of an inline table is not shown."""
        for value, words in (
            ("{}", "it names no origin"),
            ('"t"', "it is text"),
            ('{ "http://a/" = "t" }', "has a path"),
            ('{ "*" = "t" }', "is a pattern"),
            ('{ "null" = "t" }', "is the origin of every sandboxed frame"),
            ('{ "localhost:4200" = "t" }', "write it as browsers send it"),
            ('{ "HTTP://a" = "t" }', 'write "http://a"'),
            ('{ "http://a" = "none" }', "there is no [credentials.none]"),
            ('{ "http://a" = 5 }', "it is not a name"),
            ('{ "http://a" = { type = "bearer", token = "hunter2" } }', "it is not a name"),
        ):
            found, recorded = self.read(value)
            self.assertEqual(found, ())
            self.assertEqual(len(recorded), 1, value)
            self.assertIn(words, recorded[0])
            self.assertNotIn("hunter2", recorded[0])
        self.assertEqual(self.read('{ "http://a" = "bad" }'), ((), []))


class EveryoneTests(TableTestCase):
    """Whoever looks at an upstream's credentials sees all of them."""

    def test_owned_names(self) -> None:
        """The fields of each account are nobody else's."""
        for line in (
            {"route": 'pass_headers = ["X-Key"]'},
            {"upstream": 'request_headers = { set = { X-Key = "1" } }'},
            {"cors": 'allow_headers = ["X-Key"]'},
        ):
            self.assertEqual(len(faults_of(config(**line), cors_rules=CORS_RULES)), 1, line)

    def test_confined(self) -> None:
        """The rules for pages hold as for any upstream with credentials."""
        text = config().replace('["http://localhost:4200"]', '["null"]')
        found = "".join(faults_of(text, cors_rules=CORS_RULES))
        self.assertIn("every page on the web could act with them", found)

    def test_any_origin(self) -> None:
        """Its policy sends no Vary: Origin, whatever else it allows."""
        danger = "dangerously_allow_any_origin_to_use_upstream_credentials = true"
        text = config(cors=danger).replace('["http://localhost:4200"]', '["*"]')
        (fault,) = faults_of(text, cors_rules=CORS_RULES)
        self.assertIn("caches would send one origin's responses to another", fault)

    def test_not_allowed(self) -> None:
        """An origin that no route allows, perhaps misspelled, produces a warning at its key."""
        place = 'upstreams.a.credentials_by_origin."http://localhost:4300"'
        others = (
            '[routes."/v2"]\nupstream = "a"\n[routes."/v2".cors]\nallow_origins = {}\n{}'.format(
                *each
            )
            for each in (
                ('["http://localhost:4300"]', ""),
                ('["http://localhost:*"]', ""),
                ('["http://localhost:4200"]', "enforce_origin = false"),
            )
        )
        for more, expected in (
            ("", 1),
            ('[routes."/v2"]\nupstream = "a"', 0),
            *((other, 0) for other in others),
        ):
            found = [
                each
                for each in map(str, parse(config() + more).warnings)
                if "no route of the upstream" in each
            ]
            self.assertEqual(len(found), expected, more)
            self.assertTrue(all(place in each for each in found), found)

    def test_in_clear(self) -> None:
        """Each that is sent unencrypted produces a warning at its key."""
        warnings = [each for each in warned(config("http://b.example")) if "unencrypted" in each]
        self.assertEqual(len(warnings), 2)
        self.assertIn('credentials_by_origin."http://localhost:4200"', warnings[0])

    def test_shown(self) -> None:
        """The start lines and the admin page name origins and kinds, and no secret."""
        parsed = parse(config())
        (line,) = [each for each in summary(parsed, "c") if each.startswith("upstream a")]
        self.assertIn("a bearer token for http://localhost:4200", line)
        self.assertIn("a secret in X-Key for http://localhost:4300", line)
        self.assertIn("403 for all others", line)
        shown = str(masked(parsed))
        self.assertIn("http://localhost:4300", shown)
        self.assertNotIn("hunter", shown)
