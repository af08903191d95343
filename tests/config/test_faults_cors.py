"""Faults and warnings of CORS policies, and of routes that have one, word for word."""

from __future__ import annotations

from collections.abc import Iterable

from corsgate.cors.check import CORS_RULES
from corsgate.errors import ConfigError, Fault
from tests.config.support import TableTestCase, parse

TOP = 'listen = ["tcp:5555"]\nhosts = ["gate.example"]\n'
LOCAL = 'listen = ["tcp:5555:interface=127.0.0.1"]\n\n'
OPEN = """[upstreams.open]
servers = ["http://127.0.0.1:8000"]


[routes."/"]
upstream = "open"
"""
BOX = """[upstreams.box]
servers = ["http://127.0.0.1:8001"]
credentials = { type = "bearer", token = "t" }

[routes."/"]
upstream = "box"
"""
CORS = "cors = { @@ }\n"
POLICY = TOP + OPEN + CORS
INJECTED = TOP + BOX + CORS
WITH_A_KEY = INJECTED.replace(
    '{ type = "bearer", token = "t" }', '{ type = "header", name = "X-API-Key", value = "k" }'
)
SERVING = TOP + OPEN + 'methods = ["GET", "PUT"]\n' + CORS
AT_HOME = LOCAL + OPEN + CORS
BEHIND_A_PROXY = LOCAL[:-1] + 'hosts = ["api.example.com"]\n' + OPEN + CORS
TRUSTING_A_PROXY = (
    '[[listener]]\nendpoint = "tcp:5555:interface=127.0.0.1"\ntrusted_proxies = ["127.0.0.1"]\n'
    + OPEN
    + CORS
)
AT = 'c.toml:9: routes."/".cors'
AT_10 = 'c.toml:10: routes."/".cors'
HTTPS = 'allow_origins = ["https://a.example.com"]'
ANY = "dangerously_allow_any_origin_to_use_upstream_credentials"
INSECURE = "dangerously_allow_insecure_origins_with_credentials"
SUFFIXES = "dangerously_allow_subdomains_of_public_suffixes"


def found(source: str) -> tuple[str, str]:
    """Answer the faults and the warnings of a file, as they are shown."""
    try:
        config = parse(source, cors_rules=CORS_RULES)
    except ConfigError as error:
        return _lines(error.faults), _lines(error.warnings)
    return "", _lines(config.warnings)


def _lines(faults: Iterable[Fault]) -> str:
    return "\n".join(str(fault) for fault in faults)


def _suffix(pattern: str, suffix: str, own: str) -> str:
    return (
        f'{AT}.allow_origins[0]: "{pattern}" allows whoever registers a name under "{suffix}",'
        f' which is a public suffix; write a name of your own before it, as in "{own}", or'
        f" {SUFFIXES} = true"
    )


def _insecure(origin: str) -> str:
    return (
        f'{AT}.allow_origins[0]: "{origin}" can\'t go with allow_credentials: whoever can change'
        " the page on its way can act as its user; serve the page over https, or write"
        f" {INSECURE} = true"
    )


def _only(kind: str, key: str, name: str, mend: str = "leave it out") -> str:
    return f'{AT}.{key}[0]: "{name}" is a header that only {kind} send; {mend}'


FAULTS = (
    ('allow_origins = ["https://*.com"]', _suffix("https://*.com", "com", "https://*.example.com")),
    (
        'allow_origins = ["https://*.github.io:*"]',
        _suffix("https://*.github.io:*", "github.io", "https://*.example.github.io:*"),
    ),
    (
        'allow_origins = ["https://*.kawasaki.jp"]',
        _suffix("https://*.kawasaki.jp", "kawasaki.jp", "https://*.example.kawasaki.jp"),
    ),
    (
        'allow_origins = ["http://a.example.com"], allow_credentials = true',
        _insecure("http://a.example.com"),
    ),
    (
        'allow_origins = ["http://10.0.0.1:8080"], allow_credentials = true',
        _insecure("http://10.0.0.1:8080"),
    ),
    (
        'allow_origins = ["http://*.example.com"], allow_credentials = true',
        _insecure("http://*.example.com"),
    ),
    (
        f'{HTTPS}, allow_headers = ["ETag"]',
        _only("servers", "allow_headers", "ETag", 'write "If-Match", if that was meant'),
    ),
    (
        f'{HTTPS}, allow_headers = ["Access-Control-Allow-Origin"]',
        _only("servers", "allow_headers", "Access-Control-Allow-Origin"),
    ),
    (f'{HTTPS}, allow_headers = ["vary"]', _only("servers", "allow_headers", "vary")),
    (f'{HTTPS}, expose_headers = ["Origin"]', _only("clients", "expose_headers", "Origin")),
    (f'{HTTPS}, expose_headers = ["if-match"]', _only("clients", "expose_headers", "if-match")),
    (
        f'{HTTPS}, expose_headers = "all"',
        f'{AT}.expose_headers: it is text; write an array, such as ["X-Total"]',
    ),
    (
        f'{HTTPS}, debug_origins = ["*", "http://a/"], debug = "yes"',
        f'{AT}.debug: "yes" is text; write true or false\n'
        f'{AT}.debug_origins[0]: "*" would tell everybody; list the origins of those who develop\n'
        f'{AT}.debug_origins[1]: "http://a/" has a "/" at its end, which an origin never has; '
        'write "http://a"',
    ),
    (
        f'{HTTPS}, {ANY} = "yes"',
        f'{AT}.{ANY}: "yes" is text; write true or false',
    ),
)

