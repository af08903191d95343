"""A real authorization server, made with Authlib, whose tokens a test can watch and revoke."""

from __future__ import annotations

import json
import secrets
from typing import Any
from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request, TokenMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc.jwk import import_key
from twisted.internet.endpoints import SSL4ServerEndpoint, TCP4ServerEndpoint
from twisted.internet.ssl import CertificateOptions
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from tests.peers import Message, Upstream, Watched, reactor, response

METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"]
"""How clients may prove their identity."""


class _Request(OAuth2Request):  # type: ignore[misc]  # Authlib has no types
    """A request for a token."""

    peer_certificate: str | None = None

    @property
    def form(self) -> dict[str, str]:
        """The parameters in its body."""
        found: dict[str, str] = self.payload.data
        return found


class Client(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    """A registered client.

    Args:
        client_id: Its name.
        method: How it must prove its identity.
        secret: Its secret, for the methods that have one.
        public_key: Its public key in PEM, for ``private_key_jwt``.
    """

    def __init__(
        self, client_id: str, method: str, secret: str = "", public_key: bytes = b""
    ) -> None:
        self.client_id = client_id
        self.method = method
        self.secret = secret
        self.public_key = public_key

    def check_client_secret(self, client_secret: str) -> bool:
        """Return whether a secret is right."""
        return secrets.compare_digest(self.secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Return whether the client may prove its identity so."""
        return method == self.method

    def check_grant_type(self, grant_type: str) -> bool:
        """Return whether the client may use a grant: any."""
        return True

    def get_allowed_scope(self, scope: str | None) -> str:
        """Return the scopes that the client gets."""
        return scope or ""


class _RefreshToken(TokenMixin):  # type: ignore[misc]  # Authlib has no types
    """A refresh token that was issued."""

    def __init__(self, client_id: str, scope: str) -> None:
        self.client_id = client_id
        self.scope = scope

    def check_client(self, client: Client) -> bool:
        return bool(client.client_id == self.client_id)

    def get_scope(self) -> str:
        return self.scope


class _ClientCredentials(ClientCredentialsGrant):  # type: ignore[misc]  # Authlib has no types
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS


class _Refresh(RefreshTokenGrant):  # type: ignore[misc]  # Authlib has no types
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> _RefreshToken | None:
        found: _RefreshToken | None = self.server.refresh_tokens.pop(refresh_token, None)
        if found is None:
            # A second use looks like theft: what descends from the token ends (RFC 9700 4.14.2).
            self.server.refresh_tokens.clear()
            self.server.valid.clear()
        return found

    def authenticate_user(self, refresh_token: _RefreshToken) -> str:
        return "user"

    def revoke_old_credential(self, refresh_token: _RefreshToken) -> None:
        """It was taken away when it was used."""


class _Assertion(JWTBearerClientAssertion):  # type: ignore[misc]  # Authlib has no types
    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, server: TokenServer) -> None:
        super().__init__()
        self._server = server
        self._used: set[str] = set()

    def get_audiences(self) -> list[str]:
        return [self._server.url]

    def validate_jti(self, claims: Any, jti: str) -> bool:
        is_new = jti not in self._used
        self._used.add(jti)
        return is_new

    def resolve_client_public_key(self, client: Client) -> Any:
        return import_key(client.public_key, "EC")


class _Server(AuthorizationServer):  # type: ignore[misc]  # Authlib has no types
    """Authlib's server, its data in memory."""

    def __init__(self, clients: dict[str, Client]) -> None:
        super().__init__(scopes_supported=["read", "write"])
        self.clients = clients
        self.valid: set[str] = set()
        self.refresh_tokens: dict[str, _RefreshToken] = {}

    def query_client(self, client_id: str) -> Client | None:
        return self.clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        self.valid.add(token["access_token"])
        if "refresh_token" in token:
            found = _RefreshToken(request.client.client_id, token.get("scope", ""))
            self.refresh_tokens[token["refresh_token"]] = found

    def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> tuple[int, bytes, Any]:
        return status, json.dumps(body).encode(), headers

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""


class TokenServer(Resource, Watched):
    """A token endpoint.

    Attributes:
        forms: The form of each request that came.
        lifetime_s: How long tokens are valid, as they say; None not to say.
        canned: Status and body of every response from now on; None for Authlib's own.
        holding: Whether requests wait for `release`.
        authlib: Authlib's own server.
    """

    isLeaf = True

    def __init__(self, *clients: Client) -> None:
        Resource.__init__(self)
        Watched.__init__(self)
        self.forms: list[dict[str, str]] = []
        self.lifetime_s: float | None = 3600
        self.canned: tuple[int, bytes] | None = None
        self.holding = False
        self.authlib = _Server({each.client_id: each for each in clients})
        self._held: list[Request] = []
        self._port: Any = None
        self._scheme = "http"
        server = self.authlib
        server.register_grant(_ClientCredentials)
        server.register_grant(_Refresh)
        server.register_client_auth_method("private_key_jwt", _Assertion(self))
        server.register_client_auth_method("tls_client_auth", _by_certificate)
        server.register_token_generator(
            "default",
            BearerTokenGenerator(
                lambda **_: f"acc3ss-{secrets.token_hex(8)}",
                lambda **_: f"r3fresh-{secrets.token_hex(8)}",
                lambda *_: self.lifetime_s,
            ),
        )

    async def start(self, tls: CertificateOptions | None = None, port: int = 0) -> TokenServer:
        """Listen."""
        self._scheme = "http" if tls is None else "https"
        endpoint: Any = TCP4ServerEndpoint(reactor, port, interface="127.0.0.1")
        if tls is not None:
            endpoint = SSL4ServerEndpoint(reactor, port, tls, interface="127.0.0.1")
        site = Site(self)
        site.log = lambda request: None  # type: ignore[method-assign]  # no log
        self._port = await endpoint.listen(site)
        self._number = self._port.getHost().port
        return self

    async def stop(self) -> None:
        """Stop listening, and leave whoever waits without a response."""
        for each in self._held:
            connection: Any = each.transport
            connection.abortConnection()
        self._held.clear()
        await self._port.stopListening()

    @property
    def url(self) -> str:
        """The URL of the endpoint."""
        return f"{self._scheme}://127.0.0.1:{self._number}/token"

    @property
    def port(self) -> int:
        """The port, also after `stop`."""
        return int(self._number)

    def render_POST(self, request: Request) -> Any:
        """Respond to a request for a token."""
        content: Any = request.content
        form = dict(parse_qsl(content.read().decode("utf-8")))
        self.forms.append(form)
        if self.holding:
            self._held.append(request)
            request.notifyFinish().addErrback(lambda _: None)
        else:
            self._respond(request, form)
        self.changed()
        return NOT_DONE_YET

    def release(self) -> None:
        """Respond to the requests that wait."""
        self.holding = False
        held, self._held = self._held, []
        for request, form in zip(held, self.forms[-len(held) :], strict=True):
            self._respond(request, form)

    def issue_refresh_token(self, client_id: str) -> str:
        """Return a new refresh token, as a user's consent would make it."""
        token = f"r3fresh-{secrets.token_hex(8)}"
        self.authlib.refresh_tokens[token] = _RefreshToken(client_id, "read")
        return token

    def revoke_all(self) -> None:
        """Have no access token be valid any more."""
        self.authlib.valid.clear()

    def protect(self, api: Upstream) -> None:
        """Have an API accept the valid tokens only."""

        def answer(message: Message) -> bytes:
            given = message.fields.get(b"authorization", [b""])[-1]
            scheme, _, token = given.partition(b" ")
            if scheme == b"Bearer" and token.decode() in self.authlib.valid:
                return response(200, [], b"data")
            challenge = (b"WWW-Authenticate", b'Bearer realm="api", error="invalid_token"')
            return response(401, [challenge], b"who are you")

        api.answer = answer

    def _respond(self, request: Request, form: dict[str, str]) -> None:
        if self.canned is not None:
            status, body = self.canned
            headers: Any = []
        else:
            names = request.requestHeaders.getAllRawHeaders()
            fields = {name.decode(): values[0].decode() for name, values in names}
            # Authlib wants TLS, and a test need not have it.
            asked = _Request("POST", "https://127.0.0.1/token", headers=fields)
            asked.payload = BasicOAuth2Payload(form)
            asked.peer_certificate = _peer_name(request)
            status, body, headers = self.authlib.create_token_response(asked)
        request.setResponseCode(status)
        for name, value in headers:
            request.setHeader(name, value)
        request.write(body)
        request.finish()


def _peer_name(request: Request) -> str | None:
    """Return the common name of the client's certificate."""
    transport: Any = request.transport
    get = getattr(transport, "getPeerCertificate", None)
    certificate = None if get is None else get()
    return None if certificate is None else str(certificate.get_subject().CN)


def _by_certificate(query_client: Any, request: Any) -> Client | None:
    """Authenticate a client by the name in its certificate (RFC 8705 2.1)."""
    client: Client | None = query_client(request.form.get("client_id"))
    if client is None or request.peer_certificate != client.client_id:
        return None
    return client
