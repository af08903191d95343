"""A header field with a secret."""

from __future__ import annotations

from tests.credentials_matrix import kind
from tests.credentials_matrix.box import Box, Reply, Seen
from tests.credentials_matrix.kind import REFUSED, SECRET


class Kind(kind.Kind):
    """An API key with each request."""

    name = "header"
    forged = ((b"X-Api-Key", b"forged-by-the-client"), (b"x_api_key", b"forged-by-the-client"))

    def table(self, secret: str) -> str:
        """Return the field."""
        return f'type = "header"\nname = "X-Api-Key"\nvalue = """{secret}"""'

    def judge(self, box: Box, seen: Seen) -> Reply:
        """Compare it."""
        if seen.fields.get(b"x-api-key") == [SECRET.encode()]:
            return Reply()
        return REFUSED
