"""The gate as an IService: it listens, serves, reloads, drains and stops."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall, IListeningPort
from twisted.logger import Logger

from corsgate.config.model.limits import Limits
from corsgate.config.model.values import Config
from corsgate.config.sections.tls import tls_warnings
from corsgate.config.warning_lines import warning_lines
from corsgate.credentials.secret_commands import SecretCommands
from corsgate.errors import ConfigError, Fault
from corsgate.gate.access_log import AccessLog, open_log, place_of_log
from corsgate.gate.counters import Counters
from corsgate.gate.drain import Drain
from corsgate.gate.listener import ListenerSite
from corsgate.gate.listening import Listening, adjust_socket
from corsgate.gate.log_change import LogChange, log_fault
from corsgate.gate.log_style import OutputLines
from corsgate.gate.log_writer import LogFile
from corsgate.gate.refusal_fix import RemedyLines
from corsgate.gate.refusals import Refusals
from corsgate.gate.runtime import Runtime
from corsgate.gate.snapshot import Lasting, Snapshot, make_snapshot
from corsgate.gate.upstream_runtime import UpstreamRuntime
from corsgate.message.request_id import made_ids
from corsgate.server.admission import Admission
from corsgate.server.live_limits import change, live_copy
from corsgate.server.memory_budget import MemoryBudget
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.command import run_command
from corsgate.transport.deadlines import Deadlines
from corsgate.transport.threads import call_in_thread


class GateService(Service):
    """The gate: it serves a configuration, which can be replaced at run time.

    Args:
        config: The first configuration.
        reactor: The reactor.
        rng: Returns the given number of unpredictable random bytes.
        file: The configuration's name in faults.
        write: Accepts each access-log line; by default the configuration decides.
        output: Standard output; None if there is none.

    Attributes:
        config: The current configuration.
        config_since_s: When that came into force, in seconds since 1970.
        file: The configuration's name in messages.
        runtime: The routes and upstreams of the current configuration.
        draining: Whether the gate is stopping.
        status_page: Returns the URL of the status page; empty if there is none.

    Raises:
        ConfigError: The configuration is well-formed but can't be served, for instance because
            the access log can't be opened. Nothing is left open.
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
        output: OutputLines | None = None,
        shortcuts: Shortcuts = ALL,
    ) -> None:
        self.config = config
        self.config_since_s = time.time()
        self.file = file
        self.draining = False
        self.status_page: Callable[[], str] = str
        self._reactor = reactor
        self._output = output
        self._keeps_log = write is not None
        self._stopped = False
        self._awaiting_stop: list[Deferred[None]] = []
        deadlines = Deadlines(reactor)
        self._access_log = AccessLog(
            config.log_format,
            self._open_log(output) if write is None else write,
            reactor.seconds,
            time.time,
            place_of_log(config.access_log, output),
        )
        self.refusals.remedy = RemedyLines(lambda: self.config).line
        self._lasting = Lasting(
            reactor=reactor,
            deadlines=deadlines,
            rng=rng,
            new_id=made_ids(rng).__next__,
            # Random, because upstreams see it, and it must differ from that of any other process.
            pseudonym=b"corsgate-" + rng(4).hex().encode("ascii"),
            limits=live_copy(config.limits),
            admission=Admission(deadlines, config.limits),
            memory=MemoryBudget(config.limits),
            access_log=self._access_log,
            counters=Counters(),
            listening=Listening(reactor, self._out_of_descriptors),
            short=self._out_of_descriptors,
            commands=SecretCommands(reactor.seconds, partial(call_in_thread, reactor, run_command)),
            status_page=lambda: self.status_page(),
            shortcuts=shortcuts,
        )
        snapshot = make_snapshot(self._lasting, config, file)
        self.runtime: Runtime = snapshot.runtime
        self._listening.sockets = [socket for socket, _ in snapshot.sockets]
        self._numbers = snapshot.numbers

    # State for other modules.

    @property
    def ports(self) -> list[IListeningPort]:
        """The sockets that the gate listens on; none before the start and while it stops."""
        return self._listening.ports

    @property
    def listeners(self) -> Sequence[ListenerSite]:
        """The listeners of the current configuration, in its order."""
        return [socket.site for socket in self._listening.sockets]

    @property
    def admission(self) -> Admission:
        """Counts the clients' connections."""
        return self._lasting.admission

    @property
    def memory(self) -> MemoryBudget:
        """Counts the bytes that wait in memory."""
        return self._lasting.memory

    @property
    def counters(self) -> Counters:
        """Count requests and responses, if the configuration has an admin listener."""
        return self._lasting.counters

    @property
    def log_lines_lost(self) -> int:
        """How many lines of the access log were lost since the start."""
        on_output = 0 if self._output is None else self._output.lost()
        return self._access_log.lost_lines + on_output

    @property
    def upstreams(self) -> Mapping[str, UpstreamRuntime]:
        """The upstreams of the current configuration, by name."""
        return self.runtime.upstreams

    @property
    def refusals(self) -> Refusals:
        """The last requests that the CORS decision refused, by route."""
        return self._access_log.refusals

    def warnings(self) -> list[str]:
        """Return the warnings of the current configuration, one line each."""
        of_tls = [
            Fault(file=self.file, problem=problem, fix="")
            for problem in tls_warnings(self.config, time.time())
        ]
        return warning_lines([*self.config.warnings, *of_tls])

    # Start and stop.

    def privilegedStartService(self) -> None:
        """Listen on all endpoints, or on none if one fails.

        Raises:
            ListenError: The gate can't listen on an endpoint.
        """
        found: list[Any] = []
        sockets = self._listening.sockets
        self._listening.open(sockets, self._numbers, self.file).addErrback(found.append)
        if found:
            raise found[0].value

    def startService(self) -> None:
        """Log the listeners and the configuration's warnings, and start the upstreams."""
        super().startService()
        self._access_log.start()
        self._log_warnings(in_summary=True)
        for upstream in self.runtime.upstreams.values():
            upstream.start()
        for line in self._listening.began(self._listening.sockets):
            self._log.info("{line}", line=line, in_summary=True)

    def stopService(self) -> Deferred[None]:
        """Accept the pending connections, stop listening, drain, and close everything.

        Returns:
            A Deferred that fires when everything is closed, after `drain_timeout` at the latest.
        """
        super().stopService()
        self.draining = True
        limits = self.config.limits
        drain = Drain([each.site for each in self.listeners], limits, self._reactor)
        # Listeners that a reload removed may have a later end, from an earlier configuration.
        cut = self._reactor.callLater(limits.drain_timeout_s, self._listening.cut_leaving)
        ended = [drain.run(self._listening.stop()), *self._listening.leaving.values()]
        return gatherResults(ended).addCallback(self._drained, cut)

    def _drained(self, _: object, cut: IDelayedCall) -> Deferred[None]:
        """Log out, and close the connections to upstreams; no client is connected now."""
        if cut.active():
            cut.cancel()
        return self.runtime.stop().addCallback(self._ended)

    def _ended(self, _: object) -> None:
        """Close the access log, and report the stop to those who wait for it."""
        self._access_log.stop()
        self._stopped = True
        for waiting in self._awaiting_stop:
            waiting.callback(None)

    def when_stopped(self) -> Deferred[None]:
        """Return a Deferred that fires when the gate has drained and stopped."""
        waiting: Deferred[None] = Deferred()
        if self._stopped:
            waiting.callback(None)
        else:
            self._awaiting_stop.append(waiting)
        return waiting

    def abort(self) -> None:
        """Cut every client's connection."""
        for listener in self.listeners:
            listener.site.abort()
        self._listening.cut_leaving()

    # Reload.

    def prepare(self, config: Config) -> Snapshot:
        """Make another configuration ready; call this in a thread.

        Returns:
            The argument of `swap`. If `swap` is not called, `Snapshot.discard` must be.

        Raises:
            ConfigError: It can't be served. Nothing has changed.
        """
        return make_snapshot(
            self._lasting,
            config,
            self.file,
            before=self.runtime,
            open_log=None if self._keeps_log else self._prepare_log,
        )

    async def swap(
        self, snapshot: Snapshot, follow: Callable[[Config], None] = lambda config: None
    ) -> None:
        """Serve another configuration, starting with the next request.

        New sockets are opened first. Everything else happens in one turn of the reactor.

        Args:
            snapshot: The configuration, made ready since the last `swap`.
            follow: Called with the configuration at the last moment, to apply its other settings.
                If that fails, nothing changes.

        Raises:
            ConfigError: The gate can't listen on an endpoint. Nothing has changed.
        """
        before = self.config.admin
        admin = None if before is None else before.listen
        opened = False
        try:
            await self._listening.open(snapshot.added, snapshot.numbers, snapshot.file, admin)
            opened = True
            if self.draining:
                fault = Fault(file=self.file, problem="the gate is stopping", fix="start it again")
                raise ConfigError([fault])
            follow(snapshot.config)
        except BaseException:
            snapshot.discard()
            if opened:
                await self._listening.close(snapshot.added)
            raise
        self._use(snapshot)

    def reopen_log(self) -> None:
        """Reopen the access log if it is a file; for a reload whose configuration has faults."""
        if self._access_log.has_file:
            self._access_log.reopen()

    def _use(self, snapshot: Snapshot) -> None:
        """Replace the current configuration. This neither waits nor fails.

        Everything that decides about requests is replaced first, by mere assignments.
        """
        config, lasting = snapshot.config, self._lasting
        change(lasting.limits, config.limits)
        lasting.admission.bound(config.limits)
        lasting.memory.bound(config.limits)
        self.config, self.config_since_s = config, time.time()
        before, self.runtime = self.runtime, snapshot.runtime
        for socket, served in snapshot.sockets:
            text = socket.text
            if socket.site.served is not served:
                socket.site.use(served)
            adjust_socket(socket, text)
        for site, served in snapshot.leaving:
            site.use(served)
        self._listening.use([socket for socket, _ in snapshot.sockets], config.limits)
        if snapshot.log is not None:
            snapshot.log.apply()
        self.runtime.take_over(before)
        self.refusals.forget_others(frozenset(route.label for route in self.runtime.table.routes))
        for line in self._listening.began(snapshot.added):
            self._log.info("{line}", line=line)
        self._log_warnings()

    # Private parts.

    @property
    def _listening(self) -> Listening:
        return self._lasting.listening

    def _log_warnings(self, *, in_summary: bool = False) -> None:
        for warning in self.warnings():
            self._log.warn("{caution}", caution=warning, in_summary=in_summary)

    def _out_of_descriptors(self) -> None:
        """Close idle connections, of clients and to upstreams, so that others can be opened."""
        self.admission.out_of_descriptors()
        for upstream in self.runtime.upstreams.values():
            upstream.agent.drop_idle()

    def _open_log(self, output: OutputLines | None) -> Callable[[str], None] | LogFile | None:
        config, in_reactor = self.config, self._reactor.callFromThread
        limits: Limits = config.limits
        try:
            return open_log(config.access_log, output, limits.max_buffered_log_bytes, in_reactor)
        except OSError as error:
            raise ConfigError([log_fault(config, self.file, error)]) from error

    def _prepare_log(self, config: Config) -> LogChange:
        try:
            return LogChange(self._access_log, config, self._output, self._reactor)
        except OSError as error:
            raise ConfigError([log_fault(config, self.file, error)]) from error
