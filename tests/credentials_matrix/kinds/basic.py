"""Basic (RFC 7617)."""

from __future__ import annotations

from base64 import b64encode

from tests.credentials_matrix import kind
from tests.credentials_matrix.box import Box, Reply, Seen
from tests.credentials_matrix.kind import REFUSED, SECRET

CHALLENGE = (b"WWW-Authenticate", b'Basic realm="box"')


class Kind(kind.Kind):
    """A user name and a password with each request."""

    name = "basic"

    def table(self, secret: str) -> str:
        """Return the user name and the password."""
        return f'type = "basic"\nusername = "gate"\npassword = """{secret}"""'

    def judge(self, box: Box, seen: Seen) -> Reply:
        """Compare both."""
        right = b"Basic " + b64encode(f"gate:{SECRET}".encode())
        if seen.fields.get(b"authorization") == [right]:
            return Reply()
        return Reply(status=401, headers=[CHALLENGE], body=REFUSED.body)
