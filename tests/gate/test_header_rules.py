"""The fields that an operator adds, without a socket."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.header_rules import HeaderField, HeaderRules
from corsgate.config.model.secret import Secret
from corsgate.gate.header_rules import FieldMaker
from corsgate.message.client import Client
from corsgate.message.head import RequestHead

CLIENT = Client(peer="192.0.2.1", trusted=False, scheme=b"http", authority=b"Gate.example:80")
PROXIED = Client(
    peer="10.0.0.1", trusted=True, scheme=b"http", authority=b"inner", address="2001:db8::1"
)
HEAD = RequestHead(b"GET", b"/", [(b"X-Forwarded-Host", b"outer.example")])


def maker(**values: str) -> FieldMaker:
    """Return what makes the fields of these values."""
    return FieldMaker(HeaderRules(set=tuple(map(HeaderField, values, values.values()))), b"h/v1")


class FieldMakerTests(SynchronousTestCase):
    """`FieldMaker`."""

    def test_fixed(self) -> None:
        """What names nothing, or only the route, is known from the start."""
        made = maker(a="1{{2}}", b="at {route}")
        self.assertEqual(made.fixed, ((b"a", b"1{2}"), (b"b", b"at h/v1")))
        self.assertEqual((made.makes_any, made.varies, made.by_route), (True, False, True))
        self.assertEqual(made.fields(CLIENT, HEAD, "7"), [*made.fixed])
        self.assertFalse(maker(a="1").by_route)
        self.assertFalse(maker().makes_any)

    def test_varying(self) -> None:
        """Client, host and request are those of each request, as proxies in front report them."""
        made = maker(a="{client_ip}", b="{host}/{request_id}", c="{route}")
        self.assertTrue(made.varies and made.by_request and made.makes_any)
        self.assertEqual(
            made.fields(CLIENT, HEAD, "7"),
            [(b"c", b"h/v1"), (b"a", b"192.0.2.1"), (b"b", b"gate.example/7")],
        )
        self.assertEqual(
            made.varying(PROXIED, HEAD, "8"),
            [(b"a", b"2001:db8::1"), (b"b", b"outer.example/8")],
        )
        self.assertFalse(maker(a="{client_ip}").by_request)

    def test_secret(self) -> None:
        """A secret is sent as it is: braces in it mean nothing."""
        made = FieldMaker(HeaderRules(set=(HeaderField("X-Key", Secret("{host}{")),)), b"/")
        self.assertEqual(made.fixed, ((b"X-Key", b"{host}{"),))
        self.assertEqual(made.dropped, {b"x-key"})
