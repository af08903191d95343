"""Faults of balancing, health checks and retries, word for word."""

from __future__ import annotations

from tests.config.support import ROUTE, TOP, TableTestCase

BALANCE = (
    (
        'balance = "least_conn"',
        (
            'c.toml:4: upstreams.a.balance: "least_conn" is unknown; '
            'write "round_robin", "least_requests", "random_two" or "hash"'
        ),
    ),
    ("balance = 5", "c.toml:4: upstreams.a.balance: 5 is an integer; write text in quotes"),
    (
        'hash_on = "client"',
        (
            'c.toml:4: upstreams.a.hash_on: it has no effect without balance = "hash"; add '
            "that, or remove it"
        ),
    ),
    (
        'balance = "hash"\nhash_on = "ip"',
        (
            'c.toml:5: upstreams.a.hash_on: "ip" is unknown; '
            'write "client", "target", "header:NAME" or "cookie:NAME"'
        ),
    ),
    (
        'balance = "hash"\nhash_on = "header:X Y"',
        ('c.toml:5: upstreams.a.hash_on: "X Y" is not a valid name; remove spaces and separators'),
    ),
    (
        'slow_start = "2h"',
        "c.toml:4: upstreams.a.slow_start: 2h is too large; write 1h or less",
    ),
    ("slow_start = 5", 'c.toml:4: upstreams.a.slow_start: 5 has no unit; write "5s" for seconds'),
    ("max_requests = 0", "c.toml:4: upstreams.a.max_requests: 0 is too small; write 1 or more"),
    (
        "sticky = true",
        'c.toml:4: upstreams.a.sticky: it is a boolean; write sticky = { cookie = "NAME" }',
    ),
    ("sticky = {}", 'c.toml:4: upstreams.a.sticky.cookie: it is missing; write cookie = "NAME"'),
    (
        'sticky = { cookie = "a=b" }',
        (
            'c.toml:4: upstreams.a.sticky.cookie: "a=b" is not a valid name; remove spaces '
            "and separators"
        ),
    ),
    (
        'sticky = { cookie = "a", secret = "short" }',
        (
            "c.toml:4: upstreams.a.sticky.secret: the secret is too short to be safe from "
            "guessing; write 16 characters or more"
        ),
    ),
)

HEALTH = (
    (
        'health = "/"',
        'c.toml:4: upstreams.a.health: it is text; write health = { path = "/" }',
    ),
    ("health = {}", 'c.toml:4: upstreams.a.health.path: it is missing; write path = "/"'),
    (
        'health = { path = "well" }',
        ('c.toml:4: upstreams.a.health.path: "well" does not start with a slash; write "/well"'),
    ),
    (
        'health = { path = "/a b" }',
        (
            'c.toml:4: upstreams.a.health.path: "/a b" contains characters that are not '
            "allowed in a request target; percent-encode them as UTF-8"
        ),
    ),
    (
        'health = { path = "/", method = "get" }',
        'c.toml:4: upstreams.a.health.method: "get" is not upper-case; write "GET"',
    ),
    (
        'health = { path = "/", status = 200 }',
        "c.toml:4: upstreams.a.health.status: it is an integer; write an array, such as [200]",
    ),
    (
        'health = { path = "/", status = [20] }',
        "c.toml:4: upstreams.a.health.status[0]: 20 is too small; write 200 or more",
    ),
    (
        'health = { path = "/", status = ["2xx"] }',
        "c.toml:4: upstreams.a.health.status[0]: it is not a status; write a number, such as 200",
    ),
    (
        'health = { path = "/", body = "" }',
        "c.toml:4: upstreams.a.health.body: it is empty; write a value or remove the key",
    ),
    (
        'health = { path = "/", method = "HEAD", body = "ok" }',
        ('c.toml:4: upstreams.a.health.body: a response to HEAD has no body; write method = "GET"'),
    ),
    (
        'health = { path = "/", port = 0 }',
        "c.toml:4: upstreams.a.health.port: 0 is too small; write 1 or more",
    ),
    (
        'health = { path = "/", interval = "0s" }',
        "c.toml:4: upstreams.a.health.interval: 0s is too small; write 10ms or more",
    ),
    (
        'health = { path = "/", timeout = 2 }',
        'c.toml:4: upstreams.a.health.timeout: 2 has no unit; write "2s" for seconds',
    ),
    (
        'health = { path = "/", rise = 0, fall = 101 }',
        (
            "c.toml:4: upstreams.a.health.rise: 0 is too small; write 1 or more\n"
            "c.toml:4: upstreams.a.health.fall: 101 is too large; write 100 or less"
        ),
    ),
    (
        'health = { path = "/", anonymous = "ml" }',
        'c.toml:4: upstreams.a.health.anonymous: "ml" is text; write true or false',
    ),
    (
        'health = { path = "/", intervall = "5s" }',
        ('c.toml:4: upstreams.a.health.intervall: the key is unknown; did you mean "interval"?'),
    ),
)

