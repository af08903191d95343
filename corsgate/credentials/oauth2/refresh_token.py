"""A refresh token, and the ones that replace it (RFC 6749 6, RFC 9700 4.14).

Many token servers replace the refresh token at each use, and treat a second use of the old one as
theft. So credentials with the same refresh token take turns to use it. The newest token may be kept
in a file, because the one in the configuration is worthless after its first use.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.defer import TimeoutError as DeferredTimedOut
from twisted.logger import Logger

from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.secret import Secret

MAX_FILE_BYTES = 512 * 1024
"""How much of the file is read: more than any response of a token server that is accepted."""

_log = Logger()


class RefreshToken:
    """The newest refresh token, with a lock for its use.

    Args:
        first: The refresh token in the configuration.
        path: The file that keeps the newest one; None to keep it only in memory.
        in_thread: Calls a function in a thread; returns a Deferred of the result.

    Attributes:
        lock: Must be held while the token is used.
    """

    def __init__(
        self, first: Secret, path: str | None, in_thread: Callable[..., Deferred[Any]]
    ) -> None:
        self.lock = DeferredLock()
        self._first = first
        self._newest: Secret | None = None
        self._path = path
        self._in_thread = in_thread

    async def newest(self) -> Secret:
        """Return the newest refresh token; the first call reads the file.

        A file that descends from another first token is ignored, because the operator has since
        configured a new one. If no token was read, the file is written immediately. So an
        unwritable path is reported before the first token is used up.
        """
        if self._newest is None:
            kept = None
            if self._path is not None:
                kept = await self._load(self._path)
            self._newest = kept or self._first
            if kept is None:
                await self._keep(self._newest)
        return self._newest

    async def replace(self, text: str) -> None:
        """Use a new refresh token from now on, and store it.

        Args:
            text: The token.
        """
        if self._newest is not None and text == self._newest.reveal():
            return
        self._newest = Secret(text)
        await self._keep(self._newest)

    async def _load(self, path: str) -> Secret | None:
        try:
            data: bytes = await self._in_thread(read_private, path)
        except FileNotFoundError:
            return None
        except (OSError, DeferredTimedOut) as error:
            _log.warn(
                "token_file {path} can't be read, so the refresh token of the configuration is"
                " used: {reason}",
                path=path,
                reason=_reason(error),
            )
            return None
        found = decode_kept(data, self._first)
        if found is None:
            _log.info(
                "token_file {path} belongs to another refresh token, or is damaged; the one of the"
                " configuration is used",
                path=path,
            )
        return found

    async def _keep(self, token: Secret) -> None:
        if self._path is None:
            return
        try:
            await self._in_thread(replace_private, self._path, encode_kept(token, self._first))
        except (OSError, DeferredTimedOut) as error:
            _log.warn(
                "token_file {path} can't be written, so the refresh token may be lost at a"
                " restart: {reason}",
                path=self._path,
                reason=_reason(error),
            )


def _reason(error: Exception) -> str:
    """Return why a file can't be used; a network file system may not even respond."""
    return str(getattr(error, "strerror", None) or "it takes too long")


def refresh_token_key(credentials: OAuth2Credentials) -> tuple[object, ...]:
    """Return the key that all credentials with the same refresh token share.

    Args:
        credentials: Credentials with a refresh token.
    """
    return (RefreshToken, *credentials.refreshed_by)


def encode_kept(token: Secret, first: Secret) -> bytes:
    """Return the content of the file that keeps a refresh token.

    Args:
        token: The newest refresh token.
        first: The token in the configuration, of which only a hash is written.
    """
    kept = {"first_sha256": _hashed(first), "refresh_token": token.reveal()}
    return json.dumps(kept).encode("ascii") + b"\n"


def decode_kept(data: bytes, first: Secret) -> Secret | None:
    """Return the refresh token in a file; None if it doesn't descend from the first one.

    Args:
        data: The file's content, which may be damaged.
        first: The token in the configuration.
    """
    try:
        kept = json.loads(data)
        token, descends = kept["refresh_token"], kept["first_sha256"] == _hashed(first)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return Secret(token) if descends and isinstance(token, str) and token else None


def _hashed(secret: Secret) -> str:
    return sha256(secret.reveal().encode("utf-8", "surrogateescape")).hexdigest()


def read_private(path: str) -> bytes:
    """Return the first `MAX_FILE_BYTES` of a file.

    Args:
        path: The file.

    Raises:
        OSError: It can't be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, MAX_FILE_BYTES)
    finally:
        os.close(descriptor)


def replace_private(path: str, data: bytes) -> None:
    """Replace a file as a whole with one that only its owner can read.

    Args:
        path: The file. A symbolic link is replaced, not followed.
        data: Its content.

    Raises:
        OSError: It can't be written; the old file is unchanged.
    """
    # Always the same name, so that a process that is killed leaves one file at most.
    made = f"{path}.new"
    with suppress(FileNotFoundError):
        os.unlink(made)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(made, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(made, path)
    except OSError:
        with suppress(OSError):
            os.unlink(made)
        raise
    # The new name must also survive a power failure, because the old token is worthless.
    folder = os.open(os.path.dirname(path) or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
