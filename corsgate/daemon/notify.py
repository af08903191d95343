"""Messages to systemd about the service's state, over the socket in NOTIFY_SOCKET.

Source: sd_notify(3).
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from typing import Self

_SOCKET, _INTERVAL, _WATCHED = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_MAX_VALUE = 3000
"""The maximum length of a value in bytes. systemd ignores a message of more than 4096 bytes
(NOTIFY_BUFFER_MAX)."""


class Notifier:
    """Sends messages to systemd. It never blocks and never fails: without systemd it does nothing.

    Args:
        address: The path of the socket, or an abstract name after ``@``; empty for none.
        watchdog_s: The interval in seconds in which systemd expects messages; None if it expects
            none.

    Attributes:
        watchdog_s: As for the class.
    """

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s
        # Other kinds of address, such as vsock:, are ignored.
        self._address = address if address[:1] in ("/", "@") else ""

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str], pid: int) -> Self:
        """Return a notifier from environment variables, and remove the variables.

        Then a program that the gate starts can't send messages in the gate's name.

        Args:
            environ: The environment.
            pid: The id of this process. The watchdog may be meant for another one.
        """
        address = environ.pop(_SOCKET, "")
        interval, watched = environ.pop(_INTERVAL, ""), environ.pop(_WATCHED, str(pid))
        # A number of microseconds with more digits makes no sense.
        is_asked = interval.isdecimal() and len(interval) < 18 and watched == str(pid)
        watchdog_s = int(interval) / 1e6 if is_asked else 0.0
        return cls(address, watchdog_s or None)

    def __bool__(self) -> bool:
        """Whether there is a socket to send to."""
        return bool(self._address)

    def send(self, **fields: object) -> bool:
        """Send one message to systemd.

        Args:
            fields: The assignments, such as ``READY=1``. A line break in a value becomes a space,
                since it would start another assignment.

        Returns:
            Whether the message was sent. If not, systemd's queue is full, or its socket is gone.
        """
        if not self._address:
            return False
        message = b"\n".join(name.encode() + b"=" + _one_line(fields[name]) for name in fields)
        address = os.fsencode(self._address)
        if address[:1] == b"@":
            address = b"\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(message, address)
        except OSError:
            return False
        return True


def _one_line(value: object) -> bytes:
    encoded = " ".join(str(value).split()).encode("utf-8", "replace")
    if len(encoded) <= _MAX_VALUE:
        return encoded
    # systemd ignores a value that is not UTF-8, so no character may be cut in two.
    return f"{encoded[:_MAX_VALUE].decode('utf-8', 'ignore')}…".encode()
