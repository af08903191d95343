"""The TLS keys of the configuration that a box needs."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from corsgate.config.model.upstream_tls import SAFE_VERSION, VERSIONS, WEAK_CIPHERS
from corsgate.config.toml.writer import Toml


@attrs.frozen(kw_only=True)
class TlsLook:
    """The results about a box's TLS.

    Attributes:
        problem: Why its certificate can't be verified with this machine's authorities; empty if
            it can.
        version: The version of TLS that it uses, such as ``1.2``.
        needs_weak: Whether it requires weak ciphers, keys or signatures.
        fingerprint: The SHA-256 of its certificate, in hexadecimal with colons.
        pin: The pin of its key, ``sha256/...``.
        names: The names in its certificate.
        ends: The day on which its certificate expires.
        authority_pem: The root certificate that it sent, if its certificate can be verified with
            that and `server_name`; otherwise None.
        server_name: The name to verify instead of the URL's host; empty for that.
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
        """Whether it supports only insecure versions."""
        return self.version in VERSIONS and VERSIONS.index(self.version) < VERSIONS.index(
            SAFE_VERSION
        )


def tls_keys(look: TlsLook, ca_file: str) -> Mapping[str, Toml]:
    """Return the keys of an upstream that a box needs, so that its server is still verified.

    An authority's certificate remains valid when the box's is renewed, so it is preferred to a pin.
    A pin works with any certificate. Verification is never turned off.

    Args:
        look: The results about the box's TLS.
        ca_file: The file for the authority's certificate.
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
