"""How routes mount upstreams: names of servers, of other upstreams, and of other routes."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.addresses import Addresses
from corsgate.config.model.values import Cors, Discovered, Route, Server, Upstream
from corsgate.gate.mounts import foreign_to, make_mount
from corsgate.message.uri_mapping import Mount, parse_origin

SERVER = Server(scheme="http", host="box", port=8000)


def mount(
    upstream: Upstream, *, strip: bool = True, found: Sequence[Sequence[bytes]] = ()
) -> Mount:
    """Return how a route ``/v1`` mounts an upstream."""
    return make_mount(
        Route(prefix="/v1", upstream=upstream, strip_prefix=strip),
        b"/v1",
        is_foreign=lambda _endpoint: False,
        servers=lambda: upstream.servers,
        is_elsewhere=lambda host, path: (host, *path) in found,
    )


class Mounts(SynchronousTestCase):
    """What a mount knows."""

    def test_prefix(self) -> None:
        """Only a prefix that is stripped is put back."""
        upstream = Upstream(name="a", servers=(SERVER,))
        self.assertEqual(mount(upstream).prefix, b"/v1")
        self.assertEqual(mount(upstream, strip=False).prefix, b"")
        self.assertEqual(list(mount(upstream).servers()), [SERVER])

    def test_aliases(self) -> None:
        """Aliases are compared as origins are: without case, a slash or a default port."""
        aliases = ("HTTP://Box.LAN/", "https://10.0.0.11:443")
        upstream = Upstream(name="a", servers=(SERVER,), addresses=Addresses(aliases=aliases))
        expected = {parse_origin(b"http://box.lan"), parse_origin(b"https://10.0.0.11")}
        self.assertEqual(mount(upstream).aliases, expected)

    def test_pages(self) -> None:
        """A page on the server's host is no other name of the server: it keeps its own URL."""
        upstream = Upstream(name="a", servers=(SERVER,))
        cors = Cors(allow_origins=("https://box", "http://localhost:*"))
        made = make_mount(
            Route(prefix="/v1", upstream=upstream, cors=cors),
            b"/v1",
            is_foreign=lambda _endpoint: False,
            servers=lambda: upstream.servers,
            is_elsewhere=lambda _host, _path: False,
        )
        for origin, foreign in ((b"https://box", True), (b"http://box", False)):
            endpoint = parse_origin(origin)
            assert endpoint is not None
            self.assertEqual(made.is_foreign(endpoint), foreign)

    def test_elsewhere(self) -> None:
        """A path is looked up by its segments; one that no route would serve is not elsewhere."""
        made = mount(Upstream(name="a", servers=(SERVER,)), found=[(b"gate", b"app", b"x")])
        self.assertTrue(made.is_elsewhere(b"gate", b"/app/%78"))
        for path in (b"/app", b"/app/../app/x", b""):
            self.assertFalse(made.is_elsewhere(b"gate", path))


class Foreign(SynchronousTestCase):
    """Which endpoints belong to other upstreams."""

    def test_foreign(self) -> None:
        """Another upstream's servers are foreign, unless they are this one's as well."""
        other = Server(scheme="http", host="box", port=80)
        found = Discovered(template=Server(scheme="https", host="api.internal", port=443))
        is_foreign = foreign_to(
            {
                "a": Upstream(name="a", servers=(SERVER,)),
                "b": Upstream(name="b", servers=(SERVER, other), discovered=(found,)),
            }
        )
        for origin, to_a in (
            (b"http://box:8000", False),
            (b"http://box", True),
            (b"https://api.internal", True),
            (b"https://box", False),
        ):
            endpoint = parse_origin(origin)
            assert endpoint is not None
            self.assertEqual(is_foreign("a")(endpoint), to_a)
            self.assertFalse(is_foreign("b")(endpoint))
