"""What a server gets of a client's head, without a socket."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.addresses import Addresses
from corsgate.config.model.header_rules import HeaderField, HeaderRules
from corsgate.config.model.request_rules import RequestRules
from corsgate.config.model.values import PoolLimits, Route, Server, Upstream
from corsgate.errors import AddressRefused
from corsgate.gate.request_shape import RequestShape
from corsgate.message.client import Client
from corsgate.message.head import RequestHead, field_lines
from corsgate.message.headers import HeaderIndex, HeaderList, end_to_end, index_headers
from corsgate.message.identity import FORWARDED_FIELDS

SERVER = Server(scheme="http", host="10.0.0.1", port=8000, base_path="/base")
CLIENT = Client(peer="192.0.2.1", trusted=False, scheme=b"https", authority=b"api.example")
RULES = RequestRules()

names = st.from_regex(rb"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True) | st.sampled_from(
    (b"Location", b"Set-Cookie", b"Vary", b"Connection", b"Content-Length", b"vary", b"Host")
)
values = st.binary(max_size=30).map(lambda value: bytes(b for b in value if b >= 32).strip())
fields = st.lists(st.tuples(names, values), max_size=8)


def shape(
    *,
    strip: bool = False,
    preserve_host: bool = False,
    own: frozenset[bytes] = frozenset(),
    methods: tuple[str, ...] | None = None,
    passing: tuple[str, ...] = (),
    rules: RequestRules = RULES,
) -> RequestShape:
    """Return the shape of a route ``/v1`` to `SERVER`."""
    upstream = Upstream(
        name="a", servers=(SERVER,), preserve_host=preserve_host, request_rules=rules
    )
    route = Route(
        prefix="/v1",
        upstream=upstream,
        strip_prefix=strip,
        methods=methods,
        pass_headers=passing,
    )
    return RequestShape(
        route,
        1,
        prefix=b"/v1",
        own_fields=own,
        is_served=lambda _host, path: path[:1] == [b"v1"],
    )


def upstream_head(
    made: RequestShape, headers: HeaderList, target: bytes = b"/v1/x", client: Client = CLIENT
) -> RequestHead:
    """Return what the server gets."""
    head = RequestHead(method=b"GET", target=target, headers=headers)
    return made.upstream_head(head, SERVER, client)


def seen(mode: str, headers: HeaderList, client: Client = CLIENT) -> HeaderIndex:
    """Return the fields that the server gets, where the ruling has this mode."""
    head = RequestHead(method=b"GET", target=b"/v1/x", headers=headers)
    made = shape().upstream_head(head, SERVER, client, origin_mode=mode)
    assert made.lines == field_lines(made.headers)
    return index_headers(made.headers)


class Requests(SynchronousTestCase):
    """What a server gets."""

    def test_target(self) -> None:
        """The base path comes before it, and the prefix goes if it shall."""
        self.assertEqual(upstream_head(shape(), []).target, b"/base/v1/x")
        self.assertEqual(upstream_head(shape(strip=True), []).target, b"/base/x")
        self.assertEqual(upstream_head(shape(strip=True), [], b"/v1?a").target, b"/base/?a")

    def test_host(self) -> None:
        """Host comes first: the server's, or the client's where it has one."""
        self.assertEqual(upstream_head(shape(), []).headers[0], (b"Host", b"10.0.0.1:8000"))
        kept = shape(preserve_host=True)
        self.assertEqual(upstream_head(kept, []).headers[0], (b"Host", b"api.example"))
        nameless = Client(peer="192.0.2.1", trusted=False, scheme=b"http", authority=b"")
        head = upstream_head(kept, [], client=nameless)
        self.assertEqual(head.headers[0], (b"Host", b"10.0.0.1:8000"))

    def test_not_kept(self) -> None:
        """A connection that isn't kept is announced so, unless it may switch protocols."""
        pool = PoolLimits(keep_alive=False)
        route = Route(prefix="/v1", upstream=Upstream(name="a", servers=(SERVER,), pool=pool))
        made, head = RequestShape(route, 1), RequestHead(b"GET", b"/v1", [])
        for expected, more in (
            ((b"close",), {}),
            ((b"TE, close",), {"trailers": True}),
            ((b"Upgrade",), {"offers": (b"websocket",)}),
        ):
            got = made.upstream_head(head, SERVER, CLIENT, framing=b"", **more)
            self.assertEqual(tuple(index_headers(got.headers)[b"connection"]), expected)
            self.assertIn(b"Connection: %b\r\n" % expected, got.wire or b"")
        self.assertNotIn(b"connection", index_headers(upstream_head(shape(), []).headers))

    def test_own_fields(self) -> None:
        """Fields that are the credentials' own are dropped, however they are spelled."""
        sent: HeaderList = [(b"X-KEY", b"1"), (b"authorization", b"2"), (b"X-Keys", b"3")]
        made = shape(own=frozenset((b"x-key", b"authorization")))
        index = index_headers(upstream_head(made, sent).headers)
        self.assertEqual([name in index for name in (b"x-key", b"authorization")], [False] * 2)
        self.assertEqual(index[b"x-keys"], [b"3"])

    def test_settled_here(self) -> None:
        """Host, framing and Expect are this hop's."""
        sent: HeaderList = [
            (b"Host", b"evil"),
            (b"Content-Length", b"9"),
            (b"Transfer-Encoding", b"chunked"),
            (b"Expect", b"100-continue"),
        ]
        index = index_headers(upstream_head(shape(), sent).headers)
        self.assertEqual(index[b"host"], [b"10.0.0.1:8000"])
        for name in (b"content-length", b"transfer-encoding", b"expect"):
            self.assertNotIn(name, index)

    def test_page(self) -> None:
        """What says which page asks is replaced, once and only where it is there."""
        page: HeaderList = [
            (b"ORIGIN", b"https://app.example"),
            (b"origin", b"https://other.example"),
            (b"Referer", b"https://app.example/page?secret"),
            (b"Sec-Fetch-Site", b"cross-site"),
            (b"X-App", b"1"),
        ]
        own = b"http://10.0.0.1:8000"
        for mode, wanted in (
            ("server", own),
            ("gate", b"https://api.example"),
            ("https://box.example", b"https://box.example"),
        ):
            index = seen(mode, page)
            self.assertEqual(index[b"origin"], [wanted])
            self.assertEqual(index[b"referer"], [wanted + b"/"])
            self.assertEqual(index[b"sec-fetch-site"], [b"same-origin"])
            self.assertEqual(index[b"x-app"], [b"1"])
            self.assertEqual(seen(mode, page[2:3])[b"referer"], [wanted + b"/"])
            for name in (b"origin", b"sec-fetch-site"):
                self.assertNotIn(name, seen(mode, page[2:3]))
        index = seen("drop", page)
        self.assertEqual([name in index for name in (b"origin", b"referer")], [False, False])
        self.assertEqual(index[b"sec-fetch-site"], [b"same-origin"])
        self.assertEqual(len(seen("keep", page)[b"origin"]), 2)

    def test_page_without_host(self) -> None:
        """A client that named no host knows no origin of the gate: the fields are dropped."""
        nameless = Client(peer="192.0.2.1", trusted=False, scheme=b"http", authority=b"")
        page: HeaderList = [(b"Origin", b"https://app.example")]
        self.assertNotIn(b"origin", seen("gate", page, nameless))

    def test_page_passed_on_purpose(self) -> None:
        """pass_headers lets nobody say which page asks."""
        made = shape(passing=("Origin", "Sec-Fetch-Site"))
        head = RequestHead(b"GET", b"/", [(b"Origin", b"x"), (b"Sec-Fetch-Site", b"cross-site")])
        sent = made.upstream_head(head, SERVER, CLIENT, origin_mode="server").headers
        self.assertEqual(index_headers(sent)[b"origin"], [b"http://10.0.0.1:8000"])

    def test_underscores(self) -> None:
        """A server that reads ``_`` or ``.`` as ``-`` sees no field that the gate owns or drops."""
        made = shape(own=frozenset((b"x-api-key", b"my_token")))
        for name in (
            b"X_Forwarded_For",
            b"X-Forwarded_For",
            b"X_ORIGINAL-URL",
            b"x_api_key",
            b"X-Api_Key",
            b"X.Api!Key",
            b"X.Remote.User",
            b"My-Token",
            b"MY_TOKEN",
            b"Content_Length",
            b"Transfer_Encoding",
            b"Proxy_Authorization",
        ):
            passed = [field for field, _ in upstream_head(made, [(name, b"evil")]).headers]
            self.assertNotIn(name, passed)
        kept: HeaderList = [(b"X_Page_Size", b"1"), (b"_", b"2"), (b"X_Api_Keys", b"3")]
        self.assertEqual([h for h in upstream_head(made, kept).headers if h in kept], kept)

    def test_many_hyphens(self) -> None:
        """A name of absurdly many parts costs no memory, and is dropped in its plain spellings."""
        name = b"-".join([b"x"] * 100)
        made = shape(own=frozenset((name,)))
        sent: HeaderList = [(name, b"evil"), (name.replace(b"-", b"_"), b"evil")]
        self.assertNotIn(b"evil", [value for _, value in upstream_head(made, sent).headers])

    def test_method_overrides(self) -> None:
        """Where a route lists its methods, no field puts another in the method's place."""
        sent: HeaderList = [
            (b"X-HTTP-Method-Override", b"DELETE"),
            (b"X-Http-Method", b"DELETE"),
            (b"X_Method_Override", b"DELETE"),
        ]
        listed = upstream_head(shape(methods=("GET",)), sent).headers
        self.assertNotIn(b"DELETE", [value for _, value in listed])
        self.assertEqual([h for h in upstream_head(shape(), sent).headers if h in sent], sent)

    def test_identity(self) -> None:
        """Nobody says who he is by a field that boxes believe, but a proxy that is trusted."""
        sent: HeaderList = [
            (b"X-WEBAUTH-USER", b"admin"),
            (b"Remote_User", b"admin"),
            (b"X-SSL-Client-Verify", b"SUCCESS"),
            (b"Proxy", b"http://evil"),
            (b"X-App", b"1"),
        ]
        self.assertEqual([h for h in upstream_head(shape(), sent).headers if h in sent], sent[4:])
        self.assertEqual(shape().request_trailers(sent), sent[4:])
        proxy = Client(peer="10.0.0.1", trusted=True, scheme=b"https", authority=b"api.example")
        kept = [h for h in upstream_head(shape(), sent, client=proxy).headers if h in sent]
        self.assertEqual(sorted(kept), sorted([sent[0], sent[2], sent[4]]))

    def test_about_the_client(self) -> None:
        """The upstream gets the fields about the client that it is to get, and no others."""
        proxy = Client(peer="10.0.0.1", trusted=True, scheme=b"https", authority=b"api.example")
        port: HeaderList = [(b"X-Forwarded-Port", b"443")]
        for rules, wanted in (
            (RequestRules(), set(FORWARDED_FIELDS)),
            (RequestRules(forwarded=()), set[str]()),
            (RequestRules(forwarded=("x-forwarded-for",)), {"x-forwarded-for"}),
        ):
            made = shape(strip=True, rules=rules)
            for client in (CLIENT, proxy):
                head = upstream_head(made, port, client=client)
                self.assertEqual(head.lines, field_lines(head.headers))
                names = {name.decode().lower() for name, _ in head.headers}
                found = {each for each in names if "forwarded" in each}
                usual = client is proxy and rules == RequestRules()
                self.assertEqual(found, wanted | ({"x-forwarded-port"} if usual else set()))

    def test_stripped_prefix(self) -> None:
        """The upstream is told of a prefix that it doesn't see, and of no other."""
        self.assertTrue(shape(strip=True).by_route)
        sent = index_headers(upstream_head(shape(strip=True), []).headers)
        self.assertEqual(sent[b"x-forwarded-prefix"], [b"/v1"])
        for made in (
            shape(),
            shape(strip=True, rules=RequestRules(forwarded=("forwarded",))),
            shape(strip=True, passing=("X-Forwarded-Prefix",)),
        ):
            self.assertFalse(made.by_route)
            index = index_headers(upstream_head(made, [(b"X-Forwarded-Prefix", b"/a")]).headers)
            self.assertNotIn([b"/v1"], index.values())

    def test_without_via(self) -> None:
        """An upstream that shall get no Via gets nobody's, and another mark."""
        sent: HeaderList = [(b"Via", b"1.1 a"), (b"CDN-Loop", b"a")]
        index = index_headers(upstream_head(shape(rules=RequestRules(via=False)), sent).headers)
        self.assertNotIn(b"via", index)
        self.assertEqual(index[b"cdn-loop"], [b"a", b"corsgate"])
        index = index_headers(upstream_head(shape(), sent).headers)
        self.assertEqual(index[b"via"], [b"1.1 a", b"1.1 corsgate"])
        self.assertEqual(index[b"cdn-loop"], [b"a"])

    def test_operators_fields(self) -> None:
        """What the operator sets or removes passes from nobody, a trusted proxy included."""
        rules = RequestRules(
            request_headers=HeaderRules(
                set=(HeaderField("X-Real-IP", "{client_ip}"), HeaderField("X-A", "1")),
                remove=("X_Remote_User", "X-B"),
            )
        )
        sent: HeaderList = [
            (b"X-Real-IP", b"10.9.9.9"),
            (b"X-Remote-User", b"admin"),
            (b"X-B", b"2"),
            (b"X-Client-Cert", b"3"),
        ]
        made = shape(rules=rules, passing=("X-Remote-User",))
        self.assertEqual((made.added, made.by_request, made.by_route), (((b"X-A", b"1"),), 0, 0))
        proxy = attrs.evolve(CLIENT, trusted=True, address="192.0.2.7")
        for client, address in ((CLIENT, b"192.0.2.1"), (proxy, b"192.0.2.7")):
            head = upstream_head(made, sent, client=client)
            self.assertEqual(head.lines, field_lines(head.headers))
            index = index_headers(head.headers)
            self.assertEqual((index[b"x-real-ip"], index[b"x-a"]), ([address], [b"1"]))
            for name in (b"x-remote-user", b"x-b"):
                self.assertNotIn(name, index)
            self.assertEqual(b"x-client-cert" in index, client is proxy)
        self.assertEqual(made.request_trailers(sent), [])

    def test_passed_on_purpose(self) -> None:
        """What the route passes goes on once, whoever sent it."""
        sent: HeaderList = [
            (b"X-Remote-User", b"a"),
            (b"X_Remote_User", b"b"),
            (b"X-Real-IP", b"192.0.2.1"),
            (b"X-HTTP-Method-Override", b"PUT"),
        ]
        made = shape(
            methods=("GET",), passing=("x-remote-user", "X-Real-IP", "X-Http-Method-Override")
        )
        for trusted in (False, True):
            client = Client(peer="10.0.0.1", trusted=trusted, scheme=b"http", authority=b"a")
            passed = [h for h in upstream_head(made, sent, client=client).headers if h in sent]
            self.assertEqual(passed, [sent[0], sent[2], sent[3]])

    @given(fields)
    def test_rest_is_untouched(self, sent: HeaderList) -> None:
        """All other fields pass in their order, whatever they are."""
        ours = {b"host", b"content-length", b"expect", b"via"}
        made = upstream_head(shape(), sent).headers
        expected = [each for each in end_to_end(sent) if each[0].lower() not in ours]
        passed = [each for each in made if each[0].lower() not in ours]
        self.assertEqual(passed[: len(expected)], expected)

    def test_cookies_dropped(self) -> None:
        """With ``cookies = "drop"`` no Cookie passes, even if it is listed to pass."""
        addresses = Addresses(cookies="drop")
        upstream = Upstream(name="a", servers=(SERVER,), addresses=addresses)
        route = Route(prefix="/v1", upstream=upstream, pass_headers=("Cookie", "X-Real-IP"))
        sent: HeaderList = [(b"COOKIE", b"a=1"), (b"X-Real-IP", b"1"), (b"Cookie2", b"1")]
        index = index_headers(upstream_head(RequestShape(route, 1), sent).headers)
        self.assertNotIn(b"cookie", index)
        self.assertEqual((index[b"x-real-ip"], index[b"cookie2"]), ([b"1"], [b"1"]))

    def test_resources(self) -> None:
        """Destination is mapped like the target, for the host by which the client came here."""
        proxied = Client(peer="192.0.2.1", trusted=True, scheme=b"http", authority=b"gate.internal")
        told = (b"X-Forwarded-Host", b"api.example")
        for host in (b"api.example", b"gate.internal"):
            sent = [told, (b"Destination", b"https://%b/v1/y" % host)]
            head = RequestHead(method=b"MOVE", target=b"/v1/x", headers=sent)
            made = shape(strip=True).upstream_head(head, SERVER, proxied)
            index = index_headers(made.headers)
            self.assertEqual(index[b"destination"], [b"http://10.0.0.1:8000/base/y"])
        elsewhere = RequestHead(b"MOVE", b"/v1/x", [(b"Destination", b"/y")])
        self.assertRaises(AddressRefused, shape().upstream_head, elsewhere, SERVER, CLIENT)
