"""A fake process, for tests of the code that controls one."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IAddress, IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(IProcessTransport)
class FakeProcess:
    """Keeps the signals that it is sent, and ends at one of them."""

    pid = 4711

    def __init__(self, protocol: ProcessProtocol, ends_at: str, gone: bool = False) -> None:
        self.signals: list[str | int] = []
        self._protocol = protocol
        self._ends_at = ends_at
        self._gone = gone

    def signalProcess(self, signalID: str | int) -> None:
        """Take a signal."""
        if self._gone:
            raise ProcessExitedAlready
        self.signals.append(signalID)
        if signalID == self._ends_at:
            self._protocol.processEnded(Failure(ProcessDone(0)))

    def closeStdin(self) -> None:
        """Not called."""

    def closeStdout(self) -> None:
        """Not called."""

    def closeStderr(self) -> None:
        """Not called."""

    def closeChildFD(self, descriptor: int) -> None:
        """Not called."""

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """Not called."""

    def loseConnection(self) -> None:
        """Not called."""

    def write(self, data: bytes) -> None:
        """Not called."""

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Not called."""

    def getPeer(self) -> IAddress:
        """Not called."""
        raise NotImplementedError

    def getHost(self) -> IAddress:
        """Not called."""
        raise NotImplementedError
