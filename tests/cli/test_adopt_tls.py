"""How ``corsgate adopt`` finds out what verifies a box."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL.SSL import TLS1_1_VERSION, Connection, Error

from tests.boxes.stand_in import Reply
from tests.certificates import DAY, Authority, Issued, self_signed
from tests.cli.test_adopt import AdoptTestCase

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
UNAUTHORIZED = (
    b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="box"\r\nContent-Length: 0\r\n'
    b"Connection: close\r\n\r\n"
)


class TlsBox:
    """A server that speaks TLS, and says "ok" to each request.

    Args:
        context: A context of OpenSSL's.
        reply: What it says.
    """

    def __init__(self, context: object, reply: bytes = OK) -> None:
        self._context = context
        self._reply = reply
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with plain, contextlib.suppress(Error, OSError):
            made: Connection = self._context.serverConnectionForTLS(None)  # type: ignore[attr-defined]
            connection = Connection(made.get_context(), plain)
            connection.set_accept_state()
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
            connection.sendall(self._reply)
            connection.shutdown()


class Tls(AdoptTestCase):
    """The certificate is never just accepted."""

    def check(self, issued: Issued, *has: str, host: str = "localhost", **how: object) -> str:
        """Assert that a box with a certificate is proven; return the configuration."""
        chain = how.pop("chain", ())
        box = TlsBox(issued.context(*chain, **how))  # type: ignore[arg-type,misc]
        self.addCleanup(box.stop)
        done = self.adopt(f"https://{host}:{box.port}/")
        self.assertEqual((done.status, done.err), (0, ""), done.out)
        text = self.written()
        self.assertNotIn("verify =", text)
        for each in has:
            self.assertIn(each, text)
        self.assertIn("SHA-256 fingerprint", done.out)
        return text

    def test_self_signed(self) -> None:
        """The key of a certificate that nobody issued is pinned."""
        self.check(self_signed("localhost", "localhost"), 'tls = { pin = ["sha256/')

    def test_password_for_an_unknown_certificate(self) -> None:
        """Before a password goes to a box that nobody vouches for, the user is warned."""
        issued = self_signed("localhost", "localhost")
        box = TlsBox(issued.context(), reply=UNAUTHORIZED)
        self.addCleanup(box.stop)
        arguments = ("--user", "admin", "--auth-env", "BOX_PW")
        url = f"https://localhost:{box.port}/"
        done = self.adopt(url, *arguments, environ={"BOX_PW": "pass-phrase"})
        self.assertIn("Basic sends the secret to whoever shows this certificate", done.out)
        self.assertNotIn("pass-phrase", done.out + done.err)

    def test_own_authority(self) -> None:
        """A root that comes along is saved as ``ca``, which outlasts renewals."""
        authority = Authority.make()
        issued = authority.issue("localhost")
        text = self.check(issued, "ca = ", chain=(authority.certificate,))
        self.assertNotIn("pin", text)
        saved = Path(self.output).with_name("gate-ca.pem")
        self.assertEqual(saved.read_bytes(), authority.pem)

    def test_unknown_authority(self) -> None:
        """Without the root, the key is pinned."""
        self.check(Authority.make().issue("localhost"), "pin = ")

    def test_other_name(self) -> None:
        """A certificate for another name needs ``server_name``."""
        authority = Authority.make()
        issued = authority.issue("box.lan")
        self.check(issued, 'server_name = "box.lan"', "ca = ", chain=(authority.certificate,))

    def test_expired(self) -> None:
        """The key of an expired certificate is pinned."""
        issued = self_signed("localhost", "localhost", starts=-3 * DAY, ends=-DAY)
        self.check(issued, "pin = ")

    def test_weak(self) -> None:
        """A short key needs weaker ciphers, and a pin."""
        key = rsa.generate_private_key(65537, 1024)
        issued = self_signed("localhost", "localhost", key=key)
        self.check(issued, "pin = ", level=0)

    def test_old(self) -> None:
        """An old version is named, and the key pinned."""
        issued = self_signed("localhost", "localhost")
        self.check(issued, 'min_version = "1.1"', "pin = ", newest=TLS1_1_VERSION, level=0)

    def test_http_url(self) -> None:
        """An http URL of a box that speaks TLS becomes https."""
        box = TlsBox(self_signed("localhost", "localhost").context())
        self.addCleanup(box.stop)
        done = self.adopt(f"localhost:{box.port}")
        self.assertEqual(done.status, 0, done.out + done.err)
        self.assertIn(f'servers = ["https://localhost:{box.port}"]', self.written())

    def test_no_tls(self) -> None:
        """An https URL of a box that speaks http is not silently changed."""
        box = self.box(lambda asked: Reply())
        done = self.adopt(f"https://127.0.0.1:{box.port}/")
        self.assertEqual(done.status, 2)
        self.assertIn("does not use TLS", done.err)
