"""Warnings about TLS, which are logged at each start."""

from __future__ import annotations

from datetime import timedelta

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.values import (
    Config,
    Listener,
    OriginCredentials,
    Route,
    Server,
    Upstream,
)
from corsgate.config.sections.tls import tls_warnings
from tests.certificates import Authority

AUTHORITY = Authority.make()
ISSUED = AUTHORITY.issue("a.test")
CERTIFIED = ISSUED.certified
CLIENT = attrs.evolve(AUTHORITY.issue("gate").certified, chain_file="/client.pem")
SERVER = Server(scheme="https", host="b.test", port=443)
DAY_S = timedelta(days=1).total_seconds()


class WarningTests(SynchronousTestCase):
    def warnings(
        self, days: float = 0, *, verify: bool = True, by_origin: bool = False
    ) -> list[str]:
        """Return the warnings so many days after the certificates were made."""
        credentials = OAuth2Credentials(
            grant="client_credentials",
            token_url="https://login.test/",
            client_id="gate",
            auth_method="tls",
            client_certificate=attrs.evolve(CLIENT, chain_file="/oauth2.pem"),
        )
        target = Upstream(
            name="b",
            servers=(SERVER,),
            client_certificate=CLIENT,
            verify=verify,
            credentials=None if by_origin else credentials,
            credentials_by_origin=(
                (OriginCredentials(origin="http://a", credentials=credentials),)
                if by_origin
                else ()
            ),
        )
        config = Config(
            listeners=(Listener(endpoint="tcp:1", certificates=(CERTIFIED,)),),
            upstreams={"b": target},
            routes=(Route(prefix="/", upstream=target),),
        )
        made_s = ISSUED.certificate.not_valid_before_utc.timestamp() + DAY_S
        return tls_warnings(config, made_s + days * DAY_S)

    def test_none(self) -> None:
        """There are none if everything is valid."""
        self.assertEqual(self.warnings(), [])

    def test_expired(self) -> None:
        """An expired certificate is named, including one that is shown to a server."""
        end = f"{ISSUED.certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        self.assertEqual(
            self.warnings(days=2),
            [
                f'the certificate in "/chain.pem" expired on {end}',
                f'the certificate in "/client.pem" expired on {end}',
                f'the certificate in "/oauth2.pem" expired on {end}',
            ],
        )

    def test_account(self) -> None:
        """That of a single origin's account is no exception."""
        self.assertEqual(self.warnings(days=2, by_origin=True), self.warnings(days=2))

    def test_not_yet(self) -> None:
        """A certificate that is not valid yet is also named."""
        start = f"{ISSUED.certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        self.assertEqual(
            self.warnings(days=-2)[0],
            f'the certificate in "/chain.pem" is not valid before {start}',
        )

    def test_unverified(self) -> None:
        """An upstream that isn't verified is named."""
        self.assertEqual(
            self.warnings(verify=False),
            [
                "upstream b: its servers are not verified, so anyone on the network path "
                "can read and change the traffic"
            ],
        )
