"""All exceptions that corsgate raises."""

from __future__ import annotations

from collections.abc import Sequence

import attrs


class CorsgateError(Exception):
    """The base class of all exceptions of corsgate."""


@attrs.frozen(kw_only=True)
class Fault:
    """A problem with a configuration, and how to fix it: an error or a warning.

    Attributes:
        file: The file's name as the user gave it, or ``command line``.
        line: The line number, counted from 1; None if there is none.
        key: The dotted key, such as ``routes."/v1".cors``; empty for the whole file.
        problem: What is wrong. It includes the bad value, but never a secret.
        fix: What to write instead; empty if the problem already makes that clear.
        excerpt: For a syntax error, the line with a caret below the position; otherwise empty.
            Anything that may be a secret is masked.
    """

    file: str
    line: int | None = None
    key: str = ""
    problem: str
    fix: str
    excerpt: str = ""

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        key = f" {self.key}:" if self.key else ""
        fix = f"; {self.fix}" if self.fix else ""
        excerpt = f"\n{self.excerpt}" if self.excerpt else ""
        return f"{where}:{key} {self.problem}{fix}{excerpt}"


class ConfigError(CorsgateError):
    """The configuration can't be used; the exception holds all its faults.

    Args:
        faults: At least one fault.
        warnings: Warnings about the same configuration.
    """

    def __init__(self, faults: Sequence[Fault], warnings: Sequence[Fault] = ()) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)
        self.warnings = tuple(warnings)


class ListenError(ConfigError):
    """The configuration is valid, but the gate can't listen on one of its endpoints now.

    Args:
        faults: At least one fault.
        errno: The error number for the last endpoint; None if the system gave none.
    """

    def __init__(self, faults: Sequence[Fault], errno: int | None = None) -> None:
        super().__init__(faults)
        self.errno = errno


class BadValue(CorsgateError, ValueError):
    """A configuration value is invalid; the code that catches this adds its file and line.

    Args:
        problem: What is wrong. It includes the bad value, but never a secret.
        fix: What to write instead; empty if the problem already makes that clear.
    """

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(f"{problem}; {fix}" if fix else problem)
        self.problem = problem
        self.fix = fix


class PolicyError(CorsgateError, ValueError):
    """A CORS policy is invalid; `faults` holds the key, problem and fix of each fault."""

    def __init__(self, faults: Sequence[tuple[str, str, str]]) -> None:
        super().__init__("\n".join(f"{key}: {problem}; {fix}" for key, problem, fix in faults))
        self.faults = tuple(faults)


class TargetError(CorsgateError, ValueError):
    """The request target can't be routed safely (RFC 9112 3.2)."""


class UnknownCoding(TargetError):
    """The request's body has an unknown transfer coding (RFC 9112 6.1)."""


class AddressRefused(CorsgateError):
    """A message names an address that the gate can't or must not map.

    Args:
        status: The status that the client gets.
        detail: One sentence for the client; it names no address of an upstream.
        said: The text for the log; empty to log the detail.
    """

    def __init__(self, status: int, detail: str, said: str = "") -> None:
        super().__init__(said or detail)
        self.status = status
        self.detail = detail


class RedirectLoop(AddressRefused):
    """A server redirects a URL to the same URL under another of the server's names."""


class MalformedRequest(CorsgateError):
    """The request is malformed, so its HTTP/2 stream is reset (RFC 9113 8.1.1)."""


class ConnectionFault(CorsgateError):
    """The client made an error that ends the whole HTTP/2 connection (RFC 9113 5.4.1).

    Args:
        code: The error code sent to the client (RFC 9113 7).
        detail: A short description for the log.
    """

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class BodyTooLarge(CorsgateError):
    """A client's body exceeded ``max_body_bytes`` while it was being read."""


class BodyTimedOut(CorsgateError):
    """No byte of a client's body arrived within ``client_body_timeout``."""


class ExchangeRevoked(BodyTimedOut):
    """A client's body stalled while other requests waited for its upstream connection."""


class UpstreamError(CorsgateError):
    """There is no usable response from an upstream server."""


class ConnectFailed(UpstreamError):
    """No connection could be made. Nothing was sent, so any request may try another server."""


class CertificateRefused(CorsgateError):
    """A server's certificate is not trusted, is for another name, or its key is not pinned."""


class ConnectTimedOut(ConnectFailed):
    """No connection was made within ``connect_timeout``."""


class UpstreamBusy(UpstreamError):
    """No connection became free within ``queue_timeout``; nothing was sent."""


class QueueFull(UpstreamBusy):
    """The queue of requests that wait for a connection is full."""


class TunnelsFull(QueueFull):
    """The server, or the client, already has the maximum number of tunnels."""


class UpstreamFull(UpstreamBusy):
    """The upstream already handles ``max_requests`` requests."""


class OutOfDescriptors(UpstreamBusy):
    """The gate has run out of file descriptors; the server is not at fault."""


class NoServer(UpstreamError):
    """Every server of the upstream is down or drained; nothing was sent."""


class ChallengedMidUpload(UpstreamError):
    """The server challenged a request whose body can't be resent; the next request is signed."""


class WeakChallenge(UpstreamError):
    """The server's challenge is weaker than the credentials allow."""


class BodyNotCovered(UpstreamError):
    """The server wants the body signed (``auth-int``), but it is too large to be buffered."""


class CredentialsRejected(UpstreamError):
    """The server rejected the gate's credentials, so requests are not signed for some time.

    Args:
        detail: The reason, the end of the block and how to fix it, without a secret.
        retry_s: In how many seconds the gate will sign requests again.
    """

    def __init__(self, detail: str, retry_s: float = 0.0) -> None:
        super().__init__(detail)
        self.retry_s = retry_s


class UnsignableBody(UpstreamError):
    """The signature must cover a request's body, which is too large or of unknown length.

    Args:
        detail: One sentence for the client; it names no upstream and no secret.
    """


class HandshakeFailed(UpstreamError):
    """The gate could not authenticate a connection, for a reason other than a 401."""


class LoginFailed(UpstreamError):
    """The gate can't get the token or session to sign a request; nothing was sent.

    Args:
        words: The reason, without a secret.
        retry_s: In how many seconds the gate will try again; 0.0 for the next request.
    """

    def __init__(self, words: str, retry_s: float = 0.0) -> None:
        super().__init__(words)
        self.retry_s = retry_s


class SentToLogin(LoginFailed):
    """The server redirected a request to its login page, and another login would not help."""


class TokenRefused(LoginFailed):
    """The token server rejects the client, its grant, or the requested scope or audience."""


class NoToken(LoginFailed):
    """The token server currently gives no usable response.

    Args:
        words: The reason, without a secret.
        retry_after_s: How many seconds the token server asks to wait.
    """

    def __init__(self, words: str, retry_after_s: float = 0.0) -> None:
        super().__init__(words)
        self.retry_after_s = retry_after_s


class UpstreamTimedOut(UpstreamError):
    """The server accepted the connection, but sent nothing within the time limit."""


class BadUpstreamResponse(UpstreamError):
    """The server sent something other than HTTP, or an incomplete response."""


class ConnectionReset(UpstreamError):
    """The server closed the connection before it sent any byte of its response."""


class PinnedConnectionLost(ConnectionReset):
    """The only connection that could carry a request closed before any of it was sent."""
