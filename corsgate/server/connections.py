"""The connections of one listener, with the channel of each."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress

from corsgate.server.admission import Admission, Admitted, Holder
from corsgate.server.idle import Idle
from corsgate.transport.deadlines import Deadlines


class Channel(Holder, Protocol):
    """An object that owns one of the connections."""

    def drain(self) -> None:
        """Close now if idle, else after the current requests."""

    def cut(self, outcome: str) -> None:
        """Cut the connection; the access log has the reason."""

    def rest(self) -> None:
        """Drop what would make the next request cheaper, unless one is in progress."""


class Connections:
    """The connections of one listener.

    Args:
        deadlines: Calls `rest` of idle connections from time to time.
        admission: Counts the connections of all listeners.
        trusted_proxies: Networks of proxies that serve many clients.

    Attributes:
        channels: The channels of established connections.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        admission: Admission,
        trusted_proxies: Sequence[IPv4Network | IPv6Network] = (),
    ) -> None:
        self.channels: set[Channel] = set()
        self._idle = Idle(deadlines, self.channels)
        self._admission = admission
        self._trusted_proxies = trusted_proxies
        self._admitted: dict[object, Admitted] = {}
        self._emptied: list[Deferred[None]] = []

    def trust(self, proxies: Sequence[IPv4Network | IPv6Network]) -> None:
        """Set the networks of trusted proxies for new connections."""
        self._trusted_proxies = proxies

    def admit(self, address: IAddress | None) -> Admitted | None:
        """Admit a new connection; return None if it is refused."""
        return self._admission.admit(address, self._trusted_proxies)

    def begin(self, channel: Channel, admitted: Admitted) -> None:
        """Record the channel of a newly admitted connection."""
        self._admitted[channel] = admitted
        admitted.holder = channel
        self._idle.start()

    def add(self, channel: Channel) -> None:
        """Add a channel whose connection is established."""
        self.channels.add(channel)

    def client_of(self, channel: object) -> str | None:
        """Return the key by which a channel's client is counted; None if it is not counted."""
        admitted = self._admitted.get(channel)
        return None if admitted is None else admitted.client

    def hand_over(self, before: Channel, after: Channel) -> None:
        """Let another channel take over an admitted connection."""
        admitted = self._admitted.pop(before, None)
        if admitted is not None:
            self._admitted[after] = admitted
            admitted.holder = after
        self.channels.add(after)
        self.channels.discard(before)

    def lost(self, channel: Channel) -> None:
        """Forget a channel whose connection is lost."""
        self.channels.discard(channel)
        admitted = self._admitted.pop(channel, None)
        if admitted is not None:
            self._admission.leave(admitted)
        self._check_emptied()

    def drain(self) -> Deferred[None]:
        """Close idle connections now, and the others after their responses.

        Returns:
            A Deferred that fires when none is left.
        """
        self._admission.report()
        emptied: Deferred[None] = Deferred()
        self._emptied.append(emptied)
        self.drain_again()
        self._check_emptied()
        return emptied

    def drain_again(self) -> None:
        """Drain new connections, such as those with a slow TLS handshake."""
        for channel in list(self.channels):
            channel.drain()

    def cut(self, outcome: str) -> None:
        """Cut all connections; the access log has the reason."""
        for channel in list(self.channels):
            channel.cut(outcome)

    def _check_emptied(self) -> None:
        if not self.channels:
            self._idle.stop()
            waiting, self._emptied = self._emptied, []
            for emptied in waiting:
                emptied.callback(None)
