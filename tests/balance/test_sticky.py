"""The cookie that sends a client to the same server again."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.sticky import StickyCookies

A, B = "http://10.0.0.1:8000", "http://10.0.0.2:8000"


def cookies(key: bytes = b"key", *origins: str) -> StickyCookies:
    """Return the cookies of servers, A and B by default."""
    made = StickyCookies("gate", key)
    made.know(origins or (A, B))
    return made


def value(made: StickyCookies, origin: str) -> bytes:
    """Return the name and value that a server's cookie has."""
    cookie = made.set_cookie(origin, b"/v1", secure=False)
    assert cookie is not None
    return cookie.partition(b";")[0]


class StickyTests(SynchronousTestCase):
    def test_there_and_back(self) -> None:
        """A server's cookie leads back to it, also among other cookies."""
        made = cookies()
        for origin in (A, B):
            self.assertEqual(made.origin([b"x=1; " + value(made, origin), b"y=2"]), origin)

    def test_forged(self) -> None:
        """Other values are ignored: of another key, of another name, or an address."""
        made = cookies()
        forged = value(cookies(b"other"), A)
        renamed = value(made, A).replace(b"gate", b"Gate")
        for cookie in (forged, renamed, b"gate=" + A.encode(), b"gate=", b"gate", b""):
            self.assertIsNone(made.origin([cookie]), cookie)

    def test_first_that_is_known(self) -> None:
        """An unknown value doesn't hide a later valid one."""
        made = cookies()
        self.assertEqual(made.origin([b"gate=old; " + value(made, B)]), B)

    def test_tells_no_address(self) -> None:
        """The address can't be read in it."""
        self.assertNotIn(b"10.0.0", value(cookies(), A))

    def test_server_gone(self) -> None:
        """The cookie of a removed server is ignored until the server returns."""
        made = cookies()
        old = value(made, B)
        made.know([A])
        self.assertIsNone(made.origin([old]))
        self.assertIsNone(made.set_cookie(B, b"/", secure=True))
        made.know([A, B])
        self.assertEqual(made.origin([old]), B)

    def test_attributes(self) -> None:
        """Scripts can't read it; over TLS pages of other sites send it."""
        made = cookies()
        plain, secure = (made.set_cookie(A, b"/v1", secure=each) for each in (False, True))
        assert plain is not None
        assert secure is not None
        self.assertEqual(plain.split(b"; ")[1:], [b"Path=/v1", b"HttpOnly", b"SameSite=Lax"])
        self.assertEqual(
            secure.split(b"; ")[1:], [b"Path=/v1", b"HttpOnly", b"SameSite=None", b"Secure"]
        )
