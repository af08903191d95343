"""``docs/howto/tls.md``: its configurations load, and its command prints the pin of a server."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

from OpenSSL import crypto
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Config
from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from corsgate.upstream.certificates import pin_of
from tests.certificates import Authority, Issued
from tests.programs import require
from tests.prose import Prose
from tests.tree import ROOT, run

PAGE = Prose.read("docs/howto/tls.md")
SECURITY = Prose.read("docs/explanation/security.md")
AUTHORITY = Authority.make()
ISSUED = AUTHORITY.issue("api.example.com")
LISTEN = 'listen = ["tcp:5555:interface=127.0.0.1"]\n'
UPSTREAM = '[upstreams.box]\nservers = ["http://localhost:8000"]\n'
ROUTE = '[routes."/"]\nupstream = "box"\n'


def read_file(path: str) -> bytes:
    """Return a file that a configuration names."""
    return AUTHORITY.pem if path.endswith("-ca.pem") else ISSUED.pem + ISSUED.key_pem


def load(block: str) -> Config:
    """Load a block of the page, with what it leaves out."""
    listen = "" if "[[listener]]" in block else LISTEN
    upstream = "" if "[upstreams" in block else UPSTREAM
    return parse_config(
        f"{listen}{block}{upstream}{ROUTE}",
        file="tls.md",
        environ={},
        read_file=read_file,
        cors_rules=CORS_RULES,
        has_http2=True,
    )


class PageTests(SynchronousTestCase):
    """The page."""

    def test_configurations(self) -> None:
        """Each one loads without a warning, and means what is said of it."""
        certificates, proxy, authority, pinned = map(load, PAGE.blocks("toml"))
        for each in (certificates, proxy, authority, pinned):
            self.assertEqual(list(map(str, each.warnings)), [])
        self.assertEqual(len(certificates.listeners[0].certificates), 1)
        self.assertEqual(list(map(str, proxy.listeners[0].trusted_proxies)), ["127.0.0.1/32"])
        self.assertEqual(authority.upstreams["box"].server_name, "search.internal.example.com")
        self.assertEqual(len(pinned.upstreams["box"].tls.pin), 1)

    def test_hook(self) -> None:
        """What certbot runs is a script that reloads the unit."""
        (hook, _) = PAGE.blocks("sh")
        self.assertEqual(hook, "#!/bin/sh\nsystemctl reload corsgate\n")

    def test_pin(self) -> None:
        """The command prints the pin of a server, here and on the page about security."""
        require("openssl", "openssl")
        issued = Authority.make().issue("localhost")
        found = crypto.load_certificate(crypto.FILETYPE_PEM, issued.pem)
        for page in (PAGE, SECURITY):
            (command,) = [each for each in page.commands() if "s_client" in each]
            address = next(word for word in command.split() if word.startswith("10.0.0."))
            with served(issued, Path(self.mktemp())) as port:
                done = run(["sh", "-c", command.replace(address, f"127.0.0.1:{port}")], ROOT)
            self.assertEqual(f"sha256/{done.stdout.strip()}", pin_of(found), done.stderr)


class served:  # noqa: N801  # Reads like a function where it is used.
    """A TLS server on loopback, as long as the context lasts; its port is the context's value."""

    def __init__(self, issued: Issued, file: Path) -> None:
        file.write_bytes(issued.pem + issued.key_pem)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(file)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        # The client ends the connection once it knows the certificate.
        with connection, self._context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(1)

    def __enter__(self) -> int:
        self._thread.start()
        port: int = self._socket.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self._thread.join(60)
        self._socket.close()
