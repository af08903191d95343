"""Tests of `corsgate.gate.listen_fault`: each reason has a fix that works, on loopback only."""

from __future__ import annotations

import errno
import os
import sys

from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadValue
from corsgate.gate.listen_fault import COMMAND_LINE, listen_fault
from corsgate.transport.port_holder import Process


def taken(port: int) -> bool:
    """Return whether anybody has a port."""
    return port in (5555, 5556)


def holder(port: int) -> Process | None:
    """Return who has port 5555 and the next."""
    return Process(pid=4711, name="node") if taken(port) else None


class FaultTests(SynchronousTestCase):
    """`listen_fault`."""

    def fault(
        self,
        text: str,
        number: int,
        *own: str,
        file: str = "gate.toml",
        key: str = "listen[0]",
    ) -> str:
        """Return the fault of an endpoint, for which the system gave this reason."""
        error = CannotListenError("", 0, OSError(number, os.strerror(number), "other words"))
        return str(listen_fault(file, key, text, error, own, holder, taken))

    def test_reasons(self) -> None:
        """Each reason comes with its own fix."""
        text = "tcp:80:interface=127.0.0.1"
        for number, fix in (
            (errno.EADDRINUSE, "stop the process that uses it (sudo ss -ltnp 'sport = :80'"),
            (errno.EACCES, "ports below 1024 need a privilege"),
            (errno.ENOENT, "create the directory"),
            (errno.EADDRNOTAVAIL, "use another address"),
        ):
            said = self.fault(text, number)
            self.assertIn(
                f"listen[0]: can't listen on '{text}': {os.strerror(number)}; {fix}", said
            )
        self.assertIn("allow the daemon's user", self.fault("unix:/run/gate", errno.EACCES))
        self.assertIn("stop the process", self.fault("unix:/run/gate", errno.EADDRINUSE))
        bad = listen_fault("f", "k", "tcp:1", BadValue("it is bad", "write another"), ())
        self.assertEqual(str(bad), "f: k: it is bad; write another")

    def test_own(self) -> None:
        """Where the gate itself is in the way, and nowhere else, it has to be restarted."""
        text, other = "tcp:80:interface=127.0.0.2", "tcp:80:interface=0.0.0.0"
        fix = f"restart the gate for this change: until it stops, it listens on '{other}' itself"
        self.assertIn(fix, self.fault(text, errno.EADDRINUSE, "tcp:81", other))
        self.assertNotIn("restart", self.fault(text, errno.EADDRINUSE, "tcp:81"))
        self.assertNotIn("restart", self.fault(text, errno.EADDRNOTAVAIL, other))
        self.assertIn("restart", self.fault("unix:/a:mode=600", errno.EADDRINUSE, "unix:/a"))

    def test_process(self) -> None:
        """The process is named, with the option or key that works, and a port that is free."""
        text, stop = "tcp:5555:interface=127.0.0.1", "stop process 4711 (node), which uses it, or"
        for file, key, other in (
            (COMMAND_LINE, "listen[0]", "use another port: --listen 5557"),
            ("gate.toml", "listen[0]", 'use another port, such as "tcp:5557:interface=127.0.0.1"'),
            (
                "gate.toml",
                "admin.listen",
                'use another port: listen = "tcp:5557:interface=127.0.0.1" under [admin]',
            ),
        ):
            said = self.fault(text, errno.EADDRINUSE, file=file, key=key)
            self.assertTrue(said.endswith(f"; {stop} {other}"), said)

    def test_never_all_interfaces(self) -> None:
        """An endpoint that other machines reach is not written out."""
        for text in ("tcp:5555", "tcp:5555:interface=0.0.0.0", "tcp6:5555", "tcp:80", "ssl:443"):
            for number in (errno.EADDRINUSE, errno.EACCES):
                fix = self.fault(text, number).partition(os.strerror(number))[2]
                self.assertNotIn("tcp", fix, text)
                self.assertNotIn("0.0.0.0", fix)

    def test_privileged(self) -> None:
        """The command names the program that needs the privilege: a link has none."""
        said = self.fault("tcp:443", errno.EACCES)
        python = os.path.realpath(sys.executable)
        self.assertIn(f"sudo setcap cap_net_bind_service=+ep {python},", said)
        self.assertIn('listen = ["systemd:name=corsgate"]', said)
