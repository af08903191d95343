"""A signed request, and how it must be sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from corsgate.message.head import RequestHead


@attrs.frozen(kw_only=True)
class Signed:
    """A request that is ready to be sent.

    Attributes:
        head: Its head.
        has_credentials: Whether the head has the credentials. A request that only fetches a
            challenge doesn't.
        sends_secret: Whether the secret is sent to the server, which may reject it. False for a
            session or an authenticated connection, since its login sent the secret.
        is_fresh: Whether a 401 means that the credentials are wrong: a new nonce, token or
            session was used, or a password. Otherwise they may have expired.
        answers_challenge: Whether it answers a challenge that the server sent to another request.
        awaits_continue: Whether the server will probably challenge the request, so that a body
            that can be sent only once waits for 100 Continue. If a server's last challenge is some
            seconds old, the body of a first attempt waits anyway.
        sends_body: Whether the body is sent with it; False for a step of a handshake.
        pins: The upstream connection on which the request must be sent; None for any. Such a
            connection is used only for these credentials.
        look: Gets the body of a short JSON response, and returns whether signing the request
            again may help. None if bodies don't matter.
    """

    head: RequestHead = attrs.field(repr=False)
    has_credentials: bool = True
    sends_secret: bool = True
    is_fresh: bool = True
    answers_challenge: bool = False
    awaits_continue: bool = False
    sends_body: bool = True
    pins: Any = None
    look: Callable[[bytes], bool] | None = attrs.field(default=None, repr=False)
