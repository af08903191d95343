"""Why a TLS handshake failed, in plain words."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from corsgate.config.model.upstream_tls import VERSIONS, WEAK_CIPHERS
from corsgate.transport.tls import FIRST_BYTES

_HANDSHAKE, _SERVER_HELLO = 22, 2
_RECORD_TYPES = range(20, 24)

_PLAIN = ("HTTP/", "<!DOC", "<html", "<HTML")
_VERSION = ("unsupported protocol", "protocol version", "version too low")
_WEAK = (
    *("dh key too small", "ee key too small", "ca key too small", "ca md too weak"),
    *("wrong signature type", "no shared signature algorithms", "legacy sigalg disallowed"),
    *("unsafe legacy renegotiation disabled", "bad ecpoint"),
)
_WANTS_CLIENT = ("certificate required", "bad certificate", "unknown ca", "access denied")


def handshake_problem(reasons: Collection[str], first: bytes, min_version: str) -> str:
    """Return why a handshake failed.

    Args:
        reasons: OpenSSL's reasons; empty if the server closed the connection.
        first: The first bytes from the server, of which `FIRST_BYTES` are enough.
        min_version: The oldest TLS version that was offered, one of `VERSIONS`.
    """
    reason = ", ".join(reasons)
    if first.decode("latin-1").startswith(_PLAIN):
        return "it answers plain HTTP on this port: write http:// in servers"
    if first and (first[0] not in _RECORD_TYPES or first[1:2] not in (b"", b"\3")):
        return "it does not speak TLS on this port"
    newest = _newest_version(first)
    if newest is None and any(each in reason for each in _VERSION):
        # The server supports none of the versions that were offered.
        older = VERSIONS[: VERSIONS.index(min_version)]
        newest = older[-1] if older else ""
    if newest == "":
        return "it supports no TLS version that the gate supports"
    if newest is not None and newest < min_version:
        return f"it speaks TLS {newest} at most: set tls.min_version"
    if any(each in reason for each in _WEAK):
        return f'its TLS is too weak ({reason}): set tls.ciphers = "{WEAK_CIPHERS}"'
    if "handshake failure" in reason and _is_server_hello(first):
        # It has chosen a cipher, so it must be the gate's certificate that it rejects or misses
        # (RFC 5246 7.4.6).
        return _unwanted(reason)
    refusal = late_refusal(reasons)
    if refusal is not None:
        return refusal
    if "handshake failure" in reason:
        return "it accepts no cipher that was offered: set tls.ciphers"
    return f"the TLS handshake failed: {reason or 'it closed the connection'}"


def openssl_reasons(error: BaseException) -> Sequence[str]:
    """Return OpenSSL's reasons for an error; empty for an error without reasons."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return [str(entry[-1]) for entry in queue]


def late_refusal(reasons: Collection[str]) -> str | None:
    """Return how a server rejects the gate's certificate, or its lack of one; None if it doesn't.

    With TLS 1.3 this alert arrives when the handshake is already over for the gate (RFC 8446
    4.4.2.4).

    Args:
        reasons: As in `handshake_problem`.
    """
    reason = ", ".join(reasons)
    return _unwanted(reason) if any(each in reason for each in _WANTS_CLIENT) else None


def _unwanted(reason: str) -> str:
    return f"it does not accept the gate ({reason}): set client_certificate"


def _is_server_hello(first: bytes) -> bool:
    return len(first) >= FIRST_BYTES and first[0] == _HANDSHAKE and first[5] == _SERVER_HELLO


def _newest_version(first: bytes) -> str | None:
    """Return the TLS version in a ServerHello if it is older than 1.2; None otherwise.

    It is empty for SSL 3.0.
    """
    if not _is_server_hello(first):
        return None
    # TLS 1.0 is 3.1, 1.1 is 3.2, and both 1.2 and 1.3 are 3.3 here (RFC 8446 4.1.3).
    minor = first[10]
    return ("", *VERSIONS)[minor] if minor < 3 else None
