"""How an upstream distributes requests among its servers and handles failures."""

from __future__ import annotations

from typing import Any

import attrs

from corsgate.config.model import rules
from corsgate.config.model.secret import Secret
from corsgate.config.model.validators import (
    HOUR,
    KIB,
    MANY,
    MILLISECOND,
    choice,
    count,
    each,
    rule,
    seconds,
)
from corsgate.errors import BadValue

BALANCES = ("round_robin", "least_requests", "random_two", "hash")

HASHED = ("client", "target")
HASHED_BY_NAME = ("header", "cookie")

CAUSES = ("connect", "reset", "timeout", "500", "502", "503", "504")
"""The causes of a failed attempt: no connection, a connection closed before the response, a
timeout, or one of these statuses."""

FAILURES = ("connect", "reset", "timeout", "502", "503", "504")
"""The default causes of failure. A 500 is not one, because the application itself sends it."""

MAX_FALLBACK_BYTES = 64 * KIB


def check_hash_on(text: str) -> None:
    """Reject text other than ``client``, ``target``, ``header:NAME`` and ``cookie:NAME``."""
    kind, colon, name = text.partition(":")
    if kind in HASHED_BY_NAME and colon:
        rules.check_token(name)
    elif text not in HASHED:
        known = (*HASHED, *(f"{each}:NAME" for each in HASHED_BY_NAME))
        raise BadValue(f"{rules.show(text)} is unknown", f"write {rules.one_of(known)}")


def check_content_type(text: str) -> None:
    """Reject text that can't be a field value on one line."""
    rules.check_plain(text)
    if not text.isascii():
        raise BadValue(f"{rules.show(text)} is not ASCII", "write a media type")


def _check_fallback_body(text: str) -> None:
    length = len(text.encode("utf-8", "surrogatepass"))
    rules.check_bytes(length, 0, MAX_FALLBACK_BYTES)


def check_status(status: int) -> None:
    """Reject a number that is not the status of a final response (RFC 9110 15)."""
    rules.check_between(status, 200, 599)


def check_cause(text: str) -> None:
    """Reject text that is not one of `CAUSES`."""
    rules.check_choice(text, CAUSES)


@attrs.frozen(kw_only=True)
class HealthCheck:
    """How to probe each server of an upstream to find out whether it is healthy.

    Attributes:
        path: The request target of a probe, relative to the server's base path.
        method: The method of a probe.
        status: The statuses of a healthy server; if empty, 200 to 399.
        body: Text that the first 64 KiB of a healthy server's response contain, or None.
        port: The port to probe instead of the server's own, or None.
        interval_s: The time between probes; it varies by up to 10 %.
        timeout_s: The maximum time for a whole probe.
        rise: The number of consecutive passes after which a server that is down is up again.
        fall: The number of consecutive failures after which a server is down.
        anonymous: Whether probes are sent without the upstream's credentials.
    """

    path: str = attrs.field(validator=rule(rules.check_probe_target))
    method: str = attrs.field(default="GET", validator=rule(rules.check_method))
    status: tuple[int, ...] = attrs.field(default=(), validator=each(check_status))
    body: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(rule(rules.check_plain))
    )

    @body.validator
    def _is_sent(self, _attribute: attrs.Attribute[Any], body: str | None) -> None:
        if body is not None and self.method == "HEAD":
            raise BadValue("a response to HEAD has no body", 'write method = "GET"')

    port: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(count(1, 65535))
    )
    interval_s: float = attrs.field(default=5.0, validator=seconds(0.01, HOUR))
    timeout_s: float = attrs.field(default=2.0, validator=seconds(0.01, HOUR))
    rise: int = attrs.field(default=2, validator=count(1, 100))
    fall: int = attrs.field(default=3, validator=count(1, 100))
    anonymous: bool = False


@attrs.frozen(kw_only=True)
class Ejection:
    """When a server that fails requests gets none for a while.

    Attributes:
        failures: The number of consecutive failures that eject a server; 0 for never.
        on: The causes that count as failures.
        time_s: How long an ejection lasts, multiplied by the number of recent ejections.
    """

    failures: int = attrs.field(default=5, validator=count(0, MANY))
    on: tuple[str, ...] = attrs.field(default=FAILURES, validator=each(check_cause))
    time_s: float = attrs.field(default=10.0, validator=seconds(MILLISECOND, HOUR))


@attrs.frozen(kw_only=True)
class Sticky:
    """A cookie that sends each client back to the server of its first request.

    Attributes:
        cookie: The name of the cookie.
        secret: The key that signs the cookie; None for a random one at each start.
    """

    cookie: str = attrs.field(validator=rule(rules.check_token))
    secret: Secret | None = None


@attrs.frozen(kw_only=True)
class Fallback:
    """The response when no server can be reached.

    Attributes:
        status: The status, 200 to 599.
        body: The text of the body.
        content_type: The media type of the body.
    """

    status: int = attrs.field(default=503, validator=count(200, 599))
    body: str = attrs.field(default="", validator=rule(_check_fallback_body))
    content_type: str = attrs.field(
        default="text/plain; charset=utf-8", validator=rule(check_content_type)
    )


@attrs.frozen(kw_only=True)
class Balancing:
    """How an upstream distributes requests among its servers.

    Attributes:
        balance: The method, one of `BALANCES`.
        hash_on: What balance = "hash" hashes: client, target, header:NAME or cookie:NAME.
        sticky: A cookie that keeps each client on its server, or None.
        slow_start_s: How long a recovered server takes to reach its full share; 0 for no delay.
        health: How to probe the servers, or None.
        eject: When a server that fails requests gets none for a while.
        retries: How often a request that may have reached a server is sent to another one. A
            request that reached no server is sent to others in turn. 0 turns off both.
        max_tries: The maximum number of servers to try for a request. It includes the first one,
            and servers that could not be reached.
        retry_on: The causes of failure after which a request is retried.
        max_requests: The maximum number of concurrent requests; None for as many as the
            connections to the servers allow.
        on_down: The response when no server can be reached; None for a plain error.
    """

    balance: str = attrs.field(default=BALANCES[0], validator=choice(BALANCES))
    hash_on: str = attrs.field(default=HASHED[0], validator=rule(check_hash_on))
    sticky: Sticky | None = None
    slow_start_s: float = attrs.field(default=10.0, validator=seconds(0, HOUR))
    health: HealthCheck | None = None
    eject: Ejection = attrs.field(factory=Ejection)
    retries: int = attrs.field(default=1, validator=count(0, 10))
    max_tries: int = attrs.field(default=5, validator=count(1, 100))
    retry_on: tuple[str, ...] = attrs.field(default=FAILURES, validator=each(check_cause))
    max_requests: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(count(1, MANY))
    )
    on_down: Fallback | None = None
