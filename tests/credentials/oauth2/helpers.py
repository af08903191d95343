"""A token server without a network, for tests of what asks it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.values import Secret
from corsgate.credentials.guard import Guard
from corsgate.credentials.means import Means
from corsgate.credentials.outside import Outside
from corsgate.credentials.shared import Shared
from corsgate.message.head import RequestHead, ResponseHead
from tests.credentials.helpers import FakePin, counting_rng

SECRET = "cl13nt-s3cret"


def credentials(**changes: Any) -> OAuth2Credentials:
    """Return credentials with some fields changed."""
    fields: dict[str, Any] = {
        "grant": "client_credentials",
        "token_url": "https://login.example/token",
        "client_id": "gate",
        "auth_method": "basic",
        "client_secret": Secret(SECRET),
    }
    return OAuth2Credentials(**{**fields, **changes})


def head(status: int, *headers: tuple[bytes, bytes]) -> ResponseHead:
    """Return the head of a response."""
    return ResponseHead(status=status, reason=b"", headers=list(headers))


def granted(token: str, **more: Any) -> bytes:
    """Return the body of a grant; a member that is None is left out."""
    fields = {"access_token": token, "token_type": "Bearer", "expires_in": 100, **more}
    return json.dumps({k: v for k, v in fields.items() if v is not None}).encode()


class FakeTokenServer:
    """Keeps requests until a test responds to them.

    Attributes:
        clock: The time of the credentials.
        asked: The form of each request.
        heads: The head of each request.
        means: What credentials get.
    """

    def __init__(self, in_thread: Callable[..., Deferred[Any]] = maybeDeferred) -> None:
        self.clock = Clock()
        self.asked: list[dict[str, list[str]]] = []
        self.heads: list[RequestHead] = []
        self._waiting: list[Deferred[tuple[ResponseHead, bytes]]] = []
        self.means = Means(
            seconds=self.clock.seconds,
            wall_clock=lambda: 1.7e9,
            rng=counting_rng(),
            guard=Guard("box", self.clock),
            fetch=self._fetch,
            in_thread=in_thread,
            later=self.clock.callLater,
            make_pin=FakePin,
            shared=Shared(),
        )

    def _fetch(
        self, outside: Outside, head: RequestHead, body: bytes
    ) -> Deferred[tuple[ResponseHead, bytes]]:
        self.heads.append(head)
        self.asked.append(parse_qs(body.decode()))
        waiting: Deferred[tuple[ResponseHead, bytes]] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def grant(self, token: str, **more: Any) -> None:
        """Respond to the oldest request with a token."""
        self._waiting.pop(0).callback((head(200), granted(token, **more)))

    def refuse(self, status: int, body: bytes = b"", *headers: tuple[bytes, bytes]) -> None:
        """Respond to the oldest request otherwise."""
        self._waiting.pop(0).callback((head(status, *headers), body))

    def fail(self, error: Exception) -> None:
        """Fail the oldest request."""
        self._waiting.pop(0).errback(error)
