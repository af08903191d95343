"""Shows a summary of the gate when it has started."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.logger import Logger

from corsgate.config.model.endpoint import is_tls
from corsgate.config.model.values import Config
from corsgate.gate.log_style import OutputLines
from corsgate.gate.service import GateService
from corsgate.gate.start_lines import MAX_LISTED, MAX_SHOWN, summary
from corsgate.gate.start_summary import Started, start_summary
from corsgate.transport.address_text import address_text
from corsgate.upstream.reachable import unreachable

LOOK_S = 1.0
"""How long the summary waits for connections to the servers, in seconds. The gate serves requests
in the meantime."""


class Greeting(Service):
    """Shows a summary of the gate: a table on a terminal, or lines in a log.

    Args:
        reactor: The gate's reactor.
        config: The gate's configuration.
        gate: The gate, which already listens when this starts.
        file: The configuration's name in messages.
        has_file: Whether the configuration comes from a file.
        status_url: Returns the address of the status page, or None.
        terminal: The terminal for the table; None for lines in the log.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        config: Config,
        gate: GateService,
        file: str,
        *,
        has_file: bool,
        status_url: Callable[[], str | None] = lambda: None,
        terminal: OutputLines | None = None,
    ) -> None:
        self._reactor = reactor
        self._config = config
        self._gate = gate
        self._file = file
        self._has_file = has_file
        self._status_url = status_url
        self._terminal = terminal
        self._looking: Deferred[Any] = succeed(None)

    def startService(self) -> None:
        """Log the summary, or show it when it is known which servers can be reached."""
        super().startService()
        if self._terminal is not None:
            # The reactor must run to connect to servers, and names are looked up in a thread.
            self._reactor.callWhenRunning(self._look, self._terminal)
            return
        for line in summary(self._config, self._file):
            self._log.info("{line}", line=line)
        if not self._has_file:
            self._greet()

    def stopService(self) -> None:
        """Don't show anything from now on."""
        super().stopService()
        self._looking.cancel()

    def _look(self, terminal: OutputLines) -> None:
        if not self.running:
            return
        problems: dict[str, str] = {}
        looks = []
        for upstream in list(self._config.upstreams.values())[:MAX_SHOWN]:
            for server in upstream.servers[:MAX_LISTED]:
                look = unreachable(self._reactor, upstream, server, LOOK_S)
                url = server.origin + server.base_path
                looks.append(look.addCallback(lambda why, at: problems.update({at: why}), url))
        self._looking = gatherResults(looks, consumeErrors=True)
        self._looking.addErrback(lambda _: None)
        self._looking.addCallback(lambda _: self._show(terminal, problems))

    def _show(self, terminal: OutputLines, problems: Mapping[str, str]) -> None:
        if not self.running:
            return
        started = Started(
            version=version("corsgate"),
            config=self._config,
            file=self._file if self._has_file else None,
            urls=self._urls(),
            status_url=self._status_url(),
            problems=problems,
            warnings=self._gate.warnings(),
            pid=os.getpid(),
            is_stopped_by_ctrl_c=os.isatty(0),
        )
        width = shutil.get_terminal_size().columns
        for line in start_summary(started, terminal.place, width):
            terminal.put(line)

    def _greet(self) -> None:
        (route,) = self._config.routes
        assert route.cors is not None, "quick_config always makes a policy"
        self._log.info(
            "{origins} may call {url}, which forwards to {servers}",
            origins=", ".join(route.cors.allow_origins),
            url=", ".join(self._urls()),
            servers=", ".join(
                server.origin + server.base_path for server in route.upstream.servers
            ),
        )

    def _urls(self) -> list[str]:
        """Return the URLs of the listeners for browsers on this machine."""
        listeners = [site.listener for site in self._gate.listeners]
        schemes = [
            "https" if each.certificates or is_tls(each.endpoint) else "http" for each in listeners
        ]
        ports = self._gate.ports
        return [_url(port.getHost(), scheme) for port, scheme in zip(ports, schemes, strict=False)]


def _url(address: Any, scheme: str) -> str:
    """Return the URL of a listening address for browsers on this machine."""
    text = address_text(address)
    if text.startswith("unix:"):
        return text
    host, _, port = text.rpartition(":")
    if host in ("127.0.0.1", "[::1]", "0.0.0.0", "[::]"):  # noqa: S104  # Nothing is bound here.
        host = "localhost"
    is_usual = (scheme, port) in (("http", "80"), ("https", "443"))
    return f"{scheme}://{host}" if is_usual else f"{scheme}://{host}:{port}"
