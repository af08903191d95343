"""Where a redirect of a server leads that was asked by URL."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.proxied_url import ProxiedUrl, proxied_location, read_url, url_in
from tests.message.test_proxied_url import TABLE

ASKED = read_url(b"https://box.lan/a/b?c")

LOCATIONS: tuple[tuple[bytes, bytes], ...] = (
    (b"https://box.lan/x?y#z", b"/proxy?https://box.lan/x?y#z"),
    (b"HTTPS://box.lan:443/x", b"/proxy?https://box.lan/x"),
    (b"/x", b"/proxy?https://box.lan/x"),
    (b"//box.lan/x", b"/proxy?https://box.lan/x"),
    (b"d", b"/proxy?https://box.lan/a/d"),
    (b"../d?e", b"/proxy?https://box.lan/d?e"),
    (b"?d", b"/proxy?https://box.lan/a/b?d"),
    (b"", b"/proxy?https://box.lan/a/b?c"),
    (b"#z", b"/proxy?https://box.lan/a/b?c#z"),
    (b"/a b\xc3\xa9", b"/proxy?https://box.lan/a%20b%C3%A9"),
    (b"https://maps.lan/geo/wms?x", b"/proxy?https://maps.lan/geo/wms?x"),
    (b"http://10.0.0.1:8080/", b"/proxy?http://10.0.0.1:8080/"),
    # What the route does not reach keeps its name, and never becomes a path of the gate.
    (b"https://evil.example/x#z", b"https://evil.example/x#z"),
    (b"//evil.example/x", b"https://evil.example/x"),
    (b"http://box.lan/x", b"http://box.lan/x"),
    (b"https://maps.lan/x", b"https://maps.lan/x"),
    (b"https://user@box.lan/x", b"https://user@box.lan/x"),
    (b"/\\evil.example", b"https://box.lan/\\evil.example"),
    (b"https://box.lan/a/../b", b"https://box.lan/a/../b"),
    (b"https://[", b"https://["),
    (b"mailto:a@b", b"mailto:a@b"),
)


def reaches(url: ProxiedUrl) -> bool:
    """Return whether a URL is within a server of the table."""
    return TABLE.find(url) is not None


class LocationTests(SynchronousTestCase):
    """Where a redirect leads."""

    def test_locations(self) -> None:
        """A redirect to what the route reaches leads through the route."""
        for location, mapped in LOCATIONS:
            self.assertEqual(
                proxied_location(location, ASKED, reaches, b"/proxy"), mapped, location
            )

    def test_control_characters(self) -> None:
        """A value that browsers read as another one stays as it is."""
        for location in (b"https://bo\tx.lan/", b"/a\x7fb"):
            self.assertEqual(proxied_location(location, ASKED, reaches, b"/proxy"), location)

    def test_at_the_root(self) -> None:
        """The prefix may be empty."""
        mapped = proxied_location(b"/x", ASKED, reaches, b"")
        self.assertEqual(mapped, b"/?https://box.lan/x")

    @given(st.binary(max_size=30))
    def test_is_read_as_meant(self, location: bytes) -> None:
        """What leads through the route is read as the URL that was resolved."""
        mapped = proxied_location(location, ASKED, reaches, b"/proxy")
        if mapped.startswith(b"/proxy?"):
            target = mapped.partition(b"#")[0]
            url = read_url(url_in(target, 1))
            self.assertIsNotNone(TABLE.find(url))
            self.assertEqual(bytes(url), target.removeprefix(b"/proxy?"))
