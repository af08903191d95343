"""A cookie that leads a client back to the server it was first sent to.

The cookie's value is a keyed hash of the server's address: it tells nobody the address, and
nobody can make one up. What matches no server is as if it weren't there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from hmac import new as hmac

from corsgate.message.cookies import cookie_values

TOKEN_LENGTH = 32


class StickyCookies:
    """What the cookie of each server is.

    Args:
        name: The cookie's name.
        key: What it is signed with; unknown to everybody else.
    """

    def __init__(self, name: str, key: bytes) -> None:
        self.name = name.encode("ascii")
        self._key = key
        self._origins: Mapping[bytes, str] = {}
        self._tokens: Mapping[str, bytes] = {}

    def know(self, origins: Iterable[str]) -> None:
        """Record that these are the servers from now on."""
        self._tokens = {origin: self._token(origin) for origin in origins}
        self._origins = {token: origin for origin, token in self._tokens.items()}

    def origin(self, cookies: Sequence[bytes]) -> str | None:
        """Return the origin of the server that a client was sent to before, if it is known.

        Args:
            cookies: The values of the request's Cookie fields.
        """
        for value in cookie_values(cookies, self.name):
            origin = self._origins.get(value)
            if origin is not None:
                return origin
        return None

    def set_cookie(self, origin: str, path: bytes, *, secure: bool) -> bytes | None:
        """Return the Set-Cookie value that leads a client back to a server.

        Over TLS it is for pages of other sites too, which are what the gate is for; a browser
        takes no such cookie over plain HTTP (RFC 6265bis 5.7).

        Args:
            origin: The server's.
            path: Where the cookie belongs, such as ``/v1``.
            secure: Whether the client came over TLS.

        Returns:
            The value, or None for a server that has gone.
        """
        token = self._tokens.get(origin)
        if token is None:
            return None
        site = b"SameSite=None; Secure" if secure else b"SameSite=Lax"
        return b"%b=%b; Path=%b; HttpOnly; %b" % (self.name, token, path, site)

    def _token(self, origin: str) -> bytes:
        digest = hmac(self._key, origin.encode("utf-8"), sha256).hexdigest()
        return digest[:TOKEN_LENGTH].encode("ascii")
