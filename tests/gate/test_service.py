"""The gate as a service, over a reactor in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import ConfigError
from corsgate.gate.service import GateService
from tests.gate.fakes import logged
from tests.support import LISTEN, parse

REST = """[upstreams.a]
servers = ["http://10.0.0.1"]
[routes."/v1"]
upstream = "a"
cors_report_only = { allow_origins = ["https://app.example"] }
[routes."/v2"]
upstream = "a"
"""


class FullReactor(MemoryReactorClock):
    """A reactor on which a port is taken."""

    def listenTCP(self, port: int, *rest: Any, **named: Any) -> Any:
        """Listen, except on port 81."""
        if port == 81:
            raise CannotListenError("127.0.0.1", port, OSError(98, "Address already in use"))
        return super().listenTCP(port, *rest, **named)

    def callFromThread(self, function: Any, *arguments: Any, **named: Any) -> None:
        """Call it: there is one thread."""
        function(*arguments, **named)


class ServiceTests(SynchronousTestCase):
    """`GateService`."""

    def make(self, toml: str = LISTEN + REST, **changes: Any) -> GateService:
        """Return a service that has not started."""
        self.reactor = FullReactor()
        config = attrs.evolve(parse(toml), **changes)
        return GateService(config, self.reactor, rng=bytes, file="gate.toml")

    def test_listens(self) -> None:
        """It listens where it shall, and says so once it serves."""
        service = self.make('listen = ["tcp:80", "tcp:82"]\n' + REST, access_log="off")
        service.privilegedStartService()
        self.assertEqual([port for port, *_ in self.reactor.tcpServers], [80, 82])
        self.assertEqual(len(service.ports), 2)

    def test_all_or_nothing(self) -> None:
        """Where one port is taken it listens nowhere, and says which it was."""
        service = self.make('listen = ["tcp:80", "tcp:81"]\n' + REST, access_log="off")
        error = self.assertRaises(ConfigError, service.privilegedStartService)
        self.assertEqual([each.key for each in error.faults], ["listen[1]"])
        self.assertIn("Address already in use", str(error))
        self.assertEqual(service.ports, [])

    def test_no_log(self) -> None:
        """An access log that can't be opened keeps it from being made."""
        error = self.assertRaises(ConfigError, self.make, access_log="/none/a.log")
        self.assertEqual([each.key for each in error.faults], ["access_log"])

    def test_report_only(self) -> None:
        """Second policies are known by their routes."""
        service = self.make(access_log="off")
        self.assertEqual(list(service.report_only), ["/v1"])
        self.assertEqual(list(service.upstreams), ["a"])

    def test_refresh(self) -> None:
        """The log is opened again if there is a file."""
        path = Path(self.mktemp())
        service = self.make(access_log=str(path))
        path.unlink()
        said = logged(self)
        service.refresh()
        self.assertTrue(path.exists())
        self.make(access_log="off").refresh()
        (line,) = said()
        self.assertIn("opened again", line)
