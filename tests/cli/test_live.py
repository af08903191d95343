"""Real requests: what is sent, and the message if there is no response."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress as suppressing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli.live import NoAnswer, _why, send
from corsgate.errors import BadUpstreamResponse
from corsgate.explain.trace import Answer, Request
from corsgate.explain.url import Url
from tests.certificates import Authority
from tests.cli.servers import Server


def get(url: str, method: bytes = b"GET") -> Request:
    """Return a request."""
    headers = ((b"X-App", b"\xff"), (b"Origin", b"http://a.example"))
    return Request(method=method, url=Url.parse(url), headers=headers, credentials=False)


def tls_error(reason: str) -> ssl.SSLError:
    """Return an error of a handshake, as OpenSSL names it."""
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


class SendTests(SynchronousTestCase):
    """`send`."""

    def test_sent(self) -> None:
        """The browser's fields go out as they are, with Host, and no body where one may be."""
        server = Server(lambda method, path: (503, (("X-A", "1"), ("X-A", "\xff"))))
        self.addCleanup(server.stop)
        for method, length in ((b"POST", "0"), (b"PUT", "0"), (b"GET", None), (b"DELETE", None)):
            answer = send(get(f"{server.url}/a%2Fb?c", method))
            self.assertEqual(answer.status, 503)
            pairs = [field for field in answer.headers if field[0] == b"X-A"]
            self.assertEqual(pairs, [(b"X-A", b"1"), (b"X-A", b"\xff")])
            seen, target, fields = server.seen[-1]
            self.assertEqual((seen, target), (method.decode(), "/a%2Fb?c"))
            self.assertEqual(fields["Host"], server.url.removeprefix("http://"))
            self.assertEqual(fields.get("Content-Length"), length)
            self.assertEqual((fields["Accept"], fields["X-App"]), ("*/*", "\xff"))
            self.assertNotIn("Accept-Encoding", fields)

    def test_localhost(self) -> None:
        """localhost and names below it are loopback, both kinds of it, without a look-up."""
        server = Server(lambda method, path: (204, ()))
        self.addCleanup(server.stop)
        for host in ("localhost", "no-such-name.localhost"):
            answer = send(get(server.url.replace("127.0.0.1", host)))
            self.assertEqual(answer.status, 204)

    def test_untrusted(self) -> None:
        """A certificate that no browser would accept is reported as such."""
        issued = Authority.make().issue("localhost")
        directory = Path(self.mktemp())
        directory.mkdir()
        (directory / "chain.pem").write_bytes(issued.pem)
        (directory / "key.pem").write_bytes(issued.key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "chain.pem", directory / "key.pem")
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def shake() -> None:
                with suppressing(
                    OSError
                ):  # The client leaves. (Trial takes `suppress` for its own.)
                    context.wrap_socket(listening.accept()[0], server_side=True).close()

            thread = threading.Thread(target=shake)
            thread.start()
            url = f"https://localhost:{listening.getsockname()[1]}/"
            error = self.assertRaises(NoAnswer, send, get(url))
            thread.join()
        self.assertIn("shows a certificate that browsers reject", str(error))

    def answered(self, *pieces: bytes, timeout_s: float = 30.0) -> Answer:
        """Return the result for a server's bytes, the last of which repeat forever."""
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def serve() -> None:
                with suppressing(OSError), listening.accept()[0] as connection:
                    connection.recv(65536)
                    for piece in pieces:
                        connection.sendall(piece)
                    while pieces:
                        connection.sendall(pieces[-1])
                    connection.recv(1)

            thread = threading.Thread(target=serve)
            thread.start()
            try:
                return send(get(f"http://127.0.0.1:{listening.getsockname()[1]}/"), timeout_s)
            finally:
                thread.join()

    def test_interim(self) -> None:
        """The final response counts, and its values are stripped of white space."""
        answer = self.answered(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-A: \t b c \t\r\n" + b"X-B: 1\r\n" * 200 + b"\r\nbody",
        )
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers[0], (b"X-A", b"b c"))
        self.assertEqual(len(answer.headers), 201)

    def test_body(self) -> None:
        """The beginning of an error's body is read, if it comes; of no other response."""
        head = b"HTTP/1.1 %b\r\nContent-Length: 100000\r\n\r\n"
        for status, body in ((b"200 OK", b""), (b"403 Forbidden", b"x" * 16 * 1024)):
            found = self.answered(head % status + b"x" * 10, b"x" * 8192)
            self.assertEqual((status, found.body), (status, body))
        chunked = b"HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        for end in (b"0\r\n\r\n", b"zzz\r\n"):
            self.assertEqual(self.answered(chunked, end).body, b"abc")

    def test_sloppy(self) -> None:
        """A head that is not well-formed is read as browsers and the gate read it."""
        answer = self.answered(b"HTTP/1.0 200 OK\nX-A : b\nServer: box\n\nbody")
        self.assertEqual((answer.status, answer.by), (200, "box"))
        self.assertEqual(answer.headers[0], (b"X-A", b"b"))

    def test_endless(self) -> None:
        """A head that never ends is an error, whatever its form."""
        for pieces, told in (
            ((b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"), "too large"),
            ((b"HTTP/1.1 100 Continue\r\n\r\n",), ""),
            ((b"SSH-2.0-OpenSSH\r\n",), "sent a response that is not HTTP"),
        ):
            error = self.assertRaises(NoAnswer, self.answered, *pieces)
            self.assertIn(told, str(error))
        error = self.assertRaises(NoAnswer, self.answered, timeout_s=0.2)
        self.assertIn("did not respond within", str(error))

    def test_unsendable(self) -> None:
        """A value with a line break is never sent."""
        request = Request(
            method=b"GET",
            url=Url.parse("http://127.0.0.1:1/"),
            headers=((b"Origin", b"http://a\r\nX: b"),),
            credentials=False,
        )
        error = self.assertRaises(NoAnswer, send, request)
        self.assertIn("can't be sent this request: the value of Origin", str(error))

    def test_words(self) -> None:
        """Each kind of failure has its own message."""
        for error, told in (
            (TimeoutError("timed out"), "did not respond within 10 s"),
            (
                socket.gaierror(-2, "Name or service not known"),
                ("can't be found: its name can't be resolved"),
            ),
            (ConnectionRefusedError(111, "x"), "refuses connections"),
            (ConnectionResetError(104, "x"), "closed the connection without a response"),
            (BadUpstreamResponse("it is odd"), "sent a response that is not HTTP: it is odd"),
            (
                tls_error("TLSV1_ALERT_PROTOCOL_VERSION"),
                "does not use TLS in a way that browsers accept: tlsv1 alert protocol version",
            ),
            (tls_error("WRONG_VERSION_NUMBER"), "does not use TLS on this port"),
            (OSError(101, "Network is unreachable"), "can't be reached: Network is unreachable"),
            (ValueError("odd"), "can't be sent this request: odd"),
        ):
            self.assertIn(told, _why(error))
