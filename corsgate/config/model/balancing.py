"""How an upstream's requests are shared out among its servers, and what becomes of failures."""

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
"""How an attempt can fail: no connection, one that ends before a response, none in time, or a
status. Where one of these is meant, another status of the server's own never is."""

FAILURES = ("connect", "reset", "timeout", "502", "503", "504")
"""What counts as a failure by default: a 500 is the application's own answer."""

MAX_FALLBACK_BYTES = 64 * KIB


def check_hash_on(text: str) -> None:
    """Refuse what is none of ``client``, ``target``, ``header:NAME`` and ``cookie:NAME``."""
    kind, colon, name = text.partition(":")
    if kind in HASHED_BY_NAME and colon:
        rules.check_token(name)
    elif text not in HASHED:
        known = (*HASHED, *(f"{each}:NAME" for each in HASHED_BY_NAME))
        raise BadValue(f"{rules.show(text)} is unknown", f"write {rules.one_of(known)}")


def check_content_type(text: str) -> None:
    """Refuse what can't be a field's value on one line."""
    rules.check_plain(text)
    if not text.isascii():
        raise BadValue(f"{rules.show(text)} is not ASCII", "write a media type")


def _check_fallback_body(text: str) -> None:
    length = len(text.encode("utf-8", "surrogatepass"))
    rules.check_bytes(length, 0, MAX_FALLBACK_BYTES)


def check_status(status: int) -> None:
    """Refuse what is no status of a final response, or one made up (RFC 9110 15)."""
    rules.check_between(status, 200, 599)


def check_cause(text: str) -> None:
    """Refuse what is none of `CAUSES`."""
    rules.check_choice(text, CAUSES)


@attrs.frozen(kw_only=True)
class HealthCheck:
    """What each server of an upstream is asked now and then, to learn whether it is well.

    Attributes:
        path: The request's target, put behind the server's own base path.
        method: Its method.
        status: The statuses of a server that is well; empty for 200 to 399.
        body: Text that the response's first 64 KiB must hold, or None.
        port: Asked instead of the server's own port, or None.
        interval_s: From one probe to the next, give or take a tenth.
        timeout_s: How long a probe may take as a whole.
        rise: So many passes in a row make a server that is down come up.
        fall: So many failures in a row make it go down.
        anonymous: Whether probes go without the upstream's credentials.
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
            raise BadValue("a HEAD is answered without a body", 'write method = "GET"')

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
    """When a server that fails requests is left out for a while.

    Attributes:
        failures: So many in a row; 0 for never.
        on: The causes that count.
        time_s: How long, times how often it has happened lately.
    """

    failures: int = attrs.field(default=5, validator=count(0, MANY))
    on: tuple[str, ...] = attrs.field(default=FAILURES, validator=each(check_cause))
    time_s: float = attrs.field(default=10.0, validator=seconds(MILLISECOND, HOUR))


@attrs.frozen(kw_only=True)
class Sticky:
    """Clients are sent back, by a cookie, to the server that they were first sent to.

    Attributes:
        cookie: Its name.
        secret: What it is signed with; None for one that is made anew at each start.
    """

    cookie: str = attrs.field(validator=rule(rules.check_token))
    secret: Secret | None = None


@attrs.frozen(kw_only=True)
class Fallback:
    """What is answered where no server can be reached.

    Attributes:
        status: 200 to 599.
        body: The text that is sent.
        content_type: The text's media type.
    """

    status: int = attrs.field(default=503, validator=count(200, 599))
    body: str = attrs.field(default="", validator=rule(_check_fallback_body))
    content_type: str = attrs.field(
        default="text/plain; charset=utf-8", validator=rule(check_content_type)
    )


@attrs.frozen(kw_only=True)
class Balancing:
    """How an upstream's requests are shared out among its servers.

    Attributes:
        balance: How: one of `BALANCES`.
        hash_on: What balance = "hash" goes by: client, target, header:NAME or cookie:NAME.
        sticky: Keeps clients at their servers, or None.
        slow_start_s: How long a server that came back takes to get its whole share; 0 for at
            once.
        health: How its servers are probed, or None.
        eject: When they are left out for failing requests.
        retries: How often a request that may have reached a server goes to another one; one that
            reached none goes to others in turn. 0 for never, either way.
        max_tries: How many servers a request may be tried at in all, the first one included, and
            also those that it never reached.
        retry_on: The causes of failures that lead to it.
        max_requests: So many may run at a time; None for what its servers' connections allow.
        on_down: Answered where no server can be reached; None for a plain error.
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
