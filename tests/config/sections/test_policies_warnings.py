"""Warnings about CORS policies, and routes with a policy, word for word."""

from __future__ import annotations

from tests.config.policies import (
    ANY,
    AT,
    AT_10,
    AT_HOME,
    BEHIND_A_PROXY,
    EXTENSIONS,
    HTTPS,
    INJECTED,
    INSECURE,
    NULL,
    NULL_CREDENTIALS,
    POLICY,
    SERVING,
    SUFFIXES,
    TOP,
    TRUSTING_A_PROXY,
    WITH_A_KEY,
    FindingTestCase,
    found,
)

WARNINGS = (
    (
        'allow_origins = ["https://a.example.com", "https://b.example.com", "https://a.example.com"]',
        f'{AT}.allow_origins[2]: "https://a.example.com" is a duplicate; remove it',
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
        f"{AT}.allow_methods: GET, HEAD and POST need not be listed, and a policy can't forbid "
        "them; remove it; to serve only some methods, set methods in the route",
    ),
    (
        f'{HTTPS}, allow_methods = ["PUT", "patch", "PUT"]',
        f'{AT}.allow_methods[2]: "PUT" is a duplicate; remove it\n'
        f'{AT}.allow_methods[1]: "patch" is a different method from "PATCH": methods are '
        "case-sensitive, and browsers send this one as the page spells it; "
        'write "PATCH", unless page and server both spell it so',
    ),
    (
        f'{HTTPS}, allow_headers = ["X-A", "x-a", "X-Forwarded-For"]',
        f'{AT}.allow_headers[1]: "x-a" is a duplicate; remove it\n'
        f'{AT}.allow_headers[2]: "X-Forwarded-For" never gets through: the gate itself sets the '
        "fields that identify the client; remove it",
    ),
    (
        f'{HTTPS}, expose_headers = ["X-A", "X-a", "Content-Type", "Upgrade"]',
        f'{AT}.expose_headers[1]: "X-a" is a duplicate; remove it\n'
        f'{AT}.expose_headers[2]: every script may read "Content-Type" anyway; remove it\n'
        f'{AT}.expose_headers[3]: "Upgrade" never gets through: it applies to a single connection; '
        "remove it",
    ),
    (
        f'{HTTPS}, max_age = "24h"',
        f"{AT}.max_age: only Firefox caches a preflight response that long; Chromium's limit is"
        ' 2h; write "2h"',
    ),
    (
        f'{HTTPS}, allow_headers = ["*"]',
        f'{AT}.allow_headers: scripts that send Authorization are refused: "*" does not cover it; '
        'add "Authorization" if scripts send it',
    ),
    (
        f'allow_origins = ["http://a.example.com"], allow_credentials = true, {INSECURE} = true',
        f'{AT}.{INSECURE}: anyone who can modify a page of "http://a.example.com" in transit can'
        " act as its user; list https origins of your own",
    ),
    (
        f'allow_origins = ["https://*.github.io"], {SUFFIXES} = true',
        f'{AT}.{SUFFIXES}: anyone who registers a name that "https://*.github.io" matches is'
        " allowed; list https origins of your own",
    ),
    (
        f'allow_origins = ["https://*.amazonaws.com"], {SUFFIXES} = true',
        f'{AT}.{SUFFIXES}: anyone who registers a name that "https://*.amazonaws.com" matches is'
        " allowed; list https origins of your own",
    ),
    (
        f'{HTTPS}, debug_origins = ["https://*.co.uk"], {SUFFIXES} = true',
        f'{AT}.{SUFFIXES}: anyone who registers a name that "https://*.co.uk" matches is allowed;'
        " list https origins of your own",
    ),
    (
        f'{HTTPS}, debug_origins = ["http://a", "http://a", "http://localhost:1",'
        ' "http://localhost:*"]',
        f'{AT}.debug_origins[1]: "http://a" is a duplicate; remove it\n'
        f'{AT}.debug_origins[2]: "http://localhost:1" is covered by "http://localhost:*"; '
        "remove one of them",
    ),
    (
        f"{HTTPS}, {INSECURE} = true",
        f"{AT}.{INSECURE}: it has no effect: no origin here needs it; remove it",
    ),
    (
        f"{HTTPS}, {SUFFIXES} = true",
        f"{AT}.{SUFFIXES}: it has no effect: no origin here needs it; remove it",
    ),
    (
        f"{HTTPS}, {ANY} = true",
        f"{AT}.{ANY}: it has no effect: no origin here needs it; remove it",
    ),
    (
        'allow_origins = ["https://pr-1.example.com", "https://pr-*.example.com"]',
        f'{AT}.allow_origins[0]: "https://pr-1.example.com" is covered by'
        ' "https://pr-*.example.com"; remove one of them',
    ),
    (
        'allow_origins = ["https://pr-*.example.com", "https://*.example.com"]',
        f'{AT}.allow_origins[0]: "https://pr-*.example.com" is covered by "https://*.example.com";'
        " remove one of them",
    ),
    (
        'allow_origins = ["https://pr-*.example.com", "https://pr-*.example.com:*"]',
        f'{AT}.allow_origins[0]: "https://pr-*.example.com" is covered by'
        ' "https://pr-*.example.com:*"; remove one of them',
    ),
    (
        f'allow_origins = ["chrome-extension://abc", "chrome-extension://*"], {EXTENSIONS} = true',
        f'{AT}.allow_origins[0]: "chrome-extension://abc" is covered by "chrome-extension://*";'
        f" remove one of them\n{AT}.{EXTENSIONS}: every extension that"
        ' "chrome-extension://*" matches is allowed, no matter who wrote it; list the origins of'
        " your own"
        " extensions",
    ),
    (
        f'allow_origins = ["https://*--app.netlify.app"], {SUFFIXES} = true',
        f'{AT}.{SUFFIXES}: anyone who registers a name that "https://*--app.netlify.app" matches'
        " is allowed; list https origins of your own",
    ),
    (
        f'allow_origins = ["null"], {NULL} = true, {NULL_CREDENTIALS} = true',
        f'{AT}.{NULL}: every page can have the origin "null", in a sandboxed frame; serve the page'
        f" from an http or https origin\n{AT}.{NULL_CREDENTIALS}: it has no effect: no origin here"
        " needs it; remove it",
    ),
    (
        f'allow_origins = ["null"], allow_credentials = true, {NULL_CREDENTIALS} = true',
        f'{AT}.{NULL_CREDENTIALS}: every page can have the origin "null", in a sandboxed frame, and'
        " act as its user; serve the page from an http or https origin",
    ),
    (
        f"{HTTPS}, {EXTENSIONS} = true",
        f"{AT}.{EXTENSIONS}: it has no effect: no origin here needs it; remove it",
    ),
    (
        f'{HTTPS}, allow_methods = ["PUT", "OPTIONS"]',
        f"{AT}.allow_methods[1]: the gate responds to preflights itself, whether or not OPTIONS is"
        " listed; remove it, unless scripts call the API with OPTIONS",
    ),
    (
        'allow_origins = ["http://localhost:1", "http://[::1]:*"], allow_credentials = true',
        f'{AT}.allow_origins[1]: "http://[::1]:*" with allow_credentials: pages of every program on'
        " the user's machine, no matter who started it, can act as the user; write the port of"
        " the development server",
    ),
    (
        f'{HTTPS}, allow_headers = ["*"], allow_credentials = true',
        f'{AT}.allow_headers: "*" with allow_credentials: pages may send any header, except'
        " Authorization, with the user's cookies; list the headers that the pages send",
    ),
)

