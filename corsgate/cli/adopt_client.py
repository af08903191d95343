"""Sends the probes of ``corsgate adopt``, with limits on time and size that a box can't exceed."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from corsgate.adopt.probes import MAX_BODY_BYTES, NO_RESPONSE, NO_TIME, Probe, Reply
from corsgate.errors import BadUpstreamResponse
from corsgate.explain.url import Url
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.host import is_localhost
from corsgate.upstream.hosts import LOOPBACK
from corsgate.upstream.lenient_parser import LenientParser
from corsgate.upstream.parser import Ending
from corsgate.upstream.repairs import Repair

TIMEOUT_S = 5.0
"""The maximum time for one probe, in seconds."""

BODY_TIMEOUT_S = 1.5
"""The maximum time for reading the start of a body, in seconds."""

_PIECE_BYTES = 16 * 1024
_NO_TLS = frozenset(("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"))


class Deadline:
    """The time by which everything must be done.

    Args:
        seconds: The time left, from now.
    """

    def __init__(self, seconds: float) -> None:
        self._end = monotonic() + seconds

    def left(self, most: float = TIMEOUT_S) -> float:
        """Return the seconds left, at most `most`.

        Raises:
            TimeoutError: No time is left.
        """
        left = min(most, self._end - monotonic())
        if left <= 0:
            raise TimeoutError
        return left


def resolve(url: Url, deadline: Deadline) -> Sequence[tuple[str, int]]:
    """Return the addresses of a URL's host.

    The look-up runs in a thread, since the system's resolver has no time limit.

    Raises:
        OSError: The host has no address, or the look-up takes too long.
    """
    host, port = url.host.strip("[]"), url.effective_port
    if is_localhost(host.encode("ascii")):
        return [(each, port) for each in LOOPBACK]
    found: list[tuple[str, int]] = []
    errors: list[OSError] = []

    def look_up() -> None:
        try:
            for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                found.append((str(info[4][0]), port))
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(deadline.left())
    if errors:
        raise errors[0]
    if not found:
        raise TimeoutError
    return list(dict.fromkeys(found))[:4]


def connect(addresses: Sequence[tuple[str, int]], deadline: Deadline) -> socket.socket:
    """Connect to the first address that accepts."""
    problem: OSError = ConnectionRefusedError()
    for address in addresses:
        try:
            return socket.create_connection(address, deadline.left())
        except OSError as error:
            problem = error
    raise problem


class BoxClient:
    """Sends requests to one server.

    Args:
        url: Its URL.
        addresses: Its addresses, as `resolve` returns them.
        deadline: When all requests must be done.
        context: The TLS context; None for http.
        server_name: The name to send and verify with TLS; empty for the URL's host.
        certificate: The certificate, as DER, that the server must show if `context` does not
            verify it.
    """

    def __init__(
        self,
        url: Url,
        addresses: Sequence[tuple[str, int]],
        deadline: Deadline,
        *,
        context: ssl.SSLContext | None = None,
        server_name: str = "",
        certificate: bytes | None = None,
    ) -> None:
        self.url = url
        self._addresses = addresses
        self._deadline = deadline
        self._context = context
        self._server_name = server_name or url.host.strip("[]")
        self._certificate = certificate

    def until(self, deadline: Deadline) -> None:
        """Set another time by which everything must be done."""
        self._deadline = deadline

    def send(self, probe: Probe) -> Reply:
        """Send a probe and return the reply. Errors of the box are also replies, not exceptions."""
        try:
            deadline = Deadline(self._deadline.left())
        except TimeoutError:
            return Reply(failure=NO_TIME)
        try:
            with self._connection(deadline) as connection:
                reply = self._exchange(connection, probe, deadline)
                if probe.twice and reply.is_whole and _keeps(reply):
                    return self._again(connection, probe, deadline, reply)
                return reply
        except (OSError, BadUpstreamResponse, ValueError) as error:
            return Reply(failure=why(error))

    @contextmanager
    def _connection(self, deadline: Deadline) -> Iterator[socket.socket]:
        with connect(self._addresses, deadline) as plain:
            if self._context is None:
                yield plain
                return
            plain.settimeout(deadline.left())
            with self._context.wrap_socket(plain, server_hostname=self._server_name) as secure:
                if self._certificate and secure.getpeercert(True) != self._certificate:
                    raise ssl.SSLError(1, "it shows a different certificate than before")
                yield secure

    def _again(
        self, connection: socket.socket, probe: Probe, deadline: Deadline, first: Reply
    ) -> Reply:
        try:
            return self._exchange(connection, probe, deadline)
        except (TimeoutError, BadUpstreamResponse):
            return first
        except OSError:
            return Reply(status=first.status, headers=first.headers, closed=True)

    def _exchange(self, connection: socket.socket, probe: Probe, deadline: Deadline) -> Reply:
        repairs: list[str] = []

        def repaired(repair: Repair, count: int) -> None:
            if repair.value not in repairs:
                repairs.append(repair.value)

        reader = LenientParser(_ignore, repaired=repaired)
        upgrade = any(name == b"Upgrade" for name, _ in probe.headers)
        reader.expect(probe.method, upgrade=upgrade)
        connection.settimeout(deadline.left())
        connection.sendall(self._request(probe))
        while reader.head is None:
            _receive(connection, reader, deadline)
        body, is_open = reader.body, True
        try:
            until = Deadline(deadline.left(BODY_TIMEOUT_S))
            while not (reader.complete or reader.switched) and len(body) < MAX_BODY_BYTES:
                is_open = _receive(connection, reader, until)
                body += reader.body
                if not is_open:
                    break
        except TimeoutError:
            pass
        except (OSError, BadUpstreamResponse):
            is_open = False
        is_whole = reader.complete or reader.switched
        return Reply(
            status=reader.head.status,
            headers=tuple(reader.head.headers),
            body=body[:MAX_BODY_BYTES],
            repairs=tuple(repairs),
            is_whole=is_whole,
            is_cut=not is_open and not is_whole,
        )

    def _request(self, probe: Probe) -> bytes:
        names = {name.lower() for name, _ in probe.headers}
        headers = list(probe.headers)
        if b"host" not in names:
            headers.insert(0, (b"Host", self.url.authority.encode("ascii")))
        if b"connection" not in names and not probe.twice:
            headers.append((b"Connection", b"close"))
        target = probe.target.encode("ascii")
        return RequestHead(method=probe.method, target=target, headers=headers).to_bytes()


def _keeps(reply: Reply) -> bool:
    return b"close" not in reply.value(b"connection").lower() and not reply.repairs


def _receive(connection: socket.socket, reader: LenientParser, deadline: Deadline) -> bool:
    """Feed the next piece to the parser; return whether the connection is still open."""
    connection.settimeout(deadline.left())
    piece = connection.recv(_PIECE_BYTES)
    if piece:
        reader.feed(piece)
        return True
    if reader.head is None:
        raise ConnectionResetError("no response")
    reader.finish(Ending.CLOSED)
    return False


def _ignore(head: ResponseHead) -> None:
    """Ignore an interim response."""


def why(error: Exception) -> str:
    """Describe why there is no response."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate can't be verified: {error.verify_message.rstrip('.')}"
        case ssl.SSLError() if error.reason in _NO_TLS:
            return "it does not use TLS on this port"
        case ssl.SSLError():
            words = (error.reason or str(error)).lower().replace("_", " ")
            return f"TLS fails: {words}"
        case socket.gaierror():
            return "its name can't be resolved"
        case TimeoutError():
            return NO_RESPONSE
        case ConnectionRefusedError():
            return "nothing listens on this port"
        case BadUpstreamResponse():
            return f"the response is not HTTP: {error}"
        case ConnectionError():
            return "it closed the connection without a response"
        case OSError():
            return f"it can't be reached: {error.strerror or error}"
    return f"it can't be sent this request: {error}"
