"""Heads as they are sent."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.head import RequestHead, ResponseHead, field_lines
from corsgate.message.headers import HeaderList

HEADERS: HeaderList = [(b"Host", b"a.test"), (b"x-A", b""), (b"X-a", b"1: 2")]
LINES = b"Host: a.test\r\nx-A: \r\nX-a: 1: 2\r\n"


class HeadTests(SynchronousTestCase):
    """`RequestHead`, `ResponseHead` and `field_lines`."""

    def test_fields_keep_order_spelling_and_repetition(self) -> None:
        """Each field is one line; no fields are no lines."""
        self.assertEqual(field_lines(HEADERS), LINES)
        self.assertEqual(field_lines([]), b"")

    def test_request_ends_with_an_empty_line(self) -> None:
        """The framing line comes last, before the empty line (RFC 9112 3)."""
        head = RequestHead(b"put", b"/v1?a", HEADERS)
        start = b"put /v1?a HTTP/1.1\r\n" + LINES
        self.assertEqual(head.to_bytes(), start + b"\r\n")
        framing = b"Content-Length: 3\r\n"
        self.assertEqual(head.to_bytes(framing), start + framing + b"\r\n")

    def test_response_may_lack_a_reason(self) -> None:
        """The space before the reason stays, even without a reason (RFC 9112 4)."""
        for reason, line in ((b"OK", b"HTTP/1.1 200 OK\r\n"), (b"", b"HTTP/1.1 200 \r\n")):
            head = ResponseHead(200, reason, HEADERS)
            self.assertEqual(head.to_bytes(), line + LINES + b"\r\n")
            more = b"Connection: close\r\n"
            self.assertEqual(head.to_bytes(more), line + LINES + more + b"\r\n")

    def test_prepared_lines_are_used(self) -> None:
        """Lines that were written before are sent as they are."""
        prepared = b"Prepared: 1\r\n"
        request = RequestHead(b"GET", b"/", HEADERS, lines=prepared)
        self.assertEqual(request.to_bytes(), b"GET / HTTP/1.1\r\nPrepared: 1\r\n\r\n")
        response = ResponseHead(204, b"", HEADERS, lines=prepared)
        self.assertEqual(response.to_bytes(), b"HTTP/1.1 204 \r\nPrepared: 1\r\n\r\n")
