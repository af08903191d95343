"""TLS settings for servers of an upstream that the usual defaults don't fit."""

from __future__ import annotations

import re
from base64 import b64decode

import attrs

from corsgate.config.model.validators import choice, each, rule
from corsgate.errors import BadValue

VERSIONS = ("1.0", "1.1", "1.2", "1.3")
"""The versions of TLS, oldest first."""

SAFE_VERSION = "1.2"
"""The oldest version that no known attack breaks (RFC 8996)."""

SAFE_LEVEL = 2
"""The OpenSSL security level that rejects SHA-1 signatures and RSA keys below 2048 bits."""

WEAK_CIPHERS = "DEFAULT:@SECLEVEL=0"
"""The ciphers for servers that support only TLS 1.0 or 1.1, or have short keys or SHA-1."""

PIN_BYTES = 32

_PIN = "sha256/"
_LEVEL = re.compile(r"@SECLEVEL=([0-9]+)")
_CIPHERS = re.compile(r"[A-Za-z0-9+:!@=_.,-]+")


def check_ciphers(text: str) -> None:
    """Reject text that can't be an OpenSSL cipher list.

    Raises:
        BadValue: It has characters that such lists don't have.
    """
    if not _CIPHERS.fullmatch(text):
        raise BadValue(
            f"{text!r} is not a list of ciphers",
            f'write one that "openssl ciphers" accepts, such as "{WEAK_CIPHERS}"',
        )


def check_pin(text: str) -> None:
    """Reject text that is not the hash of a public key in the form of RFC 7469 2.4.

    Raises:
        BadValue: It is not ``sha256/`` and 32 bytes of base64.
    """
    try:
        found = b64decode(text.removeprefix(_PIN), validate=True)
    except ValueError:
        found = b""
    if not text.startswith(_PIN) or len(found) != PIN_BYTES:
        raise BadValue(
            f'"{text}" is not a pin',
            "write sha256/ and the base64 of the SHA-256 of the key's SubjectPublicKeyInfo",
        )


@attrs.frozen(kw_only=True)
class UpstreamTls:
    """The TLS settings for an upstream's servers.

    Attributes:
        min_version: The oldest accepted version of TLS.
        ciphers: The ciphers that may be used, as an OpenSSL cipher list; None for the gate's
            default. ``@SECLEVEL=0`` in it permits SHA-1 signatures and short keys.
        pin: The hashes of the only accepted keys (``sha256/...``), regardless of the certificate's
            issuer, name and dates. Empty to verify certificates instead.
    """

    min_version: str = attrs.field(default=SAFE_VERSION, validator=choice(VERSIONS))
    ciphers: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(rule(check_ciphers))
    )
    pin: tuple[str, ...] = attrs.field(default=(), validator=each(check_pin))

    @property
    def is_old(self) -> bool:
        """Whether versions with known attacks are accepted."""
        return VERSIONS.index(self.min_version) < VERSIONS.index(SAFE_VERSION)

    @property
    def is_weak(self) -> bool:
        """Whether keys and signatures that can be forged are accepted."""
        levels = [int(level) for level in _LEVEL.findall(self.cipher_list or "")]
        return any(level < SAFE_LEVEL for level in levels)

    @property
    def cipher_list(self) -> str | None:
        """The list for OpenSSL, or None for the gate's default.

        Handshakes of the old versions are signed with SHA-1, which OpenSSL permits only at level 0.
        A level in `ciphers` takes precedence.
        """
        if not self.is_old:
            return self.ciphers
        ciphers = self.ciphers or WEAK_CIPHERS
        return ciphers if _LEVEL.search(ciphers) else f"{ciphers}:@SECLEVEL=0"
