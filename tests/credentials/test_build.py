"""Signers are built from configured credentials."""

from __future__ import annotations

from corsgate.config.model.values import (
    BasicCredentials,
    BearerCredentials,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
    Secret,
)
from corsgate.credentials.build import build
from corsgate.message.signed import Signed
from tests.credentials.helpers import (
    SERVER,
    SigningTestCase,
    challenge,
    means,
    refusal,
    request,
)


class BuildTests(SigningTestCase):
    def test_none(self) -> None:
        """An upstream without credentials gets no signer."""
        self.assertIsNone(build(None, means()))

    def test_kinds(self) -> None:
        """Each kind becomes a signer that adds its own field."""
        cases: list[tuple[Credentials, tuple[bytes, bytes]]] = [
            (
                BasicCredentials(username="a", password=Secret("b")),
                (b"Authorization", b"Basic YTpi"),
            ),
            (BearerCredentials(token=Secret("t")), (b"Authorization", b"Bearer t")),
            (HeaderCredentials(name="X-Api-Key", value=Secret("k")), (b"X-Api-Key", b"k")),
        ]
        for credentials, field in cases:
            signer = build(credentials, means())
            assert signer is not None
            self.assertIn(field, self.sign(signer).headers)

    def test_digest(self) -> None:
        """Digest becomes a signer that uses the given source of random bytes."""
        asked: list[int] = []

        def rng(size: int) -> bytes:
            asked.append(size)
            return bytes(size)

        signer = build(DigestCredentials(username="a", password=Secret("b")), means(rng))
        assert signer is not None
        self.assertTrue(signer.may_be_challenged)
        unsigned = Signed(head=request(), has_credentials=False)
        self.assertTrue(signer.begin(SERVER).responded(unsigned, refusal(challenge("n"))))
        self.assertIn(f'cnonce="{"A" * 32}"', self.authorization(signer) or "")
        self.assertEqual(asked, [24])
