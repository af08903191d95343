"""A box that verifies AWS signatures, with botocore as the judge."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.peers import Message, Upstream, response

ACCESS_KEY = "AKIDEXAMPLE"
REGION = "eu-central-1"
_AUTHORIZATION = re.compile(
    rf"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/(\d{{8}})/{REGION}/([a-z0-9-]+)/aws4_request,"
    r" SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)
_UNSIGNED = "UNSIGNED-PAYLOAD"


class AwsBox(Upstream):
    """Responds with 200 to a right signature, and otherwise with 403 and the error code of AWS.

    Args:
        secret_key: The secret of `ACCESS_KEY`.
        service: The service that it is.

    Attributes:
        ahead_s: By how many seconds its clock is ahead.
        tolerance_s: How old a signature may be.
        verdicts: What it found of each request; empty for a right signature.
    """

    def __init__(self, secret_key: str, service: str = "s3") -> None:
        super().__init__()
        self.ahead_s = 0.0
        self.tolerance_s = 300.0
        self.verdicts: list[str] = []
        self._key = Credentials(ACCESS_KEY, secret_key)
        self._service = service
        self.answer = self._judged

    def _judged(self, message: Message) -> bytes:
        now = datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.ahead_s, UTC)
        problem = self._problem(message, now)
        self.verdicts.append(problem)
        date = (b"Date", format_datetime(now, usegmt=True).encode())
        body = b"" if message.method == b"HEAD" else problem.encode() or b"ok"
        return response(403 if problem else 200, [date], body)

    def _problem(self, message: Message, now: datetime) -> str:
        """Return the code of AWS for what is wrong with a request; empty if nothing is."""
        fields = {name.decode(): [v.decode() for v in vs] for name, vs in message.fields.items()}
        given = fields.get("authorization", [])
        found = _AUTHORIZATION.fullmatch(given[0]) if len(given) == 1 else None
        if found is None or any(len(values) > 1 for values in fields.values()):
            return "AccessDenied"
        day, service, names, signature = found.groups()
        signed = {name: fields[name][0] for name in names.split(";") if name in fields}
        date, payload = signed.get("x-amz-date", ""), signed.get("x-amz-content-sha256", "")
        must = {name for name in fields if name == "host" or name.startswith("x-amz-")}
        if service != self._service or not must <= signed.keys() or not date.startswith(day):
            return "AuthorizationHeaderMalformed"
        time = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs((time - now).total_seconds()) > self.tolerance_s:
            return "RequestTimeTooSkewed"
        if payload != _UNSIGNED and payload != sha256(message.body).hexdigest():
            return "XAmzContentSHA256Mismatch"
        if payload == _UNSIGNED and self._service != "s3":
            return "InvalidSignatureException"
        return "" if self._signature(message, signed) == signature else "SignatureDoesNotMatch"

    def _signature(self, message: Message, signed: dict[str, str]) -> str:
        """Return what botocore signs a request with, given its signed fields."""
        url = f"http://{signed['host']}{message.target.decode()}"
        judged = AWSRequest(message.method.decode(), url, signed, message.body)
        judged.context["timestamp"] = signed["x-amz-date"]
        kind = S3SigV4Auth if self._service == "s3" else SigV4Auth
        auth = kind(self._key, self._service, REGION)
        text = auth.string_to_sign(judged, auth.canonical_request(judged))
        found: str = auth.signature(text, judged)
        return found
