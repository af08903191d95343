"""Sign requests with an access key (AWS Signature Version 4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from hashlib import sha256

import attrs
from zope.interface import implementer

from corsgate.config.model.credentials import AWS_FIELDS
from corsgate.config.model.values import AwsCredentials
from corsgate.credentials.attempt import BaseAttempt
from corsgate.credentials.servers import is_private, remember
from corsgate.credentials.sigv4 import (
    UNSIGNED_PAYLOAD,
    Scope,
    amz_date,
    authorization,
    is_query_auth,
    normal_target,
    signed_fields,
    signing_key,
)
from corsgate.errors import UnsignableBody
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import HeaderList
from corsgate.message.query import drop_parameters
from corsgate.message.signed import Signed

TOLERATED_SKEW_S = 240.0
"""Services tolerate a clock difference of 5 minutes, and S3 tolerates 15. A difference below this
value is never the reason for a refused signature."""

# The year 2200. No real clock is further ahead, and a time near the year 9999 would overflow
# Python's dates.
_LATEST_S = 7_258_118_400.0
_REFUSALS = frozenset((400, 401, 403))


@implementer(ICredentials)
@attrs.define(kw_only=True, eq=False)
class AwsSigner:
    """Signs the requests of one upstream with an access key.

    Attributes:
        header_names: The fields of a signature.
        fixed: None, since each signature is different.
        may_be_challenged: True: the signature covers the body.
        credentials: The access key, and the region and service of its signatures.
        wall_clock: Returns the seconds since 1970.
        skews: By how many seconds each server's clock is ahead, by origin. Only servers that
            refused a request because of it are listed.
    """

    header_names: frozenset[bytes] = attrs.field(
        default=frozenset(name.encode("ascii") for name in AWS_FIELDS), init=False
    )
    fixed: None = attrs.field(default=None, init=False)
    may_be_challenged: bool = attrs.field(default=True, init=False)
    credentials: AwsCredentials
    wall_clock: Callable[[], float]
    skews: dict[str, float] = attrs.field(factory=dict, init=False)
    _scope: Scope = attrs.field(init=False)
    # The day of the last signature, and the signing key of that day.
    _day: bytes = attrs.field(default=b"", init=False)
    _key: bytes = attrs.field(default=b"", init=False, repr=False)

    @_scope.default
    def _scope_of_credentials(self) -> Scope:
        return Scope(region=self.credentials.region, service=self.credentials.service)

    def begin(self, server: str) -> AwsAttempt:
        """Return an attempt.

        Args:
            server: The server's origin.
        """
        return AwsAttempt(self, server)

    def signed(self, head: RequestHead, payload: bytes, skew_s: float) -> RequestHead:
        """Return a head with a current signature, and with its target in the signed form.

        Args:
            head: The head to send.
            payload: The hash of its body, or `UNSIGNED_PAYLOAD`.
            skew_s: By how many seconds the server's clock is ahead.
        """
        time = amz_date(self.wall_clock() + skew_s)
        added: HeaderList = [(b"X-Amz-Date", time), (b"X-Amz-Content-Sha256", payload)]
        token = self.credentials.session_token
        if token is not None:
            added.append((b"X-Amz-Security-Token", token.reveal().encode("ascii")))
        target = normal_target(drop_parameters(head.target, is_query_auth), self._scope)
        unsigned = RequestHead(method=head.method, target=target, headers=[*head.headers, *added])
        value = authorization(
            unsigned,
            signed_fields(unsigned.headers),
            payload,
            access_key=self.credentials.access_key.reveal(),
            key=self._key_of(time[:8]),
            scope=self._scope,
            time=time,
        )
        headers = [*unsigned.headers, (b"Authorization", value)]
        return RequestHead(method=head.method, target=target, headers=headers)

    def payload(self, head: RequestHead, body: bytes | None, server: str) -> bytes:
        """Return the payload hash to sign: that of the body, or `UNSIGNED_PAYLOAD`.

        Args:
            head: The head of the same request.
            body: The body; None if it is streamed.
            server: The server's origin.

        Raises:
            UnsignableBody: Its hash is required, but can't be known before it is sent.
        """
        if _is_chunk_signed(head):
            raise UnsignableBody(
                "The body is in aws-chunked form, signed for another key; send it unencoded."
            )
        if body is not None:
            return sha256(body).hexdigest().encode("ascii")
        if not self._scope.is_s3:
            raise UnsignableBody(
                "The body can't be signed: it is too large, or comes without Content-Length."
            )
        if not is_private(server):
            raise UnsignableBody(
                "The body can't be signed: it is too large, or comes without Content-Length, and"
                " the upstream is reached without TLS."
            )
        return UNSIGNED_PAYLOAD

    def learn_clock(self, server: str, date: bytes, assumed_s: float) -> bool:
        """Record a server's clock; return whether it differs too much from the assumed time.

        Args:
            server: The server's origin.
            date: The Date of a response that was just received.
            assumed_s: By how many seconds the refused signature assumed it to be ahead.
        """
        time = _seconds(date)
        if time is None or not 0 <= time < _LATEST_S:
            return False
        skew_s = time - self.wall_clock()
        if abs(skew_s - assumed_s) <= TOLERATED_SKEW_S:
            return False
        self.note_skew(server, skew_s)
        return True

    def note_skew(self, server: str, skew_s: float) -> None:
        """Remember by how many seconds a server's clock is ahead.

        Args:
            server: The server's origin.
            skew_s: The seconds; 0 forgets the server.
        """
        if skew_s:
            remember(self.skews, server, skew_s)
        else:
            self.skews.pop(server, None)

    def _key_of(self, day: bytes) -> bytes:
        if day != self._day:
            self._key = signing_key(self.credentials.secret_key.reveal(), day, self._scope)
            self._day = day
        return self._key


@implementer(IAttempt)
class AwsAttempt(BaseAttempt):
    """Signs one request, and signs it again if the server's clock differs from the gate's.

    Args:
        signer: The signer with the access key.
        server: The server's origin.
    """

    __slots__ = ("_before_s", "_server", "_signer", "_skew_s")

    def __init__(self, signer: AwsSigner, server: str) -> None:
        self._signer = signer
        self._server = server
        # By how many seconds the last signature assumed the server's clock to be ahead; and, after
        # a correction, the one before it.
        self._skew_s = 0.0
        self._before_s: float | None = None

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Return the signed head.

        Args:
            head: The head to send, with Host. A client's own signature in the query is removed.
            body: Its body, whose hash is signed; None if it is streamed.

        Raises:
            UnsignableBody: The body must be signed, but is streamed.
        """
        payload = self._signer.payload(head, body, self._server)
        self._skew_s = self._signer.skews.get(self._server, 0.0)
        return Signed(head=self._signer.signed(head, payload, self._skew_s))

    def responded(self, signed: Signed, response: ResponseHead) -> bool:
        """Return whether a clock difference probably caused a refusal, and learn it.

        The true reason, such as RequestTimeTooSkewed, is in the body, which isn't read here. So the
        Date field decides. If the second signature is refused as well, the time wasn't the reason,
        or a cache set the Date. Then the correction is undone.

        Args:
            signed: The request that was sent.
            response: The response.
        """
        if response.status not in _REFUSALS:
            return False
        if self._before_s is not None:
            if self._signer.skews.get(self._server, 0.0) == self._skew_s:
                self._signer.note_skew(self._server, self._before_s)
            return False
        dates = [value for name, value in response.headers if name.lower() == b"date"]
        before_s = self._skew_s
        if len(dates) != 1 or not self._signer.learn_clock(self._server, dates[0], before_s):
            return False
        self._before_s = before_s
        return True


def _is_chunk_signed(head: RequestHead) -> bool:
    """Return whether a client has signed the chunks of the body (``aws-chunked``)."""
    return any(
        name.lower() == b"content-encoding" and b"aws-chunked" in value.lower()
        for name, value in head.headers
    )


def _seconds(date: bytes) -> float | None:
    """Return a date in seconds since 1970; None if it is malformed."""
    try:
        parsed = parsedate_to_datetime(date.decode("latin-1"))
    except (ValueError, IndexError, OverflowError, TypeError):
        return None
    return parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp()
