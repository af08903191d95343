"""Faults of routes, word for word."""

from __future__ import annotations

from tests.config.support import ROUTE, TOP, UPSTREAM, TableTestCase

PLACES = (
    ("v1", 'c.toml:4: routes.v1: "v1" has no slash; write "/v1"'),
    ('"localhost"', 'c.toml:4: routes.localhost: "localhost" has no slash; write "localhost/"'),
    (
        '"api.example.com"',
        (
            'c.toml:4: routes."api.example.com": "api.example.com" has no slash; '
            'write "api.example.com/"'
        ),
    ),
    ('""', 'c.toml:4: routes."": "" has no slash; write "/"'),
    (
        '"http://api.example.com/v1"',
        (
            'c.toml:4: routes."http://api.example.com/v1": "http://api.example.com/v1" has a '
            'scheme; write "api.example.com/v1"'
        ),
    ),
    (
        '"localhost:5555/v1"',
        (
            'c.toml:4: routes."localhost:5555/v1": "localhost:5555/v1" has a port; '
            'write "localhost/v1", which matches any port'
        ),
    ),
    (
        '"::1/v1"',
        ('c.toml:4: routes."::1/v1": "::1" has too many colons; write an IPv6 address in brackets'),
    ),
    (
        '"[::1/v1"',
        (
            'c.toml:4: routes."[::1/v1": "[::1" is not an IPv6 address; '
            "write a host name or an IP address"
        ),
    ),
    (
        '"exa mple/v1"',
        (
            'c.toml:4: routes."exa mple/v1": "exa mple" is not a host name; '
            "write a host name or an IP address"
        ),
    ),
    (
        '"*.example.com/v1"',
        (
            'c.toml:4: routes."*.example.com/v1": "*.example.com" is not a host name; '
            "write a host name or an IP address"
        ),
    ),
    (
        '"/v1/"',
        (
            'c.toml:4: routes."/v1/": "/v1/" ends with "/"; '
            'write "/v1", which matches /v1 and everything below'
        ),
    ),
    ('"/v1//"', 'c.toml:4: routes."/v1//": "/v1//" has an empty segment; write one "/" only'),
    ('"//"', 'c.toml:4: routes."//": "//" has an empty segment; write one "/" only'),
    (
        '"/v1/*"',
        (
            'c.toml:4: routes."/v1/*": "/v1/*" ends with "/*"; '
            'write "/v1", which matches /v1 and everything below'
        ),
    ),
    ('"/*"', 'c.toml:4: routes."/*": "/*" ends with "/*"; write "/", which matches everything'),
    ('"/v1?x=1"', 'c.toml:4: routes."/v1?x=1": "/v1?x=1" has a query or fragment; write "/v1"'),
    ('"/v1#x"', 'c.toml:4: routes."/v1#x": "/v1#x" has a query or fragment; write "/v1"'),
    ('"/?x"', 'c.toml:4: routes."/?x": "/?x" has a query or fragment; write "/"'),
    ('"/a%20b"', 'c.toml:4: routes."/a%20b": "/a%20b" has a percent-escape; write it decoded'),
    ('"/a//b"', 'c.toml:4: routes."/a//b": "/a//b" has an empty segment; write one "/" only'),
    (
        '"/a/./b"',
        ('c.toml:4: routes."/a/./b": "/a/./b" has a dot segment; write the path that it leads to'),
    ),
    (
        '"/../a"',
        'c.toml:4: routes."/../a": "/../a" has a dot segment; write the path that it leads to',
    ),
    (
        '"/..;x/a"',
        (
            'c.toml:4: routes."/..;x/a": "/..;x/a" has a dot segment; '
            "write the path that it leads to"
        ),
    ),
    (r'"/a\\b"', r'c.toml:4: routes."/a\\b": "/a\b" has a backslash; write "/" between segments'),
    (
        r'"/a\u0007"',
        r'c.toml:4: routes."/a\u0007": "/a\u0007" contains control characters; remove them',
    ),
)