INJECTED_WARNINGS = (
    (
        f'{HTTPS}, expose_headers = ["WWW-Authenticate"]',
        f'{AT}.expose_headers[0]: "WWW-Authenticate" never gets through: the gate itself logs in '
        'at the upstream "box"; remove it',
    ),
    (
        f'allow_origins = ["*"], {ANY} = true',
        f'{AT}.{ANY}: every page on the web can act with the credentials of "box"; '
        "list the origins",
    ),
    (
        f'allow_origins = ["null"], {NULL} = true, {ANY} = true',
        f'{AT}.{NULL}: every page can have the origin "null", in a sandboxed frame; serve the page'
        f" from an http or https origin\n{AT}.{ANY}: every page on the web can act with the"
        ' credentials of "box"; list the origins',
    ),
    (
        f'allow_origins = ["moz-extension://*"], {EXTENSIONS} = true',
        f'{AT}.{EXTENSIONS}: every extension that "moz-extension://*" matches is allowed, no matter'
        f" who wrote it; list the origins of your own extensions\n{AT}.allow_origins[0]: every"
        ' extension that "moz-extension://*" matches can act with the credentials of "box"; list'
        " the"
        " origins of your own extensions",
    ),
    (
        f"{HTTPS}, enforce_origin = false",
        f"{AT}.enforce_origin: pages of every origin can act with the credentials of the upstream"
        ' "box", though they can\'t read the responses; remove it',
    ),
)


