"""Messages to systemd, over a real datagram socket."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.daemon.notify import Notifier

PID = 4711


class NotifierTests(SynchronousTestCase):
    """It sends what it is given, and nothing stops it."""

    def setUp(self) -> None:
        """Make a directory whose path is short enough for a socket."""
        directory = tempfile.mkdtemp(prefix="corsgate-")
        self.addCleanup(shutil.rmtree, directory)
        self.path = f"{directory}/notify"

    def bind(self, address: str | bytes) -> socket.socket:
        """Return a socket that receives at an address."""
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(receiver.close)
        receiver.bind(address)
        receiver.setblocking(False)
        return receiver

    def test_path(self) -> None:
        """The fields of one message are its lines."""
        receiver = self.bind(self.path)
        self.assertTrue(Notifier(self.path).send(READY=1, STATUS="all is “well”"))
        self.assertEqual(receiver.recv(4096).decode(), "READY=1\nSTATUS=all is “well”")

    def test_abstract_name(self) -> None:
        """A name after ``@`` is in the abstract namespace."""
        name = f"corsgate-test-{os.getpid()}"
        receiver = self.bind(b"\0" + name.encode())
        self.assertTrue(Notifier(f"@{name}").send(WATCHDOG=1))
        self.assertEqual(receiver.recv(4096), b"WATCHDOG=1")

    def test_value_stays_a_value(self) -> None:
        """A value with a line break can't add a field, and a long one is cut."""
        receiver = self.bind(self.path)
        notifier = Notifier(self.path)
        notifier.send(STATUS="first\nMAINPID=1\r\nlast")
        self.assertEqual(receiver.recv(4096), b"STATUS=first MAINPID=1 last")
        self.assertTrue(notifier.send(STATUS="x\N{GRINNING FACE}" * 100_000))
        got = receiver.recv(100_000)
        self.assertLess(len(got), 4096)
        self.assertTrue(got.decode().endswith("…"))

    def test_nobody_listens(self) -> None:
        """Without a receiver nothing is sent, and nothing is raised."""
        for address in ("", self.path, f"{self.path}/x", "@nobody-is-here", "/" * 200, "vsock:1:2"):
            self.assertFalse(Notifier(address).send(READY=1), address)
        self.assertFalse(Notifier("/\udcff").send(READY=1))
        self.assertTrue(Notifier(self.path))
        for address in ("", "vsock:1:2", "relative"):
            self.assertFalse(Notifier(address), address)

    def test_full_queue(self) -> None:
        """A receiver that does not read costs messages, but no time."""
        receiver = self.bind(self.path)
        notifier = Notifier(self.path)
        sent = 0
        while notifier.send(STATUS=sent):
            sent += 1
        with contextlib.suppress(BlockingIOError):
            while receiver.recv(4096):
                pass
        self.assertTrue(notifier.send(READY=1))

    def test_environment_is_taken(self) -> None:
        """The variables are removed: a program that is started later is not the service."""
        receiver = self.bind(self.path)
        environ = {
            "NOTIFY_SOCKET": self.path,
            "WATCHDOG_USEC": "20000000",
            "WATCHDOG_PID": str(PID),
            "HOME": "/",
        }
        notifier = Notifier.from_environment(environ, PID)
        self.assertEqual((environ, notifier.watchdog_s), ({"HOME": "/"}, 20.0))
        notifier.send(READY=1)
        self.assertEqual(receiver.recv(4096), b"READY=1")

    def test_no_environment(self) -> None:
        """Without systemd there is nothing to do."""
        notifier = Notifier.from_environment({}, PID)
        self.assertFalse(notifier)
        self.assertIsNone(notifier.watchdog_s)

    def test_watchdog(self) -> None:
        """Only this process's watchdog is fed, and only one that is on."""
        cases: tuple[tuple[dict[str, str], float | None], ...] = (
            ({"WATCHDOG_USEC": "500000"}, 0.5),
            ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(PID)}, 0.5),
            ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
            ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "x"}, None),
            ({"WATCHDOG_USEC": "0"}, None),
            ({"WATCHDOG_USEC": "-5"}, None),
            ({"WATCHDOG_USEC": "9" * 400}, None),
            ({"WATCHDOG_USEC": "soon"}, None),
            ({"WATCHDOG_PID": str(PID)}, None),
        )
        for environ, wanted in cases:
            environ = {"NOTIFY_SOCKET": self.path, **environ}
            self.assertEqual(Notifier.from_environment(environ, PID).watchdog_s, wanted, environ)

    def test_no_descriptor_stays(self) -> None:
        """Sending leaves nothing open."""
        self.bind(self.path)
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(5):
            Notifier(self.path).send(READY=1)
        self.assertEqual(len(list(Path("/proc/self/fd").iterdir())), before)
