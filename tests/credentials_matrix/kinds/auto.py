"""Digest or Basic, whichever is the strongest that a box offers."""

from __future__ import annotations

from base64 import b64encode

from tests.credentials_matrix.box import Box, Reply, Seen
from tests.credentials_matrix.kind import SECRET
from tests.credentials_matrix.kinds import digest


class Kind(digest.Kind):
    """A box that offers both, and must get Digest."""

    name = "auto"

    def table(self, secret: str) -> str:
        """Return the user name and the password."""
        return f'type = "auto"\nusername = "gate"\npassword = """{secret}"""'

    def judge(self, box: Box, seen: Seen) -> Reply:
        """Offer Basic first; whoever uses it has chosen the weaker one, and is refused."""
        reply = super().judge(box, seen)
        given = seen.first(b"authorization")
        assert given != b"Basic " + b64encode(f"gate:{SECRET}".encode()), "Basic was chosen"
        if reply.status != 401:
            return reply
        basic = (b"WWW-Authenticate", b'Basic realm="box"')
        return Reply(status=401, headers=[basic, *reply.headers], body=reply.body)
