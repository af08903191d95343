"""AWS Signature Version 4, by published examples and with botocore as an oracle.

The examples are those of the AWS documentation, whose access keys are not real: the IAM User Guide
(ListUsers), the SigV4 test suite, and the Amazon S3 API Reference.
"""

from __future__ import annotations

import re
from hashlib import sha256
from urllib.parse import quote

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import assume, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.sigv4 import (
    UNSIGNED_PAYLOAD,
    Scope,
    amz_date,
    authorization,
    canonical_path,
    canonical_query,
    canonical_request,
    is_query_auth,
    normal_target,
    signed_fields,
    signing_key,
)
from corsgate.message.head import RequestHead
from corsgate.message.headers import Header, HeaderList

TIME = b"20150830T123600Z"
SUITE = [(b"Host", b"example.amazonaws.com"), (b"X-Amz-Date", TIME)]
SUITE_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
S3_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
S3_TIME = b"20130524T000000Z"
S3 = Scope(region="us-east-1", service="s3")
SERVICE = Scope(region="us-east-1", service="service")
EMPTY = sha256(b"").hexdigest().encode()
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)


def s3_fields(payload: bytes, *more: Header) -> HeaderList:
    """Return the fields of the examples for S3."""
    return [
        (b"host", b"examplebucket.s3.amazonaws.com"),
        (b"x-amz-date", S3_TIME),
        (b"x-amz-content-sha256", payload),
        *more,
    ]


def signed(
    method: bytes,
    target: bytes,
    fields: HeaderList,
    payload: bytes = EMPTY,
    *,
    scope: Scope = SERVICE,
    access_key: str = "AKIDEXAMPLE",
    secret: str = SUITE_SECRET,
) -> str:
    """Return the Authorization of a request."""
    (time,) = (value for name, value in fields if name.lower() == b"x-amz-date")
    return authorization(
        RequestHead(method, target, []),
        fields,
        payload,
        access_key=access_key,
        key=signing_key(secret, time[:8], scope),
        scope=scope,
        time=time,
    ).decode()


