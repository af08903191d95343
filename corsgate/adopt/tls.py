"""Which TLS keys a box needs."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from corsgate.config.model.upstream_tls import SAFE_VERSION, VERSIONS, WEAK_CIPHERS
from corsgate.config.toml.writer import Toml


@attrs.frozen(kw_only=True)
class TlsLook:
    """What was seen of a box's TLS.

    Attributes:
        problem: Why its certificate can't be verified with this machine's authorities, or empty.
        version: The version of TLS that it speaks, such as ``1.2``.
        needs_weak: Whether it only speaks with ciphers, keys or signatures of low strength.
        fingerprint: The SHA-256 of its certificate, in hexadecimal with colons.
        pin: The pin of its key, ``sha256/...``.
        names: The names in its certificate.
        ends: The day on which its certificate ends.
        authority_pem: The root certificate that it sent along, if its certificate verifies with
            that and `server_name`; otherwise None.
        server_name: The name to verify instead of the URL's, or empty.
    """

    problem: str = ""
    version: str = SAFE_VERSION
    needs_weak: bool = False
    fingerprint: str = ""
    pin: str = ""
    names: tuple[str, ...] = ()
    ends: str = ""
    authority_pem: bytes | None = attrs.field(default=None, repr=False)
    server_name: str = ""

    @property
    def is_verified(self) -> bool:
        """Whether it needs no keys."""
        return not self.problem and not self.needs_weak and not self.is_old

    @property
    def is_old(self) -> bool:
        """Whether it speaks only versions that can be broken."""
        return self.version in VERSIONS and VERSIONS.index(self.version) < VERSIONS.index(
            SAFE_VERSION
        )


def tls_keys(look: TlsLook, ca_file: str) -> Mapping[str, Toml]:
    """Return the keys of an upstream that a box needs, so that its server is still verified.

    An authority's certificate outlasts renewals of the box's, so it is preferred to a pin. A pin
    works with any certificate. Verification is never turned off.

    Args:
        look: What was seen.
        ca_file: Where the authority's certificate is saved.
    """
    keys: dict[str, Toml] = {}
    tls: dict[str, Toml] = {}
    if look.is_old:
        tls["min_version"] = look.version
    if look.needs_weak:
        tls["ciphers"] = WEAK_CIPHERS
    if look.problem and look.authority_pem is not None:
        keys["ca"] = ca_file
    if look.problem and look.server_name and not (look.needs_weak or look.is_old):
        keys["server_name"] = look.server_name
    elif look.problem and look.authority_pem is None:
        tls["pin"] = [look.pin]
    if tls:
        keys["tls"] = tls
    return keys