INJECTED_FAULTS = (
    (
        'allow_origins = ["*"]',
        f'{AT}: the policy allows any origin, and the upstream "box" has credentials: every page'
        f" on the web could act with them; list the origins, or write {ANY} = true in the policy",
    ),
)

NO_FAULTS = (
    'allow_origins = ["*"]',
    'allow_origins = ["https://*.example.com", "https://*.corp", "http://*.localhost:*"]',
    'allow_origins = ["https://*.foo.github.io"]',
    'allow_origins = ["http://localhost:*", "http://127.0.0.1:1"], allow_credentials = true',
    'allow_origins = ["http://*.localhost", "http://[::1]:8080"], allow_credentials = true',
    'allow_origins = ["capacitor://localhost", "ionic://a"], allow_credentials = true',
    'allow_origins = ["http://a.example.com"]',
    f'{HTTPS}, expose_headers = "auto", allow_credentials = true',
    f'{HTTPS}, expose_headers = ["Authorization", "Accept-Patch", "ETag", "Location"]',
    f'{HTTPS}, allow_headers = ["Content-Range", "Content-Disposition", "If-Match", "Range"]',
)

WARNINGS = (
    (
        'allow_origins = ["https://a.example.com", "https://b.example.com", "https://a.example.com"]',
        f'{AT}.allow_origins[2]: "https://a.example.com" is there already; remove it',
    ),
    (
        'allow_origins = ["https://*.example.com", "https://a.b.example.com"]',
        f'{AT}.allow_origins[1]: "https://a.b.example.com" is covered by "https://*.example.com"; '
        "remove one of them",
    ),
    (
        'allow_origins = ["http://localhost:4200", "http://localhost:*"]',
        f'{AT}.allow_origins[0]: "http://localhost:4200" is covered by "http://localhost:*"; '
        "remove one of them",
    ),
    (
        'allow_origins = ["https://*.b.example.com:8443", "https://*.example.com:*"]',
        f'{AT}.allow_origins[0]: "https://*.b.example.com:8443" is covered by '
        '"https://*.example.com:*"; remove one of them',
    ),
    (
        'allow_origins = ["https://*.example.com", "https://*.example.com:*"]',
        f'{AT}.allow_origins[0]: "https://*.example.com" is covered by "https://*.example.com:*"; '
        "remove one of them",
    ),
    (
        f'{HTTPS}, allow_methods = ["GET", "POST"]',
        f"{AT}.allow_methods: GET, HEAD and POST need no listing, and a policy can't forbid them; "
        "remove it; the route's own key methods says which are served at all",
    ),
    (
        f'{HTTPS}, allow_methods = ["PUT", "BREW", "PUT"]',
        f'{AT}.allow_methods[2]: "PUT" is there already; remove it\n'
        f'{AT}.allow_methods[1]: "BREW" never gets through: the gate knows no such method; '
        "remove it",
    ),
    (
        f'{HTTPS}, allow_headers = ["X-A", "x-a", "X-Forwarded-For"]',
        f'{AT}.allow_headers[1]: "x-a" is there already; remove it\n'
        f'{AT}.allow_headers[2]: "X-Forwarded-For" never gets through: the gate itself says who '
        "the client is; remove it",
    ),
    (
        f'{HTTPS}, expose_headers = ["X-A", "X-a", "Content-Type", "Upgrade"]',
        f'{AT}.expose_headers[1]: "X-a" is there already; remove it\n'
        f'{AT}.expose_headers[2]: every script may read "Content-Type" without that; remove it\n'
        f'{AT}.expose_headers[3]: "Upgrade" never gets through: it speaks of one connection; '
        "remove it",
    ),
    (
        f'{HTTPS}, max_age = "24h"',
        f"{AT}.max_age: only Firefox keeps an answer for that long; Chromium does for 2h at most; "
        'write "2h"',
    ),
    (
        f'{HTTPS}, allow_headers = ["*"]',
        f'{AT}.allow_headers: "*" does not cover Authorization, and the gate has no credentials for'
        ' the upstream "open", so clients that log in there are refused; '
        'add "Authorization", or list the headers',
    ),
    (
        f'allow_origins = ["http://a.example.com"], allow_credentials = true, {INSECURE} = true',
        f'{AT}.{INSECURE}: whoever can change a page of "http://a.example.com" on its way can act'
        " as its user; list https origins of your own",
    ),
    (
        f'allow_origins = ["https://*.github.io"], {SUFFIXES} = true',
        f'{AT}.{SUFFIXES}: whoever registers a name that "https://*.github.io" stands for is'
        " allowed; list https origins of your own",
    ),
    (
        f"{HTTPS}, {INSECURE} = true",
        f"{AT}.{INSECURE}: it allows nothing: no origin here needs it; remove it",
    ),
    (
        f"{HTTPS}, {SUFFIXES} = true",
        f"{AT}.{SUFFIXES}: it allows nothing: no origin here needs it; remove it",
    ),
    (
        f"{HTTPS}, {ANY} = true",
        f'{AT}.{ANY}: it allows nothing: "*" is not in allow_origins; remove it',
    ),
)

