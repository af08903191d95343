"""A cookie that sends a client to the same server again.

Its value is a keyed hash of the server's address, which hides the address and can't be forged. A
value that matches no server is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from hmac import new as hmac

from corsgate.message.cookies import cookie_values

TOKEN_LENGTH = 32


class StickyCookies:
    """The cookies of an upstream's servers.

    Args:
        name: The cookie's name.
        key: The secret key of the hash.
    """

    def __init__(self, name: str, key: bytes) -> None:
        self.name = name.encode("ascii")
        self.key = key
        self._origins: Mapping[bytes, str] = {}
        self._tokens: Mapping[str, bytes] = {}

    def know(self, origins: Iterable[str]) -> None:
        """Replace the set of servers."""
        self._tokens = {origin: self._token(origin) for origin in origins}
        self._origins = {token: origin for origin, token in self._tokens.items()}

    def origin(self, cookies: Sequence[bytes]) -> str | None:
        """Return the origin of the server in a client's cookie; None if there is none.

        Args:
            cookies: The values of the request's Cookie fields.
        """
        for value in cookie_values(cookies, self.name):
            origin = self._origins.get(value)
            if origin is not None:
                return origin
        return None

    def set_cookie(self, origin: str, path: bytes, *, secure: bool) -> bytes | None:
        """Return the Set-Cookie value for a server.

        Over TLS, pages of other sites also send the cookie, since the gate exists to serve them.
        Over plain HTTP browsers don't accept such a cookie (RFC 6265bis 5.7).

        Args:
            origin: The server's origin.
            path: The cookie's path, such as ``/v1``.
            secure: Whether the client uses TLS.

        Returns:
            The value, or None for a server that is no longer known.
        """
        token = self._tokens.get(origin)
        if token is None:
            return None
        site = b"SameSite=None; Secure" if secure else b"SameSite=Lax"
        return b"%b=%b; Path=%b; HttpOnly; %b" % (self.name, token, path, site)

    def _token(self, origin: str) -> bytes:
        digest = hmac(self.key, origin.encode("utf-8"), sha256).hexdigest()
        return digest[:TOKEN_LENGTH].encode("ascii")
