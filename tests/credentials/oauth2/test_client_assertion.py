"""Client assertions: joserfc and Authlib check what is made."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Secret
from corsgate.credentials.oauth2.client_assertion import (
    BACKDATED_S,
    LIFETIME_S,
    client_assertion,
    has_jose,
)
from corsgate.credentials.oauth2.request import token_request
from tests.certificates import key_pem, unsound_rsa_pem
from tests.credentials.oauth2.helpers import credentials

RSA = rsa.generate_private_key(65537, 2048)


class AssertionTests(SynchronousTestCase):
    def test_installed(self) -> None:
        """The library is found."""
        self.assertTrue(has_jose())

    def test_claims(self) -> None:
        """The claims are those of RFC 7523 3, for this token server and a minute."""
        for key, algorithm in (
            (RSA, "RS256"),
            (RSA, "PS256"),
            (ec.generate_private_key(ec.SECP256R1()), "ES256"),
            (ec.generate_private_key(ec.SECP384R1()), "ES384"),
            (ec.generate_private_key(ec.SECP521R1()), "ES512"),
        ):
            made = credentials(
                auth_method="private_key_jwt",
                client_secret=None,
                private_key=Secret(key_pem(key).decode()),
                key_id="k1",
                algorithm=algorithm,
            )
            text = client_assertion(made, 1000.5, b"\x01\x02")
            pem = key_pem(key)
            checker = RSAKey.import_key(pem) if key is RSA else ECKey.import_key(pem)
            token = jwt.decode(text, checker, algorithms=[algorithm])
            self.assertEqual(token.header, {"alg": algorithm, "typ": "JWT", "kid": "k1"})
            self.assertEqual(
                token.claims,
                {
                    "iss": "gate",
                    "sub": "gate",
                    "aud": "https://login.example/token",
                    "jti": "0102",
                    "iat": 1000 - BACKDATED_S,
                    "exp": 1000 + LIFETIME_S,
                },
            )

    def test_usual_algorithm_and_audience(self) -> None:
        """The key decides the algorithm, and the audience can be another one."""
        made = credentials(
            auth_method="private_key_jwt",
            client_secret=None,
            private_key=Secret(key_pem(RSA).decode()),
            assertion_audience="https://login.example",
        )
        text = client_assertion(made, 0.0, b"")
        token = jwt.decode(text, RSAKey.import_key(key_pem(RSA)), algorithms=["RS256"])
        self.assertEqual(token.claims["aud"], "https://login.example")
        self.assertNotIn("kid", token.header)
        _, body = token_request(made, assertion=text)
        self.assertIn(text.encode(), body)

    def test_numbers_not_tested(self) -> None:
        """An RSA key's numbers are not tested again, which would stop the gate for up to 0.6 s."""
        made = credentials(
            auth_method="private_key_jwt",
            client_secret=None,
            private_key=Secret(unsound_rsa_pem().decode()),
        )
        self.assertEqual(client_assertion(made, 0.0, b"").count("."), 2)