ROUTES = (
    (
        'methods = "GET"',
        'c.toml:6: routes."/".methods: it is text; write an array, such as ["GET"]',
    ),
    ("methods = []", 'c.toml:6: routes."/".methods: it is empty; list methods or remove the key'),
    ('methods = ["get"]', 'c.toml:6: routes."/".methods[0]: "get" is not upper-case; write "GET"'),
    (
        'methods = ["LIST", "TRACE"]',
        'c.toml:6: routes."/".methods[1]: "TRACE" is refused on every route; remove it',
    ),
    (
        'methods = ["G T"]',
        'c.toml:6: routes."/".methods[0]: "G T" is not a method; write a method, such as "GET"',
    ),
    (
        'methods = ["GET", 5]',
        'c.toml:6: routes."/".methods[1]: 5 is an integer; write text in quotes',
    ),
    (
        'pass_headers = "X-Real-IP"',
        'c.toml:6: routes."/".pass_headers: it is text; write an array, such as ["X-Real-IP"]',
    ),
    (
        'pass_headers = ["X Real"]',
        (
            'c.toml:6: routes."/".pass_headers[0]: "X Real" is not a header name; '
            'write a name, such as "X-Remote-User"'
        ),
    ),
    *(
        (
            f'pass_headers = ["X-Real-IP", "{name}"]',
            (
                f'c.toml:6: routes."/".pass_headers[1]: "{name}" is written by the gate itself; '
                "remove it; to accept it from a proxy, set trusted_proxies on the listener"
            ),
        )
        for name in ("Forwarded", "X-Forwarded-For", "x_forwarded_host", "HOST", "TE", "Expect")
    ),
    ('strip_prefix = "no"', 'c.toml:6: routes."/".strip_prefix: "no" is text; write true or false'),
    (
        "allow_framing = 1",
        'c.toml:6: routes."/".allow_framing: 1 is an integer; write true or false',
    ),
    (
        'prefix = "/x"',
        'c.toml:6: routes."/".prefix: the key is unknown; did you mean "strip_prefix"?',
    ),
    (
        "strip-prefix = true",
        'c.toml:6: routes."/".strip-prefix: the key is unknown; did you mean "strip_prefix"?',
    ),
    (
        'limits = { max_body_bytes = "10MB" }',
        (
            'c.toml:6: routes."/".limits.max_body_bytes: "10MB" has an unknown unit; '
            'write "10MiB", in powers of 1024'
        ),
    ),
    (
        'limits = { connect_timeout = "1s" }',
        (
            'c.toml:6: routes."/".limits.connect_timeout: a route can\'t set it; '
            "set it under [limits]"
        ),
    ),
    (
        'limits = { max_body = "1MiB" }',
        (
            'c.toml:6: routes."/".limits.max_body: the key is unknown; '
            'did you mean "max_body_bytes"?'
        ),
    ),
    (
        "limits = { first_byte_timeout = 5 }",
        ('c.toml:6: routes."/".limits.first_byte_timeout: 5 has no unit; write "5s" for seconds'),
    ),
    (
        'limits = "none"',
        'c.toml:6: routes."/".limits: it is text; write { max_body_bytes = "10MiB" }',
    ),
    (
        '[routes."/x"]',
        ('c.toml:6: routes."/x".upstream: it is missing; write the name of one under [upstreams]'),
    ),
    (
        '[routes."/x"]\nupstream = "aa"',
        'c.toml:7: routes."/x".upstream: there is no [upstreams.aa]; did you mean "a"?',
    ),
    (
        '[routes."/x"]\nupstream = "other"',
        'c.toml:7: routes."/x".upstream: there is no [upstreams.other]; write one of "a"',
    ),
    (
        '[routes."/x"]\nupstream = "http://u:hunter2@a"',
        (
            'c.toml:7: routes."/x".upstream: it is a URL instead of a name under [upstreams]; '
            'write one of "a"'
        ),
    ),
    (
        '[routes."/x"]\nupstream = { servers = [] }',
        ('c.toml:7: routes."/x".upstream: it is a table; write a name under [upstreams] in quotes'),
    ),
    (
        (
            '[routes."API.example.com/x"]\n'
            'upstream = "a"\n'
            '[routes."api.example.com/x"]\n'
            'upstream = "a"'
        ),
        (
            'c.toml:8: routes."api.example.com/x": "api.example.com/x" is the same route as '
            '"API.example.com/x"; remove one of them'
        ),
    ),
    (
        '[routes."[::1]/x"]\nupstream = "a"\n[routes."[0:0::1]/x"]\nupstream = "a"',
        (
            'c.toml:8: routes."[0:0::1]/x": "[0:0::1]/x" is the same route as "[::1]/x"; '
            "remove one of them"
        ),
    ),
    ('[routes]\n"/x" = "a"', 'c.toml:7: routes."/x": it is text; write a table [routes."/x"]'),
)

