"""Faults of CORS policies, and of routes with a policy, word for word."""

from __future__ import annotations

from tests.config.policies import (
    ANY,
    AT,
    BOX,
    EXTENSIONS,
    HTTPS,
    INJECTED,
    INSECURE,
    NULL,
    NULL_CREDENTIALS,
    OPEN,
    POLICY,
    SUFFIXES,
    TOP,
    WITH_A_KEY,
    FindingTestCase,
    found,
)


def _suffix(pattern: str, suffix: str, own: str, key: str = "allow_origins") -> str:
    return (
        f'{AT}.{key}[0]: "{pattern}" allows anyone who registers a name under "{suffix}",'
        f' which is a public suffix; put your own name before it, as in "{own}", or'
        f" set {SUFFIXES} = true"
    )


def _insecure(origin: str) -> str:
    return (
        f'{AT}.allow_origins[0]: "{origin}" can\'t go with allow_credentials: anyone who can'
        " modify the page in transit can act as its user; serve the page over https, or set"
        f" {INSECURE} = true"
    )


def _only(kind: str, key: str, name: str, fix: str = "leave it out") -> str:
    return f'{AT}.{key}[0]: "{name}" is a header that only {kind} send; {fix}'


FAULTS = (
    # Anybody's bucket is at a name below, though not straight below.
    (
        'allow_origins = ["https://*.amazonaws.com:8443"]',
        _suffix(
            "https://*.amazonaws.com:8443",
            "s3.amazonaws.com",
            "https://*.example.s3.amazonaws.com:8443",
        ),
    ),
    (
        f'{HTTPS}, debug_origins = ["http://*.co.uk"]',
        _suffix("http://*.co.uk", "co.uk", "http://*.example.co.uk", "debug_origins"),
    ),
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
        'allow_origins = ["https://*--app.netlify.app"]',
        _suffix("https://*--app.netlify.app", "netlify.app", "https://*--app.example.netlify.app"),
    ),
    (
        'allow_origins = ["https://pr-*.co.uk:8443"]',
        _suffix("https://pr-*.co.uk:8443", "co.uk", "https://pr-*.example.co.uk:8443"),
    ),
    (
        'allow_origins = ["https://*example.com"]',
        f'{AT}.allow_origins[0]: "https://*example.com" allows anyone who registers a name under'
        ' "com", which is a public suffix; write "https://*.example.com" for the names below it, or'
        f" set {SUFFIXES} = true",
    ),
    (
        'allow_origins = ["chrome-extension://*", "moz-extension://*"]',
        f'{AT}.allow_origins[0]: "chrome-extension://*" allows every extension that a user has'
        f" installed; list the origins of your own extensions, or set {EXTENSIONS} = true\n"
        f'{AT}.allow_origins[1]: "moz-extension://*" allows every extension that a user has'
        f" installed; list the origins of your own extensions, or set {EXTENSIONS} = true",
    ),
    (
        'allow_origins = ["null"]',
        f'{AT}.allow_origins[0]: "null" is the origin of local files and of sandboxed frames, and'
        " every page can have such a frame; serve the page from an http or https origin, and list"
        f" that, or set {NULL} = true",
    ),
    (
        'allow_origins = ["null"], allow_credentials = true',
        f'{AT}.allow_origins[0]: "null" can\'t go with allow_credentials: every page has this'
        " origin in a sandboxed frame, and could act as the browser's user; serve the page from an"
        f" http or https origin, and list that, or set {NULL_CREDENTIALS} = true",
    ),
    (
        'allow_origins = ["*", "http://a"]',
        f'{AT}.allow_origins: "*" already covers the other entries; write "*" alone, or leave it'
        " out",
    ),
    (
        f'{HTTPS}, debug_origins = ["null"]',
        f'{AT}.debug_origins[0]: "null" would show reasons to every page; list the developers\''
        " origins",
    ),
    (
        f'{HTTPS}, debug_origins = ["moz-extension://*"]',
        f'{AT}.debug_origins[0]: "moz-extension://*" allows every extension that a user has'
        f" installed; list the origins of your own extensions, or set {EXTENSIONS} = true",
    ),
    (
        f'{HTTPS}, allow_headers = ["X-*"]',
        f'{AT}.allow_headers[0]: "X-*" never matches: "*" is a wildcard only if it is alone; write'
        ' each name, or "*" for all',
    ),
    (
        f'{HTTPS}, expose_headers = ["*-Total"], allow_credentials = true',
        f'{AT}.expose_headers[0]: "*-Total" never matches: "*" is a wildcard only if it is alone;'
        ' write each name, or "*" for all',
    ),
    (
        f'{HTTPS}, allow_methods = ["M-*"]',
        f'{AT}.allow_methods[0]: "M-*" never matches: "*" is a wildcard only if it is alone; write'
        ' each name, or "*" for all',
    ),
    (
        f'{HTTPS}, expose_headers = ["Access-Control-Allow-Origin"]',
        f'{AT}.expose_headers[0]: "Access-Control-Allow-Origin" is a header of CORS itself, which'
        " the gate sets for the browser; leave it out",
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
        _only("servers", "allow_headers", "ETag", 'write "If-Match" if you meant that'),
    ),
    (
        f'{HTTPS}, allow_headers = ["Access-Control-Allow-Origin"]',
        _only("servers", "allow_headers", "Access-Control-Allow-Origin"),
    ),
    (f'{HTTPS}, allow_headers = ["vary"]', _only("servers", "allow_headers", "vary")),
    (f'{HTTPS}, expose_headers = ["Origin"]', _only("clients", "expose_headers", "Origin")),
    (f'{HTTPS}, expose_headers = ["if-match"]', _only("clients", "expose_headers", "if-match")),
    (
        f"{HTTPS}, expose_headers = true",
        f'{AT}.expose_headers: it is a boolean; write an array, such as ["X-Total"]',
    ),
    (
        f'{HTTPS}, expose_headers = "all"',
        f'{AT}.expose_headers: it is text; write an array, such as ["X-Total"], or "auto"',
    ),
    (
        f'{HTTPS}, debug_origins = ["*", "http://a/"], debug = "yes"',
        f'{AT}.debug: "yes" is text; write true or false\n'
        f'{AT}.debug_origins[0]: "*" would show reasons to every page; list the '
        "developers' origins\n"
        f'{AT}.debug_origins[1]: "http://a/" has a trailing "/", which an origin never has; '
        'write "http://a"',
    ),
    (
        f'{HTTPS}, {ANY} = "yes"',
        f'{AT}.{ANY}: "yes" is text; write true or false',
    ),
)


