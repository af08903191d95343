"""A server outside an upstream that credentials need, such as a token server."""

from __future__ import annotations

import attrs

from corsgate.config.model.certificates import CertifiedKey
from corsgate.config.model.values import Server


@attrs.frozen(kw_only=True)
class Outside:
    """Where a request of the gate's own goes, and how the server is verified.

    Attributes:
        server: The server.
        ca_pem: The certificates to verify it with; None for the system's.
        client_certificate: Shown to the server; None for no certificate.
    """

    server: Server
    ca_pem: bytes | None = attrs.field(default=None, repr=False)
    client_certificate: CertifiedKey | None = None
