"""A server that credentials need outside the upstream, such as a token server."""

from __future__ import annotations

import attrs

from corsgate.config.model.certificates import CertifiedKey
from corsgate.config.model.values import Server


@attrs.frozen(kw_only=True)
class Outside:
    """The destination of one of the gate's own requests, and how its server is verified.

    Attributes:
        server: The server.
        ca_pem: The CA certificates to verify it with, in PEM form; None for the system's.
        client_certificate: The certificate to present to the server, or None.
    """

    server: Server
    ca_pem: bytes | None = attrs.field(default=None, repr=False)
    client_certificate: CertifiedKey | None = None
