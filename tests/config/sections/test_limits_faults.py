"""Faults of limits, word for word."""

from __future__ import annotations

from tests.config.support import ROUTE, TOP, UPSTREAM, TableTestCase, warned

DURATIONS = (
    (
        "connect_timeout = 5",
        'c.toml:3: limits.connect_timeout: 5 has no unit; write "5s" for seconds',
    ),
    (
        "connect_timeout = 1.5",
        'c.toml:3: limits.connect_timeout: 1.5 has no unit; write "1.5s" for seconds',
    ),
    (
        "connect_timeout = true",
        'c.toml:3: limits.connect_timeout: true is a boolean; write a duration, such as "5s"',
    ),
    (
        'connect_timeout = "5"',
        'c.toml:3: limits.connect_timeout: "5" has no unit; write "5s" for seconds',
    ),
    (
        'connect_timeout = "5 s"',
        (
            'c.toml:3: limits.connect_timeout: "5 s" is not a duration; '
            'write a number and ms, s, m or h, such as "5s"'
        ),
    ),
    (
        'connect_timeout = "5sec"',
        (
            'c.toml:3: limits.connect_timeout: "5sec" is not a duration; '
            'write a number and ms, s, m or h, such as "5s"'
        ),
    ),
    (
        'connect_timeout = "-5s"',
        (
            'c.toml:3: limits.connect_timeout: "-5s" is not a duration; '
            'write a number and ms, s, m or h, such as "5s"'
        ),
    ),
    (
        'connect_timeout = "0s"',
        "c.toml:3: limits.connect_timeout: 0s is too small; write 1ms or more",
    ),
    (
        'connect_timeout = "0.1ms"',
        "c.toml:3: limits.connect_timeout: 0.1ms is too small; write 1ms or more",
    ),
    (
        'connect_timeout = "2h"',
        "c.toml:3: limits.connect_timeout: 2h is too large; write 1h or less",
    ),
    (
        'min_rate_grace = "0s"',
        "c.toml:3: limits.min_rate_grace: 0s is too small; write 1ms or more",
    ),
    (
        "connect_timeout = []",
        'c.toml:3: limits.connect_timeout: it is an array; write a duration, such as "5s"',
    ),
    (
        'response_idle_timeout = "25h"',
        "c.toml:3: limits.response_idle_timeout: 25h is too large; write 24h or less",
    ),
    (
        "drain_timeout = 1979-05-27",
        'c.toml:3: limits.drain_timeout: it is a date or time; write a duration, such as "5s"',
    ),
)

SIZES = (
    (
        'max_head_bytes = "32KB"',
        (
            'c.toml:3: limits.max_head_bytes: "32KB" has an unknown unit; '
            'write "32KiB", in powers of 1024'
        ),
    ),
    (
        'max_head_bytes = "32k"',
        (
            'c.toml:3: limits.max_head_bytes: "32k" has an unknown unit; '
            'write "32KiB", in powers of 1024'
        ),
    ),
    (
        'max_head_bytes = "32"',
        (
            'c.toml:3: limits.max_head_bytes: "32" is not a size; '
            'write a number and B, KiB, MiB or GiB, such as "64KiB"'
        ),
    ),
    (
        'max_head_bytes = "big"',
        (
            'c.toml:3: limits.max_head_bytes: "big" is not a size; '
            'write a number and B, KiB, MiB or GiB, such as "64KiB"'
        ),
    ),
    (
        "max_head_bytes = 100",
        "c.toml:3: limits.max_head_bytes: 100B is too small; write 256B or more",
    ),
    (
        'max_head_bytes = "2MiB"',
        "c.toml:3: limits.max_head_bytes: 2MiB is too large; write 1MiB or less",
    ),
    (
        "max_head_bytes = 1e3",
        'c.toml:3: limits.max_head_bytes: 1000.0 is a float; write a size, such as "64KiB"',
    ),
    (
        "max_head_bytes = true",
        'c.toml:3: limits.max_head_bytes: true is a boolean; write a size, such as "64KiB"',
    ),
    (
        'max_head_bytes = "0.3KiB"',
        (
            'c.toml:3: limits.max_head_bytes: "0.3KiB" is not a whole number of bytes; '
            'write a number and B, KiB, MiB or GiB, such as "64KiB"'
        ),
    ),
    ("max_body_bytes = 0", "c.toml:3: limits.max_body_bytes: 0B is too small; write 1B or more"),
    ("max_body_bytes = -1", "c.toml:3: limits.max_body_bytes: -1B is too small; write 1B or more"),
    (
        'max_body_bytes = "2000000GiB"',
        "c.toml:3: limits.max_body_bytes: 2000000GiB is too large; write 1048576GiB or less",
    ),
    (
        'max_buffered_total = "512KiB"',
        "c.toml:3: limits.max_buffered_total: 512KiB is too small; write 1MiB or more",
    ),
    (
        "max_buffered_per_client = true",
        "c.toml:3: limits.max_buffered_per_client: true is a boolean; "
        'write a size, such as "64KiB"',
    ),
    (
        'max_buffered_bytes = "1B"',
        "c.toml:3: limits.max_buffered_bytes: 1B is too small; write 1KiB or more",
    ),
    (
        'max_buffered_log_bytes = "1KiB"',
        "c.toml:3: limits.max_buffered_log_bytes: 1KiB is too small; write 64KiB or more",
    ),
    (
        'max_target_bytes = "1B"',
        "c.toml:3: limits.max_target_bytes: 1B is too small; write 16B or more",
    ),
    (
        "min_upload_rate = -1",
        "c.toml:3: limits.min_upload_rate: -1B is too small; write 0B or more",
    ),
    (
        'min_download_rate = "240"',
        (
            'c.toml:3: limits.min_download_rate: "240" is not a size; '
            'write a number and B, KiB, MiB or GiB, such as "64KiB"'
        ),
    ),
    (
        'min_upload_rate = "2MiB"',
        "c.toml:3: limits.min_upload_rate: 2MiB is too large; write 1MiB or less",
    ),
)

