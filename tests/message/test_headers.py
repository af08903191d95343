"""The ordered header list, and the fields that are not forwarded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.headers import (
    HOP_BY_HOP,
    HeaderList,
    end_to_end,
    forwardable_trailers,
    index_headers,
    list_members,
    short_list,
)

NAMES = st.sampled_from((b"Connection", b"Keep-Alive", b"TE", b"te", b"X-One", b"x-two", b"Cookie"))
VALUES = st.sampled_from((b"", b"close", b"x-one, X-TWO", b"cookie ,, te", b"keep-alive", b"v"))
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=8)


class IndexTests(SynchronousTestCase):
    def test_groups_by_lower_cased_name(self) -> None:
        """Fields of one name in any case are found together, in order."""
        index = index_headers([(b"A", b"1"), (b"b", b"2"), (b"a", b"3")])
        self.assertEqual(index, {b"a": [b"1", b"3"], b"b": [b"2"]})

    def test_no_fields(self) -> None:
        """A message without fields has an empty index."""
        self.assertEqual(index_headers([]), {})


class ListMemberTests(SynchronousTestCase):
    def test_short_lists(self) -> None:
        """A list is split up to both bounds, counted over all fields; beyond them it is None."""
        for values in ([], [b""], [b"a, b", b",c"], [b",".join([b"a"] * 64)], [b"x" * 2048]):
            self.assertEqual(short_list(values), list_members(values))
        for values in ([b"," * 64], [b"a"] * 65, [b"x" * 2049], [b"x" * 1500, b"x" * 1500]):
            self.assertIsNone(short_list(values))
        self.assertEqual(short_list([b"a,b"], most=2), [b"a", b"b"])
        self.assertIsNone(short_list([b"a,b"], most=1))
        self.assertIsNone(short_list([b"a,b"], most_bytes=2))

    def test_splits_strips_and_joins(self) -> None:
        """Members of several fields are returned in order, stripped, without empty ones."""
        self.assertEqual(
            list_members([b" a,b\t,, ", b"", b"C"]),
            [b"a", b"b", b"C"],
        )


class EndToEndTests(SynchronousTestCase):
    def test_drops_hop_by_hop_fields(self) -> None:
        """Hop-by-hop fields in any case are removed; the others stay in order."""
        headers: HeaderList = [(b"Accept", b"1")]
        headers += [(name.title(), b"v") for name in sorted(HOP_BY_HOP)]
        headers += [(b"accept", b"2"), (b"X-Last", b"3")]
        self.assertEqual(
            end_to_end(headers), [(b"Accept", b"1"), (b"accept", b"2"), (b"X-Last", b"3")]
        )

    def test_drops_what_connection_names(self) -> None:
        """A field that any Connection field names is removed too."""
        headers = [
            (b"connection", b"close, X-Mine"),
            (b"x-mine", b"1"),
            (b"Connection", b"x-yours"),
            (b"X-Yours", b"2"),
            (b"X-Ours", b"3"),
        ]
        self.assertEqual(end_to_end(headers), [(b"X-Ours", b"3")])

    def test_drops_what_the_caller_names(self) -> None:
        """Further names are removed with the hop-by-hop ones."""
        headers = [(b"Cookie", b"1"), (b"TE", b"trailers"), (b"A", b"2")]
        self.assertEqual(end_to_end(headers, HOP_BY_HOP | {b"cookie"}), [(b"A", b"2")])

    def test_answers_a_new_list(self) -> None:
        """The caller may extend the result without changing the message."""
        headers = [(b"A", b"1")]
        end_to_end(headers).append((b"B", b"2"))
        self.assertEqual(headers, [(b"A", b"1")])

    @given(FIELDS)
    def test_stripping_twice_is_stripping_once(self, headers: HeaderList) -> None:
        """Filtering twice is filtering once."""
        once = end_to_end(headers)
        self.assertEqual(end_to_end(once), once)
        self.assertFalse({name.lower() for name, _ in once} & HOP_BY_HOP)


class TrailerTests(SynchronousTestCase):
    def test_passed_on(self) -> None:
        """Trailers about the body pass, with spelling, order and repetition."""
        trailers = [
            (b"Server-Timing", b"db;dur=5"),
            (b"X-Sum", b"1"),
            (b"x-sum", b"2"),
            (b"Digest", b"sha-256=x"),
            (b"ETag", b'"1"'),
            (b"grpc-status", b"0"),
        ]
        self.assertEqual(forwardable_trailers(trailers), trailers)

    def test_dropped(self) -> None:
        """Trailers that frame, route, authenticate or allow are removed (RFC 9110 6.5.1)."""
        for name in (
            *sorted(HOP_BY_HOP),
            b"content-length",
            b"content-type",
            b"Content-Encoding",
            b"Host",
            b"Authorization",
            b"Cookie",
            b"Set-Cookie",
            b"Origin",
            b"Access-Control-Allow-Origin",
            b"access-control-expose-headers",
            b"Sec-Fetch-Site",
            b"If-Match",
            b"Forwarded",
            b"X-Forwarded-For",
            b"WWW-Authenticate",
            b"Authentication-Info",
            b"Proxy-Authentication-Info",
            b"Location",
            b"Vary",
        ):
            for spelled in (name, name.upper(), name.replace(b"-", b"_")):
                kept = (b"X-Kept", b"1")
                self.assertEqual(forwardable_trailers([(spelled, b"1"), kept]), [kept], spelled)

    def test_what_the_caller_names(self) -> None:
        """Further names are removed too, with underscores as with hyphens."""
        trailers = [(b"X-Api-Key", b"1"), (b"x_api_key", b"2"), (b"X-Kept", b"3")]
        self.assertEqual(
            forwardable_trailers(trailers, frozenset((b"x-api-key",))), [(b"X-Kept", b"3")]
        )
