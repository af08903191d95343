"""Exit statuses of a start that fails."""

from __future__ import annotations

import errno
import os
import sys
from io import StringIO

import attrs
from twisted.application.service import Service
from twisted.trial.unittest import SynchronousTestCase

from corsgate.daemon.top import Top, exit_for
from corsgate.errors import ConfigError, Fault, ListenError
from tests.daemon.test_notices import Noted

FAULT = Fault(file="a.toml", line=3, key="listen", problem="it is bad", fix="make it good")


class Failing(Service):
    """A service that can't start.

    Args:
        error: Why.
    """

    def __init__(self, error: Exception) -> None:
        self._error = error

    def privilegedStartService(self) -> None:
        """Fail."""
        raise self._error


class ExitTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Begin with nothing said."""
        self.noted = Noted()
        self.said = StringIO()
        self.patch(sys, "__stderr__", self.said)

    def test_configuration(self) -> None:
        """A configuration with faults ends it for good; systemd gets the first one."""
        self.assertEqual(exit_for(ConfigError([FAULT] * 3), self.noted).code, os.EX_CONFIG)
        self.assertEqual(os.EX_CONFIG, 78)
        self.assertEqual(self.said.getvalue().count(str(FAULT)), 3)
        status = f"did not start: {FAULT} (and 2 more faults)"
        self.assertEqual(self.noted.messages, [{"STATUS": status}])

    def test_what_a_name_contains(self) -> None:
        """Nothing in a fault is a line, a journal's record or a terminal's command of its own."""
        fault = attrs.evolve(FAULT, file="a\n<0>b\x1b[31m\u202e.toml")
        exit_for(ConfigError([fault, FAULT]), self.noted)
        first, second, rest = self.said.getvalue().split("\n")
        self.assertEqual(
            (first[:28], second, rest), (r"a\n<0>b\x1b[31m\u202e.toml:3", str(FAULT), "")
        )

    def test_port_in_use(self) -> None:
        """A port that is in use may be free later; systemd gets the system's reason."""
        self.assertEqual(exit_for(ListenError([FAULT], errno.EADDRINUSE), self.noted).code, 1)
        self.assertEqual(
            self.noted.messages,
            [{"STATUS": f"did not start: {FAULT}", "ERRNO": errno.EADDRINUSE}],
        )

    def test_without_a_reason(self) -> None:
        """An endpoint of a plugin may fail for a reason of its own."""
        exit_for(ListenError([FAULT]), self.noted)
        self.assertEqual(self.noted.names(), [["STATUS"]])

    def test_foreground(self) -> None:
        """The process ends by the status."""
        for error, status in ((ConfigError([FAULT]), os.EX_CONFIG), (ListenError([FAULT]), 1)):
            top = Top(daemonized=False, notifier=self.noted)
            Failing(error).setServiceParent(top)
            self.assertEqual(self.assertRaises(SystemExit, top.startService).code, status)

    def test_background(self) -> None:
        """twistd's parent gets an exception that it can pass on, and systemd the fault."""
        top = Top(daemonized=True, notifier=self.noted)
        Failing(ListenError([FAULT], 98)).setServiceParent(top)
        error = self.assertRaises(RuntimeError, top.privilegedStartService)
        self.assertEqual(str(error), FAULT.problem)
        self.assertEqual(self.noted.names(), [["STATUS", "ERRNO"]])
        self.assertEqual(len(self.flushLoggedErrors()), 0)
