"""The lines that the log has when a gate has started."""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger

from corsgate.config.model.values import Config
from corsgate.gate.service import GateService
from corsgate.gate.start_lines import summary


class Greeting(Service):
    """Logs what a gate serves; without a file, also the URL for the app.

    Args:
        config: What it serves.
        gate: The gate, which listens by then.
        file: The configuration's name in messages.
        has_file: Whether the configuration comes from a file.
    """

    _log = Logger()

    def __init__(self, config: Config, gate: GateService, file: str, *, has_file: bool) -> None:
        self._config = config
        self._gate = gate
        self._file = file
        self._has_file = has_file

    def startService(self) -> None:
        """Log it."""
        super().startService()
        for line in summary(self._config, self._file):
            self._log.info("{line}", line=line)
        if not self._has_file:
            self._greet()

    def _greet(self) -> None:
        (route,) = self._config.routes
        assert route.cors is not None, "quick_config always makes a policy"
        self._log.info(
            "{origins} may call {url}, which forwards to {servers}",
            origins=", ".join(route.cors.allow_origins),
            url=", ".join(_url(port.getHost()) for port in self._gate.ports),
            servers=", ".join(
                server.origin + server.base_path for server in route.upstream.servers
            ),
        )


def _url(address: Any) -> str:
    """Return the URL of a listening address for browsers on this machine."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is None:
        return str(address)
    if host in ("127.0.0.1", "::1", "0.0.0.0", "::"):  # noqa: S104  # Nothing is bound here.
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
