"""AWS Signature Version 4: the canonical request and its signature.

Source: "Create a signed AWS API request" in the AWS Identity and Access Management User Guide, and
"Authenticating Requests (AWS Signature Version 4)" in the Amazon S3 API Reference.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote_from_bytes, unquote_to_bytes

import attrs

from corsgate.message.head import RequestHead
from corsgate.message.headers import Header, HeaderList

ALGORITHM = b"AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = b"UNSIGNED-PAYLOAD"
"""The value that S3 accepts instead of a payload's hash."""

S3_SERVICES = frozenset(("s3", "s3express", "s3-outposts", "s3-object-lambda"))
"""The services that encode a path once, and accept requests whose payload isn't signed."""

_SPACES = re.compile(rb"[ \t]+")
_QUERY_AUTH = frozenset(
    (
        *(b"x-amz-algorithm", b"x-amz-content-sha256", b"x-amz-credential", b"x-amz-date"),
        *(b"x-amz-expires", b"x-amz-security-token", b"x-amz-signature", b"x-amz-signedheaders"),
    )
)


@attrs.frozen(kw_only=True)
class Scope:
    """The region and service for which a signature is valid.

    Attributes:
        region: The region.
        service: The service's name, as in signatures.
    """

    region: str
    service: str

    @property
    def is_s3(self) -> bool:
        """Whether the rules of S3 apply."""
        return self.service in S3_SERVICES

    def on(self, date: bytes) -> bytes:
        """Return the credential scope of a day.

        Args:
            date: The day, such as ``20150830``.
        """
        return b"%b/%b/%b/aws4_request" % (date, self.region.encode(), self.service.encode())


def amz_date(seconds: float) -> bytes:
    """Return a time in the format of X-Amz-Date, such as ``20150830T123600Z``.

    Args:
        seconds: The time in seconds since 1970.
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ").encode("ascii")


def signing_key(secret_key: str, date: bytes, scope: Scope) -> bytes:
    """Return the signing key of a day, which must be kept as secret as the access key's secret.

    Args:
        secret_key: The secret of the access key.
        date: The day, such as ``20150830``.
        scope: The region and service of the signatures.
    """
    key = b"AWS4" + secret_key.encode("utf-8", "surrogateescape")
    for part in (date, scope.region.encode(), scope.service.encode(), b"aws4_request"):
        key = _hmac(key, part)
    return key


def authorization(
    head: RequestHead,
    fields: Iterable[Header],
    payload: bytes,
    *,
    access_key: str,
    key: bytes,
    scope: Scope,
    time: bytes,
) -> bytes:
    """Return the value of Authorization for a request.

    Args:
        head: Its head, of which only the method and target are used.
        fields: The fields to sign, including Host and X-Amz-Date.
        payload: The hash of its body in lower-case hexadecimal, or `UNSIGNED_PAYLOAD`.
        access_key: The id of the access key.
        key: The result of `signing_key` for the day.
        scope: The region and service of the signature.
        time: The result of `amz_date`.
    """
    request, names = canonical_request(head, fields, payload, scope)
    scope_text = scope.on(time[:8])
    hashed = sha256(request).hexdigest().encode("ascii")
    signature = _hmac(key, b"\n".join((ALGORITHM, time, scope_text, hashed))).hex()
    return b"%b Credential=%b/%b, SignedHeaders=%b, Signature=%b" % (
        *(ALGORITHM, access_key.encode("ascii"), scope_text, names),
        signature.encode("ascii"),
    )


def canonical_request(
    head: RequestHead, fields: Iterable[Header], payload: bytes, scope: Scope
) -> tuple[bytes, bytes]:
    """Return the canonical request, and the list of signed fields.

    Args:
        head: Its head, of which only the method and target are used.
        fields: The fields to sign.
        payload: The hash of its body, or `UNSIGNED_PAYLOAD`.
        scope: The service, which determines how the path is encoded.
    """
    values: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        values.setdefault(name.lower(), []).append(_SPACES.sub(b" ", value.strip(b" \t")))
    names = b";".join(sorted(values))
    path, _, query = head.target.partition(b"?")
    lines = [
        head.method,
        canonical_path(path, scope),
        canonical_query(query),
        *(b"%b:%b" % (name, b",".join(values[name])) for name in sorted(values)),
        b"",
        names,
        payload,
    ]
    return b"\n".join(lines), names


def normal_target(target: bytes, scope: Scope) -> bytes:
    """Return a target in the one percent-encoded form that all servers sign the same way.

    Servers disagree about the signature of other forms. Some sign the target as sent, some decode
    and re-encode it first, and not all treat ``+`` in a query as a space. Browsers send such forms:
    they leave ``(`` or ``'`` in a path, and `URLSearchParams` writes ``+``. Empty parameters are
    dropped, because only some servers sign them.

    S3 reads an encoded slash in the key of an object as a slash, so it becomes one. For other
    services the two differ.

    Args:
        target: A target in origin-form, or ``*``.
        scope: The service.
    """
    if not target.startswith(b"/"):
        return target
    path, mark, query = target.partition(b"?")
    safe = "/" if scope.is_s3 else ""
    segments = (_encoded(unquote_to_bytes(each), safe) for each in path.split(b"/"))
    return (
        b"/".join(segments)
        + mark
        + b"&".join(
            _encoded(name) + equals + _encoded(value) for name, equals, value in _parameters(query)
        )
    )


def canonical_path(path: bytes, scope: Scope) -> bytes:
    """Return a path in its signed form.

    S3 decodes and re-encodes it, so that each byte is encoded exactly once. The other services
    remove empty and dot segments, and encode the already encoded path again.

    Args:
        path: The path as sent.
        scope: The service.
    """
    if scope.is_s3:
        return _encoded(unquote_to_bytes(path), safe="/")
    return _encoded(_normalized(path), safe="/")


def canonical_query(query: bytes) -> bytes:
    """Return a query in its signed form: re-encoded uniformly, and sorted.

    Args:
        query: The query as sent, without ``?``.
    """
    pairs = sorted((_encoded(name), _encoded(value)) for name, _, value in _parameters(query))
    return b"&".join(b"%b=%b" % pair for pair in pairs)


def is_query_auth(name: bytes) -> bool:
    """Return whether a parameter belongs to a signature in the query (a presigned URL).

    Args:
        name: The name of the parameter, decoded and in lower case.
    """
    return name in _QUERY_AUTH


def signed_fields(headers: HeaderList) -> HeaderList:
    """Return the fields of a request that are signed.

    Host and X-Amz-* must be signed. Content-Type may determine how a body is read. All others may
    be changed in transit.

    Args:
        headers: All fields.
    """
    return [
        field
        for field in headers
        if (name := field[0].lower()) in (b"host", b"content-type") or name.startswith(b"x-amz-")
    ]


def _parameters(query: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Return the name, ``=`` or nothing, and the value of each parameter, decoded."""
    for piece in query.split(b"&"):
        if piece:
            name, equals, value = piece.replace(b"+", b" ").partition(b"=")
            yield unquote_to_bytes(name), equals, unquote_to_bytes(value)


def _normalized(path: bytes) -> bytes:
    """Return a path without empty and dot segments (RFC 3986 5.2.4)."""
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment and segment != b".":
            kept.append(segment)
    is_open = path.endswith((b"/", b"/.", b"/..")) and bool(kept)
    return b"/" + b"/".join(kept) + (b"/" if is_open else b"")


def _encoded(text: bytes, safe: str = "") -> bytes:
    """Return text with all except unreserved characters percent-encoded (RFC 3986 2.3)."""
    return quote_from_bytes(text, safe=safe).encode("ascii")


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")
