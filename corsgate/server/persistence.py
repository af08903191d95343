"""Whether an HTTP/1.1 client connection stays open after a response (RFC 9112 9.3, 9.6)."""

from __future__ import annotations

from corsgate.server.request import GateRequest


def stays_open(request: GateRequest, *, draining: bool) -> bool:
    """Return whether the connection may serve another request after this one.

    Args:
        request: The request being served.
        draining: Whether the gate accepts no more requests.
    """
    broken = request.body is not None and request.body.failed
    return request.persistent and not broken and not draining


def persistence(request: GateRequest, *, delimited: bool, draining: bool) -> bytes:
    """Decide whether the connection stays open; return the Connection field line.

    Args:
        request: The request being served; `persistent` is cleared if it is the last.
        delimited: Whether the response's end is known without closing.
        draining: Whether the gate accepts no more requests.

    Returns:
        The line including its end; empty if it is the default of the client's HTTP version.
    """
    # A client that still waits for 100 (Continue) may or may not send its body. Only closing the
    # connection avoids the ambiguity.
    unasked = request.body is not None and request.body.awaits_continue
    if not delimited or unasked or not stays_open(request, draining=draining):
        request.persistent = False
        return b"Connection: close\r\n"
    if request.clientproto == b"HTTP/1.0":
        return b"Connection: keep-alive\r\n"
    return b""