COUNTS = (
    (
        "max_connections = 0",
        "c.toml:3: limits.max_connections: 0 is too small; write 1 or more",
    ),
    (
        'max_connections_per_client = "9"',
        (
            'c.toml:3: limits.max_connections_per_client: "9" is text; '
            "write a whole number, without quotes"
        ),
    ),
    (
        'max_headers = "100"',
        'c.toml:3: limits.max_headers: "100" is text; write a whole number, without quotes',
    ),
    ("max_headers = 0", "c.toml:3: limits.max_headers: 0 is too small; write 1 or more"),
    (
        "max_headers = 10001",
        "c.toml:3: limits.max_headers: 10001 is too large; write 10000 or less",
    ),
    (
        "max_headers = 1.5",
        "c.toml:3: limits.max_headers: 1.5 is a float; write a whole number, without quotes",
    ),
    (
        "max_headers = true",
        ("c.toml:3: limits.max_headers: true is a boolean; write a whole number, without quotes"),
    ),
    (
        "max_headers = 99999999999999999999",
        "c.toml:3: limits.max_headers: the number does not fit in 64 bits; write a smaller one",
    ),
    (
        "max_hedaers = 5",
        'c.toml:3: limits.max_hedaers: the key is unknown; did you mean "max_headers"?',
    ),
)

POOLS = (
    (
        "max_connections = 0",
        "c.toml:4: upstreams.a.max_connections: 0 is too small; write 1 or more",
    ),
    (
        "max_queue = -1",
        "c.toml:4: upstreams.a.max_queue: -1 is too small; write 0 or more",
    ),
    (
        "max_tunnels = -1",
        "c.toml:4: upstreams.a.max_tunnels: -1 is too small; write 0 or more",
    ),
    (
        "queue_timeout = 5",
        'c.toml:4: upstreams.a.queue_timeout: 5 has no unit; write "5s" for seconds',
    ),
    (
        'idle_timeout = "2h"',
        "c.toml:4: upstreams.a.idle_timeout: 2h is too large; write 1h or less",
    ),
)


ELSEWHERE = tuple(
    (
        f"{key} = 3",
        f"c.toml:3: limits.{key}: each upstream has its own; set it under [upstreams.NAME]",
    )
    for key in ("max_tunnels", "max_tries", "max_requests", "max_queue", "queue_timeout")
)


class LimitFaultTests(TableTestCase):
    """Each fault has its line, its key, what is wrong and the fix."""

    def test_durations(self) -> None:
        """A time-out is a duration with a unit, within sane bounds."""
        self.assert_faults(TOP + "[limits]\n@@\n" + UPSTREAM + ROUTE, DURATIONS)

    def test_sizes(self) -> None:
        """A size is whole bytes, with a unit of 1024 if it has one, within sane bounds."""
        self.assert_faults(TOP + "[limits]\n@@\n" + UPSTREAM + ROUTE, SIZES)

    def test_counts(self) -> None:
        """A count is an integer within sane bounds, and no other key is known."""
        self.assert_faults(TOP + "[limits]\n@@\n" + UPSTREAM + ROUTE, COUNTS)

    def test_of_upstreams(self) -> None:
        """A limit of upstreams gets its own message, not a suggestion of a similar key."""
        self.assert_faults(TOP + "[limits]\n@@\n" + UPSTREAM + ROUTE, ELSEWHERE)

    def test_pools(self) -> None:
        """The limits of an upstream are read in the same way."""
        self.assert_faults(TOP + UPSTREAM + "@@\n" + ROUTE, POOLS)

    def test_tunnel_grace(self) -> None:
        """A grace that can't be used up produces a warning, but the default never does."""
        rest = UPSTREAM + ROUTE
        for lines, is_warned in (
            ('tunnel_grace = "31s"', True),
            ('tunnel_grace = "30s"', False),
            ('tunnel_grace = "0s"', False),
            ('drain_timeout = "1s"', False),
            ('drain_timeout = "1s"\ntunnel_grace = "5s"', True),
        ):
            found = [each for each in warned(f"{TOP}[limits]\n{lines}\n{rest}") if "grace" in each]
            self.assertEqual(len(found), is_warned, lines)
        self.assertIn("limits.tunnel_grace: it is longer than drain_timeout, after which", found[0])
