"""NTLM (MS-NLMP): the box authenticates each connection, and really verifies the user."""

from __future__ import annotations

import os
import shutil
import tempfile
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import spnego
from spnego.exceptions import SpnegoError

from tests.credentials_matrix import kind
from tests.credentials_matrix.box import Box, Reply, Seen
from tests.credentials_matrix.kind import SECRET, Situation

_USERS = "NTLM_USER_FILE"
"""Where pyspnego looks for the name of the file of its users."""


class Kind(kind.Kind):
    """A handshake of three messages; then the connection is the user's until it expires."""

    name = "ntlm"
    situations = (Situation.FRESH, Situation.EXPIRED, Situation.WRONG)
    # Its connection was authenticated, so that nothing showed that the box would challenge it.
    upload_outcomes = {Situation.EXPIRED: (502,)}  # noqa: RUF012  # as declared in the base
    forged = ((b"Authorization", b"NTLM forged-by-the-client"),)
    # On a connection that is refused, with the first message, and with the last one.
    seen_per_request = 3
    # Each may have to open a connection.
    seen_of_64 = 128

    def __init__(self) -> None:
        self._folder: str | None = None
        # The handshakes that are under way, and the connections that are authenticated.
        self._handshakes: dict[tuple[str, int], Any] = {}
        self._users: set[tuple[str, int]] = set()

    async def start(self) -> None:
        """Have pyspnego know the user."""
        self._folder = tempfile.mkdtemp()
        users = Path(self._folder) / "users"
        users.write_text(f":gate:{SECRET}\n", "utf-8")
        os.environ[_USERS] = str(users)

    async def stop(self) -> None:
        """Forget it."""
        if self._folder is not None:
            del os.environ[_USERS]
            shutil.rmtree(self._folder)

    def table(self, secret: str) -> str:
        """Return the user name and the password."""
        return f'type = "ntlm"\nusername = "gate"\npassword = """{secret}"""'

    def judge(self, box: Box, seen: Seen) -> Reply:
        """Take the next step of the connection's handshake, or look at what it led to."""
        connection = (box.authority, seen.connection)
        scheme, _, token = seen.first(b"authorization").partition(b" ")
        if scheme == b"NTLM":
            self._users.discard(connection)
            return self._step(connection, b64decode(token))
        if b"authorization" in seen.fields or connection not in self._users:
            return _refused()
        return Reply()

    def tries(self, box: Box) -> list[Seen]:
        """Return those with the last message of a handshake."""
        return [seen for seen in box.seen if _number(seen) == 3]

    def expire(self) -> None:
        """Forget who has authenticated a connection."""
        self._users.clear()

    def _step(self, connection: tuple[str, int], token: bytes) -> Reply:
        context = self._handshakes.pop(connection, None)
        if token[8] == 1:
            context = spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
        elif context is None:
            return _refused()
        try:
            message = context.step(token)
        except SpnegoError:
            return _refused()
        if context.complete:
            self._users.add(connection)
            return Reply()
        self._handshakes[connection] = context
        return _refused(b"NTLM " + b64encode(message))


def _refused(challenge: bytes = b"NTLM") -> Reply:
    return Reply(status=401, headers=[(b"WWW-Authenticate", challenge)], body=b"who are you")


def _number(seen: Seen) -> int:
    """Return the number of the message of a handshake; 0 without one."""
    token = seen.first(b"authorization").partition(b" ")[2]
    return b64decode(token)[8] if token else 0
