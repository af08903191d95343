"""Tests of `corsgate.config.model.limits`: each limit has a default and a range."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.limits import Limits, PoolLimits
from corsgate.config.model.units import is_size
from corsgate.errors import BadValue

RANGES: dict[type, dict[str, tuple[float, float]]] = {
    Limits: {
        "timeout_s": (0.001, 86400),
        "connect_timeout_s": (0.001, 3600),
        "first_byte_timeout_s": (0.001, 86400),
        "response_idle_timeout_s": (0.001, 86400),
        "tunnel_idle_timeout_s": (0.001, 86400),
        "client_head_timeout_s": (0.001, 3600),
        "client_body_timeout_s": (0.001, 86400),
        "keep_alive_timeout_s": (0.001, 86400),
        "drain_timeout_s": (0.001, 86400),
        "tunnel_grace_s": (0, 86400),
        "max_target_bytes": (16, 1024**2),
        "max_head_bytes": (256, 1024**2),
        "max_headers": (1, 10_000),
        "max_body_bytes": (1, 1024**5),
        "max_buffered_bytes": (1024, 64 * 1024**2),
        "max_buffered_per_client": (1024**2, 1024**5),
        "max_buffered_total": (1024**2, 1024**5),
        "max_connections": (1, 1_000_000),
        "max_connections_per_client": (1, 1_000_000),
        "max_buffered_log_bytes": (64 * 1024, 1024**3),
        "min_upload_rate": (0, 1024**2),
        "min_download_rate": (0, 1024**2),
        "min_rate_grace_s": (0.001, 3600),
    },
    PoolLimits: {
        "max_connections": (1, 1_000_000),
        "max_queue": (0, 1_000_000),
        "queue_timeout_s": (0.001, 3600),
        "max_tunnels": (0, 1_000_000),
        "idle_timeout_s": (0.001, 3600),
        "max_requests_per_connection": (1, 1_000_000),
    },
}
"""The least and the greatest value of each limit."""


class LimitTests(SynchronousTestCase):
    """No limit can be switched off or made absurd by mistake."""

    def test_ranges(self) -> None:
        """Both ends are valid, and nothing beyond them."""
        for cls, ranges in RANGES.items():
            names = {field.name for field in attrs.fields(cls)}
            self.assertEqual(set(ranges), names - {"keep_alive"})
            for name, (low, high) in ranges.items():
                step = 1e-6 if name.endswith("_s") else 1
                for value in (low, high):
                    self.assertEqual(getattr(cls(**{name: value}), name), value)
                for value in (low - step, high + step):
                    self.assertRaises(BadValue, cls, **{name: value})

    def test_only_three_are_optional(self) -> None:
        """None means no limit; every other limit always applies."""
        optional = set()
        for cls, ranges in RANGES.items():
            for name in ranges:
                try:
                    cls(**{name: None})
                except TypeError:
                    continue
                optional.add(name)
        self.assertEqual(optional, {"timeout_s", "max_body_bytes", "max_requests_per_connection"})

    def test_names_have_units(self) -> None:
        """Only these are plain counts: a file writes all others with a unit, by their names."""
        names = {name for ranges in RANGES.values() for name in ranges}
        self.assertEqual(
            {name for name in names if not name.endswith("_s") and not is_size(name)},
            {
                *("max_headers", "max_connections", "max_connections_per_client"),
                *("max_queue", "max_tunnels", "max_requests_per_connection"),
            },
        )

    def test_requests_per_connection(self) -> None:
        """A connection that isn't kept carries one request."""
        self.assertIsNone(PoolLimits().most_per_connection)
        self.assertEqual(PoolLimits(max_requests_per_connection=5).most_per_connection, 5)
        self.assertEqual(PoolLimits(keep_alive=False).most_per_connection, 1)

    def test_defaults_fit_together(self) -> None:
        """By default no client can use up what all clients share, and the bounds are in order."""
        limits, pool = Limits(), PoolLimits()
        self.assertLess(limits.max_buffered_per_client * 10, limits.max_buffered_total)
        self.assertLessEqual(limits.max_connections_per_client * 10, limits.max_connections)
        self.assertLess(limits.max_target_bytes, limits.max_head_bytes)
        self.assertLess(limits.max_buffered_bytes, limits.max_buffered_per_client)
        self.assertLess(limits.connect_timeout_s, limits.first_byte_timeout_s)
        # Below the 5 s of Apache and Node, so that they don't close a connection first.
        self.assertLess(pool.idle_timeout_s, 5)
