"""The connections of one listener: which channel has each, and when none is left."""

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
        """Close now where nothing is in flight, else after that."""

    def cut(self, outcome: str) -> None:
        """Cut the connection; the access log says why."""

    def rest(self) -> None:
        """Forget what only makes the next request cheaper, unless one is under way."""


class Connections:
    """The connections of one listener.

    Args:
        deadlines: Tells idle connections to rest from time to time.
        admission: Counts the connections of all listeners.
        trusted_proxies: Networks whose connections speak for many clients.

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
        """Trust proxies of other networks, from the next connection on."""
        self._trusted_proxies = proxies

    def admit(self, address: IAddress | None) -> Admitted | None:
        """Return the place of a new connection; None where it is refused."""
        return self._admission.admit(address, self._trusted_proxies)

    def begin(self, channel: Channel, admitted: Admitted) -> None:
        """Give the place of a new connection to its channel."""
        self._admitted[channel] = admitted
        admitted.holder = channel
        self._idle.start()

    def add(self, channel: Channel) -> None:
        """Add a channel whose connection is established."""
        self.channels.add(channel)

    def client_of(self, channel: object) -> str | None:
        """Return the key that a channel's client is counted by; None if it is not counted."""
        admitted = self._admitted.get(channel)
        return None if admitted is None else admitted.client

    def hand_over(self, before: Channel, after: Channel) -> None:
        """Let another channel take over a connection, with its place among those admitted."""
        admitted = self._admitted.pop(before, None)
        if admitted is not None:
            self._admitted[after] = admitted
            admitted.holder = after
        self.channels.add(after)
        self.channels.discard(before)

    def lost(self, channel: Channel) -> None:
        """Forget a channel whose connection is gone."""
        self.channels.discard(channel)
        admitted = self._admitted.pop(channel, None)
        if admitted is not None:
            self._admission.leave(admitted)
        self._check_emptied()

    def drain(self) -> Deferred[None]:
        """Close idle connections now, and each other one after its response.

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
        """Cut all connections; the access log says why."""
        for channel in list(self.channels):
            channel.cut(outcome)

    def _check_emptied(self) -> None:
        if not self.channels:
            self._idle.stop()
            waiting, self._emptied = self._emptied, []
            for emptied in waiting:
                emptied.callback(None)
