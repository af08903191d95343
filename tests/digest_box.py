"""A box with digest credentials for a test's `Upstream`: as odd as those that users have."""

from __future__ import annotations

import hashlib
from urllib.request import parse_http_list, parse_keqv_list

from tests.peers import Message, response
from tests.support import PASSWORD


class DigestBox:
    """Answers requests with the right login, each with its own body.

    Args:
        slots: How many nonces it keeps: a microcontroller keeps one, which each 401 replaces.
        uses: For how many requests a nonce is good.
        qop: What it offers.
        cookie: Whether a nonce is only good with the cookie of its challenge.
        closes: Whether it closes each connection after one response.

    Attributes:
        unsigned: How many requests had no login.
        refused: How many had one that was refused.
        cookies: The values of Cookie of the requests that were accepted.
    """

    def __init__(
        self,
        *,
        slots: int = 1000,
        uses: int = 1000,
        qop: str = "auth",
        cookie: bool = False,
        closes: bool = False,
    ) -> None:
        self.unsigned = self.refused = 0
        self.cookies: list[list[bytes]] = []
        self._slots, self._uses, self._qop = slots, uses, qop
        self._cookie, self._closes = cookie, closes
        self._made = 0
        self._good: dict[str, int] = {}

    def __call__(self, message: Message) -> bytes:
        """Return the response to a request."""
        values = message.fields.get(b"authorization", [])
        stale = False
        if not values:
            self.unsigned += 1
        else:
            fields = parse_keqv_list(parse_http_list(values[0].decode().partition(" ")[2]))
            right = fields["response"] == self._expected(fields, message)
            nonce = fields["nonce"]
            good = nonce in self._good and (not self._cookie or self._has_cookie(message, nonce))
            if right and good:
                self._good[nonce] += 1
                if self._good[nonce] == self._uses:
                    del self._good[nonce]
                self.cookies.append(message.fields.get(b"cookie", []))
                return self._response(200, [], message.target + b" " + message.body)
            self.refused += 1
            stale = right
        self._made += 1
        nonce = f"n{self._made}"
        self._good[nonce] = 0
        while len(self._good) > self._slots:
            del self._good[next(iter(self._good))]
        said = f'Digest realm="box", qop="{self._qop}", nonce="{nonce}", stale={stale}'
        fields_401 = [(b"WWW-Authenticate", said.encode())]
        if self._cookie:
            fields_401.append((b"Set-Cookie", b"session=%b; Path=/" % nonce.encode()))
        return self._response(401, fields_401, b"who are you")

    def forget(self) -> None:
        """Let all nonces expire."""
        self._good.clear()

    def _response(self, status: int, fields: list[tuple[bytes, bytes]], body: bytes) -> bytes:
        closing = [(b"Connection", b"close")] if self._closes else []
        return response(status, [*fields, *closing], body)

    def _has_cookie(self, message: Message, nonce: str) -> bool:
        pairs = b"; ".join(message.fields.get(b"cookie", [])).split(b"; ")
        return [pair for pair in pairs if pair.startswith(b"session=")] == [
            b"session=" + nonce.encode()
        ]

    def _expected(self, fields: dict[str, str], message: Message) -> str:
        def hashed(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode()).hexdigest()

        a2 = [message.method.decode(), message.target.decode()]
        if fields["qop"] == "auth-int":
            a2.append(hashlib.md5(message.body).hexdigest())
        middle = (fields["nonce"], fields["nc"], fields["cnonce"], fields["qop"])
        return hashed(hashed("admin", "box", PASSWORD), *middle, hashed(*a2))
