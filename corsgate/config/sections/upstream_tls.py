"""Read the table ``tls`` of an upstream, and tell what it costs."""

from __future__ import annotations

from collections.abc import Iterator

from corsgate.config.model import rules
from corsgate.config.model.upstream_tls import (
    SAFE_VERSION,
    VERSIONS,
    UpstreamTls,
    check_ciphers,
    check_pin,
)
from corsgate.config.model.values import Upstream
from corsgate.config.toml.lines import Path
from corsgate.config.toml.reader import Table, checked, text
from corsgate.config.toml.shape import shape

_FIX = 'write { pin = ["sha256/..."] }, { min_version = "1.0" }, or { ciphers = "..." }'


@shape({"enum": list(VERSIONS)})
def _version(raw: object) -> str:
    value = text(raw)
    rules.check_choice(value, VERSIONS)
    return value


def read_upstream_tls(table: Table) -> UpstreamTls:
    """Read ``tls``, how TLS is spoken with an upstream's servers.

    Args:
        table: The table of the upstream.

    Returns:
        The settings; the default for each that is absent, or faulty, which is recorded.
    """
    item = table.item("tls")
    own = None if item is None else item.table(_FIX)
    if own is None:
        return UpstreamTls()
    found = UpstreamTls(
        min_version=own.get("min_version", _version, SAFE_VERSION),
        ciphers=own.get("ciphers", checked(check_ciphers), None),
        pin=own.list_of("pin", checked(check_pin), '"sha256/..."') or (),
    )
    if own.raw.get("pin") == []:
        own.notes.add((*own.path, "pin"), "it is empty", "give at least one, or remove it")
    # A pin replaces all that the authorities, or nobody, would say.
    for key in ("ca", "verify"):
        if key in table.raw and "pin" in own.raw:
            table.notes.add(
                (*table.path, key), "it has no effect with tls.pin", "remove one of the two"
            )
    own.finish()
    return found


def upstream_tls_findings(name: str, upstream: Upstream) -> Iterator[tuple[Path, str]]:
    """Yield the warnings that are logged at each start about an upstream, each with its key."""
    tls, place = upstream.tls, ("upstreams", name, "tls")
    if tls.is_old:
        yield (
            (*place, "min_version"),
            f"upstream {name}: TLS {tls.min_version} is accepted, so an attacker on the network"
            " path may be able to read and change the traffic",
        )
    elif tls.is_weak:
        yield (
            (*place, "ciphers"),
            f"upstream {name}: short keys and SHA-1 signatures are accepted, so an attacker on the"
            " network path may be able to read and change the traffic",
        )
