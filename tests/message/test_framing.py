"""The length of a body, in both directions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadUpstreamResponse, TargetError
from corsgate.message.framing import (
    CHUNKED,
    NO_BODY,
    UNTIL_CLOSE,
    announced_length,
    check_connection,
    check_response,
    content_length,
    request_authority,
    request_framing,
    request_length,
    response_length,
)

TE, CL = b"transfer-encoding", b"content-length"


class ConnectionTests(SynchronousTestCase):
    def test_too_long(self) -> None:
        """Lists of fields to drop and of codings are read as a whole or rejected."""
        check_connection({})
        check_connection({b"connection": [b"close, X-A", b"keep-alive"]})
        for values in ([b"x-a," * 64], [b"x"] * 65, [b"x" * 2049]):
            with self.assertRaises(TargetError):
                check_connection({b"connection": values})
            with self.assertRaises(TargetError):
                request_length({TE: [*values, b"chunked"]}, "1.1")
            with self.assertRaises(BadUpstreamResponse):
                response_length({TE: [*values, b"chunked"]}, 200, b"GET")


class RequestLengthTests(SynchronousTestCase):
    def test_lengths(self) -> None:
        """A request's body has a stated length, is chunked, or is absent."""
        for index, length in (
            ({}, None),
            ({CL: [b"0"]}, 0),
            ({CL: [b"17"]}, 17),
            ({TE: [b"chunked"]}, CHUNKED),
            ({TE: [b"Chunked"]}, CHUNKED),
        ):
            self.assertEqual(request_length(index, "1.1"), length, index)

    def test_refused(self) -> None:
        """Ambiguous framing is rejected, even if llhttp accepts it."""
        for index, version in (
            ({TE: [b"chunked"]}, "1.0"),
            ({TE: [b"gzip, chunked"]}, "1.1"),
            ({TE: [b"chunked", b"chunked"]}, "1.1"),
            ({TE: [b"chunked, identity"]}, "1.1"),
            ({TE: [b"identity"]}, "1.1"),
            ({TE: [b""]}, "1.1"),
            ({TE: [b"\x0bchunked"]}, "1.1"),
            ({CL: [b"5", b"5"]}, "1.1"),
            ({CL: [b"5, 5"]}, "1.1"),
            ({CL: [b"+5"]}, "1.1"),
            ({CL: [b"-5"]}, "1.1"),
            ({CL: [b"1_0"]}, "1.1"),
            ({CL: [b""]}, "1.1"),
            ({CL: [b"5 "]}, "1.1"),
            ({CL: [b"9" * 21]}, "1.1"),
        ):
            self.assertRaises(TargetError, request_length, index, version)

    @given(st.integers(0, 2**64 - 1), st.integers(0, 6000))
    def test_zeros_before(self, length: int, zeros: int) -> None:
        """A length may have any number of leading zeros, more than int() accepts."""
        self.assertEqual(content_length([b"0" * zeros + b"%d" % length]), length)

    @given(st.binary(max_size=8))
    def test_no_surprise(self, value: bytes) -> None:
        """A value with anything except ASCII digits has no length."""
        plain = bool(value) and all(byte in b"0123456789" for byte in value)
        self.assertEqual(content_length([value]) is not None, plain)


class RequestFramingTests(SynchronousTestCase):
    def test_fields(self) -> None:
        """A request has one framing field if it has a body, or if one is expected."""
        for method, length, line in (
            (b"GET", None, b""),
            (b"DELETE", None, b""),
            (b"POST", None, b"Content-Length: 0\r\n"),
            (b"PUT", None, b"Content-Length: 0\r\n"),
            (b"GET", 0, b"Content-Length: 0\r\n"),
            (b"POST", 12, b"Content-Length: 12\r\n"),
            (b"GET", CHUNKED, b"Transfer-Encoding: chunked\r\n"),
        ):
            self.assertEqual(request_framing(method, length), line)


class ResponseLengthTests(SynchronousTestCase):
    def test_lengths(self) -> None:
        """The method and status take precedence over the fields (RFC 9112 6.3)."""
        for index, status, method, length in (
            ({CL: [b"7"]}, 200, b"GET", 7),
            ({CL: [b"7"]}, 200, b"HEAD", NO_BODY),
            ({TE: [b"chunked"]}, 200, b"HEAD", NO_BODY),
            ({CL: [b"7"]}, 204, b"GET", NO_BODY),
            ({CL: [b"7"]}, 304, b"GET", NO_BODY),
            ({TE: [b"chunked"]}, 500, b"GET", CHUNKED),
            ({}, 200, b"GET", UNTIL_CLOSE),
            ({}, 404, b"POST", UNTIL_CLOSE),
        ):
            self.assertEqual(response_length(index, status, method), length)

    def test_refused(self) -> None:
        """A response with an ambiguous coding or length is rejected."""
        for index in (
            {TE: [b"gzip, chunked"]},
            {TE: [b"identity"]},
            {TE: [b""]},
            {CL: [b"x"]},
            {CL: [b"5", b"5"]},
        ):
            self.assertRaises(BadUpstreamResponse, response_length, index, 200, b"GET")

    def test_announced(self) -> None:
        """For HEAD and 304 the head's own length is announced, or none if it has none."""
        for index, status, method, length in (
            ({CL: [b"7"]}, 200, b"HEAD", 7),
            ({CL: [b"7"]}, 304, b"GET", 7),
            ({}, 200, b"HEAD", UNTIL_CLOSE),
            ({}, 304, b"GET", UNTIL_CLOSE),
            ({TE: [b"chunked"]}, 200, b"HEAD", UNTIL_CLOSE),
            ({CL: [b"7"]}, 204, b"HEAD", NO_BODY),
            ({CL: [b"7"]}, 204, b"GET", NO_BODY),
            ({CL: [b"7"]}, 200, b"GET", 7),
            ({TE: [b"chunked"]}, 200, b"GET", CHUNKED),
        ):
            self.assertEqual(announced_length(index, status, method), length)

    def test_check(self) -> None:
        """A status or version that can't be passed on is rejected."""
        for status, version in ((100, "1.1"), (200, "1.0"), (599, "1.1")):
            check_response(status, version)
        for status, version in ((101, "1.1"), (99, "1.1"), (600, "1.1"), (200, "2.0"), (200, "")):
            self.assertRaises(BadUpstreamResponse, check_response, status, version)


class AuthorityTests(SynchronousTestCase):
    def test_authorities(self) -> None:
        """The target's host takes precedence over Host; only HTTP/1.0 may lack one."""
        for hosts, version, named, authority in (
            ([b"a.test"], "1.1", None, b"a.test"),
            ([b"a.test:80"], "1.1", b"b.test", b"b.test"),
            ([b""], "1.1", None, b""),
            ([], "1.0", None, b""),
            ([], "1.0", b"b.test", b"b.test"),
        ):
            index = {b"host": hosts} if hosts else {}
            self.assertEqual(request_authority(index, version, named), authority)

    def test_refused(self) -> None:
        """No Host, several, or an invalid one is rejected."""
        for hosts, version, named in (
            ([], "1.1", None),
            ([], "1.1", b"b.test"),
            ([b"a", b"a"], "1.1", None),
            ([b"a", b"b"], "1.0", None),
            ([b"a, b"], "1.1", None),
            ([b"u@a"], "1.1", None),
            ([b"a/b"], "1.1", b"b.test"),
        ):
            index = {b"host": hosts} if hosts else {}
            self.assertRaises(TargetError, request_authority, index, version, named)