INJECTED_WARNINGS = (
    (
        f'{HTTPS}, allow_headers = ["X-A", "authorization"], expose_headers = ["WWW-Authenticate"]',
        f'{AT}.allow_headers[1]: "authorization" never gets through: the gate logs in at the '
        'upstream "box" by itself; remove it\n'
        f'{AT}.expose_headers[0]: "WWW-Authenticate" never gets through: the gate logs in at the '
        'upstream "box" by itself; remove it',
    ),
    (
        f'allow_origins = ["*"], {ANY} = true',
        f'{AT}.{ANY}: every page on the web can act with the credentials of "box"; '
        "list the origins",
    ),
    (
        f"{HTTPS}, enforce_origin = false",
        f"{AT}.enforce_origin: pages of every origin can act with the credentials of the upstream"
        ' "box", though they can\'t read the answers; remove it',
    ),
)

WITH_A_KEY_WARNINGS = (
    (
        f'{HTTPS}, allow_headers = ["X-Api-Key", "X-A"]',
        f'{AT}.allow_headers[0]: "X-Api-Key" never gets through: the gate logs in at the '
        'upstream "box" by itself; remove it',
    ),
)

FAR = (
    "is on the public web and the gate listens on this machine's loopback address only: browsers"
    " ask their user before such a page may call it, and never let a page call it that came over"
    " http; serve the page from this machine, or listen where the page's users can reach it"
)
AT_HOME_WARNINGS = (
    (HTTPS, f'{AT}.allow_origins[0]: "https://a.example.com" {FAR}'),
    (
        'allow_origins = ["https://*.example.co.uk", "http://8.8.8.8"]',
        f'{AT}.allow_origins[0]: "https://*.example.co.uk" {FAR}\n'
        f'{AT}.allow_origins[1]: "http://8.8.8.8" {FAR}',
    ),
)

NO_WARNINGS = (
    HTTPS,
    'allow_origins = ["*"]',
    'allow_origins = ["https://*.example.com", "https://example.com", "http://a.example.com"]',
    'allow_origins = ["https://*.example.com", "https://a.example.com:8443"]',
    'allow_origins = ["https://*.b.example.com", "https://b.example.com"]',
    'allow_origins = ["http://[::1]:8080", "http://[::1]", "http://127.0.0.1:1"]',
    f'{HTTPS}, allow_methods = ["GET", "PUT", "POST", "DELETE"], max_age = "2h"',
    f'{HTTPS}, allow_methods = ["*"], allow_headers = ["*", "Authorization"]',
    f'{HTTPS}, allow_headers = ["Content-Type", "Accept"], expose_headers = ["*"]',
    f'{HTTPS}, enforce_origin = false, expose_headers = "auto"',
    f'{HTTPS}, allow_headers = ["Authorization"], expose_headers = ["WWW-Authenticate"]',
)
NO_WARNINGS_AT_HOME = (
    'allow_origins = ["http://localhost:4200", "https://app.corp", "http://10.0.0.1"]',
    'allow_origins = ["capacitor://localhost", "chrome-extension://abcdef", "*"]',
)


