"""``twistd corsgate``: the options and the service."""

from __future__ import annotations

import atexit
import os
import secrets
import sys
from typing import Any, ClassVar

import attrs
from twisted.application.service import IService, MultiService, Service
from twisted.logger import Logger
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from corsgate.config.model.values import Config
from corsgate.config.quick import quick_config
from corsgate.cors.check import CORS_RULES
from corsgate.errors import ConfigError, Fault
from corsgate.gate.clock import use_monotonic_time
from corsgate.gate.descriptors import FittedBounds, fit, needed, raise_limit
from corsgate.gate.gc_tuning import settle
from corsgate.gate.load import load_config
from corsgate.gate.log_writer import LineWriter
from corsgate.gate.service import GateService
from corsgate.gate.signals import (
    exit_cleanly_on_signals,
    hold_signals,
    ignore_unused_signals,
    release_signals,
    reopen_on_hangup,
)
from corsgate.gate.standard_output import StandardOutput
from corsgate.gate.startup_checks import preflight

_AUTH = "basic:USER:PASSWORD, digest:USER:PASSWORD or bearer:TOKEN"


class Options(UsageOptions):
    """The options of ``twistd corsgate``."""

    synopsis = "[--config FILE | --upstream URL --allow-origin ORIGIN]"
    longdesc = (
        "A gateway that lets browser apps call REST APIs without CORS support. Give a "
        "configuration file, or an upstream and the origins that may call it."
    )
    optParameters: ClassVar[list[list[str | None]]] = [
        ["config", "c", None, "The configuration file (TOML)."],
        ["upstream", "u", None, "Without a file: the URL to forward to."],
        [
            "auth-env",
            None,
            None,
            f"Without a file: the environment variable that contains {_AUTH}.",
        ],
        [
            "auth",
            None,
            None,
            f"Without a file: {_AUTH}. Other users of this machine can see it in the list of "
            "processes; --auth-env is safer.",
        ],
        ["listen", None, None, "Without a file: where to listen (tcp:5555:interface=127.0.0.1)."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["origins"] = []

    def opt_allow_origin(self, origin: str) -> None:
        """Without a file: an origin that may call; repeat it for several."""
        self["origins"].append(origin)

    def postOptions(self) -> None:
        """Reject contradictory options."""
        names = ("upstream", "auth", "auth-env", "listen")
        quick = [f"--{name}" for name in names if self[name] is not None]
        quick += ["--allow-origin"] if self["origins"] else []
        if self["config"] is not None and quick:
            raise UsageError(
                f"--config can't be combined with {', '.join(quick)}; write them in the file"
            )
        if self["config"] is None and self["upstream"] is None:
            raise UsageError("give --config FILE, or --upstream URL and --allow-origin ORIGIN")
        if self["auth"] is not None and self["auth-env"] is not None:
            raise UsageError("give --auth or --auth-env, not both")
        if self.daemonized:
            # This process only waits for the daemon to start.
            release_signals()

    @property
    def daemonized(self) -> bool:
        """Whether twistd leaves the terminal before the service starts."""
        # `twist` never does, and has neither option.
        twistd = getattr(self, "parent", None) or {}
        return not (twistd.get("nodaemon", True) or twistd.get("debug"))

    @property
    def has_output(self) -> bool:
        """Whether the service may use standard output under twistd or twist."""
        parent = getattr(self, "parent", None)
        return parent is not None and sys.__stdout__ is not None and not self.daemonized

    def load(self, reactor: Any) -> tuple[Config, str]:
        """Return the configuration, and the name of its source for messages.

        Args:
            reactor: The reactor that will serve it.

        Raises:
            ConfigError: The configuration has faults; the error holds all of them.
        """
        if self["config"] is not None:
            return load_config(self["config"], reactor), self["config"]
        config, file = self._quick(), "command line"
        preflight(config, reactor=reactor, file=file)
        return config, file

    def _quick(self) -> Config:
        name = self["auth-env"]
        auth = self["auth"] if name is None else os.environ.get(name)
        missing: list[Fault] = []
        if name is not None and auth is None:
            missing.append(
                Fault(
                    file="command line",
                    key="--auth-env",
                    problem=f'environment variable "{name}" is not set',
                    fix="",
                )
            )
        try:
            config = quick_config(
                upstream=self["upstream"],
                allow_origins=self["origins"],
                auth=auth,
                listen=self["listen"],
                cors_rules=CORS_RULES,
            )
        except ConfigError as error:
            raise ConfigError([*missing, *(self._renamed(one) for one in error.faults)]) from None
        if missing:
            raise ConfigError(missing)
        return config

    def _renamed(self, fault: Fault) -> Fault:
        """Return a fault with the option that the user gave."""
        of_variable = fault.key == "--auth" and self["auth-env"] is not None
        return attrs.evolve(fault, key="--auth-env") if of_variable else fault


class _Output(Service):
    """Standard output, written to by a thread while the gate runs.

    Args:
        reactor: The reactor of the gate.
        max_bytes: The maximum number of bytes that may wait to be written.

    Attributes:
        writer: The writer of the lines.
    """

    _log = Logger()

    def __init__(self, reactor: Any, max_bytes: int) -> None:
        self._reactor = reactor
        self.writer = LineWriter(1, max_bytes, self._warn)
        assert sys.__stdout__ is not None, "the caller checks has_output"
        self._stream = StandardOutput(sys.__stdout__, self.writer)

    def take_over(self, parent: Any) -> None:
        """Replace `sys.stdout` before twistd or twist starts to log to it.

        Args:
            parent: The options of twistd or twist.
        """
        if parent.get("logFile") is sys.stdout:
            # twist has already stored the old one.
            parent["logFile"] = self._stream
        sys.stdout = self._stream

    def startService(self) -> None:
        super().startService()
        self._stream.start()
        # This can't happen in stopService, since twistd still logs after that.
        atexit.register(self.writer.stop)

    def _warn(self, what: str) -> None:
        self._reactor.callFromThread(self._log.warn, "standard output {what}", what=what)


class _Signals(Service):
    """Installs the signal handlers when the gate starts.

    It must not be earlier: twistd forks just before, and a signal must still end its parent, which
    waits for the start. Until then, signals that would end the process are held.
    """

    def __init__(self, reactor: Any, gate: GateService) -> None:
        self._reactor = reactor
        self._gate = gate

    def privilegedStartService(self) -> None:
        hold_signals(on_terminal=os.isatty(0))

    def startService(self) -> None:
        super().startService()
        exit_cleanly_on_signals(self._reactor, self._gate.abort)
        settle()
        ignore_unused_signals()
        if not os.isatty(0):
            # On a terminal, SIGHUP means that the terminal was closed. A gate that kept running
            # would hold its port unnoticed.
            reopen_on_hangup(self._reactor, self._gate.refresh)
        release_signals()


class _Greeting(Service):
    """Logs what a gate without a file does, and the URL for the app."""

    _log = Logger()

    def __init__(self, config: Config, gate: GateService) -> None:
        self._config = config
        self._gate = gate

    def startService(self) -> None:
        super().startService()
        (route,) = self._config.routes
        assert route.cors is not None, "quick_config always makes a policy"
        self._log.info(
            "{origins} may call {url}, which forwards to {upstream}",
            origins=", ".join(route.cors.allow_origins),
            url=", ".join(_url(port.getHost()) for port in self._gate.ports),
            upstream=", ".join(
                server.origin + server.base_path for server in route.upstream.servers
            ),
        )


class _Daemon(MultiService):
    """The top service under twistd or twist; a fault at startup exits with status 1.

    Args:
        daemonized: Whether twistd has left the terminal by then.
    """

    _log = Logger()

    def __init__(self, *, daemonized: bool) -> None:
        super().__init__()
        self._daemonized = daemonized
        self._listens = False

    def startService(self) -> None:
        if not self._listens:
            # twist does not call privilegedStartService, as twistd does; nothing would listen.
            self.privilegedStartService()
        super().startService()

    def privilegedStartService(self) -> None:
        self._listens = True
        try:
            super().privilegedStartService()
        except ConfigError as error:
            if not self._daemonized:
                raise _exit(error) from None
            for fault in error.faults:
                self._log.critical("{fault}", fault=str(fault))
            # twistd reports only an Exception to its parent, which waits on the terminal. After a
            # SystemExit the parent would wait forever. Only 100 bytes of the text arrive,
            # including the exception's name, so the name should be short.
            raise RuntimeError("; ".join(fault.problem for fault in error.faults)) from None


def makeService(options: Options) -> IService:
    """Return the gate's service.

    Args:
        options: The parsed options.

    Raises:
        SystemExit: The configuration has faults. They are on standard error; the status is 1.
    """
    from twisted.internet import reactor

    use_monotonic_time(reactor)
    gate: Any
    output: Any = None
    try:
        config, file = options.load(reactor)
        fitted = fit(config, raise_limit(needed(config)))
        if options.has_output:
            output = _Output(reactor, config.limits.max_buffered_log_bytes)
        gate = GateService(
            fitted.config,
            reactor,
            rng=secrets.token_bytes,
            file=file,
            output=None if output is None else output.writer,
        )
    except ConfigError as error:
        raise _exit(error) from None
    has_file = options["config"] is not None
    services: list[Any] = [_Signals(reactor, gate), gate]
    if output is not None:
        output.take_over(options.parent)
        services.insert(0, output)
    services.append(FittedBounds(fitted.lines))
    if not has_file:
        services.append(_Greeting(config, gate))
    daemon: Any = _Daemon(daemonized=options.daemonized)
    for service in services:
        service.setServiceParent(daemon)
    return daemon  # type: ignore[no-any-return]  # MultiService provides IService


def _exit(error: ConfigError) -> SystemExit:
    """Print faults where the user sees them, even if twistd has redirected stderr."""
    print(error, file=sys.__stderr__)
    return SystemExit(1)


def _url(address: Any) -> str:
    """Return the URL of a listening address for browsers on this machine."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is None:
        return str(address)
    if host in ("127.0.0.1", "::1", "0.0.0.0", "::"):  # noqa: S104  # Nothing is bound here.
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
