"""The gate as an IService: it listens, serves, drains and stops."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IListeningPort
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from corsgate.config.model.endpoint import is_handed_over, with_backlog
from corsgate.config.model.values import Config
from corsgate.config.sections.tls import tls_warnings
from corsgate.config.warning_lines import warning_lines
from corsgate.errors import BadValue, ConfigError, Fault, ListenError
from corsgate.gate.access_log import AccessLog, open_log
from corsgate.gate.listener import ListenerSite
from corsgate.gate.log_writer import LineWriter, LogFile
from corsgate.gate.refusals import Refusals
from corsgate.gate.report_only import ReportOnly
from corsgate.gate.runtime import make_runtime
from corsgate.gate.upstream_runtime import UpstreamRuntime
from corsgate.server.admission import Admission
from corsgate.server.memory_budget import MemoryBudget
from corsgate.server.proxy_protocol import listening_endpoint
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines
from corsgate.transport.fast_write import bound_unsent
from corsgate.transport.listening import stop_listening, tend


class GateService(Service):
    """A configuration being served.

    Args:
        config: What to serve.
        reactor: Listens, connects and tells the time.
        rng: Returns so many unpredictable random bytes.
        file: The configuration's name in faults.
        write: Takes each access-log line; by default what the configuration says.
        output: Writes to standard output; None where there is none.

    Attributes:
        ports: What it listens on, while it does.
        config_since_s: Since when its configuration is in force, in seconds since 1970.
        listeners: What each of its listeners serves.

    Raises:
        ConfigError: The configuration is well-formed but can't be served, for instance for an
            access log that can't be opened. Nothing has been opened then.
    """

    _log = Logger()

    def __init__(
        self,
        config: Config,
        reactor: Any,
        *,
        rng: Callable[[int], bytes],
        file: str,
        write: Callable[[str], None] | None = None,
        output: LineWriter | None = None,
        shortcuts: Shortcuts = ALL,
    ) -> None:
        self.ports: list[IListeningPort] = []
        self.config_since_s = time.time()
        self._config = config
        self._reactor = reactor
        self._file = file
        self._shortcuts = shortcuts
        self._deadlines = Deadlines(reactor)
        # Each request has an id that no other one had, on whatever listener, before a restart.
        self._new_id = map(f"{rng(4).hex()}-{{:x}}".format, count(1)).__next__
        self._runtime = make_runtime(
            config,
            reactor=reactor,
            deadlines=self._deadlines,
            rng=rng,
            file=file,
            shortcuts=shortcuts,
            # Random of its own: upstreams are told it, and it must be no other process's.
            pseudonym=b"corsgate-" + rng(4).hex().encode("ascii"),
        )
        self._access_log = AccessLog(
            config.log_format,
            self._open_log(output) if write is None else write,
            reactor.seconds,
            time.time,
        )
        self._admission = Admission(self._deadlines, config.limits)
        for upstream in self._runtime.upstreams.values():
            upstream.agent.short = self._out_of_descriptors
        self.listeners = self._make_listeners(self._access_log)
        self._endpoints = self._make_endpoints()

    def privilegedStartService(self) -> None:
        """Listen everywhere, or nowhere.

        Raises:
            ListenError: An endpoint can't be listened on; none is then.
        """
        faults: list[Fault] = []
        reasons: list[int | None] = []

        def failed(number: int, text: str, failure: Failure) -> None:
            faults.append(self._fault(f"listen[{number}]", text, failure))
            reasons.append(_errno(failure.value))

        for number, (endpoint, listener) in enumerate(
            zip(self._endpoints, self.listeners, strict=True)
        ):
            listening: Deferred[IListeningPort] = endpoint.listen(listener.factory)
            text = listener.listener.endpoint
            listening.addCallbacks(self._listens, partial(failed, number, text))
        if faults:
            for port in self.ports:
                port.stopListening()
            self.ports.clear()
            raise ListenError(faults, reasons[-1])

    def startService(self) -> None:
        """Say where the gate can be reached, and what of it is not as safe as it could be."""
        super().startService()
        self._access_log.start()
        of_tls = [
            Fault(file=self._file, problem=problem, fix="")
            for problem in tls_warnings(self._config, time.time())
        ]
        for warning in warning_lines([*self._config.warnings, *of_tls]):
            self._log.warn("{caution}", caution=warning)
        for upstream in self._runtime.upstreams.values():
            upstream.start()
        for port in self.ports:
            bound_unsent(port)
            self._log.info("corsgate listens on {address}", address=_shown(port.getHost()))

    def stopService(self) -> Deferred[None]:
        """Accept what waits, listen no more, let what is in flight end, then close.

        Returns:
            A Deferred that fires when all is closed, after `drain_timeout` at the latest.
        """
        super().stopService()
        reactor = self._reactor
        for listener in self.listeners:
            # From here on each response says close, also on connections that are accepted last.
            listener.site.context.draining = True
        stopped = [
            stop_listening(port, reactor, handed_over=is_handed_over(each.listener.endpoint))
            for port, each in zip(self.ports, self.listeners, strict=False)
        ]
        self.ports.clear()
        cut = reactor.callLater(self._config.limits.drain_timeout_s, self.abort)
        return Deferred.fromCoroutine(self._drain(stopped, cut))

    async def _drain(self, stopped: Sequence[Deferred[Any]], cut: IDelayedCall) -> None:
        """Let what is in flight end, or be cut, then close the connections to upstreams."""
        await gatherResults(stopped)
        # A turn of the reactor later, what has come on an idle connection has been read.
        await deferLater(self._reactor, 0)
        await gatherResults([listener.site.drain() for listener in self.listeners])
        if cut.active():
            cut.cancel()
        for upstream in self._runtime.upstreams.values():
            upstream.stop()
        self._access_log.stop()

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._config

    @property
    def admission(self) -> Admission:
        """Counts the clients' connections."""
        return self._admission

    @property
    def upstreams(self) -> Mapping[str, UpstreamRuntime]:
        """The upstreams that it serves, by name."""
        return self._runtime.upstreams

    def abort(self) -> None:
        """Cut every client's connection."""
        for listener in self.listeners:
            listener.site.abort()

    @property
    def refusals(self) -> Refusals:
        """What the CORS decision refused of late, by route."""
        return self._access_log.refusals

    @property
    def report_only(self) -> Mapping[str, ReportOnly]:
        """The second policies that are tried beside the first, by route."""
        routes = self._runtime.table.routes
        return {route.label: route.report_only for route in routes if route.report_only is not None}

    def refresh(self) -> None:
        """Open the access log again, and use what the certificates' files hold now.

        No connection is dropped, and each keeps the certificates that it began with.
        """
        self._access_log.reopen()
        for listener in self.listeners:
            listener.reread_certificates()

    def _listens(self, port: IListeningPort) -> None:
        tend(port, self._reactor, self._out_of_descriptors)
        self.ports.append(port)

    def _out_of_descriptors(self) -> None:
        """Close idle connections of clients and to upstreams, so that others can be opened."""
        self._admission.out_of_descriptors()
        for upstream in self._runtime.upstreams.values():
            upstream.agent.drop_idle()

    def _open_log(self, output: LineWriter | None) -> Callable[[str], None] | LogFile | None:
        max_bytes = self._config.limits.max_buffered_log_bytes
        in_reactor = self._reactor.callFromThread
        try:
            return open_log(self._config.access_log, output, max_bytes, in_reactor)
        except OSError as error:
            problem = f"{self._config.access_log!r} can't be opened: {error.strerror}"
            fix = "name a file that the daemon may write"
            fault = Fault(file=self._file, key="access_log", problem=problem, fix=fix)
            raise ConfigError([fault]) from error

    def _make_listeners(self, access_log: AccessLog) -> list[ListenerSite]:
        memory = MemoryBudget(self._config.limits)
        listeners, faults = [], []
        for listener in self._config.listeners:
            try:
                made = ListenerSite(
                    listener,
                    self._config,
                    self._runtime,
                    deadlines=self._deadlines,
                    access_log=access_log,
                    new_id=self._new_id,
                    admission=self._admission,
                    memory=memory,
                    reactor=self._reactor,
                    shortcuts=self._shortcuts,
                )
                listeners.append(made)
            except BadValue as error:
                faults.append(
                    Fault(
                        file=self._file,
                        key="listener.certificates",
                        problem=error.problem,
                        fix=error.fix,
                    )
                )
        if faults:
            raise ConfigError(faults)
        return listeners

    def _make_endpoints(self) -> list[Any]:
        endpoints, faults = [], []
        for number, listener in enumerate(self.listeners):
            text = listener.listener.endpoint
            try:
                endpoints.append(listening_endpoint(self._reactor, with_backlog(text)))
            except Exception:
                # What an endpoint's own parser raises for bad arguments is anyone's guess.
                faults.append(self._fault(f"listen[{number}]", text, Failure()))
        if faults:
            raise ConfigError(faults)
        return endpoints

    def _fault(self, key: str, text: str, failure: Failure) -> Fault:
        error = failure.value
        if isinstance(error, BadValue):
            return Fault(file=self._file, key=key, problem=error.problem, fix=error.fix)
        if isinstance(error, CannotListenError):
            reason = getattr(error.socketError, "strerror", None) or str(error.socketError)
        else:
            reason = failure.getErrorMessage()
        return Fault(
            file=self._file,
            key=key,
            problem=f"can't listen on {text!r}: {reason}",
            fix="free that address, or name another",
        )


def _errno(error: BaseException | None) -> int | None:
    """Return why an endpoint can't be listened on."""
    reason = error.socketError if isinstance(error, CannotListenError) else error
    return getattr(reason, "errno", None)


def _shown(address: Any) -> str:
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    return f"{host}:{port}" if host is not None else str(address)
