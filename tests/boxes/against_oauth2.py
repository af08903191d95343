"""oidc-provider, a certified authorization server that is stricter than the tests' own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from joserfc.jwk import ECKey, RSAKey

from tests.boxes.box import Box
from tests.boxes.case import BoxTestCase, direct, from_json
from tests.boxes.installed import node
from tests.certificates import Authority, key_pem, new_key
from tests.ports import free_port

API = "https://api.example/"
SECRET = "s3cret of/the+gate:%~"
NAME = "gate/of the+box:%"
"""A client's name that must be encoded in Basic."""
BASIC = 'client_secret = { env = "CLIENT_SECRET" }'
JWT = 'private_key = { file = "HOME/jwt-key.pem" }\nkey_id = "key-1"'
CERTIFICATE = 'client_certificate = { chain = "HOME/gate.pem", key = "HOME/gate-key.pem" }'


class OidcProvider(Box):
    """oidc-provider with a client for each way to prove an identity, and an API."""

    ready = "/.well-known/openid-configuration"

    def prepare(self) -> None:
        """Write the keys, the certificates and the clients."""
        self.tls_port = free_port()
        authority = Authority.make()
        server = authority.issue("localhost", "127.0.0.1")
        shown = authority.issue("gate", common_name="gate-cert")
        key = new_key()
        public = ECKey.import_key(key_pem(key)).as_dict(private=False)
        signing = RSAKey.generate_key(2048)
        self.write("ca.pem", authority.pem)
        self.write("server.pem", server.pem)
        self.write("server-key.pem", server.key_pem)
        self.write("gate.pem", shown.pem)
        self.write("gate-key.pem", shown.key_pem)
        self.write("jwt-key.pem", key_pem(key))
        self.write("server-jwk.json", json.dumps(signing.as_dict(private=True)).encode())
        tls = "tls_client_auth"
        clients = [
            _client(NAME, "client_secret_basic", client_secret=SECRET),
            _client("post", "client_secret_post", client_secret=SECRET, scope="read"),
            _client(
                "jwt",
                "private_key_jwt",
                jwks={"keys": [{**public, "kid": "key-1"}]},
                token_endpoint_auth_signing_alg="ES256",
            ),
            _client("tls", tls, tls_client_auth_subject_dn="CN=gate-cert"),
            _client(
                "bound",
                tls,
                tls_client_auth_subject_dn="CN=gate-cert",
                tls_client_certificate_bound_access_tokens=True,
            ),
            {
                **_client("user", "client_secret_basic", client_secret=SECRET),
                "grant_types": ["refresh_token", "authorization_code"],
                "redirect_uris": ["https://app.example/"],
                "response_types": ["code"],
            },
        ]
        self.write("clients.json", json.dumps(clients).encode())

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it."""
        return [*node("oidc_provider.mjs"), str(port), str(self.tls_port)]

    def write(self, name: str, data: bytes) -> None:
        """Write a file that it or the gate reads."""
        (self.home / name).write_bytes(data)

    def ask(self, target: str) -> Any:
        """Return what it says to its operator."""
        return from_json(direct(self.port, "GET", target, {}))

    @property
    def issuer(self) -> str:
        """Its own name."""
        return f"https://localhost:{self.tls_port}"

    @property
    def over_tls(self) -> str:
        """The keys of an upstream that shows the gate's certificate."""
        return f'servers = ["{self.issuer}"]\nca = "HOME/ca.pem"\n{CERTIFICATE}'


def _client(client_id: str, method: str, **more: object) -> dict[str, object]:
    return {
        "client_id": client_id,
        "token_endpoint_auth_method": method,
        "scope": "openid offline_access read write",
        **more,
    }


