"""Faults of upstreams and their servers, word for word."""

from __future__ import annotations

from tests.config.support import ROUTE, TOP, TableTestCase

SERVERS = (
    (
        "",
        (
            "c.toml:3: upstreams.a.servers: there are no servers; "
            'write servers = ["http://127.0.0.1:8000"]'
        ),
    ),
    (
        "5",
        (
            "c.toml:3: upstreams.a.servers[0]: it is an integer; "
            'write a URL, or { url = "http://127.0.0.1:8000", weight = 2 }'
        ),
    ),
    (
        '"127.0.0.1:8000"',
        (
            'c.toml:3: upstreams.a.servers[0]: "127.0.0.1:8000" has no scheme; '
            'write "http://127.0.0.1:8000"'
        ),
    ),
    (
        '"api.example.com/base/"',
        (
            'c.toml:3: upstreams.a.servers[0]: "api.example.com/base/" has no scheme; '
            'write "http://api.example.com/base/"'
        ),
    ),
    ('""', 'c.toml:3: upstreams.a.servers[0]: "" has no scheme; write "http://127.0.0.1:8000"'),
    (
        '"http:/a"',
        (
            'c.toml:3: upstreams.a.servers[0]: "http:/a" has no scheme; '
            'write "http://127.0.0.1:8000"'
        ),
    ),
    (
        '"ftp://a"',
        (
            'c.toml:3: upstreams.a.servers[0]: "ftp://a" has the scheme "ftp"; '
            'write "http://" or "https://"'
        ),
    ),
    (
        '"ws://a"',
        (
            'c.toml:3: upstreams.a.servers[0]: "ws://a" has the scheme "ws"; '
            'write "http://" or "https://"'
        ),
    ),
    (
        '"http://"',
        (
            'c.toml:3: upstreams.a.servers[0]: "http://" has no host; '
            'write one, such as "http://127.0.0.1:8000"'
        ),
    ),
    (
        '"http:///v1"',
        (
            'c.toml:3: upstreams.a.servers[0]: "http:///v1" has no host; '
            'write one, such as "http://127.0.0.1:8000"'
        ),
    ),
    (
        '"http://:80"',
        (
            'c.toml:3: upstreams.a.servers[0]: "http://:80" has no host; '
            'write one, such as "http://127.0.0.1:8000"'
        ),
    ),
    (
        '"http://a:0"',
        (
            'c.toml:3: upstreams.a.servers[0]: "http://a:0" has a bad port; '
            "write a port from 1 to 65535"
        ),
    ),
    (
        '"http://admin:hunter2"',
        (
            'c.toml:3: upstreams.a.servers[0]: "http://admin:..." has a bad port; '
            "write a port from 1 to 65535"
        ),
    ),
    (
        '"http://a:"',
        (
            'c.toml:3: upstreams.a.servers[0]: "http://a:..." has a bad port; '
            "write a port from 1 to 65535"
        ),
    ),
    (
        '"http://a:65536"',
        (
            'c.toml:3: upstreams.a.servers[0]: "http://a:65536" has a bad port; '
            "write a port from 1 to 65535"
        ),
    ),
    (
        '"http://u:hunter2@a"',
        (
            "c.toml:3: upstreams.a.servers[0]: the URL contains a user name or password; "
            "remove it and use credentials instead"
        ),
    ),
    (
        '"http://hunter2@a"',
        (
            "c.toml:3: upstreams.a.servers[0]: the URL contains a user name or password; "
            "remove it and use credentials instead"
        ),
    ),
    (
        '"http://a/?token=hunter2"',
        (
            'c.toml:3: upstreams.a.servers[0]: the URL "http://a/"... has a query or '
            "fragment; remove it"
        ),
    ),
    (
        '"http://a/#x"',
        (
            'c.toml:3: upstreams.a.servers[0]: the URL "http://a/"... has a query or '
            "fragment; remove it"
        ),
    ),
    (
        '"http://a/../b"',
        (
            'c.toml:3: upstreams.a.servers[0]: "/../b" has a dot segment; '
            "write the path that it leads to"
        ),
    ),
    (
        '"http://a/%2e%2E/b"',
        (
            'c.toml:3: upstreams.a.servers[0]: "/%2e%2E/b" has a dot segment; '
            "write the path that it leads to"
        ),
    ),
    (
        '"http://a//b"',
        'c.toml:3: upstreams.a.servers[0]: "//b" has an empty segment; write one "/" only',
    ),
    (
        '"http://a/b c"',
        (
            'c.toml:3: upstreams.a.servers[0]: "/b c" contains characters that are not '
            "allowed in a URL; percent-encode them as UTF-8"
        ),
    ),
    (
        '"http://a/%zz"',
        (
            'c.toml:3: upstreams.a.servers[0]: "/%zz" contains characters that are not '
            "allowed in a URL; percent-encode them as UTF-8"
        ),
    ),
    (
        '"http://a b"',
        (
            'c.toml:3: upstreams.a.servers[0]: "a b" is not a host name; '
            "write a host name or an IP address"
        ),
    ),
    (
        '"http://é.example"',
        (
            'c.toml:3: upstreams.a.servers[0]: "é.example" is not an ASCII host name; '
            'write its "xn--" form'
        ),
    ),
    (
        '"http://-a"',
        (
            'c.toml:3: upstreams.a.servers[0]: "-a" is not a host name; '
            "write a host name or an IP address"
        ),
    ),
    (
        '"http://256.1.1.1"',
        'c.toml:3: upstreams.a.servers[0]: "256.1.1.1" is not an IPv4 address; write four numbers',
    ),
    (
        '"http://[::1"',
        (
            'c.toml:3: upstreams.a.servers[0]: "[::1" is not an IPv6 address; '
            "write a host name or an IP address"
        ),
    ),
    (
        '"http://[::g]"',
        (
            'c.toml:3: upstreams.a.servers[0]: "::g" is not an IPv6 address; '
            "write a host name or an IP address"
        ),
    ),
    (
        '"http://[127.0.0.1]"',
        (
            'c.toml:3: upstreams.a.servers[0]: "127.0.0.1" is not an IPv6 address; '
            "write a host name or an IP address"
        ),
    ),
    (
        '"http://::1:80"',
        (
            'c.toml:3: upstreams.a.servers[0]: "::1:80" has too many colons; '
            "write an IPv6 address in brackets"
        ),
    ),
    (
        '"http://[fe80::1%25eth0]"',
        (
            'c.toml:3: upstreams.a.servers[0]: "fe80::1%25eth0" has a zone; '
            'remove the "%" and everything after it'
        ),
    ),
    (
        '[["http://a"]]',
        (
            "c.toml:3: upstreams.a.servers[0]: it is an array; "
            'write a URL, or { url = "http://127.0.0.1:8000", weight = 2 }'
        ),
    ),
)

