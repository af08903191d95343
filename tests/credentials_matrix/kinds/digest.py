"""Digest (RFC 7616)."""

from __future__ import annotations

from hashlib import sha256
from itertools import count
from urllib.request import parse_http_list, parse_keqv_list

from tests.credentials_matrix import kind
from tests.credentials_matrix.box import Box, Reply, Seen
from tests.credentials_matrix.kind import SECRET, Situation


class Kind(kind.Kind):
    """A hash of the password and a nonce; the box issues a nonce with each challenge."""

    name = "digest"
    situations = (Situation.FRESH, Situation.EXPIRED, Situation.WRONG)
    forged = ((b"Authorization", b'Digest username="forged-by-the-client"'),)
    # The nonce is too fresh for the gate to ask whether the box wants the body.
    upload_outcomes = {Situation.EXPIRED: (502,)}  # noqa: RUF012  # as declared in the base
    # A challenge, and the request with its nonce.
    seen_per_request = 2
    # One request fetches the challenge; two more may have been on their way.
    seen_of_64 = 66
    # Until one has been accepted they go one by one.
    rejections_of_64 = 2

    def __init__(self) -> None:
        self._numbers = count(1)
        self._uses: dict[str, set[str]] = {}
        self._expired: set[str] = set()

    def table(self, secret: str) -> str:
        """Return the user name and the password."""
        return f'type = "digest"\nusername = "gate"\npassword = """{secret}"""'

    def judge(self, box: Box, seen: Seen) -> Reply:
        """Check the response; each count of a nonce is good for one request."""
        scheme, _, rest = seen.first(b"authorization").decode().partition(" ")
        if scheme != "Digest":
            return self._challenge(box)
        given = parse_keqv_list(parse_http_list(rest))
        nonce = given["nonce"]
        if nonce not in self._uses or not nonce.startswith(f"{box.authority}-"):
            return self._challenge(box)
        if given["response"] != _response(seen, given):
            return self._challenge(box)
        if nonce in self._expired or given["nc"] in self._uses[nonce]:
            return self._challenge(box, stale=True)
        self._uses[nonce].add(given["nc"])
        return Reply()

    def tries(self, box: Box) -> list[Seen]:
        """Return those with a response to a challenge."""
        return [seen for seen in box.seen if b"authorization" in seen.fields]

    def expire(self) -> None:
        """Take back every nonce."""
        self._expired.update(self._uses)

    def _challenge(self, box: Box, *, stale: bool = False) -> Reply:
        nonce = f"{box.authority}-{next(self._numbers)}"
        self._uses[nonce] = set()
        value = f'Digest realm="box", nonce="{nonce}", qop="auth", algorithm=SHA-256'
        value += ", stale=true" if stale else ""
        headers = [(b"WWW-Authenticate", value.encode())]
        return Reply(status=401, headers=headers, body=b"who are you")


def _response(seen: Seen, given: dict[str, str]) -> str:
    """Return the only right response to a challenge (RFC 7616 3.4.1)."""
    key = _hash(f"gate:box:{SECRET}")
    request = _hash(f"{seen.method.decode()}:{seen.target.decode()}")
    return _hash(f"{key}:{given['nonce']}:{given['nc']}:{given['cnonce']}:auth:{request}")


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()
