"""Sign requests with the strongest scheme that a server offers: Digest, or Basic if it is safe."""

from __future__ import annotations

import attrs
from zope.interface import implementer

from corsgate.config.model.values import AutoCredentials, BasicCredentials, DigestCredentials
from corsgate.credentials.attempt import with_fields
from corsgate.credentials.auth_fields import challenges_of
from corsgate.credentials.digest.challenge import strongest_challenge
from corsgate.credentials.digest.signer import DigestAttempt, DigestSigner
from corsgate.credentials.means import Means
from corsgate.credentials.servers import is_private, remember
from corsgate.credentials.static import StaticSigner, basic
from corsgate.errors import WeakChallenge
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import HeaderList
from corsgate.message.signed import Signed


@implementer(ICredentials)
@attrs.define(kw_only=True, eq=False)
class AutoSigner:
    """Signs the requests of one upstream with the scheme that each server asks for.

    No credentials are sent before a server asks for them. Digest is preferred (RFC 7616 3.7): a
    server that offers Digest never gets the password itself, even if it rejects the login.

    Attributes:
        header_names: Authorization.
        fixed: None.
        may_be_challenged: True.
    """

    header_names: frozenset[bytes] = attrs.field(default=frozenset((b"authorization",)), init=False)
    fixed: None = attrs.field(default=None, init=False)
    may_be_challenged: bool = attrs.field(default=True, init=False)
    _digest: DigestSigner
    _basic: StaticSigner = attrs.field(repr=False)
    _allow: frozenset[str]
    _in_clear: bool
    # The servers that use Basic, the earliest first.
    _basic_servers: dict[str, None] = attrs.field(factory=dict, init=False)

    @classmethod
    def of(cls, credentials: AutoCredentials, means: Means) -> AutoSigner:
        """Return a new signer.

        Args:
            credentials: The user name and password, and the allowed schemes.
            means: The clock, and the source of client nonces.
        """
        username, password = credentials.username, credentials.password
        digest = DigestCredentials(
            username=username,
            password=password,
            min_algorithm=credentials.min_algorithm,
            require_qop=credentials.require_qop,
        )
        # If Basic is allowed, a user name with a colon is already a configuration error.
        plain = BasicCredentials(username=username.replace(":", ""), password=password)
        return cls(
            digest=DigestSigner.of(digest, means),
            basic=basic(plain),
            allow=frozenset(credentials.allow),
            in_clear=credentials.dangerously_allow_basic_in_clear,
        )

    def begin(self, server: str) -> AutoAttempt:
        """Return an attempt at one server.

        Args:
            server: The server's origin.
        """
        return AutoAttempt(self, server, self._digest.begin(server))

    def allows_digest(self) -> bool:
        """Return whether a Digest challenge may be answered."""
        return "digest" in self._allow

    def basic_field(self, server: str) -> HeaderList:
        """Return the Basic field as a list, which is empty if the server did not ask for Basic.

        Args:
            server: The server's origin.
        """
        return [*self._basic.fixed] if server in self._basic_servers else []

    def use_basic(self, server: str) -> bool:
        """Use Basic for a server from now on; return False if Basic isn't allowed.

        Args:
            server: The server's origin.

        Raises:
            WeakChallenge: The password would be sent unencrypted over a network.
        """
        if "basic" not in self._allow:
            return False
        if not (self._in_clear or is_private(server)):
            raise WeakChallenge(
                "it offers only Basic, over which anyone on the network path could read the"
                " password; use https"
            )
        remember(self._basic_servers, server, None)
        return True

    def leave_basic(self, server: str) -> None:
        """Stop using Basic for a server, because it now asks for Digest."""
        self._basic_servers.pop(server, None)


@implementer(IAttempt)
class AutoAttempt:
    """One request: sent unsigned first, then signed with the scheme that the server asks for."""

    __slots__ = ("_digest", "_sent_basic", "_server", "_signer")

    def __init__(self, signer: AutoSigner, server: str, digest: DigestAttempt) -> None:
        self._signer = signer
        self._server = server
        self._digest = digest
        self._sent_basic = False

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Return the signed request, or the unchanged head to find out which scheme to use.

        Args:
            head: The head to send.
            body: Its body, which ``auth-int`` signs.

        Raises:
            UpstreamError: See `DigestAttempt.sign`.
        """
        signed = await self._digest.sign(head, body)
        field = [] if signed.has_credentials else self._signer.basic_field(self._server)
        self._sent_basic = bool(field)
        return Signed(head=with_fields(head, field)) if field else signed

    def responded(self, signed: Signed, response: ResponseHead) -> bool:
        """Learn which scheme a server wants; return whether to sign and resend the request.

        Args:
            signed: The request that was sent.
            response: The response, with any status.

        Raises:
            WeakChallenge: Everything that the server offers is too weak.
        """
        signer, server = self._signer, self._server
        if response.status != 401:
            return self._digest.responded(signed, response)
        if signer.allows_digest() and strongest_challenge(response.headers) is not None:
            signer.leave_basic(server)
            return self._digest.responded(signed, response)
        self._digest.responded(signed, _unasked(response))
        return not self._sent_basic and _offers_basic(response) and signer.use_basic(server)

    def client_head(self, response: ResponseHead) -> ResponseHead:
        """Return the head without cookies that came with challenges.

        Args:
            response: The head of the last response.
        """
        return self._digest.client_head(response)

    def end(self) -> None:
        """Let other requests proceed."""
        self._digest.end()


def _offers_basic(response: ResponseHead) -> bool:
    return any(each.scheme == b"basic" for each in challenges_of(response.headers))


def _unasked(response: ResponseHead) -> ResponseHead:
    """Return a response without its challenges."""
    fields = [each for each in response.headers if each[0].lower() != b"www-authenticate"]
    return ResponseHead(status=response.status, reason=response.reason, headers=fields)