SERVER_TABLES = (
    (
        '"http://a", "http://A:80"',
        (
            "c.toml:3: upstreams.a.servers[1]: http://a is listed twice; "
            "remove one, or raise the other's weight"
        ),
    ),
    (
        '"http://a", "http://a/base"',
        (
            "c.toml:3: upstreams.a.servers[1]: http://a is listed twice; "
            "remove one, or raise the other's weight"
        ),
    ),
    (
        "{ weight = 2 }",
        (
            "c.toml:3: upstreams.a.servers[0].url: it is missing; "
            'write url = "http://127.0.0.1:8000"'
        ),
    ),
    ("{ url = 5 }", "c.toml:3: upstreams.a.servers[0].url: 5 is an integer; write text in quotes"),
    (
        '{ url = "http://a", weight = 0 }',
        "c.toml:3: upstreams.a.servers[0].weight: 0 is too small; write 1 or more",
    ),
    (
        '{ url = "http://a", weight = 1001 }',
        "c.toml:3: upstreams.a.servers[0].weight: 1001 is too large; write 1000 or less",
    ),
    (
        '{ url = "http://a", weight = true }',
        (
            "c.toml:3: upstreams.a.servers[0].weight: true is a boolean; "
            "write a whole number, without quotes"
        ),
    ),
    (
        '{ url = "http://a", weight = "2" }',
        (
            'c.toml:3: upstreams.a.servers[0].weight: "2" is text; '
            "write a whole number, without quotes"
        ),
    ),
    (
        '{ url = "http://a", wieght = 2 }',
        'c.toml:3: upstreams.a.servers[0].wieght: the key is unknown; did you mean "weight"?',
    ),
)