def _over_http(number: int, origin: str) -> str:
    return (
        f"{AT}.allow_origins[{number}]: {origin} uses http: anyone who can modify the page in"
        ' transit can act with the credentials of the upstream "box"; serve the page over https'
    )


OVER_HTTP_WARNINGS = (
    ('allow_origins = ["http://a.example.com"]', _over_http(0, '"http://a.example.com"')),
    (
        'allow_origins = ["https://a.example.com", "http://10.0.0.1:8080", "http://*.corp"]',
        _over_http(1, '"http://10.0.0.1:8080" (and 1 more)'),
    ),
)
INJECTED_NO_WARNINGS = (
    f'{HTTPS}, allow_headers = ["*"]',
    'allow_origins = ["http://localhost:*", "http://127.0.0.1:1", "http://*.localhost"]',
    'allow_origins = ["https://10.0.0.1", "capacitor://localhost"]',
)
WITH_A_KEY_WARNINGS = (
    (
        f'{HTTPS}, allow_headers = ["authorization", "X-A"]',
        f'{AT}.allow_headers[0]: "authorization" never gets through: the gate itself logs in '
        'at the upstream "box"; remove it',
    ),
)


def _far(number: int, origin: str, what: str) -> str:
    return (
        f'{AT}.allow_origins[{number}]: "{origin}" is public, but the gate listens only on'
        " this machine's loopback address: unless that name resolves to this machine, browsers"
        f" {what}; keep it if the name resolves to this machine; otherwise serve the page from this"
        " machine, or listen on an address that its users can reach"
    )


ASK = "ask the user before its pages may call the gate"
NEVER = "block its calls to the gate, because its pages come over http"
FOR_OTHERS_WARNINGS = (
    (
        f"{HTTPS}, debug = true",
        f"{AT}.debug: other machines can reach the gate, so it probably no longer serves only one"
        " developer: programs on the gate's own machine get the reason for each refusal; remove"
        " it, or list the developers' pages in debug_origins",
    ),
)
AT_HOME_WARNINGS = (
    (HTTPS, _far(0, "https://a.example.com", ASK)),
    (
        'allow_origins = ["https://*.example.co.uk", "http://8.8.8.8"]',
        _far(0, "https://*.example.co.uk", ASK) + "\n" + _far(1, "http://8.8.8.8", NEVER),
    ),
)

