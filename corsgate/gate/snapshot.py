"""A complete configuration made ready, at the start and for each reload."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from corsgate.config.model.endpoint import is_loopback
from corsgate.config.model.limits import Limits
from corsgate.config.model.values import Config, Listener
from corsgate.credentials.secret_commands import SecretCommands
from corsgate.errors import BadValue, ConfigError, Fault
from corsgate.gate.access_log import AccessLog
from corsgate.gate.counters import Counters
from corsgate.gate.listener import ListenerSite
from corsgate.gate.listening import Listening, Socket
from corsgate.gate.log_change import LogChange
from corsgate.gate.runtime import Runtime, make_runtime
from corsgate.gate.served import Served
from corsgate.server.admission import Admission
from corsgate.server.memory_budget import MemoryBudget
from corsgate.shortcuts import Shortcuts
from corsgate.transport.deadlines import Deadlines
from corsgate.transport.inherited import is_loopback_socket


@attrs.frozen(kw_only=True, eq=False)
class Lasting:
    """The objects that a process keeps for all its configurations.

    Attributes:
        reactor: The reactor.
        deadlines: Ends what takes too long.
        rng: Returns the given number of unpredictable random bytes.
        new_id: Returns a request id.
        pseudonym: The name of this process in Via.
        limits: The limits of clients' connections, which a reload changes in place.
        admission: Counts the connections of all listeners.
        memory: Counts the bytes that wait in memory for all listeners.
        access_log: Gets a line for each request.
        counters: Count requests and responses, if the configuration has an admin listener.
        listening: The listening sockets.
        short: Called if there is no file descriptor left.
        commands: Runs again the commands that print secrets, after a rejection.
        status_page: Returns the URL of the status page; empty if there is none.
        shortcuts: Which shortcuts to take.
    """

    reactor: Any
    deadlines: Deadlines
    rng: Callable[[int], bytes]
    new_id: Callable[[], str]
    pseudonym: bytes
    limits: Limits
    admission: Admission
    memory: MemoryBudget
    access_log: AccessLog
    counters: Counters
    listening: Listening
    short: Callable[[], None]
    commands: SecretCommands
    status_page: Callable[[], str]
    shortcuts: Shortcuts


@attrs.frozen(kw_only=True, eq=False)
class Snapshot:
    """Everything that a configuration decides, ready to replace the current one.

    Attributes:
        config: The configuration.
        file: The configuration's name in messages.
        runtime: Its routes and upstreams.
        sockets: The socket of each listener, with the state that the listener will have.
        added: The sockets that still have to be opened.
        numbers: The index of the listener in the configuration for each of `added`.
        leaving: Listeners that are no longer configured but still have connections, with the
            state that they have until the last one ends.
        log: The change of the access log; None to leave the log as it is.
    """

    config: Config
    file: str
    runtime: Runtime
    sockets: Sequence[tuple[Socket, Served]]
    added: Sequence[Socket]
    numbers: Sequence[int]
    leaving: Sequence[tuple[ListenerSite, Served]]
    log: LogChange | None

    def discard(self) -> None:
        """Close what was opened for this snapshot."""
        if self.log is not None:
            self.log.discard()


def make_snapshot(
    lasting: Lasting,
    config: Config,
    file: str,
    *,
    before: Runtime | None = None,
    open_log: Callable[[Config], LogChange] | None = None,
) -> Snapshot:
    """Make a configuration ready. This may run in a thread, since it opens no socket.

    Args:
        lasting: The objects that outlive it.
        config: The configuration.
        file: The configuration's name in faults.
        before: The current runtime; None at the start.
        open_log: Opens the access log; None to leave the log as it is.

    Raises:
        ConfigError: It can't be served. Nothing was changed or left open.
    """
    runtime = make_runtime(
        config,
        reactor=lasting.reactor,
        deadlines=lasting.deadlines,
        rng=lasting.rng,
        file=file,
        pseudonym=lasting.pseudonym,
        shortcuts=lasting.shortcuts,
        short=lasting.short,
        before=before,
        counters=None if config.admin is None else lasting.counters,
        commands=lasting.commands,
    )
    maker = _Maker(lasting, config, file, runtime)
    sockets = [maker.socket(number) for number in range(len(config.listeners))]
    if maker.faults:
        raise ConfigError(maker.faults)
    kept = [each[0] for each in sockets if each is not None]
    listening = lasting.listening
    gone = [each.site for each in listening.sockets if each not in kept]
    leaving = [(site, maker.serve(site.listener)) for site in (*listening.leaving, *gone)]
    numbers = [number for number, each in enumerate(kept) if each.port is None]
    return Snapshot(
        config=config,
        file=file,
        runtime=runtime,
        sockets=[each for each in sockets if each is not None],
        added=[kept[number] for number in numbers],
        numbers=numbers,
        leaving=leaving,
        log=None if open_log is None else open_log(config),
    )


class _Maker:
    """Makes the listeners of a configuration, and collects their faults."""

    def __init__(self, lasting: Lasting, config: Config, file: str, runtime: Runtime) -> None:
        self.faults: list[Fault] = []
        self._lasting = lasting
        self._config = config
        self._file = file
        self._runtime = runtime
        self._taken: list[Socket] = []
        # With a trusted proxy, requests may come from other machines.
        self._is_local = all(
            self._is_loopback(each) and not each.trusted_proxies for each in config.listeners
        )

    def serve(self, listener: Listener) -> Served:
        """Return the state of a listener.

        Raises:
            BadValue: OpenSSL refuses a certificate.
        """
        lasting = self._lasting
        return Served(
            listener,
            self._config,
            self._runtime,
            new_id=lasting.new_id,
            unrouted=lasting.counters.unrouted,
            loopback=self._is_loopback(listener),
            is_local=self._is_local,
            status_page=lasting.status_page,
            shortcuts=lasting.shortcuts,
        )

    def _is_loopback(self, listener: Listener) -> bool:
        """Return whether only programs on this machine can connect to a listener."""
        endpoint = listener.endpoint
        # For a socket from systemd, the endpoint doesn't contain the address, but the socket does.
        return is_loopback(endpoint) or is_loopback_socket(endpoint, self._lasting.reactor)

    def socket(self, number: int) -> tuple[Socket, Served] | None:
        """Return a listener's socket and state; None if it has a fault."""
        listener, listening = self._config.listeners[number], self._lasting.listening
        try:
            served = self.serve(listener)
        except BadValue as error:
            key = "listener.certificates"
            self.faults.append(
                Fault(file=self._file, key=key, problem=error.problem, fix=error.fix)
            )
            return None
        socket = listening.find(listener.endpoint, self._taken)
        if socket is None:
            try:
                socket = listening.make(self._site(served))
            except Exception:
                # An endpoint's parser may raise any exception for bad arguments.
                self.faults.append(listening.bad_endpoint(self._file, number, listener.endpoint))
                return None
        self._taken.append(socket)
        return socket, served

    def _site(self, served: Served) -> ListenerSite:
        lasting = self._lasting
        return ListenerSite(
            served,
            limits=lasting.limits,
            deadlines=lasting.deadlines,
            access_log=lasting.access_log,
            admission=lasting.admission,
            memory=lasting.memory,
            reactor=lasting.reactor,
            shortcuts=lasting.shortcuts,
        )
