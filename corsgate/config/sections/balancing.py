"""Read the keys of ``[upstreams.NAME]`` for balancing, health checks and retries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs

from corsgate.config.model.balancing import (
    BALANCES,
    CAUSES,
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
from corsgate.config.sections.secrets import Sources
from corsgate.config.toml.reader import Table, boolean, bound, setting, text
from corsgate.config.toml.shape import shape
from corsgate.errors import BadValue

_T = TypeVar("_T")

MIN_SIGNING_CHARACTERS = 16


def read_balancing(table: Table, sources: Sources) -> Balancing:
    """Read how the servers of ``[upstreams.NAME]`` are balanced.

    Args:
        table: The table of the upstream.
        sources: Where secrets come from.

    Returns:
        The settings. After a fault, which is recorded, the default is used.
    """
    found = Balancing()
    found = table.get("balance", setting(found, "balance", _balance), found)
    found = table.get("hash_on", setting(found, "hash_on", _hash_on), found)
    if "hash_on" in table.raw and found.balance != "hash":
        problem, fix = 'it has no effect without balance = "hash"', "add that, or remove it"
        table.notes.add((*table.path, "hash_on"), problem, fix)
    found = table.get("slow_start", bound(found, "slow_start_s"), found)
    found = table.get("max_requests", bound(found, "max_requests"), found)
    found = table.get("retries", bound(found, "retries"), found)
    found = table.get("max_tries", bound(found, "max_tries"), found)
    causes = table.list_of("retry_on", _cause, '"connect", "503"')
    return attrs.evolve(
        found,
        retry_on=found.retry_on if causes is None else causes,
        sticky=_part(table, "sticky", lambda part: _sticky(part, sources), 'cookie = "NAME"'),
        health=_part(table, "health", _health, 'path = "/"'),
        eject=_part(table, "eject", _ejection, "failures = 5") or found.eject,
        on_down=_part(table, "on_down", _fallback, 'status = 503, body = "Back soon."'),
    )


def _part(table: Table, key: str, read: Callable[[Table], _T | None], example: str) -> _T | None:
    """Read the table under `key`; return None if it is absent or faulty."""
    item = table.item(key)
    part = None if item is None else item.table(f"write {key} = {{ {example} }}")
    if part is None:
        return None
    found = read(part)
    part.finish()
    return found


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


def _sticky(table: Table, sources: Sources) -> Sticky | None:
    secret: Secret | None = table.get("secret", sources.secret(_check_signing), None)
    warn_of_exposed(table, "secret", sources)

    @shape({"type": "string"})
    def of_cookie(raw: object) -> Sticky:
        return Sticky(cookie=text(raw), secret=secret)

    return table.need("cookie", of_cookie, 'write cookie = "NAME"')


def _check_signing(secret: str) -> None:
    check_secret(secret)
    if len(secret) < MIN_SIGNING_CHARACTERS:
        raise BadValue(
            "the secret is too short to be safe from guessing",
            f"write {MIN_SIGNING_CHARACTERS} characters or more",
        )


def _health(table: Table) -> HealthCheck | None:
    @shape({"type": "string", "pattern": "^/"})
    def of_path(raw: object) -> HealthCheck:
        return HealthCheck(path=text(raw))

    found = table.need("path", of_path, 'write path = "/"')
    check = found or HealthCheck(path="/")
    check = table.get("method", setting(check, "method", text), check)
    check = attrs.evolve(check, status=table.list_of("status", _status, "200") or ())
    check = table.get("body", setting(check, "body", text), check)
    for key in ("port", "interval_s", "timeout_s", "rise", "fall"):
        check = table.get(key.removesuffix("_s"), bound(check, key), check)
    check = table.get("anonymous", setting(check, "anonymous", boolean), check)
    return check if found is not None else None


@shape({"type": "integer", "minimum": 200, "maximum": 599})
def _status(raw: object) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool):
        raise BadValue("it is not a status", "write a number, such as 200")
    check_status(raw)
    return raw


def _ejection(table: Table) -> Ejection:
    ejection = Ejection()
    ejection = table.get("failures", bound(ejection, "failures"), ejection)
    ejection = table.get("time", bound(ejection, "time_s"), ejection)
    causes = table.list_of("on", _cause, '"connect", "503"')
    return ejection if causes is None else attrs.evolve(ejection, on=causes)


def _fallback(table: Table) -> Fallback:
    fallback = Fallback()
    fallback = table.get("status", bound(fallback, "status"), fallback)
    fallback = table.get("body", setting(fallback, "body", text), fallback)
    return table.get("content_type", setting(fallback, "content_type", text), fallback)
