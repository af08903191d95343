"""Credentials of any kind whose secrets come from a command, which reruns after a rejection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from corsgate.config.model.credentials import (
    AwsCredentials,
    Credentials,
    HeaderCredentials,
    QueryCredentials,
    parts_of,
)
from corsgate.config.model.secret import Secret, secrets_of, with_secrets
from corsgate.credentials.guard import Guard
from corsgate.credentials.logins import LoginFailure, log_out_of, login_failure_of
from corsgate.credentials.secret_commands import SecretCommands
from corsgate.credentials.single_flight import SingleFlight
from corsgate.errors import BadValue, UpstreamError
from corsgate.interfaces import IAttempt, ICredentials, ILogin, ILogOut
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed

DOUBTED_AFTER_S = 60.0
"""How many seconds secrets must have been in use before a 400 or 403 makes their commands rerun."""

_log = Logger()


def can_rotate(credentials: Credentials) -> bool:
    """Return whether a secret of these credentials comes from a command."""
    return any(each.command is not None for each in secrets_of(credentials))


def rejections_of(credentials: Credentials) -> frozenset[int]:
    """Return the statuses with which servers reject these credentials.

    Many APIs, AWS among them, reject a wrong key with 403. S3 rejects an expired token with 400.
    """
    found = {401}
    for part in parts_of(credentials):
        if isinstance(part, AwsCredentials):
            found |= {400, 403}
        elif isinstance(part, HeaderCredentials | QueryCredentials):
            found.add(403)
    return frozenset(found)


@implementer(ICredentials, ILogin, ILogOut)
class RotatingCredentials:
    """Signs as the credentials do, and fetches new secrets when a server rejects them.

    Args:
        credentials: The configured credentials.
        make: Makes the signer for the credentials.
        commands: Reruns the commands.
        guard: The guard to reset when there are new secrets.

    Attributes:
        header_names: Those of the signer.
        fixed: None, since the fields may change.
        may_be_challenged: True, since a rejected request may be sent again.
    """

    fixed = None
    may_be_challenged = True

    def __init__(
        self,
        credentials: Credentials,
        make: Callable[[Credentials], ICredentials],
        commands: SecretCommands,
        guard: Guard,
    ) -> None:
        self._credentials = credentials
        self._make = make
        self._commands = commands
        self._guard = guard
        self._rejections = rejections_of(credentials)
        self._since_s = commands.seconds()
        self._soon: SingleFlight[bool] = SingleFlight()
        # By the origin of the server that rejected the secrets.
        self._renewals: dict[str, SingleFlight[bool]] = {}
        guard.renew_by(self)
        self.signer = make(credentials)
        # Signers with older secrets, until they have logged out.
        self._retired: list[ICredentials] = []
        self.header_names: frozenset[bytes] = self.signer.header_names

    def begin(self, server: str) -> RotatingAttempt:
        """Return an attempt at one server.

        Args:
            server: The server's origin.
        """
        return RotatingAttempt(self, server)

    def may_reject(self, status: int) -> bool:
        """Return whether a response to a signed request may reject the secrets.

        A 400 or 403 usually has other reasons. So it counts only if the secrets have been in use
        for a while. Otherwise a command that prints a new secret each time would rerun each time.

        Args:
            status: The response's status.
        """
        if status == 401:
            return True
        in_use_s = self._commands.seconds() - self._since_s
        return status in self._rejections and in_use_s >= DOUBTED_AFTER_S

    @property
    def login_failure(self) -> LoginFailure | None:
        """Why the signer's last login failed; None if it succeeded or isn't needed."""
        return login_failure_of([self.signer])

    def log_out(self) -> Deferred[None]:
        """Log out the current signer, and earlier ones that still have sessions.

        Returns:
            A Deferred that fires when this is done; it has no time limit.
        """
        return log_out_of([*self._retired, self.signer])

    async def renew(self, rejected: ICredentials, server: str) -> bool:
        """Run the commands of the secrets; return whether there is a new signer.

        Args:
            rejected: The signer whose secrets were rejected.
            server: The origin of the server that rejected them.
        """
        if self.signer is not rejected:
            # Another request renewed the secrets before this one was rejected.
            return True
        flight = self._renewals.setdefault(server, SingleFlight())
        return await flight.join(partial(self._renew_for, server, rejected))

    async def settled(self, server: str) -> None:
        """Wait while new secrets are fetched because a server rejected the current ones.

        More requests with the current ones would also be rejected, and might lock the account.

        Args:
            server: The server's origin.
        """
        renewal = self._renewals.get(server)
        if renewal is not None:
            await renewal.join(partial(self._renew_for, server, self.signer))

    async def _renew_for(self, server: str, rejected: ICredentials) -> bool:
        try:
            return await self._renew(rejected)
        finally:
            self._renewals.pop(server, None)

    async def _renew(self, rejected: ICredentials) -> bool:
        new: dict[Secret, Secret] = {}
        for secret in secrets_of(self._credentials):
            if self.signer is not rejected:
                break
            text = await self._newer(secret)
            if text is not None:
                new[secret] = Secret(text, secret.command)
        if self.signer is not rejected:
            # Another request has renewed the secrets meanwhile.
            return True
        return bool(new) and self._use(new)

    def renew_soon(self) -> None:
        """Rerun the commands if that is due; see `corsgate.credentials.guard.Renewable`."""
        if not self._soon.is_running:
            self._soon.join(partial(self._renew, self.signer)).addErrback(
                lambda failure: _log.failure("a secret could not be renewed", failure)
            )

    async def _newer(self, secret: Secret) -> str | None:
        if secret.command is None:
            return None
        return await self._commands.newer(secret, self._since_s)

    def _use(self, new: dict[Secret, Secret]) -> bool:
        programs = ", ".join(sorted({each.command.program for each in new if each.command}))
        try:
            credentials = with_secrets(self._credentials, lambda each: new.get(each, each))
        except BadValue as error:
            _log.warn(
                "a secret was rejected, but the output of {programs} is not valid: {problem}",
                programs=programs,
                problem=str(error),
            )
            return False
        self._retire(self.signer)
        self._credentials, self.signer = credentials, self._make(credentials)
        self._since_s = self._commands.seconds()
        self._guard.forget()
        _log.info(
            "a secret was rejected; {programs} printed a new one, which is used from now on",
            programs=programs,
        )
        return True

    def _retire(self, signer: ICredentials) -> None:
        """Log a signer out once the last request that uses it has ended."""

        def left(result: object) -> None:
            self._retired.remove(signer)
            if isinstance(result, Failure):
                _log.failure("logging out with the previous secret failed", result)

        self._retired.append(signer)
        log_out_of([signer]).addBoth(left)


@implementer(IAttempt)
class RotatingAttempt:
    """One request: signed as usual, and again if a rejection led to new secrets.

    Args:
        credentials: The credentials with the current signer.
        server: The server's origin.
    """

    def __init__(self, credentials: RotatingCredentials, server: str) -> None:
        self._credentials = credentials
        self._server = server
        self._renewed = False
        self._begin()

    def _begin(self) -> None:
        self._signer = self._credentials.signer
        self._attempt: Any = self._signer.begin(self._server)

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Return the signed request, with the newest secrets.

        Some kinds of credentials log in first. If that fails, the secret may be the reason.

        Args:
            head: The head to send.
            body: Its body; None if it is streamed.

        Raises:
            UpstreamError: It can't be signed now, even with new secrets.
        """
        signed: Signed
        await self._credentials.settled(self._server)
        if self._signer is not self._credentials.signer:
            self._attempt.end()
            self._begin()
        try:
            signed = await self._attempt.sign(head, body)
        except UpstreamError:
            if self._renewed:
                raise
            self._renewed = True
            if not await self._renew():
                raise
            signed = await self._attempt.sign(head, body)
        return signed

    async def _renew(self) -> bool:
        if not await self._credentials.renew(self._signer, self._server):
            return False
        self._attempt.end()
        self._begin()
        return True

    def responded(self, signed: Signed, response: ResponseHead) -> bool | Awaitable[bool]:
        """Return whether to sign again; after a rejection, return an awaitable of that.

        Args:
            signed: The request that was sent.
            response: The response.
        """
        if self._attempt.responded(signed, response):
            return True
        # Don't require is_fresh: of several requests with one nonce, only the first is fresh, but
        # all are rejected.
        is_rejected = signed.has_credentials and self._credentials.may_reject(response.status)
        if not is_rejected or self._renewed:
            return False
        self._renewed = True
        return self._renew()

    def client_head(self, response: ResponseHead) -> ResponseHead:
        """Return the head of the last response without fields that belong to the gate.

        Args:
            response: The head.
        """
        head: ResponseHead = self._attempt.client_head(response)
        return head

    def end(self) -> None:
        """End the attempt, so that waiting requests can proceed."""
        self._attempt.end()
