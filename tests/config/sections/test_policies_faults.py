"""Faults of CORS policies, and of routes with a policy, word for word."""

from __future__ import annotations

from tests.config.policies import (
    ANY,
    AT,
    BOX,
    HTTPS,
    INJECTED,
    INSECURE,
    OPEN,
    POLICY,
    SUFFIXES,
    TOP,
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

INJECTED_FAULTS = (
    (
        'allow_origins = ["*"]',
        f'{AT}: the policy allows any origin, and the upstream "box" has credentials: every page'
        f" on the web could act with them; list the origins, or set {ANY} = true in the policy",
    ),
)

NO_FAULTS = (
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
        """``*`` is rejected if the upstream has credentials."""
        self.assert_found(INJECTED, INJECTED_FAULTS)

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
