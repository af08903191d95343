"""Read the table ``tls`` of an upstream, and warn about its risks."""

from __future__ import annotations

from collections.abc import Iterator

from corsgate.config.model.upstream_tls import (
    SAFE_VERSION,
    VERSIONS,
    UpstreamTls,
    check_ciphers,
    check_pin,
)
from corsgate.config.model.values import Upstream
from corsgate.config.toml.keys import Key, Keys, list_of, table_key
from corsgate.config.toml.lines import Path
from corsgate.config.toml.reader import Table
from corsgate.config.toml.values import checked, choice

_FIX = 'write { pin = ["sha256/..."] }, { min_version = "1.0" }, or { ciphers = "..." }'


MIN_VERSION = Key(
    "min_version",
    choice(VERSIONS),
    SAFE_VERSION,
    "The oldest version of TLS that may be used with the servers. Versions 1.0 and 1.1 are unsafe.",
    example='"1.0"',
)
CIPHERS = Key(
    "ciphers",
    checked(check_ciphers),
    None,
    "The ciphers that may be used, as an OpenSSL cipher list. @SECLEVEL=0 in it permits SHA-1"
    " signatures and short keys.",
    example='"DEFAULT:@SECLEVEL=0"',
)
PIN = list_of(
    "pin",
    checked(check_pin),
    "The SHA-256 hashes of the only public keys that are accepted, regardless of the certificate's"
    " issuer, name and dates. By default certificates are verified.",
    entry='"sha256/..."',
    example='["sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]',
    gives="servers with the key {} are accepted",
    takes="the key {} is no longer accepted",
)
TLS_KEYS = Keys(
    heading="[upstreams.NAME.tls]",
    description="How TLS is used with https servers that are old, or have a pinned key.",
    keys=(MIN_VERSION, CIPHERS, PIN),
    models=(UpstreamTls,),
)
TLS = table_key(
    "tls",
    TLS_KEYS,
    example='{ min_version = "1.0" }',
)


def read_upstream_tls(table: Table) -> UpstreamTls:
    """Read ``tls``, the TLS settings for an upstream's servers.

    Args:
        table: The table of the upstream.

    Returns:
        The settings. A setting that is absent, or faulty (which is recorded), has its default.
    """
    item = table.item(TLS)
    own = None if item is None else item.table(_FIX)
    if own is None:
        return UpstreamTls()
    found = UpstreamTls(
        min_version=own.get(MIN_VERSION),
        ciphers=own.get(CIPHERS),
        pin=own.list_of(PIN) or (),
    )
    if own.raw.get("pin") == []:
        own.notes.add((*own.path, "pin"), "it is empty", "give at least one, or remove it")
    # With a pin, neither authorities nor verify = "dangerously-off" matter.
    for key in ("ca", "verify"):
        if key in table.raw and "pin" in own.raw:
            table.notes.add(
                (*table.path, key), "it has no effect with tls.pin", "remove one of the two"
            )
    own.finish(TLS_KEYS)
    return found


def upstream_tls_findings(name: str, upstream: Upstream) -> Iterator[tuple[Path, str]]:
    """Return the warnings about an upstream that are logged at each start, each with its key."""
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
