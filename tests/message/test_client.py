"""The gate's origin as a client's browser sees it."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.client import Client, gate_origin
from corsgate.message.headers import Header

PROTO, HOST = b"X-Forwarded-Proto", b"X-Forwarded-Host"


def origin(
    authority: bytes,
    headers: Sequence[Header] = (),
    *,
    scheme: bytes = b"http",
    trusted: bool = False,
) -> bytes:
    """Return the gate's origin for a client."""
    client = Client(peer="192.0.2.1", trusted=trusted, scheme=scheme, authority=authority)
    return gate_origin(client, headers)


class GateOriginTests(SynchronousTestCase):
    """`gate_origin`."""

    def test_serialized_as_browsers_do(self) -> None:
        """The host is lower-cased, and only the scheme's own default port is left out."""
        for scheme, authority, found in (
            (b"http", b"localhost:5555", b"http://localhost:5555"),
            (b"http", b"API.Example:80", b"http://api.example"),
            (b"https", b"api.example:443", b"https://api.example"),
            (b"http", b"api.example:443", b"http://api.example:443"),
            (b"https", b"api.example:80", b"https://api.example:80"),
            (b"https", b"api.example:8443", b"https://api.example:8443"),
            (b"http", b"[::1]:80", b"http://[::1]"),
            (b"http", b"[2001:DB8::80]", b"http://[2001:db8::80]"),
        ):
            self.assertEqual((authority, origin(authority, scheme=scheme)), (authority, found))

    def test_no_host(self) -> None:
        """Without a host there is no origin, so that no Origin can equal it."""
        self.assertEqual(origin(b""), b"")
        self.assertEqual(origin(b"", [(PROTO, b"https")], trusted=True), b"")

    def test_only_a_trusted_proxy_overrides(self) -> None:
        """Scheme and host of a trusted proxy's client count; anyone else's fields do not."""
        outer = [(PROTO, b"https"), (HOST, b"API.example:443")]
        self.assertEqual(origin(b"inner:8080", outer, trusted=True), b"https://api.example")
        self.assertEqual(origin(b"inner:8080", outer), b"http://inner:8080")

    def test_each_part_is_overridden_alone(self) -> None:
        """A proxy may report only one of scheme and host; invalid values are ignored."""
        for headers, found in (
            ([(PROTO, b"https")], b"https://inner"),
            ([(HOST, b"api.example")], b"http://api.example"),
            ([(PROTO, b"ftp")], b"http://inner"),
            ([(HOST, b"a b")], b"http://inner"),
            ([(HOST, b"evil.example/@")], b"http://inner"),
            ([], b"http://inner"),
        ):
            self.assertEqual((headers, origin(b"inner", headers, trusted=True)), (headers, found))

    def test_no_cached_origin_of_another_client(self) -> None:
        """The result depends on all of its parts, the second time too."""
        for _ in range(2):
            self.assertEqual(origin(b"a", scheme=b"http"), b"http://a")
            self.assertEqual(origin(b"a", scheme=b"https"), b"https://a")
            self.assertEqual(origin(b"b", scheme=b"http"), b"http://b")

    def test_no_host_from_a_proxy(self) -> None:
        """What is no Host value doesn't count, even if a trusted proxy passes it on."""
        client = Client(peer="10.0.0.9", trusted=True, scheme=b"http", authority=b"inner")
        for host in (b"evil.com/%0dx", b"evil.com?", b"u@evil.com", b"a b", b"evil.com#x"):
            for told in ((b"X-Forwarded-Host", host), (b"Forwarded", b'for=x;host="%b"' % host)):
                self.assertEqual(gate_origin(client, [told]), b"http://inner")
