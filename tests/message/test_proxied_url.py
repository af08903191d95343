"""The URL in a target: its forms, its one reading, and what it leads to."""

from __future__ import annotations

from urllib.parse import quote

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import TargetError
from corsgate.message.proxied_url import ProxiedUrl, UrlTable, read_url, url_in


@attrs.frozen(kw_only=True)
class Server:
    """A server of an upstream."""

    scheme: str = "https"
    host: str = "box.lan"
    port: int = 443
    base_path: str = ""
    name: str | None = None


BOX = Server()
ADDRESS = Server(scheme="http", host="10.0.0.1", port=8080)
IP_V6 = Server(scheme="http", host="2001:db8::1", port=80)
MAPS = Server(host="maps.lan", base_path="/geo/wms")
PARTNER = Server(host="maps.lan", base_path="/geo")
FOUND = Server(host="10.9.9.9", name="found.lan")
TABLE = UrlTable(
    (
        ("box", [BOX, ADDRESS, IP_V6, FOUND]),
        ("partner", [PARTNER]),
        ("maps", [MAPS]),
    )
)

FORMS: tuple[tuple[bytes, bytes], ...] = (
    (b"/proxy?https://box/a?b=c&d=%2F", b"https://box/a?b=c&d=%2F"),
    (b"/proxy/?https://box/a", b"https://box/a"),
    (b"/proxy?https://box/a&b", b"https://box/a&b"),
    (b"/proxy?HTTPS://box/a", b"HTTPS://box/a"),
    (b"/proxy?https%3A%2F%2Fbox%2Fa%3Fb%3Dc%252F", b"https://box/a?b=c%2F"),
    (b"/proxy?https%3a//box/a", b"https://box/a"),
    (b"/proxy?url=https%3A%2F%2Fbox%2Fa", b"https://box/a"),
    (b"/proxy?url=https%3A%2F%2Fbox%2Fa&x=1&y", b"https://box/a?x=1&y"),
    (b"/proxy?url=https%3A%2F%2Fbox%2Fa%3Fb&x=%31", b"https://box/a?b&x=%31"),
    (b"/proxy?url=https%3A%2F%2Fbox%2Fa%3F&x=1", b"https://box/a?x=1"),
    (b"/proxy?https%3A%2F%2Fbox%2Fa%3Fb%26&x=1", b"https://box/a?b&x=1"),
    (b"/proxy?url=https%3A%2F%2Fbox%2Fa&", b"https://box/a"),
    (b'/proxy?https://box/"a"?<b>`', b'https://box/"a"?<b>`'),
    (b"/proxy?url=https%3A%2F%2Fbox%2F%22a%22%3F%3Cb%3E%60", b"https://box/%22a%22?%3Cb%3E%60"),
    (b"/proxy?url=http://box/wms?service=WMS&request=X", b"http://box/wms?service=WMS&request=X"),
    (b"/proxy?url=http://box/wms&request=X", b"http://box/wms?request=X"),
    (b"/proxy?url=https%3A%2F%2Fbox%2Fa%2Bb+c", b"https://box/a+b+c"),
    (b"/proxy/https://box/a?b=c", b"https://box/a?b=c"),
    (b"/proxy/https:/box/a", b"https://box/a"),
    (b"/proxy/https%3A%2F%2Fbox%2Fa%3Fb", b"https://box/a?b"),
    (b"/proxy/https%3A%2F%2Fbox%2Fa?b&url=c", b"https://box/a?b&url=c"),
    (b"/proxy/_1d/https%3a//box/a/b", b"https://box/a/b"),
    (b"/proxy/_1d/https://box/a", b"https://box/a"),
    (b"/proxy/_30m/http:/box/a?b", b"http://box/a?b"),
    (b"/proxy/https://box/a?https://other/", b"https://box/a?https://other/"),
    (b"/proxy?wss%3A%2F%2Fbox%2Fa", b"wss://box/a"),
)

