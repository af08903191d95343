"""Differences between OAuth2 credentials are reported, and show no secret."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.diff import differences
from corsgate.config.model.oauth2 import OAuth2Credentials, TokenParam
from corsgate.config.model.secret import Secret
from corsgate.config.model.values import Config, Listener, Route, Server, Upstream
from tests.certificates import Authority

ISSUED = Authority.make().issue("gate")
KEY = Secret(ISSUED.key_pem.decode())
FIRST = OAuth2Credentials(
    grant="refresh_token",
    token_url="https://login.example/token",
    client_id="gate",
    auth_method="private_key_jwt",
    private_key=KEY,
    client_certificate=ISSUED.certified,
    refresh_token=Secret("hunter2"),
    token_file="/f",
)
CHANGES: dict[str, Any] = {
    "token_url": "https://other.example/token",
    "client_id": "other",
    "private_key": Secret(Authority.make().issue("x").key_pem.decode()),
    "key_id": "k",
    "algorithm": "ES256",
    "assertion_audience": "x",
    "client_certificate": None,
    "ca_pem": ISSUED.pem,
    "allow_http": True,
    "scope": "read",
    "audience": "api",
    "resource": ("urn:a",),
    "token_params": (TokenParam("ticket", Secret("hunter3")),),
    "refresh_token": Secret("hunter4"),
    "token_file": "/g",
}
"""Another value of each field that can change alone."""

TOGETHER = {"grant", "auth_method", "client_secret"}
"""Fields that can only change with others."""


def config(credentials: OAuth2Credentials) -> Config:
    """Return a configuration with these credentials."""
    server = Server(scheme="https", host="h", port=443)
    upstream = Upstream(name="a", servers=(server,), credentials=credentials)
    route = Route(prefix="/v1", upstream=upstream)
    return Config(
        listeners=(Listener(endpoint="tcp:1"),), upstreams={"a": upstream}, routes=(route,)
    )


class OAuth2Tests(SynchronousTestCase):
    def test_every_field(self) -> None:
        """A change of each field is reported."""
        fields = {field.name for field in attrs.fields(OAuth2Credentials)}
        self.assertEqual(fields, CHANGES.keys() | TOGETHER)
        changed = [attrs.evolve(FIRST, **{name: new}) for name, new in CHANGES.items()]
        changed.append(
            attrs.evolve(FIRST, auth_method="post", private_key=None, client_secret=Secret("h5"))
        )
        for new in changed:
            found = [each.words for each in differences(config(FIRST), config(new))]
            self.assertTrue(found, new)
            self.assertNotIn("hunter", "".join(found))
            self.assertNotIn("BEGIN", "".join(found))
