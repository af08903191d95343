"""A box that really verifies NTLMv2, by the server side of pyspnego or of Samba."""

from __future__ import annotations

import os
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import spnego
from spnego.channel_bindings import GssChannelBindings
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.ntlm_messages import end_point_bindings
from corsgate.message.headers import HeaderList
from tests.peers import Message, Upstream, response

USER = "alice"
PASSWORD = "open sesame"  # of a user that only the box knows
DOMAIN = "CORP"


class NtlmBox:
    """Answers for an upstream, whose connections it authenticates.

    Args:
        test: Ends what the box needs.
        upstream: It answers by this from now on.
        schemes: What it offers.
        persists: Whether a connection stays authenticated after its first request.
        public: Targets that need no authentication, and ignore it.
        answer: Returns the response to a request of the user.
        closes: After which statuses of its responses it closes the connection.
        make: Returns the server side of one handshake, for a scheme; by default pyspnego's.

    Attributes:
        seen: The method, target, step and body of each request. The step is ``-`` without
            Authorization, else ``1`` or ``3`` as NTLM counts its messages.
        handshakes: How many connections were authenticated.
        refused: How many handshakes failed.
    """

    def __init__(
        self,
        test: SynchronousTestCase,
        upstream: Upstream,
        *,
        schemes: Collection[bytes] = (b"Negotiate", b"NTLM"),
        persists: bool = True,
        public: Collection[bytes] = (),
        answer: Callable[[Message], bytes] = lambda message: response(
            200, body=message.body or b"hi"
        ),
        closes: Collection[int] = (),
        make: Callable[[bytes], Any] | None = None,
    ) -> None:
        self._make = make or (lambda scheme: server_context(test, scheme))
        self._schemes, self._persists, self._public = schemes, persists, public
        self._answer, self._closes = answer, closes
        self._contexts: dict[Any, Any] = {}
        self._users: dict[Any, str] = {}
        self.seen: list[tuple[str, str, str, int]] = []
        self.handshakes = self.refused = 0
        upstream.answer = self.answer

    def answer(self, message: Message) -> bytes:
        """Return the response to a request."""
        connection = message.connection
        scheme, _, token = message.fields.get(b"authorization", [b""])[0].partition(b" ")
        step = _step(b64decode(token)) if token else "-"
        method, target = message.method.decode(), message.target.decode()
        self.seen.append((method, target, step, len(message.body)))
        if message.target in self._public:
            return self._answer(message)
        if token and scheme in self._schemes:
            return self._handshake(connection, scheme, b64decode(token), message)
        if connection in self._users:
            return self._served(message)
        return self._refusal(*self._schemes)

    def forget(self) -> None:
        """Treat no connection as authenticated any longer."""
        self._users.clear()

    def _handshake(self, connection: Any, scheme: bytes, token: bytes, message: Message) -> bytes:
        self._users.pop(connection, None)
        context = self._contexts.get(connection)
        if context is None:
            context = self._contexts[connection] = self._make(scheme)
        try:
            said: bytes = context.step(token) or b""
        except spnego.exceptions.SpnegoError:
            self.refused += 1
            self._contexts.pop(connection, None)
            return self._refusal(*self._schemes)
        if not context.complete:
            return self._refusal(b"%b %b" % (scheme, b64encode(said)))
        self.handshakes += 1
        self._users[connection] = str(context.client_principal)
        del self._contexts[connection]
        return self._served(message)

    def _served(self, message: Message) -> bytes:
        if not self._persists:
            del self._users[message.connection]
        closing = [(b"Connection", b"close")] if 200 in self._closes else []
        answer = self._answer(message)
        if closing:
            return answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        return answer

    def _refusal(self, *challenges: bytes) -> bytes:
        fields: HeaderList = [(b"WWW-Authenticate", each) for each in challenges]
        if 401 in self._closes:
            fields.append((b"Connection", b"close"))
        return response(401, fields, b"<h1>401 - Unauthorized</h1>")


def server_context(
    test: SynchronousTestCase, scheme: bytes, certificate: bytes | None = None
) -> Any:
    """Return pyspnego's server side of one handshake.

    Args:
        test: Ends its use of the environment, where pyspnego looks for the users.
        scheme: ``NTLM`` or ``Negotiate``.
        certificate: That of the server, in DER, if the client must be bound to it.
    """
    if "NTLM_USER_FILE" not in os.environ:
        users = Path(test.mktemp())
        users.write_text(f"{DOMAIN}:{USER}:{PASSWORD}\n:{USER}:{PASSWORD}\n", "utf-8")
        os.environ["NTLM_USER_FILE"] = str(users)
        test.addCleanup(os.environ.pop, "NTLM_USER_FILE", None)
    bindings = None
    if certificate is not None:
        bindings = GssChannelBindings(application_data=end_point_bindings(certificate))
    options = spnego.NegotiateOptions
    return spnego.server(
        protocol="ntlm" if scheme == b"NTLM" else "negotiate",
        options=options.use_ntlm if scheme == b"NTLM" else options.use_negotiate,
        channel_bindings=bindings,
    )


def challenge_message(test: SynchronousTestCase) -> bytes:
    """Return a server's message as it is sent in a challenge, for any client of NTLM."""
    opening = spnego.client(
        USER, PASSWORD, protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm
    ).step()
    message: bytes = server_context(test, b"NTLM").step(opening)
    return message


class SambaContext:
    """Samba's server side of one handshake, in a process of its own.

    Args:
        test: Ends the process.
        program: The path of ``ntlm_auth``.
        scheme: ``NTLM`` or ``Negotiate``.

    Attributes:
        complete: Whether Samba has accepted the user.
        client_principal: The user.
    """

    def __init__(self, test: SynchronousTestCase, program: str, scheme: bytes) -> None:
        self.complete, self.client_principal = False, ""
        self._begun = False
        helper = "squid-2.5-ntlmssp" if scheme == b"NTLM" else "gss-spnego"
        known = (f"--username={USER}", f"--domain={DOMAIN}", f"--password={PASSWORD}")
        self._process = subprocess.Popen(  # the arguments are the test's own
            [program, f"--helper-protocol={helper}", *known, "--configfile=/dev/null"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        test.addCleanup(self._end)

    def step(self, token: bytes) -> bytes:
        """Return the answer to a client's message; see ntlm_auth(1)."""
        assert self._process.stdin is not None, "it is a pipe"
        assert self._process.stdout is not None, "it is a pipe"
        self._process.stdin.write((b"KK " if self._begun else b"YR ") + b64encode(token) + b"\n")
        self._process.stdin.flush()
        self._begun = True
        word, *said = self._process.stdout.readline().split()
        if word == b"TT":
            return b64decode(said[0])
        if word != b"AF":
            raise spnego.exceptions.InvalidTokenError(context_msg=repr(said))
        self.complete, self.client_principal = True, said[-1].decode()
        return b""

    def _end(self) -> None:
        self._process.communicate()


def _step(token: bytes) -> str:
    """Return the number of the NTLM message in a token, which may be SPNEGO's."""
    at = token.find(b"NTLMSSP\0")
    return str(token[at + 8]) if at >= 0 else "?"