def _own(key: str, name: str, problem: str) -> str:
    return (
        f'{AT}.{key}: "{name}" {problem}: the gate itself sends it, with the credentials of the'
        ' upstream "box"; leave it out'
    )


INJECTED_FAULTS = (
    (
        f'{HTTPS}, allow_headers = ["X-A", "authorization"]',
        _own("allow_headers[1]", "authorization", "can't come from a script"),
    ),
    (
        f'{HTTPS}, expose_headers = ["Authorization"]',
        _own("expose_headers[0]", "Authorization", "must not be shown to a script"),
    ),
    (
        'allow_origins = ["*"]',
        f'{AT}: the policy allows any origin, and the upstream "box" has credentials: every page'
        f" on the web could act with them; list the origins, or set {ANY} = true in the policy",
    ),
)

WITH_A_KEY_FAULTS = (
    (
        f'{HTTPS}, allow_headers = ["X-Api-Key"], expose_headers = ["x-api-key"]',
        _own("allow_headers[0]", "X-Api-Key", "can't come from a script")
        + "\n"
        + _own("expose_headers[0]", "x-api-key", "must not be shown to a script"),
    ),
)

NO_FAULTS = (
    'allow_origins = ["https://pr-*.example.com", "https://*--app.example.netlify.app:*"]',
    f'allow_origins = ["https://*--app.netlify.app"], {SUFFIXES} = true',
    f'allow_origins = ["moz-extension://*"], allow_credentials = true, {EXTENSIONS} = true',
    f'allow_origins = ["null", "https://a.example.com"], {NULL} = true',
    f'allow_origins = ["null"], allow_credentials = true, {NULL_CREDENTIALS} = true',
    'allow_origins = ["chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb"]',
    f'{HTTPS}, allow_headers = ["Authorization"], expose_headers = ["Authorization"]',
    'allow_origins = ["https://*.example.org", "https://*.my-bucket.s3.amazonaws.com"]',
    'allow_origins = ["https://s3.amazonaws.com", "https://*.city.kobe.jp"]',
    f'{HTTPS}, debug_origins = ["https://*.example.com", "http://*.localhost:*"]',
    f'{HTTPS}, debug_origins = ["https://*.co.uk"], {SUFFIXES} = true',
    f'allow_origins = ["https://*.amazonaws.com"], {SUFFIXES} = true',
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


class FaultTests(FindingTestCase):
    """Each fault has its line, its key, what is wrong and the fix."""

    def test_faults(self) -> None:
        """Settings rejected as too risky, and names that must be mistakes."""
        self.assert_found(POLICY, FAULTS)

    def test_injected_credentials(self) -> None:
        """Strangers are rejected if the upstream has credentials, and so is their field's name."""
        self.assert_found(INJECTED, INJECTED_FAULTS)
        self.assert_found(WITH_A_KEY, WITH_A_KEY_FAULTS)

    def test_shared_with_a_route_that_needs_it(self) -> None:
        """A named policy has the fault unless a route that uses it injects no such field."""
        policy = f'[cors.spa]\n{HTTPS}\nallow_headers = ["Authorization"]\n'
        alone = policy + BOX + 'cors = "spa"\n'
        told = _own("allow_headers[0]", "Authorization", "can't come from a script")
        told = told.replace("c.toml:9", "c.toml:12")
        self.assertEqual(found(TOP + alone), (told, ""))
        both = '[routes."/b"]\nupstream = "box"\ncors = "spa"\n'
        self.assertEqual(found(TOP + alone + both)[0].count("can't come from a script"), 2)
        other = OPEN.replace('"/"', '"/open"') + 'cors = "spa"\n'
        self.assertEqual(found(TOP + alone + both + other), ("", ""))
        trial = OPEN.replace('"/"', '"/open"') + 'cors_report_only = "spa"\n'
        self.assertEqual(found(TOP + alone + trial), ("", ""))

    def test_null_with_injected_credentials(self) -> None:
        """``null`` is as open as ``*`` there, and needs the same key besides its own."""
        policy = f'allow_origins = ["null"], {NULL} = true'
        faults, _ = found(INJECTED.replace("@@", policy))
        self.assertEqual(
            faults,
            f'{AT}: the policy allows the origin "null", which a page has in a sandboxed frame, and'
            ' the upstream "box" has credentials: every page on the web could act with them; list'
            f" the origins, or set {ANY} = true in the policy",
        )
        self.assertEqual(found(INJECTED.replace("@@", f"{policy}, {ANY} = true"))[0], "")

    def test_keys_of_null(self) -> None:
        """Each of the two keys permits its own risk alone."""
        for policy in (
            f'allow_origins = ["null"], {NULL_CREDENTIALS} = true',
            f'allow_origins = ["null"], allow_credentials = true, {NULL} = true',
        ):
            faults, warnings = found(POLICY.replace("@@", policy))
            self.assertIn("allow_origins[0]", faults)
            self.assertIn("it has no effect", warnings)

    def test_report_only(self) -> None:
        """A report-only policy has the same rules as a live one."""
        trial = INJECTED.replace("cors =", "cors_report_only =")
        at = AT + "_report_only"
        self.assert_found(trial, [(f, t.replace(AT, at)) for f, t in INJECTED_FAULTS])
        told = (
            f"{at}.enforce_origin: pages of every origin can act with the credentials of the"
            ' upstream "box", though they can\'t read the responses; remove it'
        )
        self.assert_found(trial, [(f"{HTTPS}, enforce_origin = false", told)], warnings=True)
        self.assert_nothing_found(trial, [HTTPS, f'{HTTPS}, allow_methods = ["PUT"]'])

    def test_no_faults(self) -> None:
        """Valid settings that are close to a fault."""
        for fragment in NO_FAULTS:
            self.assertEqual(found(POLICY.replace("@@", fragment))[0], "", fragment)

    def test_named_policies(self) -> None:
        """The fault is at the route with credentials, not at the policy that others may use."""
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

    def test_both(self) -> None:
        """Faults and warnings are reported together, each in line order."""
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
        """The time to check ten thousand origins does not grow with their square."""
        origins = ", ".join(f'"https://a{n}.example.com"' for n in range(10_000))
        self.assertEqual(found(POLICY.replace("@@", f"allow_origins = [{origins}]")), ("", ""))
