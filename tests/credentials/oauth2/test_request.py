"""Tests of `corsgate.credentials.oauth2.request`: what a token server is sent."""

from __future__ import annotations

from base64 import b64decode
from urllib.parse import parse_qs, parse_qsl

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.oauth2 import TokenParam
from corsgate.config.model.values import Secret
from corsgate.credentials.oauth2.request import secrets_in, token_request, token_server
from corsgate.message.head import RequestHead
from tests.certificates import Authority
from tests.credentials.oauth2.helpers import SECRET, credentials


def field(head: RequestHead, name: bytes) -> bytes:
    """Return the value of the only field of a name."""
    (value,) = [value for key, value in head.headers if key == name]
    return value


class RequestTests(SynchronousTestCase):
    def test_basic(self) -> None:
        """Id and secret are form-encoded before they are joined (RFC 6749 2.3.1)."""
        made = credentials(client_id="ga:te é", client_secret=Secret("s+ %:/ü&"))
        head, body = token_request(made)
        scheme, pair = field(head, b"Authorization").split()
        self.assertEqual(
            (scheme, b64decode(pair)), (b"Basic", b"ga%3Ate%20%C3%A9:s%2B%20%25%3A%2F%C3%BC%26")
        )
        self.assertEqual(body, b"grant_type=client_credentials")

    def test_bytes_that_are_not_utf_8(self) -> None:
        """Bytes of a variable stay what they are, in both places."""
        secret = Secret("\udcff\udc80x")
        head, body = token_request(credentials(client_secret=secret))
        self.assertEqual(b64decode(field(head, b"Authorization").split()[1]), b"gate:%FF%80x")
        self.assertEqual(list(secrets_in(head, body))[1], "\udcff\udc80x")
        head, body = token_request(credentials(client_secret=secret, auth_method="post"))
        self.assertIn(b"client_secret=%FF%80x", body)

    def test_head(self) -> None:
        """The request is a form to the URL with its query, for a JSON response."""
        head, _ = token_request(credentials(token_url="https://login.example:8443/t?p=B2C_1"))
        self.assertEqual((head.method, head.target), (b"POST", b"/t?p=B2C_1"))
        self.assertEqual(field(head, b"Host"), b"login.example:8443")
        self.assertEqual(field(head, b"Content-Type"), b"application/x-www-form-urlencoded")
        self.assertEqual(field(head, b"Accept"), b"application/json")

    def test_post(self) -> None:
        """Id and secret are parameters, and there is no Authorization."""
        head, body = token_request(credentials(auth_method="post"))
        self.assertEqual(
            parse_qs(body.decode()),
            {
                "grant_type": ["client_credentials"],
                "client_id": ["gate"],
                "client_secret": [SECRET],
            },
        )
        self.assertNotIn(b"Authorization", dict(head.headers))

    def test_what_is_asked_for(self) -> None:
        """Scope, audience, each resource and other parameters are sent."""
        made = credentials(
            scope="read write",
            audience="api://a",
            resource=("https://a.example/", "https://b.example/"),
            token_params=(TokenParam("organization", Secret("o & p")),),
        )
        _, body = token_request(made)
        self.assertEqual(
            parse_qsl(body.decode()),
            [
                ("grant_type", "client_credentials"),
                ("scope", "read write"),
                ("audience", "api://a"),
                ("resource", "https://a.example/"),
                ("resource", "https://b.example/"),
                ("organization", "o & p"),
            ],
        )

    def test_refresh_token(self) -> None:
        """The refresh token is a parameter; a public client only names itself."""
        made = credentials(
            grant="refresh_token",
            auth_method="none",
            client_secret=None,
            refresh_token=Secret("first"),
        )
        _, body = token_request(made, refresh_token="r2")
        self.assertEqual(
            parse_qsl(body.decode()),
            [("grant_type", "refresh_token"), ("refresh_token", "r2"), ("client_id", "gate")],
        )

    def test_certificate(self) -> None:
        """With a certificate the client only names itself, and the server is shown it."""
        issued = Authority.make().issue("gate")
        made = credentials(
            auth_method="tls",
            client_secret=None,
            client_certificate=issued.certified,
            ca_pem=issued.pem,
        )
        _, body = token_request(made)
        self.assertEqual(parse_qs(body.decode())["client_id"], ["gate"])
        outside = token_server(made)
        self.assertEqual(outside.client_certificate, issued.certified)
        self.assertEqual(outside.ca_pem, issued.pem)
        self.assertEqual(outside.server.origin, "https://login.example")

    def test_secrets(self) -> None:
        """What must not be shown is listed in each form that is sent, and nothing else."""
        plain = list(secrets_in(*token_request(credentials(scope="read"))))
        self.assertEqual(plain, ["Z2F0ZTpjbDEzbnQtczNjcmV0", SECRET])
        made = credentials(
            grant="refresh_token",
            auth_method="post",
            refresh_token=Secret("r1"),
            token_params=(TokenParam("x", Secret("p")),),
        )
        found = set(secrets_in(*token_request(made, refresh_token="r2")))
        self.assertEqual(found, {"r2", SECRET, "p"})