FAILURES = (
    (
        "eject = false",
        "c.toml:4: upstreams.a.eject: it is a boolean; write eject = { failures = 5 }",
    ),
    (
        "eject = { failures = -1 }",
        "c.toml:4: upstreams.a.eject.failures: -1 is too small; write 0 or more",
    ),
    (
        'eject = { time = "2h" }',
        "c.toml:4: upstreams.a.eject.time: 2h is too large; write 1h or less",
    ),
    (
        'eject = { on = ["504", "404"] }',
        (
            'c.toml:4: upstreams.a.eject.on[1]: "404" is unknown; '
            'write "connect", "reset", "timeout", "500", "502", "503" or "504"'
        ),
    ),
    ("max_tries = 0", "c.toml:4: upstreams.a.max_tries: 0 is too small; write 1 or more"),
    ("max_tries = 101", "c.toml:4: upstreams.a.max_tries: 101 is too large; write 100 or less"),
    ("retries = 11", "c.toml:4: upstreams.a.retries: 11 is too large; write 10 or less"),
    (
        "retry_on = [503]",
        "c.toml:4: upstreams.a.retry_on[0]: 503 is an integer; write text in quotes",
    ),
    (
        'retry_on = "connect"',
        ('c.toml:4: upstreams.a.retry_on: it is text; write an array, such as ["connect", "503"]'),
    ),
    (
        "on_down = 503",
        (
            "c.toml:4: upstreams.a.on_down: it is an integer; "
            'write on_down = { status = 503, body = "Back soon." }'
        ),
    ),
    (
        "on_down = { status = 101 }",
        "c.toml:4: upstreams.a.on_down.status: 101 is too small; write 200 or more",
    ),
    (
        "on_down = { body = 5 }",
        "c.toml:4: upstreams.a.on_down.body: 5 is an integer; write text in quotes",
    ),
    (
        r'on_down = { content_type = "text/plain\r\nX: y" }',
        (
            r'c.toml:4: upstreams.a.on_down.content_type: "text/plain\u000d\u000aX: y" '
            "contains control characters; remove them"
        ),
    ),
    (
        'on_down = { content_type = "text/é" }',
        'c.toml:4: upstreams.a.on_down.content_type: "text/é" is not ASCII; write a media type',
    ),
)

SERVERS = (
    (
        '{ url = "http://a", backup = 1 }',
        "c.toml:3: upstreams.a.servers[0].backup: 1 is an integer; write true or false",
    ),
    (
        '{ url = "http://a", drain = "yes" }',
        'c.toml:3: upstreams.a.servers[0].drain: "yes" is text; write true or false',
    ),
)

