"""Signatures of AWS, version 4, computed anew from AWS's description of them."""

from __future__ import annotations

import hmac
import re
from hashlib import sha256

from tests.credentials_matrix import kind
from tests.credentials_matrix.box import Box, Reply, Seen
from tests.credentials_matrix.kind import REFUSED, SECRET

_FIELD = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request,"
    r" ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)


class Kind(kind.Kind):
    """A signature of the request's head."""

    name = "aws_sigv4"
    forged = (
        (b"Authorization", b"AWS4-HMAC-SHA256 forged-by-the-client"),
        (b"X-Amz-Date", b"forged-by-the-client"),
    )

    def table(self, secret: str) -> str:
        """Return the keys."""
        return (
            'type = "aws_sigv4"\nregion = "eu-central-1"\nservice = "s3"\n'
            f'access_key = "AKIDEXAMPLE"\nsecret_key = """{secret}"""'
        )

    def judge(self, box: Box, seen: Seen) -> Reply:
        """Sign the request again, and compare."""
        found = _FIELD.fullmatch(seen.first(b"authorization").decode())
        if found is None:
            return REFUSED
        _, day, region, service, names, signature = found.groups()
        path, _, query = seen.target.decode().partition("?")
        fields = "".join(
            f"{name}:{b','.join(seen.fields[name.encode()]).decode()}\n"
            for name in names.split(";")
        )
        payload = seen.first(b"x-amz-content-sha256").decode() or sha256(b"").hexdigest()
        asked = "\n".join([seen.method.decode(), path, query, fields, names, payload])
        scope = f"{day}/{region}/{service}/aws4_request"
        date = seen.first(b"x-amz-date").decode()
        text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{sha256(asked.encode()).hexdigest()}"
        key = f"AWS4{SECRET}".encode()
        for part in (day, region, service, "aws4_request", text):
            key = hmac.digest(key, part.encode(), "sha256")
        return Reply() if key.hex() == signature else REFUSED
