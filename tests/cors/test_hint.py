"""The hint for a refused client: its own origin, and near misses on its own machine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors
from corsgate.cors.hint import hint
from corsgate.cors.origin import MAX_ORIGIN_BYTES
from corsgate.cors.policy import Policy, compile_policy


def policy(*origins: str) -> Policy:
    """Return a policy that allows these origins."""
    return compile_policy(Cors(allow_origins=origins))


DEVELOPER = policy(
    "http://localhost:4200", "https://127.0.0.1", "http://[::1]:9000", "https://secret.example"
)
DIFFERENT = "are different origins"


class HintTests(SynchronousTestCase):
    """`hint`."""

    def test_near_misses(self) -> None:
        """A page on the developer's machine gets the small difference of its origin."""
        for origin, told in (
            (b"http://127.0.0.1:4200", f"localhost and 127.0.0.1 {DIFFERENT}"),
            (b"http://[::1]:4200", f"localhost and [::1] {DIFFERENT}"),
            (b"http://app.localhost:4200", f"localhost and app.localhost {DIFFERENT}"),
            (b"http://localhost:9000", f"[::1] and localhost {DIFFERENT}"),
            (b"https://localhost", f"127.0.0.1 and localhost {DIFFERENT}"),
            (b"http://localhost:4201", "the port differs"),
            (b"http://localhost", "the port differs"),
            (b"https://127.0.0.1:8443", "the port differs"),
            (b"https://localhost:4200", "it is https, but only http is allowed"),
            (b"http://127.0.0.1", "it is http, but only https is allowed"),
        ):
            said = hint(DEVELOPER, [origin])
            self.assertIn(f"The origin {origin.decode()} is not allowed here: ", said)
            self.assertIn(told, said)

    def test_null(self) -> None:
        """Who sends null is explained, unless the origin is not what was refused."""
        allowing = compile_policy(Cors(allow_origins=("null",), dangerously_allow_null_origin=True))
        for refusing in (DEVELOPER, None):
            self.assertIn("null is not allowed here. Local files", hint(refusing, [b"null"]))
        self.assertEqual(hint(allowing, [b"null"]), "The origin null may not do this here.")

    def test_no_near_miss(self) -> None:
        """An origin with a larger difference is only named."""
        for origin in (b"http://127.0.0.1:1", b"capacitor://localhost", b"http://127.0.0.2:1"):
            said = hint(DEVELOPER, [origin])
            self.assertEqual(said, f"The origin {origin.decode()} is not allowed here.")

    def test_any_port(self) -> None:
        """A pattern for any port is a near miss for another host, and for another scheme."""
        any_port = policy("http://localhost:*")
        self.assertIn(DIFFERENT, hint(any_port, [b"http://127.0.0.1:1234"]))
        self.assertIn("http is allowed", hint(any_port, [b"https://localhost:1234"]))
        self.assertEqual(any_port.remembered, 0)

    def test_strangers(self) -> None:
        """Any other page gets no near miss."""
        production = policy("https://app.example", "https://*.example.com", "http://localhost:1")
        for origin in (
            b"http://app.example",
            b"https://app.example:8443",
            b"https://example.com",
            b"http://x.example.com",
            b"https://localhost.evil.example",
        ):
            said = hint(production, [origin])
            self.assertEqual(said, f"The origin {origin.decode()} is not allowed here.")

    def test_not_the_origin(self) -> None:
        """An allowed origin was refused for another reason."""
        said = hint(DEVELOPER, [b"http://localhost:4200"])
        self.assertEqual(said, "The origin http://localhost:4200 may not do this here.")

    def test_no_policy(self) -> None:
        """Without a policy there is no near miss."""
        said = hint(None, [b"http://localhost:4200"])
        self.assertEqual(said, "The origin http://localhost:4200 is not allowed here.")

    def test_no_origin(self) -> None:
        """Anything except a single serialized origin is not repeated."""
        long = b"http://" + b"a." * MAX_ORIGIN_BYTES + b"a"
        for origins in (
            [],
            [b"http://localhost"] * 2,
            [b""],
            [b"<b>"],
            [b"http://a\r\nx"],
            [long],
            [b"http://localhost:80"],
        ):
            said = hint(DEVELOPER, origins)
            self.assertNotIn("http", said)
            self.assertNotIn("<", said)
        for part in ("files", "sandboxed", "Referrer-Policy: no-referrer", "redirected"):
            self.assertIn(part, hint(DEVELOPER, [b"null"]))

    @given(
        st.lists(
            st.binary(max_size=40)
            | st.from_regex(
                rb"https?://(localhost|127\.0\.0\.1|a\.example)(:[0-9]{1,5})?", fullmatch=True
            ),
            max_size=2,
        )
    )
    def test_safe(self, origins: list[bytes]) -> None:
        """For any input, the hint is one short printable line without another's origin."""
        said = hint(DEVELOPER, origins)
        self.assertTrue(said.isascii() and said.isprintable())
        self.assertFalse(set(said) & set("<>&\"'"))
        self.assertNotIn("secret", said)