NO_URL: tuple[bytes, ...] = (
    b"/proxy",
    b"/proxy/",
    b"/proxy?",
    b"/proxy?x=1",
    b"/proxy?url=",
    b"/proxy?url",
    b"/proxy?x=1&url=https%3A%2F%2Fbox%2F",
    b"/proxy?url=https%3A%2F%2Fbox%2F&url=https%3A%2F%2Fevil%2F",
    b"/proxy?https%3A%2F%2Fbox%2F&x=1&url=https%3A%2F%2Fevil%2F",
    b"/proxy?URL=https%3A%2F%2Fbox%2F",
    b"/proxy?%75rl=https%3A%2F%2Fbox%2F",
    b"/proxy?https:/box/a",
    b"/proxy?//box/a",
    b"/proxy?box/a",
    b"/proxy?ftp://box/a",
    b"/proxy?file:///etc/passwd",
    b"/proxy?url=gopher%3A%2F%2Fbox%2F",
    b"/proxy?url=javascript%3Aalert(1)",
    b"/proxy?h%74tps://box/",
    b"/proxy? https://box/",
    b"/proxy?%20https://box/",
    b"/proxy/x/https://box/a",
    b"/proxy/https:///box/a",
    b"/proxy/https://",
    b"/proxy/box/a",
    b"/proxy/ftp%3A%2F%2Fbox/a",
    b"/proxy/_1d/_1d/https://box/a",
)

READ: tuple[tuple[bytes, ProxiedUrl], ...] = (
    (b"https://box.lan", ProxiedUrl(b"https", b"box.lan", 443, b"/", b"")),
    (b"https://box.lan?", ProxiedUrl(b"https", b"box.lan", 443, b"/", b"?")),
    (b"HTTP://BOX.lan:80/A?b", ProxiedUrl(b"http", b"box.lan", 80, b"/A", b"?b")),
    (b"http://box:65535/", ProxiedUrl(b"http", b"box", 65535, b"/", b"")),
    (b"http://[2001:DB8:0::1]/", ProxiedUrl(b"http", b"2001:db8::1", 80, b"/", b"")),
    (b"wss://box/s", ProxiedUrl(b"https", b"box", 443, b"/s", b"")),
    (b"ws://box/s", ProxiedUrl(b"http", b"box", 80, b"/s", b"")),
    (b"https://box/a//b;c%2Fd?e=%zz", ProxiedUrl(b"https", b"box", 443, b"/a//b;c%2Fd", b"?e=%zz")),
    (b"https://box/{z}|^?{x}|", ProxiedUrl(b"https", b"box", 443, b"/{z}|^", b"?{x}|")),
    (
        'https://box/stra\u00dfe x?"\u00e9'.encode(),
        ProxiedUrl(b"https", b"box", 443, b"/stra%C3%9Fe%20x", b'?"%C3%A9'),
    ),
    (b"https://box/@x:y@/", ProxiedUrl(b"https", b"box", 443, b"/@x:y@/", b"")),
)