DISCOVERED = (
    (
        '["dns+http://10.0.0.1"]',
        (
            'c.toml:3: upstreams.a.servers[0]: "dns+http://10.0.0.1" has an address '
            'instead of a host name; write "http://10.0.0.1"'
        ),
    ),
    (
        '["dns+http://[::1]:80"]',
        (
            'c.toml:3: upstreams.a.servers[0]: "dns+http://[::1]:80" has an address '
            'instead of a host name; write "http://[::1]:80"'
        ),
    ),
    (
        '["dns+ftp://a"]',
        (
            'c.toml:3: upstreams.a.servers[0]: "ftp://a" has the scheme "ftp"; '
            'write "http://" or "https://"'
        ),
    ),
    (
        '["srv+http://api.internal"]',
        (
            'c.toml:3: upstreams.a.servers[0]: "srv+http://api.internal" is not the name '
            'of a service; write one such as "srv+http://_api._tcp.NAME"'
        ),
    ),
    (
        '["srv+http://_api._tcp.internal:8000"]',
        (
            'c.toml:3: upstreams.a.servers[0]: "srv+http://_api._tcp.internal:8000" has a '
            "port, but DNS decides the port; remove it"
        ),
    ),
    (
        '["unix:app.sock"]',
        (
            'c.toml:3: upstreams.a.servers[0]: "app.sock" is not an absolute path; write '
            '"/run/app.sock"'
        ),
    ),
    (
        f'["unix:/{"x" * 107}"]',
        (
            f'c.toml:3: upstreams.a.servers[0]: "/{"x" * 99}..." is too long; '
            "write 107 bytes or less"
        ),
    ),
    (
        '[{ url = "http://a", drain = true }]',
        (
            "c.toml:3: upstreams.a.servers: every server has drain = true; leave at least one "
            "without it"
        ),
    ),
    (
        "{}",
        'c.toml:3: upstreams.a.servers.file: it is missing; write servers = { file = "PATH" }',
    ),
    (
        '{ file = "/none" }',
        (
            'c.toml:3: upstreams.a.servers.file: "/none" can\'t be read: '
            "No such file or directory; give a file that this user can read"
        ),
    ),
    (
        '{ file = "/bad-servers.toml" }',
        (
            "c.toml:3: upstreams.a.servers.file: /bad-servers.toml:3: servers[1]: "
            '"ftp://b" has the scheme "ftp" (and 1 more); write "http://" or "https://"'
        ),
    ),
    (
        '{ file = "/no-servers.toml" }',
        (
            "c.toml:3: upstreams.a.servers.file: /no-servers.toml:1: server: the key is "
            'unknown; did you mean "servers"?'
        ),
    ),
    (
        '{ file = "/empty-servers.toml" }',
        (
            "c.toml:3: upstreams.a.servers.file: /empty-servers.toml: the file contains no "
            "keys; add servers, as in an upstream"
        ),
    ),
    (
        '["http://a"]\nresolver = "dns.internal"',
        (
            'c.toml:4: upstreams.a.resolver: "dns.internal" is not an IP address; write '
            'one such as "10.0.0.2:53"'
        ),
    ),
    (
        '["http://a"]\nresolver = "10.0.0.2:dns"',
        (
            'c.toml:4: upstreams.a.resolver: "10.0.0.2:dns" has a bad port; '
            "write a port from 1 to 65535"
        ),
    ),
)


class BalancingFaultTests(TableTestCase):
    """Each fault has its line, its key, what is wrong and the fix."""

    def test_keys(self) -> None:
        """The keys of an upstream for balancing, health checks and retries."""
        template = TOP + '[upstreams.a]\nservers = ["http://a"]\n@@\n' + ROUTE
        for cases in (BALANCE, HEALTH, FAILURES):
            self.assert_faults(template, cases)

    def test_servers(self) -> None:
        """The keys of a server's table besides its URL and weight."""
        self.assert_faults(TOP + "[upstreams.a]\nservers = [@@]\n" + ROUTE, SERVERS)

    def test_discovered(self) -> None:
        """Servers from DNS, behind a Unix socket, or in a separate file."""
        self.assert_faults(TOP + "[upstreams.a]\nservers = @@\n" + ROUTE, DISCOVERED)
