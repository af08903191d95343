"""Read the keys of ``[upstreams.NAME]`` for balancing, health checks and retries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs

from corsgate.config.model.balancing import (
    BALANCES,
    CAUSES,
    FAILURES,
    HASHED,
    HASHED_BY_NAME,
    Balancing,
    Ejection,
    Fallback,
    HealthCheck,
    Sticky,
    check_cause,
    check_status,
)
from corsgate.config.model.rules import check_secret
from corsgate.config.model.secret import Secret
from corsgate.config.sections.exposure import warn_of_exposed
from corsgate.config.sections.secrets import Sources, secret_key
from corsgate.config.toml.keys import AnyKey, Keys, field_key, list_of, table_key
from corsgate.config.toml.reader import Table
from corsgate.config.toml.shape import shape
from corsgate.config.toml.values import text
from corsgate.errors import BadValue

_T = TypeVar("_T")

MIN_SIGNING_CHARACTERS = 16


@shape({"enum": list(BALANCES)})
def _balance(raw: object) -> str:
    return text(raw)


@shape({"type": "string", "pattern": f"^({'|'.join(HASHED)}|({'|'.join(HASHED_BY_NAME)}):.+)$"})
def _hash_on(raw: object) -> str:
    return text(raw)


@shape({"enum": list(CAUSES)})
def _cause(raw: object) -> str:
    cause = text(raw)
    check_cause(cause)
    return cause


@shape({"type": "integer", "minimum": 200, "maximum": 599})
def _status(raw: object) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool):
        raise BadValue("it is not a status", "write a number, such as 200")
    check_status(raw)
    return raw


@shape({"type": "string", "pattern": "^/"})
def _path(raw: object) -> str:
    return text(raw)


STICKY_SECRET = secret_key(
    "secret",
    "The key that signs the cookie, with at least 16 characters. By default a random one is made at"
    " each start.",
)
STICKY_COOKIE = field_key(
    Sticky,
    "cookie",
    "The name of the cookie.",
    read=text,
    example='"shop-server"',
    fix='write cookie = "NAME"',
)
STICKY_KEYS = Keys(
    heading="[upstreams.NAME.sticky]",
    description="A cookie that sends each client back to its server.",
    keys=(STICKY_SECRET, STICKY_COOKIE),
    models=(Sticky,),
)

HEALTH_PATH = field_key(
    HealthCheck,
    "path",
    "The path that is requested, below the path of the server's URL.",
    read=_path,
    example='"/healthz"',
    fix='write path = "/"',
)
HEALTH_STATUS = list_of(
    "status",
    _status,
    "The statuses of a healthy server. By default these are 200 to 399.",
    entry="200",
)
HEALTH_FIELDS: tuple[AnyKey, ...] = (
    field_key(
        HealthCheck,
        "body",
        "Text that a healthy server's response contains in its first 64 KiB.",
        read=text,
        example='"ok"',
    ),
    field_key(
        HealthCheck, "port", "The port to probe instead of the server's own.", example="9000"
    ),
    field_key(
        HealthCheck,
        "interval_s",
        "The time between probes of a server. It varies by up to 10 %.",
        example='"10s"',
    ),
    field_key(HealthCheck, "timeout_s", "The longest time for a whole probe.", example='"1s"'),
    field_key(
        HealthCheck,
        "rise",
        "How many consecutive probes must pass before a server that is down is up again.",
        example="3",
    ),
    field_key(
        HealthCheck,
        "fall",
        "How many consecutive probes must fail before a server is down.",
        example="5",
    ),
    field_key(
        HealthCheck,
        "anonymous",
        "Whether probes are sent without the upstream's credentials.",
        example="true",
    ),
)
HEALTH_METHOD = field_key(
    HealthCheck, "method", "The method of a probe.", read=text, example='"HEAD"'
)
HEALTH_KEYS = Keys(
    heading="[upstreams.NAME.health]",
    description="How each server is probed to find out whether it is healthy.",
    keys=(HEALTH_PATH, HEALTH_METHOD, HEALTH_STATUS, *HEALTH_FIELDS),
    models=(HealthCheck,),
)

EJECT_ON = list_of(
    "on",
    _cause,
    "The kinds of failure that count. A 500 counts only if it is listed.",
    entry='"connect", "503"',
    default=FAILURES,
)
EJECT_FIELDS: tuple[AnyKey, ...] = (
    field_key(
        Ejection,
        "failures",
        "How many consecutive failures eject a server. 0 turns ejection off.",
        example="3",
    ),
    field_key(
        Ejection,
        "time_s",
        "How long a server is ejected. It is multiplied by the number of recent ejections.",
        example='"30s"',
    ),
)
EJECT_KEYS = Keys(
    heading="[upstreams.NAME.eject]",
    description="When a server that fails requests gets none for a while.",
    keys=(*EJECT_FIELDS, EJECT_ON),
    models=(Ejection,),
)

ON_DOWN_KEYS = Keys(
    heading="[upstreams.NAME.on_down]",
    description="The response when no server can be reached.",
    keys=(
        field_key(Fallback, "status", "The status of the response.", example="502"),
        field_key(
            Fallback,
            "body",
            "The text of the body, at most 64 KiB.",
            read=text,
            example='"Back soon."',
        ),
        field_key(
            Fallback,
            "content_type",
            "The media type of the body.",
            read=text,
            example='"text/html; charset=utf-8"',
        ),
    ),
    models=(Fallback,),
)

BALANCE = field_key(
    Balancing,
    "balance",
    'How requests are distributed. "round_robin" uses the servers in turn, "least_requests" the'
    ' least busy one. "random_two" is for several gates with the same servers. "hash" sends related'
    " requests to the same server.",
    read=_balance,
    example='"least_requests"',
)
HASH_ON = field_key(
    Balancing,
    "hash_on",
    'What balance = "hash" uses: the address of the client, the request target, a header or a'
    " cookie.",
    read=_hash_on,
    example='"cookie:session"',
    range='"client", "target", "header:NAME", "cookie:NAME"',
)
FIELDS: tuple[AnyKey, ...] = (
    field_key(
        Balancing,
        "slow_start_s",
        'How long a recovered server takes to reach its full share. "0s" turns this off.',
        example='"30s"',
    ),
    field_key(
        Balancing,
        "max_requests",
        "How many requests may run at once on all servers together. Further ones get 503. By"
        " default only the connections are limited.",
        example="500",
    ),
    field_key(
        Balancing,
        "retries",
        "How often a request that may have reached a server is sent to another one. 0 also turns"
        " off attempts at other servers after a failed connection.",
        example="2",
    ),
    field_key(
        Balancing,
        "max_tries",
        "The maximum number of servers to try for a request, including unreachable ones.",
        example="3",
    ),
)
RETRY_ON = list_of(
    "retry_on",
    _cause,
    "The kinds of failure after which a request is sent to another server.",
    entry='"connect", "503"',
    default=FAILURES,
)
STICKY = table_key(
    "sticky",
    STICKY_KEYS,
    "A cookie that sends each client back to its server while that server is up.",
    example='{ cookie = "shop-server" }',
)
HEALTH = table_key(
    "health",
    HEALTH_KEYS,
    "How each server is probed. Without it, servers are not probed.",
    example='{ path = "/healthz" }',
)
EJECT = table_key(
    "eject",
    EJECT_KEYS,
    example="{ failures = 3 }",
)
ON_DOWN = table_key(
    "on_down",
    ON_DOWN_KEYS,
    "The response when no server can be reached. By default it is a plain error.",
    example='{ status = 503, body = "Back soon." }',
)
BALANCING_KEYS = (BALANCE, HASH_ON, *FIELDS, RETRY_ON, STICKY, HEALTH, EJECT, ON_DOWN)


def read_balancing(table: Table, sources: Sources) -> Balancing:
    """Read the balancing settings of ``[upstreams.NAME]``.

    Args:
        table: The table of the upstream.
        sources: Where secrets come from.

    Returns:
        The settings. After a fault, which is recorded, the default is used.
    """
    found = Balancing()
    found = table.put(found, BALANCE, HASH_ON)
    if "hash_on" in table.raw and found.balance != "hash":
        problem, fix = 'it has no effect without balance = "hash"', "add that, or remove it"
        table.notes.add((*table.path, "hash_on"), problem, fix)
    found = table.put(found, *FIELDS)
    causes = table.list_of(RETRY_ON)
    return attrs.evolve(
        found,
        retry_on=found.retry_on if causes is None else causes,
        sticky=_part(table, STICKY, lambda part: _sticky(part, sources), 'cookie = "NAME"'),
        health=_part(table, HEALTH, _health, 'path = "/"'),
        eject=_part(table, EJECT, _ejection, "failures = 5") or found.eject,
        on_down=_part(table, ON_DOWN, _fallback, 'status = 503, body = "Back soon."'),
    )


def _part(table: Table, key: AnyKey, read: Callable[[Table], _T | None], example: str) -> _T | None:
    """Read the table under `key`; return None if it is absent or faulty."""
    item = table.item(key)
    part = None if item is None else item.table(f"write {key.name} = {{ {example} }}")
    if part is None:
        return None
    found = read(part)
    part.finish(key.tables[0])
    return found


def _sticky(table: Table, sources: Sources) -> Sticky | None:
    secret: Secret | None = table.get_by(STICKY_SECRET, sources.secret(_check_signing))
    warn_of_exposed(table, "secret", sources)
    return table.get_by(STICKY_COOKIE, lambda raw: Sticky(cookie=text(raw), secret=secret))


def _check_signing(secret: str) -> None:
    check_secret(secret)
    if len(secret) < MIN_SIGNING_CHARACTERS:
        raise BadValue(
            "the secret is too short to be safe from guessing",
            f"write {MIN_SIGNING_CHARACTERS} characters or more",
        )


def _health(table: Table) -> HealthCheck | None:
    found = table.get_by(HEALTH_PATH, lambda raw: HealthCheck(path=text(raw)))
    check = table.put(found or HealthCheck(path="/"), HEALTH_METHOD)
    check = attrs.evolve(check, status=table.list_of(HEALTH_STATUS) or ())
    check = table.put(check, *HEALTH_FIELDS)
    return check if found is not None else None


def _ejection(table: Table) -> Ejection:
    ejection = table.put(Ejection(), *EJECT_FIELDS)
    causes = table.list_of(EJECT_ON)
    return ejection if causes is None else attrs.evolve(ejection, on=causes)


def _fallback(table: Table) -> Fallback:
    return table.put(Fallback(), *ON_DOWN_KEYS.keys)