REFUSED: tuple[bytes, ...] = (
    # User information, which hides the host.
    b"https://user@box.lan/",
    b"https://user:pass@box.lan/",
    b"https://box.lan@evil.example/",
    b"https://box.lan:443@evil.example/",
    b"https://@box.lan/",
    b"https://box.lan%40evil.example/",
    # Bytes that the URL standard drops, or takes for others.
    b"https://box.lan\\@evil.example/",
    b"https:\\\\box.lan\\x",
    b"https:/\\box.lan/",
    b"https://box.lan/a\\..\\b",
    b"https://box.lan/a?b\\c",
    b"https://bo\tx.lan/",
    b"https://box.lan/\n",
    b"ht\ntps://box.lan/",
    b"https://box.lan/a\rb",
    b"https://box.lan/\x00",
    b"https://box.lan/\x7f",
    b" https://box.lan/",
    b"https://box.lan/ ",
    b"\x00https://box.lan/",
    b"https://box.lan /",
    b"https://box.lan#@evil.example/",
    b"https://box.lan/#x",
    b"https://evil.example#box.lan/",
    # Other forms of host and port.
    b"https://b%6Fx.lan/",
    b"https://box.lan%2Eevil.example/",
    b"https://box.lan%00.evil.example/",
    b"https://box\xe3\x80\x82lan/",
    b"https://b\xc3\xb6x.lan/",
    b"https://\xef\xbd\x82ox.lan/",
    b"https://box.lan./",
    b"https://box..lan/",
    b"https://.box.lan/",
    b"https://box.lan:/",
    b"https://box.lan:0/",
    b"https://box.lan:0443/",
    b"https://box.lan:443x/",
    b"https://box.lan:+443/",
    b"https://box.lan:65536/",
    b"https://box.lan:443:443/",
    b"https://[::1/",
    b"https://::1/",
    b"https://[::1%25eth0]/",
    b"https://[fe80::1%eth0]/",
    b"https://[box.lan]/",
    b"https://[::1].evil/",
    b"https://box.lan,evil.example/",
    b"https://box.lan;evil.example/",
    b"https://box.lan&evil.example/",
    b"https://*.lan/",
    b"https://" + b"a" * 254 + b"/",
    # Missing and surplus parts.
    b"",
    b"box.lan/",
    b"//box.lan/",
    b"/x",
    b"https:box.lan/",
    b"https:/box.lan/",
    b"https:///box.lan/",
    b"https://",
    b"https:///",
    b"https://?x",
    b"https://:443/",
    b"ftp://box.lan/",
    b"file://box.lan/",
    b"blob:https://box.lan/x",
    b"view-source:https://box.lan/",
    b"https://https://box.lan/",
    # Paths that a server resolves.
    b"https://box.lan/..",
    b"https://box.lan/a/../b",
    b"https://box.lan/a/./b",
    b"https://box.lan/%2e%2e/b",
    b"https://box.lan/a/.%2e/b",
    b"https://box.lan/%252e%252e/b",
    b"https://box.lan/a/..;x/b",
    b"https://box.lan/a%2f..%2fb",
    b"https://box.lan/a%5c..%5cb",
    b"https://box.lan/%c0%ae%c0%ae/b",
    b"https://box.lan/%00",
    b"https://box.lan/%",
)

OUTSIDE: tuple[bytes, ...] = (
    b"http://box.lan/",
    b"https://box.lan:80/",
    b"https://box.lan:8443/",
    b"http://box.lan:443/",
    b"https://evil.example/",
    b"https://box.lan.evil.example/",
    b"https://evilbox.lan/",
    b"https://box/",
    b"https://lan/",
    b"https://www.box.lan/",
    b"https://xn--box-lan/",
    b"https://found.lan:444/",
    b"https://10.9.9.9/",
    b"http://10.0.0.1/",
    b"https://10.0.0.1:8080/",
    b"http://0xa.0.0.1:8080/",
    b"http://0x0a000001:8080/",
    b"http://167772161:8080/",
    b"http://10.1:8080/",
    b"http://10.0.1:8080/",
    b"http://012.0.0.1:8080/",
    b"http://10.0.0.01:8080/",
    b"http://[::ffff:10.0.0.1]:8080/",
    b"http://[::ffff:a00:1]:8080/",
    b"http://[2001:db8::2]/",
    b"http://127.0.0.1/",
    b"http://localhost/",
    b"http://[::1]/",
    b"http://169.254.169.254/latest/meta-data/",
    b"http://0/",
    b"https://maps.lan/",
    b"https://maps.lan/geo2/wms",
    b"https://maps.lan/GEO/wms",
    b"https://maps.lan/%67eo/wms",
    b"https://maps.lan//geo/wms",
    b"https://maps.lan/geo%2Fwms",
    b"https://maps.lan/other?/geo/wms",
)

INSIDE: tuple[tuple[bytes, str, bytes], ...] = (
    (b"https://box.lan", "box", b"/"),
    (b"https://BOX.LAN:443/a?b", "box", b"/a?b"),
    (b"wss://box.lan/s?t", "box", b"/s?t"),
    (b"http://10.0.0.1:8080/x", "box", b"/x"),
    (b"http://[2001:db8:0:0::1]:80/x", "box", b"/x"),
    (b"https://found.lan/x", "box", b"/x"),
    (b"https://maps.lan/geo/wms?S=1", "maps", b"?S=1"),
    (b"https://maps.lan/geo/wms", "maps", b""),
    (b"https://maps.lan/geo/wms/", "maps", b"/"),
    (b"https://maps.lan/geo/wms/x", "maps", b"/x"),
    (b"https://maps.lan/geo/wmts", "partner", b"/wmts"),
    (b"https://maps.lan/geo/wmsx", "partner", b"/wmsx"),
)

