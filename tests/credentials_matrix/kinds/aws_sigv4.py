"""Signatures with an access key, as S3 verifies them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import ClassVar

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.credentials_matrix import kind
from tests.credentials_matrix.box import Box, Reply, Seen
from tests.credentials_matrix.kind import SECRET, Situation

_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/us-east-1/s3/aws4_request,"
    r" SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)
_REFUSED = Reply(status=403, body=b"SignatureDoesNotMatch")


class Kind(kind.Kind):
    """An access key for S3. botocore computes the signature that a request must have."""

    name = "aws_sigv4"
    outcomes: ClassVar[Mapping[Situation, Sequence[int]]] = {
        Situation.FRESH: (200,),
        Situation.WRONG: (403,),
    }
    forged = (
        (b"Authorization", b"AWS4-HMAC-SHA256 forged-by-the-client"),
        (b"X-Amz-Date", b"forged-by-the-client"),
        (b"X-Amz-Security-Token", b"forged-by-the-client"),
        (b"x_amz_content_sha256", b"forged-by-the-client"),
    )

    def table(self, secret: str) -> str:
        """Return the access key."""
        return (
            'type = "aws_sigv4"\nregion = "us-east-1"\nservice = "s3"\n'
            f'access_key = "AKIDEXAMPLE"\nsecret_key = """{secret}"""'
        )

    def judge(self, box: Box, seen: Seen) -> Reply:
        """Compare the signature; it covers Host, so that it is good for no other server."""
        found = _SIGNED.fullmatch(seen.first(b"authorization").decode())
        payload = seen.first(b"x-amz-content-sha256").decode()
        if found is None or seen.first(b"host").decode() != box.authority:
            return _REFUSED
        if payload not in ("UNSIGNED-PAYLOAD", *_known_payloads(seen)):
            return _REFUSED
        fields = {name: seen.first(name.encode()).decode() for name in found[1].split(";")}
        url = f"http://{fields['host']}{seen.target.decode()}"
        request = AWSRequest(seen.method.decode(), url, fields)
        request.context["timestamp"] = fields["x-amz-date"]
        auth = S3SigV4Auth(Credentials("AKIDEXAMPLE", SECRET), "s3", "us-east-1")
        text = auth.string_to_sign(request, auth.canonical_request(request))
        return Reply() if auth.signature(text, request) == found[2] else _REFUSED


def _known_payloads(seen: Seen) -> list[str]:
    """Return the hash of an empty body, or any that is given for one that is still to come."""
    given = seen.first(b"x-amz-content-sha256").decode()
    has_body = int(seen.first(b"content-length") or 0) > 0
    return [given] if has_body else [sha256(b"").hexdigest()]
