"""What a head prints, parses back: on both sides of the gate, each by the other's reader."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.framing import framed_head
from corsgate.message.head import RequestHead, ResponseHead, field_lines
from corsgate.message.headers import HeaderList
from tests.server.http1.test_parser import read
from tests.upstream.parsing import read as read_response

TOKEN = "!#$%&'*+-.^_`|~0123456789abcXYZ"
# Host, and what says where a body ends or what follows it, is the reader's own business.
OWN = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade"))

NAMES = (
    st.text(TOKEN, min_size=1, max_size=20).map(str.encode).filter(lambda n: n.lower() not in OWN)
)
# Any byte but controls may stand in a value; white space around it is none of it (RFC 9110 5.5).
VALUES = (
    st.lists(st.sampled_from([9, *range(32, 127), *range(128, 256)]), max_size=30)
    .map(bytes)
    .map(lambda value: value.strip(b" \t"))
)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=20)
TARGETS = st.text([chr(c) for c in range(33, 127) if chr(c) != "#"], max_size=40).map(
    lambda text: f"/{text}".encode()
)
METHODS = st.sampled_from((b"GET", b"PUT", b"DELETE", b"PROPFIND", b"OPTIONS", b"QUERY"))
REASONS = st.text([chr(c) for c in range(33, 127)], max_size=20).map(str.encode)


class HeadTests(SynchronousTestCase):
    @given(METHODS, TARGETS, FIELDS)
    def test_request(self, method: bytes, target: bytes, fields: HeaderList) -> None:
        """A request's head is read as it was, its fields in order and spelled alike."""
        head = RequestHead(method=method, target=target, headers=[(b"Host", b"a"), *fields])
        (found,) = read(head.to_bytes()).requests
        self.assertIsNone(found.refusal)
        self.assertEqual(
            (found.head.method, found.head.target, found.head.headers),
            (method, target, head.headers),
        )
        self.assertEqual(found.head.to_bytes(), head.to_bytes())
        written = field_lines(head.headers)
        ready = RequestHead(method=method, target=target, headers=[], lines=written)
        self.assertEqual(ready.to_bytes(), head.to_bytes())

    @given(st.integers(200, 599).filter(lambda s: s not in (204, 304)), REASONS, FIELDS)
    def test_response(self, status: int, reason: bytes, fields: HeaderList) -> None:
        """A response's head is read as it was, and its own framing is the only one."""
        # A second framing field would be smuggling.
        sent = [*fields, (b"Content-Length", b"7")]
        head = ResponseHead(status=status, reason=reason, headers=sent)
        sink, _ = read_response(framed_head(head, b"Content-Length: 0\r\n", b"now"))
        (found,) = sink.heads
        has_date = any(name.lower() == b"date" for name, _ in fields)
        kept = fields if has_date else [*fields, (b"Date", b"now")]
        self.assertEqual((found.status, found.reason), (status, reason))
        self.assertEqual(found.headers, [*kept, (b"Content-Length", b"0")])
