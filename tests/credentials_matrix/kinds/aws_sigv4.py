"""Signatures of AWS, version 4, computed anew from AWS's description of them."""

from __future__ import annotations

import hmac
import re
from hashlib import sha256

from corsgate.message.headers import HeaderIndex
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
        return Reply() if is_signed(seen.method, seen.target, seen.fields, SECRET) else REFUSED


def is_signed(method: bytes, target: bytes, fields: HeaderIndex, secret: str) -> bool:
    """Return whether a request has the signature that a secret key makes."""
    given = fields.get(b"authorization", [b""])[0].decode()
    found = _FIELD.fullmatch(given)
    if found is None:
        return False
    _, day, region, service, names, signature = found.groups()
    path, _, query = target.decode().partition("?")
    lines = "".join(
        f"{name}:{b','.join(fields[name.encode()]).decode()}\n" for name in names.split(";")
    )
    payload = fields.get(b"x-amz-content-sha256", [b""])[0].decode() or sha256(b"").hexdigest()
    asked = "\n".join([method.decode(), path, query, lines, names, payload])
    scope = f"{day}/{region}/{service}/aws4_request"
    date = fields.get(b"x-amz-date", [b""])[0].decode()
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{sha256(asked.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex() == signature
