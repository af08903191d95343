"""What a client's connection waits for, and how long each may take."""

from __future__ import annotations

from enum import IntEnum

from corsgate.config.model import Limits
from corsgate.wire.intake import Intake
from corsgate.wire.read_request import Refusal
from corsgate.wire.sweeper import NEVER, SWEEP_INTERVAL_S

# How long a client may go on sending what nobody reads any more. Closing at once would reset
# the connection, and the client could lose the response before it has read it (RFC 9112 9.6).
LINGER_S = 10.0

SLOW_HEAD = Refusal(status=408, detail="The request's head did not come in time.")


# How long a connection without a request is kept once the gate drains. It may have waited to be
# accepted until then, so that its first request is still on its way.
FIRST_REQUEST_S = 1.0


class Awaited(IntEnum):
    """What a channel waits for; the index of its time limit in `limits_s`."""

    REQUEST = 0
    HEAD = 1
    BODY = 2
    UNWANTED_BODY = 3
    ANSWER = 4
    # The client is not read meanwhile, so that from time to time is looked whether it is there.
    ANSWER_UNREAD = 5


def limits_s(limits: Limits) -> tuple[float, ...]:
    """Answer how long each may take in seconds, by `Awaited`."""
    return (
        limits.keep_alive_timeout_s,
        limits.client_head_timeout_s,
        limits.client_body_timeout_s,
        LINGER_S,
        NEVER,
        SWEEP_INTERVAL_S,
    )


def find_awaited(intake: Intake, *, handling: bool, reading: bool) -> Awaited:
    """Answer what is waited for.

    Args:
        intake: What has come.
        handling: Whether a request is being answered.
        reading: Whether more is read from the client.
    """
    body = intake.body
    if handling or intake.pending:
        # A client that holds its body back until it is asked for isn't late.
        late = body is not None and reading and not body.awaits_continue
        if late:
            return Awaited.BODY
        return Awaited.ANSWER if reading else Awaited.ANSWER_UNREAD
    if body is not None:
        return Awaited.UNWANTED_BODY
    return Awaited.HEAD if intake.in_head else Awaited.REQUEST
