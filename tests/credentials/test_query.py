"""A secret in the query, and what responses repeat of it."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import QueryCredentials, Secret
from corsgate.credentials.query import Echo, QuerySigner
from corsgate.message.signed import Signed
from tests.credentials.helpers import SERVER, SigningTestCase, request, response

SECRET = "s3cr+t/=key%"
ENCODED = "s3cr%2Bt%2F%3Dkey%25"


def signer(value: str = SECRET, name: str = "api_key") -> QuerySigner:
    """Return a signer."""
    return QuerySigner.of(QueryCredentials(name=name, value=Secret(value)))


class SignTests(SigningTestCase):
    """What is sent."""

    def test_added(self) -> None:
        """The parameter stands behind the client's; the fields stay."""
        head = request(b"/a%2F;?b=%20&c", b"POST", (b"X", b"1"))
        signed = self.sign(signer(), head)
        self.assertEqual(signed.target, b"/a%2F;?b=%20&c&api_key=" + ENCODED.encode())
        self.assertEqual((signed.method, signed.headers), (b"POST", head.headers))
        self.assertEqual(head.target, b"/a%2F;?b=%20&c")

    def test_clients_own(self) -> None:
        """The server gets one value, whatever the client sends."""
        for query in (b"?api_key=x", b"?api%5fkey=x&API_KEY", b"?api.key=x;api_key[]=y"):
            signed = self.sign(signer(), request(b"/a" + query))
            self.assertEqual(signed.target, b"/a?api_key=" + ENCODED.encode())

    def test_server_as_a_whole(self) -> None:
        """OPTIONS * has no query, so it isn't signed."""
        attempt = signer().begin(SERVER)
        signing = attempt.sign(request(b"*", b"OPTIONS"), b"")
        signed: Signed = self.successResultOf(Deferred.fromCoroutine(signing))
        self.assertEqual((signed.head.target, signed.has_credentials), (b"*", False))

    def test_not_shown(self) -> None:
        """No repr shows the secret."""
        attempt = signer().begin(SERVER)
        for each in (signer(), attempt, vars(signer().__class__)):
            self.assertNotIn("s3cr", repr(each))

    def test_final(self) -> None:
        """A refusal is final."""
        attempt = signer().begin(SERVER)
        self.assertFalse(attempt.responded(Signed(head=request()), response(401)))
        attempt.end()


class EchoTests(SynchronousTestCase):
    """What a client sees of a response."""

    def seen(self, value: str, name: str = "Location") -> str:
        """Return what becomes of a field."""
        head = response(302, (name.encode(), value.encode()), (b"X", b"1"))
        found = signer().begin(SERVER).client_head(head)
        self.assertEqual(found.headers[1:], [(b"X", b"1")])
        return found.headers[0][1].decode()

    def test_redirects(self) -> None:
        """The parameter goes from each address, however it is encoded, and the rest stays."""
        twice = quote(ENCODED, safe="")
        for value, expected in (
            (f"/b?api_key={ENCODED}", "/b"),
            (f"/b?api_key={SECRET}", "/b"),
            (f"/b?x=1&api_key={ENCODED}&y=2", "/b?x=1&y=2"),
            (f"/b?api_key={ENCODED}&y=2", "/b?y=2"),
            (f"/b?api_key={ENCODED}#f", "/b#f"),
            (f"/b?api%5fkey={ENCODED.lower()}", "/b"),
            (f"/b;api_key={ENCODED}", "/b"),
            (f"/login?next=%2Fb%3Fapi_key%3D{twice}", "/login?next=%2Fb"),
            (f"/login?next=%2Fb%3Fapi_key%3D{twice}%26c%3D1", "/login?next=%2Fb%3Fc%3D1"),
            (f"/login?next=%2Fb%3Fc%3D1%26api_key%3D{twice}&z", "/login?next=%2Fb%3Fc%3D1&z"),
            (f"/k/{ENCODED}?key={SECRET}", "/k/***?key=***"),
            (f"/b?api_key={ENCODED};c=1", "/b?;c=1"),
            (f"/b?c=1;api_key={ENCODED};d=1", "/b?c=1;d=1"),
            (f"?api_key={ENCODED}", "?"),
            (f"?api_key={ENCODED}&c=1", "?c=1"),
            ("/b?api_key=other", "/b?api_key=other"),
        ):
            self.assertEqual(self.seen(value), expected)

    def test_other_fields(self) -> None:
        """Link, Refresh, Content-Location and whatever else repeats the URL are treated alike."""
        for name, value, expected in (
            ("Link", f'</b?p=2&api_key={ENCODED}>; rel="next"', '</b?p=2>; rel="next"'),
            ("Link", f'</b?api_key={ENCODED}>; rel="next"', '</b>; rel="next"'),
            ("Refresh", f"0; url=/b?api_key={ENCODED}", "0; url=/b"),
            ("Refresh", f"0; url='/b?api_key={ENCODED}'", "0; url='/b'"),
            ("Content-Location", f"/b?api_key={ENCODED}", "/b"),
            (
                "Set-Cookie",
                f"last=%2Fb%3Fapi_key%3D{ENCODED}; Path=/b?api_key={ENCODED}; Secure",
                "last=%2Fb; Path=/b; Secure",
            ),
            ("Set-Cookie", f"last=/b?api_key={ENCODED};Secure", "last=/b?;Secure"),
            ("X-Request-Uri", f"/b?api_key={ENCODED}&c", "/b?c"),
        ):
            self.assertEqual(self.seen(value, name), expected)

    def test_short_secret(self) -> None:
        """A short secret is only removed with its name: it stands in much that is none."""
        echo = Echo(b"v", b"7")
        self.assertEqual(echo.removed(b"/7?a=7&v=7&b=77"), b"/7?a=7&b=77")
        self.assertEqual(echo.removed(b"/?v=77"), b"/?v=77")

    def test_unchanged(self) -> None:
        """A head without the secret stays the same object."""
        head = response(200, (b"Location", b"/b?api_key=x"))
        self.assertIs(signer().begin(SERVER).client_head(head), head)

    @given(
        st.text("a%/+25 \u00e9&=", min_size=6, max_size=12), st.integers(0, 3), st.text("ab&?%=2")
    )
    def test_never(self, value: str, times: int, around: str) -> None:
        """However often the secret is encoded, it is not left, wherever it stands."""
        echo = Echo(b"api_key", value.encode())
        spelled = value
        for _ in range(times):
            spelled = quote(spelled, safe="")
        for text in (f"/?api_key={spelled}", f"/?x={spelled}&y", f"/{spelled}/"):
            found = echo.removed(text.encode())
            self.assertNotIn(spelled.encode(), found)

    def test_quick(self) -> None:
        """Text that almost looks like the secret is scanned in linear time."""
        echo = Echo(b"api_key", b"%%%%%%%%%%%%%%%%")
        text = b"%" + b"25" * 30_000
        self.assertLess(len(echo.removed(text + b"%" * 15)), 2 * len(text))
