"""Bearer with a fixed token (RFC 6750)."""

from __future__ import annotations

from tests.credentials_matrix import kind
from tests.credentials_matrix.box import Box, Reply, Seen
from tests.credentials_matrix.kind import SECRET

TOKEN, WRONG_TOKEN = "s3cret-token/of+the.gate==", "wr0ng-token/of+the.gate=="


class Kind(kind.Kind):
    """A token with each request."""

    name = "bearer"
    secrets = (TOKEN, WRONG_TOKEN)
    forged = ((b"Authorization", b"Bearer forged-by-the-client"),)

    def table(self, secret: str) -> str:
        """Return the token."""
        return f'type = "bearer"\ntoken = "{TOKEN if secret == SECRET else WRONG_TOKEN}"'

    def judge(self, box: Box, seen: Seen) -> Reply:
        """Compare it."""
        if seen.fields.get(b"authorization") == [b"Bearer " + TOKEN.encode()]:
            return Reply()
        challenge = (b"WWW-Authenticate", b'Bearer error="invalid_token"')
        return Reply(status=401, headers=[challenge], body=b"who are you")
