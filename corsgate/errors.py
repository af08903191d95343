"""Every exception that corsgate raises, so that a caller can find them in one place."""

from __future__ import annotations

from collections.abc import Sequence

import attrs


class CorsgateError(Exception):
    """The base of all exceptions raised here."""


@attrs.frozen(kw_only=True)
class Fault:
    """One thing wrong with a configuration, or doubtful about it, and how to fix it.

    Attributes:
        file: The file's name as the user gave it, or a word such as ``command line``.
        line: The line in it, counted from 1, or None where there is none.
        key: The dotted key, such as ``routes."/v1".cors``; empty for the file as a whole.
        problem: What is wrong, with the bad value in it, never a secret.
        fix: What to write instead; empty where the problem says it all.
    """

    file: str
    line: int | None = None
    key: str = ""
    problem: str
    fix: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        key = f" {self.key}:" if self.key else ""
        fix = f"; {self.fix}" if self.fix else ""
        return f"{where}:{key} {self.problem}{fix}"


class ConfigError(CorsgateError):
    """A configuration that can't be used, with all its faults at once.

    Args:
        faults: At least one.
        warnings: What else is doubtful about it.
    """

    def __init__(self, faults: Sequence[Fault], warnings: Sequence[Fault] = ()) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)
        self.warnings = tuple(warnings)


class BadValue(CorsgateError, ValueError):
    """A value that can't stand in a configuration; whoever catches it knows where it stood.

    Args:
        problem: What is wrong, with the bad value in it, never a secret.
        fix: What to write instead.
    """

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(f"{problem}; {fix}")
        self.problem = problem
        self.fix = fix


class PolicyError(CorsgateError, ValueError):
    """A CORS policy that can't be used, with all its faults at once: key, problem and fix."""

    def __init__(self, faults: Sequence[tuple[str, str, str]]) -> None:
        super().__init__("\n".join(f"{key}: {problem}; {fix}" for key, problem, fix in faults))
        self.faults = tuple(faults)


class TargetError(CorsgateError, ValueError):
    """A request target that can't be routed safely (RFC 9112 3.2)."""


class UnknownCoding(TargetError):
    """A request whose body is coded in a way that is not known here (RFC 9112 6.1)."""


class MalformedRequest(CorsgateError):
    """A request that HTTP/2 calls malformed, so that its stream is reset (RFC 9113 8.1.1)."""


class ConnectionFault(CorsgateError):
    """What a client did that ends its HTTP/2 connection as a whole (RFC 9113 5.4.1).

    Args:
        code: The error code that the client is told (RFC 9113 7).
        detail: One phrase for the log.
    """

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class BodyTooLarge(CorsgateError):
    """A client's body went past ``max_body_bytes`` while it was being read."""


class BodyTimedOut(CorsgateError):
    """No byte of a client's body came for longer than ``client_body_timeout``."""


class ExchangeRevoked(BodyTimedOut):
    """A client's body stalled while others waited for the upstream connection that it held."""


class UpstreamError(CorsgateError):
    """An upstream server gave no usable response."""


class ConnectFailed(UpstreamError):
    """No connection could be had, so nothing was sent: any request may try another server."""


class ConnectTimedOut(ConnectFailed):
    """No connection was had within ``connect_timeout``."""


class UpstreamBusy(UpstreamError):
    """No connection came free within ``queue_timeout``; nothing was sent."""


class QueueFull(UpstreamBusy):
    """So many requests wait for a connection already that this one may not."""


class TunnelsFull(QueueFull):
    """As many tunnels are open on the server, or the client has as many, as may be."""


class UpstreamFull(UpstreamBusy):
    """As many requests run on the upstream as its ``max_requests`` lets."""


class OutOfDescriptors(UpstreamBusy):
    """The gate itself could open no connection, which says nothing of the server."""


class NoServer(UpstreamError):
    """Every server of the upstream is down or drained, so none was asked."""


class ChallengedMidUpload(UpstreamError):
    """A challenge came for a request whose body can't be sent again; the next one is signed."""


class WeakChallenge(UpstreamError):
    """A server challenged with a weaker Digest than the credentials may be used for."""


class UpstreamTimedOut(UpstreamError):
    """The server was connected to, but sent nothing for too long."""


class BadUpstreamResponse(UpstreamError):
    """The server's bytes are no HTTP response, or the response was cut short."""


class ConnectionReset(UpstreamError):
    """The server closed the connection before any byte of its response."""