NO_WARNINGS = (
    HTTPS,
    f'{HTTPS}, debug_origins = ["https://a.example.com", "http://localhost:*"]',
    'allow_origins = ["*"]',
    'allow_origins = ["https://*.example.com", "https://example.com", "http://a.example.com"]',
    'allow_origins = ["https://*.example.com", "https://a.example.com:8443"]',
    'allow_origins = ["https://*.b.example.com", "https://b.example.com"]',
    'allow_origins = ["http://[::1]:8080", "http://[::1]", "http://127.0.0.1:1"]',
    f'{HTTPS}, allow_methods = ["GET", "PUT", "POST", "DELETE"], max_age = "2h"',
    f'{HTTPS}, allow_methods = ["*"], allow_headers = ["*", "Authorization"]',
    'allow_origins = ["http://localhost:1"], allow_headers = ["X"], allow_credentials = true',
    'allow_origins = ["https://a.example.com:*"], allow_credentials = true',
    'allow_origins = ["https://pr-*.example.com", "https://pr-1.a.example.com"]',
    'allow_origins = ["https://pr-*.example.com", "https://pr-a*.example.com"]',
    'allow_origins = ["http://pr-1.example.com", "https://pr-*.example.com"]',
    'allow_origins = ["http://localhost:*", "http://[::1]"], allow_headers = ["*"]',
    f'{HTTPS}, allow_headers = ["Content-Type", "Accept"], expose_headers = ["*"]',
    f'{HTTPS}, enforce_origin = false, expose_headers = "auto"',
    f'{HTTPS}, allow_headers = ["Authorization"], expose_headers = ["WWW-Authenticate"]',
)
NO_WARNINGS_AT_HOME = (
    'allow_origins = ["http://localhost:4200", "https://app.corp"], debug = true',
    'allow_origins = ["http://localhost:4200", "https://app.corp", "http://10.0.0.1"]',
    'allow_origins = ["capacitor://localhost", "chrome-extension://abcdef", "*"]',
)


class WarningTests(FindingTestCase):
    """Each warning has its line, its key, the problem and the fix."""

    def test_warnings(self) -> None:
        """Probably unintended settings produce warnings, and the configuration is still valid."""
        self.assert_found(POLICY, WARNINGS, warnings=True)
        self.assert_found(POLICY, FOR_OTHERS_WARNINGS, warnings=True)
        self.assert_found(INJECTED, INJECTED_WARNINGS, warnings=True)
        self.assert_found(INJECTED, OVER_HTTP_WARNINGS, warnings=True)
        self.assert_found(WITH_A_KEY, WITH_A_KEY_WARNINGS, warnings=True)
        self.assert_found(AT_HOME, AT_HOME_WARNINGS, warnings=True)

    def test_no_warnings(self) -> None:
        """Valid settings that are close to a warning."""
        self.assert_nothing_found(POLICY, NO_WARNINGS)
        self.assert_nothing_found(BEHIND_A_PROXY, NO_WARNINGS)
        self.assert_nothing_found(TRUSTING_A_PROXY, NO_WARNINGS)
        self.assert_nothing_found(INJECTED, INJECTED_NO_WARNINGS)
        self.assert_nothing_found(AT_HOME, NO_WARNINGS_AT_HOME[:2])

    def test_headers_that_the_route_drops(self) -> None:
        """They produce warnings in a route's own policy, unless the route passes them."""
        told = (
            f'{AT_10}.allow_headers[1]: "X-Remote-User" never gets through: upstreams may trust'
            " it to identify the client or the request; remove it, or add it to the"
            " route's pass_headers"
        )
        policy = f'{HTTPS}, allow_headers = ["X-A", "X-Remote-User"]'
        self.assert_found(SERVING, [(policy, told)], warnings=True)
        passing = SERVING.replace("methods =", 'pass_headers = ["x-remote-user"]\nmethods =')
        self.assertEqual(found(passing.replace("@@", policy)), ("", ""))

    def test_methods_that_the_route_does_not_serve(self) -> None:
        """They produce warnings in a route's own policy; a shared policy may have more."""
        told = (
            f'{AT_10}.allow_methods[1]: "DELETE" never gets through: the route does not serve it; '
            "remove it, or add it to the route's methods"
        )
        self.assert_found(
            SERVING, [(f'{HTTPS}, allow_methods = ["PUT", "DELETE"]', told)], warnings=True
        )
        shared = f'[cors.spa]\n{HTTPS}\nallow_methods = ["PUT", "DELETE"]\n' + SERVING.replace(
            "{ @@ }", '"spa"'
        ).removeprefix(TOP)
        self.assertEqual(found(TOP + shared), ("", ""))