class OAuth2Tests(BoxTestCase):
    """The gate between an app, an API, and the token server that the API trusts."""

    def setUp(self) -> None:
        """Start the token server and the API."""
        super().setUp()
        self.box = self.start(OidcProvider)

    def table(
        self,
        name: str,
        client: str,
        keys: str,
        *,
        grant: str = "client_credentials",
        upstream: str = "",
    ) -> str:
        """Return a route to the API with its own credentials.

        Args:
            name: The name of the credentials, the upstream and the route.
            client: The client's name at the token server.
            keys: Other keys of the credentials. ``HOME`` is the box's directory.
            grant: The grant.
            upstream: The keys of the upstream; by default it is reached without TLS.
        """
        text = f"""
            [credentials.{name}]
            type = "oauth2"
            grant = "{grant}"
            token_url = "https://localhost:{self.box.tls_port}/token"
            ca = "HOME/ca.pem"
            client_id = "{client}"
            {keys}
            [upstreams.{name}]
            {upstream or f'servers = ["http://127.0.0.1:{self.box.port}"]'}
            credentials = "{name}"
            [routes."/{name}"]
            upstream = "{name}"
            strip_prefix = true
            cors = {{ allow_origins = ["http://localhost:4200"] }}
            """
        return text.replace("HOME", str(self.box.home))

    def open_tables(self, *tables: str) -> None:
        """Start the gate with these routes."""
        listen = 'listen = ["tcp:5555:interface=127.0.0.1"]'
        secrets = {"CLIENT_SECRET": SECRET}
        self.open_text("\n".join((listen, *tables)), {}, secrets)

    def seen(self, name: str) -> Any:
        """Return the client, and what else the API knows about the token of a route."""
        return from_json(self.read(f"/{name}/api"))

    def test_methods(self) -> None:
        """A client proves its identity in each way, and the token is for the named API."""
        self.open_tables(
            self.table("basic", NAME, BASIC),
            self.table("post", "post", f'auth_method = "post"\n{BASIC}'),
            self.table("jwt", "jwt", f'{JWT}\nscope = "read write"\nresource = "{API}"'),
            self.table("issuer", "jwt", f'{JWT}\nassertion_audience = "{self.box.issuer}"'),
            self.table("tls", "tls", CERTIFICATE),
            self.table("bound", "bound", CERTIFICATE, upstream=self.box.over_tls),
        )
        self.assertEqual(self.seen("basic")["client"], NAME)
        self.assertEqual(self.seen("post")["client"], "post")
        self.assertEqual(self.seen("jwt"), {"client": "jwt", "scope": "read write", "aud": API})
        self.assertEqual(self.seen("issuer")["client"], "jwt")
        self.assertEqual(self.seen("tls")["client"], "tls")
        self.assertEqual(self.seen("bound"), {"client": "bound", "bound": True})

    def test_errors(self) -> None:
        """The log has the token server's reason, and no token goes to the API."""
        self.open_tables(
            self.table("secret", "post", 'client_secret = "wr0ng-s3cret"'),
            self.table("scope", "post", f'{BASIC}\nscope = "write"'),
            self.table("resource", NAME, f'{BASIC}\nresource = "https://other.example/"'),
            self.table("audience", "jwt", f'{JWT}\nassertion_audience = "https://x.example"'),
            self.table("certificate", "tls", JWT),
            self.table("unbound", "bound", CERTIFICATE),
        )
        for name in ("secret", "scope", "resource", "audience", "certificate"):
            self.read(f"/{name}/api", 502)
        # A bound token is worth nothing without the certificate.
        self.read("/unbound/api", 401)
        self.assertEqual(self.box.ask("/called"), 1)
        said = self.close_gate()
        for code in ("401 (invalid_client)", "400 (invalid_scope)", "400 (invalid_target)"):
            self.assertIn(code, said)
        self.assertNotIn("wr0ng-s3cret", said)

    def test_revoked(self) -> None:
        """64 requests with a revoked token cost one new token, and a new assertion."""
        self.open_tables(self.table("jwt", "jwt", JWT))
        self.seen("jwt")
        self.box.ask("/revoke")
        with ThreadPoolExecutor(64) as pool:
            found = list(pool.map(self.seen, ["jwt"] * 64))
        self.assertEqual({each["client"] for each in found}, {"jwt"})
        self.assertEqual(self.box.ask("/asked"), ["jwt", "jwt"])

    def test_rotation(self) -> None:
        """Each refresh token is used once, also over a restart; a used one is of no use."""
        token = self.box.ask("/issue?client=user")["refresh_token"]
        once = f'{BASIC}\nrefresh_token = "{token}"'
        kept = f'{once}\ntoken_file = "HOME/refresh-token"'
        for _ in range(2):
            self.open_tables(self.table("user", "user", kept, grant="refresh_token"))
            self.assertEqual(self.seen("user")["user"], "user")
            self.box.ask("/revoke")
            self.assertEqual(self.seen("user")["user"], "user")
            self.gate.__exit__(None, None, None)
        self.assertEqual(self.box.ask("/asked"), ["user"] * 4)
        self.open_tables(self.table("user", "user", once, grant="refresh_token"))
        self.read("/user/api", 502)
        said = self.close_gate()
        self.assertIn("(invalid_grant): the refresh token has expired, was revoked", said)