hosts = st.sampled_from(("box.lan", "[2001:db8::1]", "10.0.0.1"))
texts = st.text(st.sampled_from("ab/%?&=;:@!$'()*,+{}| \u00e9-_~"), max_size=20)


class UrlInTests(SynchronousTestCase):
    """The URL that a target names."""

    def test_forms(self) -> None:
        """Raw or encoded, in the query or below the prefix."""
        for target, url in FORMS:
            self.assertEqual(url_in(target, 1), url, target)

    def test_prefixes(self) -> None:
        """A prefix may have any number of segments."""
        self.assertEqual(url_in(b"/?https://box/", 0), b"https://box/")
        self.assertEqual(url_in(b"/https:/box/a/b", 0), b"https://box/a/b")
        self.assertEqual(url_in(b"/a%2Fb/c/https://box/", 2), b"https://box/")
        self.assertEqual(url_in(b"/a/b?url=https%3A%2F%2Fbox", 2), b"https://box")

    def test_no_url(self) -> None:
        """A target without a URL, or with two, is rejected."""
        for target in NO_URL:
            with self.assertRaises(TargetError, msg=target):
                url_in(target, 1)

    @given(hosts, texts)
    def test_encoded_once(self, host: str, text: str) -> None:
        """What a client encodes as a component is decoded to what it meant."""
        url = f"https://{host}/{text}"
        for name in ("", "url="):
            target = f"/proxy?{name}{quote(url, safe='')}".encode()
            self.assertEqual(url_in(target, 1), url.encode())


class ReadUrlTests(SynchronousTestCase):
    """The one reading of a URL."""

    def test_read(self) -> None:
        """Case and default ports are normalized; path and query keep their bytes."""
        for url, read in READ:
            self.assertEqual(read_url(url), read, url)

    def test_refused(self) -> None:
        """What two parsers could read differently has no reading."""
        for url in REFUSED:
            with self.assertRaises(TargetError, msg=url):
                read_url(url)

    @given(st.binary(max_size=40))
    def test_any_bytes(self, tail: bytes) -> None:
        """A URL is rejected, or is visible ASCII that is read as the same URL again."""
        for start in (b"", b"https://box.lan", b"https://box.lan/", b"https://box.lan?"):
            try:
                read = read_url(start + tail)
            except TargetError:
                continue
            self.assertRegex(bytes(read), rb"^[!-~]+$")
            self.assertEqual(read_url(bytes(read)), read)
            self.assertNotIn(b"#", bytes(read))

    @given(st.binary(max_size=20))
    def test_host_is_what_it_seems(self, tail: bytes) -> None:
        """Nothing behind an allowed host leads to another one."""
        try:
            read = read_url(b"https://box.lan/" + tail)
        except TargetError:
            return
        self.assertEqual((read.host, read.port), (b"box.lan", 443))


class UrlTableTests(SynchronousTestCase):
    """What a URL leads to."""

    def test_inside(self) -> None:
        """Scheme, host and port are compared as parsed; the longest base path wins."""
        for url, value, rest in INSIDE:
            found = TABLE.find(read_url(url))
            assert found is not None, url
            self.assertEqual((found.value, found.rest), (value, rest), url)

    def test_outside(self) -> None:
        """All else leads nowhere: another scheme, host, port or path, however it is written."""
        for url in OUTSIDE:
            self.assertIsNone(TABLE.find(read_url(url)), url)

    def test_first_of_equals(self) -> None:
        """Where two have the same server, the first has it."""
        found = UrlTable((("a", [BOX]), ("b", [BOX]))).find(read_url(b"https://box.lan/"))
        assert found is not None
        self.assertEqual(found.value, "a")