class ExampleTests(SynchronousTestCase):
    """The examples that Amazon has published."""

    def test_suite(self) -> None:
        """Requests of the test suite have their signatures."""
        for method, target, signature in (
            (b"GET", b"/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                b"GET",
                b"/?Param2=value2&Param1=value1",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                b"GET",
                b"/?Param1=value1",
                "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
            ),
            (b"POST", b"/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ):
            self.assertEqual(
                signed(method, target, SUITE),
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request,"
                f" SignedHeaders=host;x-amz-date, Signature={signature}",
            )

    def test_iam(self) -> None:
        """ListUsers of the IAM User Guide."""
        fields = [
            (b"Content-Type", b"application/x-www-form-urlencoded; charset=utf-8"),
            (b"Host", b"iam.amazonaws.com"),
            (b"X-Amz-Date", TIME),
        ]
        found = signed(
            b"GET",
            b"/?Action=ListUsers&Version=2010-05-08",
            fields,
            scope=Scope(region="us-east-1", service="iam"),
        )
        signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        self.assertTrue(found.endswith(f"content-type;host;x-amz-date, Signature={signature}"))

    def test_s3(self) -> None:
        """The four examples of the S3 API Reference."""
        body = sha256(b"Welcome to Amazon S3.").hexdigest().encode()
        stored = (
            (b"date", b"Fri, 24 May 2013 00:00:00 GMT"),
            (b"x-amz-storage-class", b"REDUCED_REDUNDANCY"),
        )
        for method, target, fields, payload, signature in (
            (
                b"GET",
                b"/test.txt",
                s3_fields(EMPTY, (b"Range", b"bytes=0-9")),
                EMPTY,
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                b"PUT",
                b"/test$file.text",
                s3_fields(body, *stored),
                body,
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            (
                b"GET",
                b"/?lifecycle",
                s3_fields(EMPTY),
                EMPTY,
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                b"GET",
                b"/?max-keys=2&prefix=J",
                s3_fields(EMPTY),
                EMPTY,
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ):
            found = signed(
                method,
                target,
                fields,
                payload,
                scope=S3,
                access_key="AKIAIOSFODNN7EXAMPLE",
                secret=S3_SECRET,
            )
            self.assertEqual(found.rpartition("=")[2], signature)


class RuleTests(SynchronousTestCase):
    """The rules one by one."""

    def test_path(self) -> None:
        """S3 keeps a path and encodes it once; others normalize it and encode it twice."""
        for path, once, twice in (
            (b"/", b"/", b"/"),
            (b"/a%20b/", b"/a%20b/", b"/a%2520b/"),
            (b"//a//b", b"//a//b", b"/a/b"),
            (b"/a/./../b/.", b"/a/./../b/.", b"/b/"),
            (b"/..", b"/..", b"/"),
            (
                b"/a(b)*'!:@$,+=",
                b"/a%28b%29%2A%27%21%3A%40%24%2C%2B%3D",
                b"/a%28b%29%2A%27%21%3A%40%24%2C%2B%3D",
            ),
            (b"/%7e%c3%a9", b"/~%C3%A9", b"/%257e%25c3%25a9"),
        ):
            self.assertEqual(canonical_path(path, S3), once)
            self.assertEqual(canonical_path(path, SERVICE), twice)

    def test_query(self) -> None:
        """Parameters are sorted by name and value, and encoded in one way."""
        for query, expected in (
            (b"", b""),
            (b"acl", b"acl="),
            (b"b=2&a=1&b=1&a", b"a=&a=1&b=1&b=2"),
            (b"a=b+c&d=%2b&e=(x)", b"a=b%20c&d=%2B&e=%28x%29"),
            (b"a=%7e%c3%a9&&=x", b"=x&a=~%C3%A9"),
            (b"a=b=c", b"a=b%3Dc"),
        ):
            self.assertEqual(canonical_query(query), expected)

    def test_target(self) -> None:
        """A target is encoded in one way; separators, order and what is empty stay."""
        for target, expected in (
            (b"/", b"/"),
            (b"*", b"*"),
            (b"/a(b)'/%7e%c3%a9//%2f?", b"/a%28b%29%27/~%C3%A9//%2F?"),
            (b"/?b=a+b/&a&&=&c=%2b=", b"/?b=a%20b%2F&a&=&c=%2B%3D"),
        ):
            self.assertEqual(normal_target(target, SERVICE), expected)
            self.assertEqual(normal_target(expected, SERVICE), expected)

    def test_encoded_slash(self) -> None:
        """In the key of an S3 object it is a slash; elsewhere it is not."""
        for sent, s3, service in (
            (b"/b/a%2fb?c=%2F", b"/b/a/b?c=%2F", b"/b/a%2Fb?c=%2F"),
            (b"/b/%2F%2F", b"/b///", b"/b/%2F%2F"),
            (b"/b/a%252Fb", b"/b/a%252Fb", b"/b/a%252Fb"),
        ):
            self.assertEqual(normal_target(sent, S3), s3)
            self.assertEqual(normal_target(sent, SERVICE), service)

    @given(st.text("ab/%2f+&=?;(.", max_size=12))
    def test_one_meaning(self, text: str) -> None:
        """Of such a target, what is on the wire is what is signed, for all who read it."""
        path, _, query = normal_target(b"/" + text.encode(), S3).partition(b"?")
        pieces = sorted(
            piece if b"=" in piece else piece + b"=" for piece in query.split(b"&") if piece
        )
        pairs = sorted(piece.partition(b"=")[::2] for piece in pieces)
        self.assertEqual(canonical_query(query), b"&".join(b"%b=%b" % pair for pair in pairs))
        self.assertEqual(canonical_path(path, S3), path)

    @given(
        st.text("a/%2F+~.: é(", max_size=12),
        st.sampled_from(["s3", "es"]),
    )
    def test_as_botocore(self, key: str, service: str) -> None:
        """botocore signs the target that is sent in the same way."""
        # botocore then drops the slash, unlike RFC 3986 5.2.4. The gate refuses such paths.
        assume(not f"/{key}".endswith("/."))
        scope = Scope(region="eu-central-1", service=service)
        target = normal_target(quote("/" + key, safe="/%+:(").encode(), scope)
        sent = AWSRequest("GET", f"https://box.example{target.decode()}")
        auth = S3SigV4Auth if scope.is_s3 else SigV4Auth
        auth(Credentials("AKIDEXAMPLE", SUITE_SECRET), service, scope.region).add_auth(sent)
        fields = [(b"Host", b"box.example")]
        fields += [
            (name.encode(), value.encode())
            for name, value in sent.headers.items()
            if name.lower().startswith("x-amz-")
        ]
        found = signed(b"GET", target, fields, scope=scope)
        self.assertEqual(found, sent.headers["Authorization"])

    def test_fields(self) -> None:
        """Fields are sorted, several of a name joined, spaces collapsed."""
        fields = [(b"X-Amz-B", b"  1   2 "), (b"Host", b"h"), (b"x-amz-b", b"3")]
        found, names = canonical_request(RequestHead(b"GET", b"/", []), fields, EMPTY, S3)
        self.assertEqual(names, b"host;x-amz-b")
        lines = found.split(b"\n")
        self.assertEqual(lines, [b"GET", b"/", b"", b"host:h", b"x-amz-b:1 2,3", b"", names, EMPTY])

    def test_which_fields(self) -> None:
        """What the gate or a proxy may change is not signed."""
        fields = [
            (b"Host", b"h"),
            (b"Content-Type", b"t"),
            (b"X-Amz-Acl", b"private"),
            (b"X-AMZ-Meta-a", b"1"),
        ]
        others = [
            (b"Via", b"1"),
            (b"User-Agent", b"x"),
            (b"X-Forwarded-For", b"x"),
            (b"Date", b"x"),
        ]
        self.assertEqual(signed_fields([*others, *fields]), fields)

    def test_query_auth(self) -> None:
        """The parameters of a presigned URL are known."""
        self.assertTrue(is_query_auth(b"x-amz-signature"))
        self.assertFalse(is_query_auth(b"x-id"))

    def test_date(self) -> None:
        """A time is written in UTC."""
        self.assertEqual(amz_date(1440938160.9), TIME)


class OracleTests(SynchronousTestCase):
    """What botocore makes of the same requests."""

    @given(
        st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
        st.lists(TEXT, max_size=4),
        st.lists(st.tuples(TEXT, TEXT), max_size=4),
        st.dictionaries(st.sampled_from(["X-Amz-Acl", "X-Amz-Meta-A", "Content-Type"]), TEXT),
        st.binary(max_size=20),
        st.sampled_from(["s3", "es", "execute-api"]),
    )
    def test_same(
        self,
        method: str,
        segments: list[str],
        pairs: list[tuple[str, str]],
        more: dict[str, str],
        body: bytes,
        service: str,
    ) -> None:
        """A request that is encoded as botocore encodes it has the same signature."""
        # In the key of an object, botocore leaves a slash as it is.
        safe = "/" if service == "s3" else ""
        path = "/" + "/".join(quote(each, safe=safe) for each in segments)
        query = "&".join(f"{quote(a, safe='')}={quote(b, safe='')}" for a, b in pairs)
        target = f"{path}?{query}" if query else path
        values = {name: value.strip() for name, value in more.items() if value.isascii()}
        sent = AWSRequest(method, f"https://box.example:9000{target}", values, body)
        scope = Scope(region="eu-central-1", service=service)
        auth = S3SigV4Auth if scope.is_s3 else SigV4Auth
        auth(Credentials("AKIDEXAMPLE", SUITE_SECRET, "token"), service, scope.region).add_auth(
            sent
        )
        expected = sent.headers["Authorization"]
        names = set(re.search("SignedHeaders=([^,]*)", expected)[1].split(";"))  # type: ignore[index]
        fields = [
            (name.encode(), value.encode())
            for name, value in [*sent.headers.items(), ("Host", "box.example:9000")]
            if name.lower() in names
        ]
        hashed = sha256(body).hexdigest().encode()
        found = signed(method.encode(), target.encode(), fields, hashed, scope=scope)
        self.assertEqual(found, expected)

    def test_unsigned(self) -> None:
        """For S3 over TLS, botocore can leave the payload unsigned too."""
        fields = s3_fields(UNSIGNED_PAYLOAD)
        found = signed(b"PUT", b"/a", fields, UNSIGNED_PAYLOAD, scope=S3)
        sent = AWSRequest("PUT", "https://examplebucket.s3.amazonaws.com/a")
        sent.context["timestamp"] = S3_TIME.decode()
        sent.headers["X-Amz-Date"] = S3_TIME.decode()
        sent.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
        auth = S3SigV4Auth(Credentials("AKIDEXAMPLE", SUITE_SECRET), "s3", "us-east-1")
        text = auth.string_to_sign(sent, auth.canonical_request(sent))
        self.assertTrue(found.endswith(auth.signature(text, sent)))
