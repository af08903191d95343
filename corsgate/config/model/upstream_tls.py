"""How TLS is spoken with an upstream's servers, where today's defaults don't fit."""

from __future__ import annotations

import re
from base64 import b64decode

import attrs

from corsgate.config.model.validators import choice, each, rule
from corsgate.errors import BadValue

VERSIONS = ("1.0", "1.1", "1.2", "1.3")
"""The versions of TLS, oldest first."""

SAFE_VERSION = "1.2"
"""The oldest one that no known attack breaks (RFC 8996)."""

SAFE_LEVEL = 2
"""OpenSSL's level of security that rejects SHA-1 signatures and keys below 2048 bits of RSA."""

WEAK_CIPHERS = "DEFAULT:@SECLEVEL=0"
"""What servers that speak only TLS 1.0 or 1.1 need, as do those with short keys or SHA-1."""

PIN_BYTES = 32

_PIN = "sha256/"
_LEVEL = re.compile(r"@SECLEVEL=([0-9]+)")
_CIPHERS = re.compile(r"[A-Za-z0-9+:!@=_.,-]+")


def check_ciphers(text: str) -> None:
    """Reject what can't be a list of ciphers in OpenSSL's form.

    Raises:
        BadValue: It has other characters than such lists have.
    """
    if not _CIPHERS.fullmatch(text):
        raise BadValue(
            f"{text!r} is not a list of ciphers",
            f'write it as "openssl ciphers" takes it, such as "{WEAK_CIPHERS}"',
        )


def check_pin(text: str) -> None:
    """Reject what is not the hash of a public key, in the form of RFC 7469 2.4.

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
    """How TLS is spoken with an upstream's servers.

    Attributes:
        min_version: The oldest version of TLS that is spoken.
        ciphers: The ciphers that may be used, as OpenSSL's cipher list; None for the gate's own.
            ``@SECLEVEL=0`` in it permits SHA-1 signatures and short keys.
        pin: The hashes of the only keys that are accepted (``sha256/...``), whoever issued a
            certificate for them, for whatever name and time; none for verified certificates.
    """

    min_version: str = attrs.field(default=SAFE_VERSION, validator=choice(VERSIONS))
    ciphers: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(rule(check_ciphers))
    )
    pin: tuple[str, ...] = attrs.field(default=(), validator=each(check_pin))

    @property
    def is_old(self) -> bool:
        """Whether versions are spoken that can be broken."""
        return VERSIONS.index(self.min_version) < VERSIONS.index(SAFE_VERSION)

    @property
    def is_weak(self) -> bool:
        """Whether keys and signatures are accepted that can be forged."""
        levels = [int(level) for level in _LEVEL.findall(self.cipher_list or "")]
        return any(level < SAFE_LEVEL for level in levels)

    @property
    def cipher_list(self) -> str | None:
        """The list that OpenSSL gets, or None for the gate's own.

        The handshakes of the old versions are signed with SHA-1, which OpenSSL does at level 0
        only. A level that is written counts.
        """
        if not self.is_old:
            return self.ciphers
        ciphers = self.ciphers or WEAK_CIPHERS
        return ciphers if _LEVEL.search(ciphers) else f"{ciphers}:@SECLEVEL=0"