class CorsFindingTests(TableTestCase):
    """Each fault and warning has its line, its key, what is wrong and the mend."""

    def _assert(
        self, template: str, cases: Iterable[tuple[str, str]], *, warnings: bool = False
    ) -> None:
        expected = {fragment: ("", told) if warnings else (told, "") for fragment, told in cases}
        self.assertEqual(expected, {each: found(template.replace("@@", each)) for each in expected})
        self.assertNotIn(("", ""), expected.values())

    def _assert_none(self, template: str, fragments: Iterable[str]) -> None:
        for fragment in fragments:
            self.assertEqual(found(template.replace("@@", fragment)), ("", ""), fragment)

    def test_faults(self) -> None:
        """What is refused for its risk, and names that can't be what was meant."""
        self._assert(POLICY, FAULTS)

    def test_injected_credentials(self) -> None:
        """Where the upstream has credentials, not every page may come."""
        self._assert(INJECTED, INJECTED_FAULTS)

    def test_no_faults(self) -> None:
        """What comes near to a fault and isn't one."""
        for fragment in NO_FAULTS:
            self.assertEqual(found(POLICY.replace("@@", fragment))[0], "", fragment)

    def test_named_policies(self) -> None:
        """The route is at fault that injects credentials, not the policy that others may use."""
        source = (
            TOP
            + '[cors.all]\nallow_origins = ["*"]\n'
            + OPEN
            + 'cors = "all"\n'
            + BOX.replace('"/"', '"/box"')
            + 'cors = "all"\n'
        )
        faults, warnings = found(source)
        self.assertTrue(faults.startswith('c.toml:18: routes."/box".cors: the policy'), faults)
        self.assertEqual((faults.count("\n"), warnings), (0, ""))

    def test_warnings(self) -> None:
        """What is hardly meant is told, and a configuration with that is one."""
        self._assert(POLICY, WARNINGS, warnings=True)
        self._assert(INJECTED, INJECTED_WARNINGS, warnings=True)
        self._assert(WITH_A_KEY, WITH_A_KEY_WARNINGS, warnings=True)
        self._assert(AT_HOME, AT_HOME_WARNINGS, warnings=True)

    def test_no_warnings(self) -> None:
        """What comes near to a warning and needs none."""
        self._assert_none(POLICY, NO_WARNINGS)
        self._assert_none(BEHIND_A_PROXY, NO_WARNINGS)
        self._assert_none(TRUSTING_A_PROXY, NO_WARNINGS)
        self._assert_none(INJECTED, [f'{HTTPS}, allow_headers = ["*"]'])
        self._assert_none(AT_HOME, NO_WARNINGS_AT_HOME[:1])

    def test_methods_that_the_route_does_not_serve(self) -> None:
        """They are told of a route's own policy; one that others may share may have more."""
        told = (
            f'{AT_10}.allow_methods[1]: "DELETE" never gets through: the route does not serve it; '
            "remove it, or add it to the route's methods"
        )
        self._assert(
            SERVING, [(f'{HTTPS}, allow_methods = ["PUT", "DELETE"]', told)], warnings=True
        )
        shared = f'[cors.spa]\n{HTTPS}\nallow_methods = ["PUT", "DELETE"]\n' + SERVING.replace(
            "{ @@ }", '"spa"'
        ).removeprefix(TOP)
        self.assertEqual(found(TOP + shared), ("", ""))

    def test_both(self) -> None:
        """Faults and warnings are told at once, each in the order of their lines."""
        source = POLICY.replace(
            "@@",
            'allow_origins = ["https://a.example.com/"], max_age = "3h",'
            ' expose_headers = ["Via", "Age", "Age"]',
        )
        faults, warnings = found(source)
        self.assertIn("allow_origins[0]", faults)
        self.assertEqual(
            [line.split(": ")[1] for line in warnings.splitlines()],
            ['routes."/".cors.expose_headers[2]', 'routes."/".cors.max_age'],
        )

    def test_many_origins(self) -> None:
        """Ten thousand origins are looked at in no time that grows with their square."""
        origins = ", ".join(f'"https://a{n}.example.com"' for n in range(10_000))
        self.assertEqual(found(POLICY.replace("@@", f"allow_origins = [{origins}]")), ("", ""))
