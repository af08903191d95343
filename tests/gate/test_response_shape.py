"""What a client gets of an upstream's head, without a socket."""

from __future__ import annotations

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors, Route, Upstream
from corsgate.cors.decide import Decision, decide
from corsgate.cors.policy import compile_policy
from corsgate.gate.response_shape import ResponseShape
from corsgate.message.head import RequestHead, ResponseHead, field_lines
from corsgate.message.headers import HeaderList, index_headers
from corsgate.message.uri_mapping import Mount
from tests.gate.test_request_shape import SERVER, fields

ORIGIN = b"https://app.example"


def shape(*, strip: bool = False, credentialed: bool = False) -> ResponseShape:
    """Return the shape of a route ``/v1`` to `SERVER`."""
    route = Route(prefix="/v1", upstream=Upstream(name="a", servers=(SERVER,)), strip_prefix=strip)
    return ResponseShape(
        route,
        Mount(prefix=b"/v1" if strip else b""),
        credentialed=credentialed,
        sent_host=lambda server, _authority: server.host_value,
    )


def decision(headers: HeaderList) -> Decision:
    """Return what a policy for `ORIGIN` decides on a GET with these fields."""
    policy = compile_policy(Cors(allow_origins=(ORIGIN.decode(),)))
    return decide(policy, b"GET", index_headers(headers), b"https://api.example", credentialed=True)


def client_head(
    made: ResponseShape,
    headers: HeaderList,
    status: int = 200,
    gate_origin: bytes = b"https://api.example",
) -> ResponseHead:
    """Return what the client gets."""
    return made.client_head(
        ResponseHead(status=status, reason=b"OK", headers=headers),
        SERVER,
        decision([(b"Origin", ORIGIN)]),
        RequestHead(method=b"GET", target=b"/v1/x", headers=[]),
        authority=b"api.example",
        gate_origin=gate_origin,
    )


def early_hints(headers: HeaderList) -> HeaderList:
    """Return the fields of a 103 that the client gets."""
    early = ResponseHead(status=103, reason=b"Early Hints", headers=headers)
    origin = b"https://api.example"
    made = shape().interim_head(early, SERVER, authority=b"api.example", gate_origin=origin)
    return list(made.headers)


class Responses(SynchronousTestCase):
    """What a client gets."""

    def test_cors(self) -> None:
        """The decision's fields take the place of the upstream's."""
        theirs: HeaderList = [(b"ACCESS-control-Allow-Origin", b"*"), (b"X", b"1")]
        index = index_headers(client_head(shape(), theirs).headers)
        self.assertEqual(index[b"access-control-allow-origin"], [ORIGIN])
        self.assertEqual(index[b"x"], [b"1"])

    def test_vary(self) -> None:
        """There is one Vary for both."""
        for theirs, both in (
            ([], b"Origin"),
            ([b""], b"Origin"),
            ([b"Accept"], b"Accept, Origin"),
            ([b"Accept", b"ORIGIN"], b"Accept, ORIGIN"),
            ([b"*"], b"*"),
        ):
            index = index_headers(client_head(shape(), [(b"vary", v) for v in theirs]).headers)
            self.assertIn(both.partition(b",")[0], index[b"vary"][0])
            self.assertEqual(len(index[b"vary"]), 1)

    def test_challenge_withheld(self) -> None:
        """Where the gate has credentials, an upstream's challenge and its sequel are withheld."""
        theirs: HeaderList = [(b"WWW-Authenticate", b"Basic"), (b"Authentication-Info", b"x")]
        open_route = index_headers(client_head(shape(), theirs).headers)
        closed = index_headers(client_head(shape(credentialed=True), theirs).headers)
        for name in (b"www-authenticate", b"authentication-info"):
            self.assertIn(name, open_route)
            self.assertNotIn(name, closed)

    def test_upgrade_required(self) -> None:
        """A 426 says which protocols are required, and so does Connection; nothing else does."""
        theirs: HeaderList = [
            (b"Upgrade", b"websocket"),
            (b"Connection", b"close, Upgrade"),
            (b"UPGRADE", b"x/2"),
            (b"Date", b"now"),
        ]
        made = client_head(shape(), theirs, 426)
        index = index_headers(made.headers)
        self.assertEqual(index[b"upgrade"], [b"websocket", b"x/2"])
        self.assertEqual(index[b"connection"], [b"Upgrade"])
        self.assertEqual(made.lines, field_lines(made.headers))
        for status in (101, 200, 401, 503):
            index = index_headers(client_head(shape(), theirs, status).headers)
            self.assertNotIn(b"upgrade", index)
            self.assertNotIn(b"connection", index)
        index = index_headers(client_head(shape(), [(b"X", b"y")], 426).headers)
        self.assertNotIn(b"connection", index)

    def test_strict_transport_security(self) -> None:
        """HSTS is for who has come by TLS; before and behind a response it is for nobody."""
        hsts: HeaderList = [(b"Strict-Transport-Security", b"max-age=9"), (b"Date", b"now")]
        for origin, passes in (
            (b"https://api.example", True),
            (b"http://api.example", False),
            (b"", False),
        ):
            made = client_head(shape(), hsts, 200, origin)
            self.assertEqual(b"strict-transport-security" in index_headers(made.headers), passes)
            self.assertEqual(made.lines, field_lines(made.headers))
        self.assertEqual(early_hints(hsts), hsts[1:])
        self.assertEqual(shape().response_trailers([*hsts, (b"X", b"y")]), [(b"X", b"y")])

    def test_alternative_services(self) -> None:
        """No response leads a browser past the gate."""
        alternative: HeaderList = [(b"Alt-Svc", b'h3=":443"'), (b"X", b"y")]
        self.assertNotIn(b"alt-svc", index_headers(client_head(shape(), alternative).headers))
        self.assertEqual(early_hints(alternative), alternative[1:])
        self.assertEqual(shape().response_trailers(alternative), alternative[1:])

    @given(fields)
    def test_anything(self, theirs: HeaderList) -> None:
        """No response is too odd to be passed on, and none has two of the gate's own fields."""
        made = client_head(shape(strip=True), theirs).headers
        index = index_headers(made)
        self.assertEqual(index[b"access-control-allow-origin"], [ORIGIN])
        self.assertEqual(len(index[b"vary"]), 1)
        self.assertNotIn(b"content-length", index)
        for _, value in made:
            self.assertNotIn(b"\r", value)
            self.assertNotIn(b"\n", value)
