"""The messages of an NTLM handshake (MS-NLMP), made by pyspnego in a thread.

pyspnego is an optional dependency, so it is imported only where it is used. It hashes the password
in Python, which takes about a millisecond.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from threading import Lock
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from corsgate.config.model.ntlm import NtlmCredentials

NTLM: Final = b"NTLM"
NEGOTIATE: Final = b"Negotiate"

_WORKSTATION = "NETBIOS_COMPUTER_NAME"
_CHALLENGE = b"NTLMSSP\0\2\0\0\0"
_AUTHENTICATE = b"NTLMSSP\0\3\0\0\0"
_UNREADABLE = "the server's NTLM challenge can't be read"
_END_POINT = b"tls-server-end-point:"


def has_spnego() -> bool:
    """Return whether pyspnego is installed (the extra ``ntlm``)."""
    return find_spec("spnego") is not None


class Handshake:
    """One handshake on one connection; each call blocks for about a millisecond.

    Args:
        credentials: The user and the password.
        scheme: ``NTLM``, or ``Negotiate`` for NTLM inside SPNEGO (RFC 4178, RFC 4559).
        lock: Held while a message is made, because pyspnego takes the workstation's name only from
            the environment. All handshakes in the process must share one lock.
    """

    def __init__(self, credentials: NtlmCredentials, scheme: bytes, lock: Lock) -> None:
        self._lock = lock
        self._workstation = credentials.workstation
        self._context = _context(credentials, scheme)

    def opening(self) -> bytes:
        """Return the first message (MS-NLMP NEGOTIATE_MESSAGE)."""
        return self._step(None, None)

    def response(self, challenge: bytes, certificate: bytes | None) -> bytes:
        """Return the message that authenticates (MS-NLMP AUTHENTICATE_MESSAGE).

        Args:
            challenge: The server's message.
            certificate: The server's certificate in DER form; None without TLS. The message is
                bound to it, for servers with Extended Protection.

        Raises:
            ValueError: The server's message is malformed.
        """
        bindings = None if certificate is None else _bindings(certificate)
        try:
            message = self._step(challenge, bindings)
        except Exception as error:
            # pyspnego raises many types, such as struct.error and IndexError. Don't show its texts.
            raise ValueError(_UNREADABLE) from error
        if _CHALLENGE not in challenge or _AUTHENTICATE not in message:
            # Within SPNEGO, pyspnego continues even if there is no NTLM message.
            raise ValueError(_UNREADABLE)
        return message

    def _step(self, received: bytes | None, bindings: Any) -> bytes:
        with self._lock, _environment(_WORKSTATION, self._workstation):
            return self._context.step(received, channel_bindings=bindings) or b""


def end_point_bindings(certificate: bytes) -> bytes:
    """Return the channel bindings of a TLS server (RFC 5929 4.1, tls-server-end-point).

    Args:
        certificate: Its certificate in DER form.
    """
    parsed = x509.load_der_x509_certificate(certificate)
    algorithm = parsed.signature_hash_algorithm
    # RFC 5929 4.1: SHA-256 instead of MD5 and SHA-1.
    if algorithm is None or isinstance(algorithm, hashes.MD5 | hashes.SHA1):
        algorithm = hashes.SHA256()
    return _END_POINT + parsed.fingerprint(algorithm)


def _bindings(certificate: bytes) -> Any:
    """Return the bindings for pyspnego; None for a malformed certificate.

    Only servers with Extended Protection require them.
    """
    from spnego.channel_bindings import GssChannelBindings  # an optional dependency

    try:
        return GssChannelBindings(application_data=end_point_bindings(certificate))
    except (ValueError, UnsupportedAlgorithm):
        return None


def _context(credentials: NtlmCredentials, scheme: bytes) -> Any:
    """Return pyspnego's context, restricted to NTLM, without Kerberos or the system's GSSAPI."""
    import spnego  # an optional dependency

    class _NtlmPassword(spnego.Password):
        @property
        def supported_protocols(self) -> list[str]:
            return ["ntlm"]

    user = credentials.username
    if credentials.domain:
        user = f"{credentials.domain}\\{user}"
    is_wrapped = scheme == NEGOTIATE
    options = spnego.NegotiateOptions
    return spnego.client(
        _NtlmPassword(username=user, password=credentials.password.reveal()),
        protocol="negotiate" if is_wrapped else "ntlm",
        options=options.use_negotiate if is_wrapped else options.use_ntlm,
    )


@contextmanager
def _environment(name: str, value: str | None) -> Iterator[None]:
    """Set an environment variable during the context; None leaves it unchanged."""
    before = os.environ.get(name)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        if value is not None and before is None:
            del os.environ[name]
        elif value is not None and before is not None:
            os.environ[name] = before
