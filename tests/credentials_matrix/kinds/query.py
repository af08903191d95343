"""A parameter of the query with a secret."""

from __future__ import annotations

from urllib.parse import parse_qsl

from tests.credentials_matrix import kind
from tests.credentials_matrix.box import Box, Reply, Seen
from tests.credentials_matrix.kind import REFUSED, SECRET


class Kind(kind.Kind):
    """An API key in each request's query."""

    name = "query"

    def table(self, secret: str) -> str:
        """Return the parameter."""
        return f'type = "query"\nname = "api_key"\nvalue = """{secret}"""'

    def judge(self, box: Box, seen: Seen) -> Reply:
        """Compare it."""
        query = seen.target.decode("ascii").partition("?")[2]
        found = [value for name, value in parse_qsl(query) if name == "api_key"]
        return Reply() if found == [SECRET] else REFUSED
