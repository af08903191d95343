"""A secret in the query."""

from __future__ import annotations

from urllib.parse import unquote

from tests.credentials_matrix import kind
from tests.credentials_matrix.box import Box, Reply, Seen
from tests.credentials_matrix.kind import REFUSED, SECRET


class Kind(kind.Kind):
    """An API key behind the client's query."""

    name = "query"
    # The client's own Authorization isn't what the box looks at, but it is dropped all the same.
    forged = ((b"Authorization", b"Basic forged-by-the-client"),)

    def table(self, secret: str) -> str:
        """Return the parameter."""
        return f'type = "query"\nname = "api_key"\nvalue = """{secret}"""'

    def judge(self, box: Box, seen: Seen) -> Reply:
        """Compare it; there must be one."""
        parameters = seen.target.partition(b"?")[2].split(b"&")
        keys = [each for each in parameters if each.startswith(b"api_key=")]
        if [unquote(each.decode().partition("=")[2]) for each in keys] == [SECRET]:
            return Reply()
        return REFUSED