POLICIES = (
    ('"pages"', 'c.toml:8: routes."/".cors: there is no [cors.pages]; did you mean "page"?'),
    ('"spa"', 'c.toml:8: routes."/".cors: there is no [cors.spa]; write one of "page"'),
    ("true", 'c.toml:8: routes."/".cors: it is a boolean; write a name under [cors] in quotes'),
    (
        "{ }",
        (
            'c.toml:8: routes."/".cors.allow_origins: it is missing; '
            'write allow_origins = ["http://localhost:4200"]'
        ),
    ),
    (
        '{ allow_origins = "http://a" }',
        (
            'c.toml:8: routes."/".cors.allow_origins: it is text; '
            'write an array, such as ["http://localhost:4200"]'
        ),
    ),
    (
        '{ allow_origins = ["http://a", 5] }',
        'c.toml:8: routes."/".cors.allow_origins[1]: 5 is an integer; write text in quotes',
    ),
    (
        '{ allow_origins = ["http://a"], allow_methods = "PUT" }',
        'c.toml:8: routes."/".cors.allow_methods: it is text; write an array, such as ["PUT"]',
    ),
    (
        '{ allow_origins = ["http://a"], allowMethods = ["PUT"] }',
        (
            'c.toml:8: routes."/".cors.allowMethods: the key is unknown; '
            'did you mean "allow_methods"?'
        ),
    ),
    (
        '{ allow_origins = ["http://a"], allow_credentials = "true" }',
        'c.toml:8: routes."/".cors.allow_credentials: "true" is text; write true or false',
    ),
    (
        '{ allow_origins = ["http://a"], enforce_origin = 0 }',
        'c.toml:8: routes."/".cors.enforce_origin: 0 is an integer; write true or false',
    ),
    (
        '{ allow_origins = ["http://a"], max_age = 600 }',
        'c.toml:8: routes."/".cors.max_age: 600 has no unit; write "600s" for seconds',
    ),
    (
        '{ allow_origins = ["http://a"], max_age = "600" }',
        'c.toml:8: routes."/".cors.max_age: "600" has no unit; write "600s" for seconds',
    ),
    (
        '{ allow_origins = ["http://a"], max_age = "1.5s" }',
        'c.toml:8: routes."/".cors.max_age: "1.5s" is not a whole number of seconds; round it',
    ),
)


REPORT_ONLY = (
    (
        'cors_report_only = "pages"',
        'c.toml:8: routes."/".cors_report_only: there is no [cors.pages]; did you mean "page"?',
    ),
    (
        "cors_report_only = true",
        (
            'c.toml:8: routes."/".cors_report_only: it is a boolean; '
            "write a name under [cors] in quotes"
        ),
    ),
    (
        "cors_report_only = { }",
        (
            'c.toml:8: routes."/".cors_report_only.allow_origins: it is missing; '
            'write allow_origins = ["http://localhost:4200"]'
        ),
    ),
)


class RouteFaultTests(TableTestCase):
    """Each fault has its line, its key, what is wrong and the fix."""

    def test_places(self) -> None:
        """A route's key is a prefix of whole, decoded segments, perhaps after a host."""
        self.assert_faults(TOP + UPSTREAM + '[routes.@@]\nupstream = "a"\n', PLACES)

    def test_routes(self) -> None:
        """A route names an existing upstream, and its other keys have their types."""
        self.assert_faults(TOP + UPSTREAM + ROUTE + "@@\n", ROUTES)

    def test_report_only(self) -> None:
        """A report-only policy is read like any other."""
        self.assert_faults(
            TOP + '[cors.page]\nallow_origins = ["http://a"]\n' + UPSTREAM + ROUTE + "@@\n",
            REPORT_ONLY,
        )

    def test_policies(self) -> None:
        """A policy is a name under [cors] or a table, and its keys have their types."""
        self.assert_faults(
            TOP + '[cors.page]\nallow_origins = ["http://a"]\n' + UPSTREAM + ROUTE + "cors = @@\n",
            POLICIES,
        )