UPSTREAMS = (
    (
        'preserve_host = "yes"',
        'c.toml:4: upstreams.a.preserve_host: "yes" is text; write true or false',
    ),
    (
        "preserve_host = 1",
        "c.toml:4: upstreams.a.preserve_host: 1 is an integer; write true or false",
    ),
    (
        'strict_responses = "all"',
        'c.toml:4: upstreams.a.strict_responses: "all" is text; write true or false',
    ),
    (
        'ca = "/none"',
        (
            'c.toml:4: upstreams.a.ca: "/none" can\'t be read: No such file or directory; '
            "give a file that this user can read"
        ),
    ),
    (
        'ca = "/secret"',
        (
            'c.toml:4: upstreams.a.ca: "/secret" can\'t be read: Permission denied; '
            "give a file that this user can read"
        ),
    ),
    (
        'ca = "/text"',
        (
            "c.toml:4: upstreams.a.ca: it contains no certificate; "
            'give a PEM file with "-----BEGIN CERTIFICATE-----"'
        ),
    ),
    ("ca = 5", "c.toml:4: upstreams.a.ca: 5 is an integer; write text in quotes"),
    (
        r'ca = "a\u0000"',
        (
            'c.toml:4: upstreams.a.ca: "a\\u0000" can\'t be read: it is not a path; '
            "give a file that this user can read"
        ),
    ),
    ("sevrers = []", 'c.toml:4: upstreams.a.sevrers: the key is unknown; did you mean "servers"?'),
    (
        'credentials = "ml"',
        "c.toml:4: upstreams.a.credentials: there is no [credentials.ml]; add it",
    ),
    (
        "credentials = 5",
        (
            "c.toml:4: upstreams.a.credentials: it is an integer; "
            "write a name under [credentials] in quotes"
        ),
    ),
    (
        'credentials = "digest:admin:hunter2"',
        "c.toml:4: upstreams.a.credentials: no such name under [credentials]; add it",
    ),
    (
        "[upstreams.b]",
        ('c.toml:4: upstreams.b.servers: it is missing; write servers = ["http://127.0.0.1:8000"]'),
    ),
    (
        '[upstreams."b c"]\nservers = ["http://a"]',
        (
            'c.toml:4: upstreams."b c": "b c" is not a usable name; '
            'write at most 64 letters, digits, "_", "-" and "."'
        ),
    ),
    (
        '[upstreams.b]\nserver = "http://a"',
        ('c.toml:5: upstreams.b.server: the key is unknown; did you mean "servers"?'),
    ),
    (
        '[upstreams.b]\nservers = "http://a"',
        'c.toml:5: upstreams.b.servers: it is text; write servers = ["http://127.0.0.1:8000"]',
    ),
    (
        "[upstreams]\nb = 5",
        (
            "c.toml:5: upstreams.b: it is not a table; "
            "give the heading a name, such as [upstreams.box]"
        ),
    ),
)


class UpstreamFaultTests(TableTestCase):
    """Each fault has its line, its key, what is wrong and the fix."""

    def test_servers(self) -> None:
        """A server is an http or https URL of a host, perhaps with a port and a plain path."""
        self.assert_faults(TOP + "[upstreams.a]\nservers = [@@]\n" + ROUTE, SERVERS)

    def test_server_tables(self) -> None:
        """A server may be a table of a URL and a weight, no more; none is listed twice."""
        self.assert_faults(TOP + "[upstreams.a]\nservers = [@@]\n" + ROUTE, SERVER_TABLES)

    def test_upstreams(self) -> None:
        """An upstream's other keys have their types; keys of later versions are named as such."""
        self.assert_faults(TOP + '[upstreams.a]\nservers = ["http://a"]\n@@\n' + ROUTE, UPSTREAMS)
