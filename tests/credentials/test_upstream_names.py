"""Which upstreams a log line names."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.upstream_names import UpstreamNames


class Upstream:
    """Has servers."""

    def __init__(self, *servers: str) -> None:
        self.servers = servers

    def has_server(self, origin: str) -> bool:
        """Return whether it has a server."""
        return origin in self.servers


class UpstreamNamesTests(SynchronousTestCase):
    def test_names(self) -> None:
        """Those that have the server; all of them for a place that none has."""
        names, a, b, c = UpstreamNames("x"), Upstream("1"), Upstream("1", "2"), Upstream("3")
        self.assertEqual(names.of("1"), "x")
        for each, name in ((a, "a"), (b, "old"), (c, "c"), (b, "b")):
            names.add(each, name)
        found = [names.of(server) for server in ("1", "2", "3", "https://login")]
        self.assertEqual(found, ["a, b", "b", "c", "a, c, b"])

    def test_many(self) -> None:
        """Of many, the first few are named."""
        names, made = UpstreamNames("x"), [Upstream("1") for _ in range(9)]
        for number, each in enumerate(made):
            names.add(each, str(number))
        self.assertEqual(names.of("1"), "0, 1, 2 and 6 more")

    def test_gone(self) -> None:
        """An upstream that a reload has removed is no longer named, nor kept in memory."""
        names, a, b = UpstreamNames("x"), Upstream("1"), Upstream("1")
        names.add(a, "a")
        names.add(b, "b")
        del a
        self.assertEqual(names.of("1"), "b")
        del b
        self.assertEqual(names.of("1"), "x")
