"""``twistd corsgate``: the options and the service."""

from __future__ import annotations

import os
import secrets
import sys
import time
from functools import partial
from typing import Any, ClassVar

import attrs
from twisted.application.service import IService
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from corsgate.admin.listener import AdminService
from corsgate.admin.status import refused_calls
from corsgate.admin.tree import populate
from corsgate.admin.view import View
from corsgate.config.model.values import Config
from corsgate.config.quick import quick_config
from corsgate.cors.check import CORS_RULES
from corsgate.daemon.clock import use_monotonic_time
from corsgate.daemon.control import Control
from corsgate.daemon.descriptors import FittedBounds
from corsgate.daemon.greeting import Greeting
from corsgate.daemon.loading import Loaded, Loader, fitted
from corsgate.daemon.notices import Notices
from corsgate.daemon.notify import Notifier
from corsgate.daemon.output import Output
from corsgate.daemon.reload import Reloader
from corsgate.daemon.signal_service import Signals
from corsgate.daemon.signals import release_signals
from corsgate.daemon.top import Top, exit_for
from corsgate.daemon.unused_sockets import UnusedSockets
from corsgate.daemon.watch import Watcher
from corsgate.errors import ConfigError, Fault
from corsgate.gate.service import GateService
from corsgate.gate.startup_checks import preflight
from corsgate.transport.threads import call_in_thread

_COMMAND_LINE = "command line"
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

    def load(self, reactor: Any) -> tuple[Loaded, Loader | None]:
        """Return the configuration, and what loads it again; None for one without a file.

        Args:
            reactor: The reactor that will serve it.

        Raises:
            ConfigError: The configuration has faults; the error holds all of them.
        """
        if self["config"] is not None:
            loader = Loader(self["config"], reactor)
            return loader.load(), loader
        config = self._quick()
        preflight(config, reactor=reactor, file=_COMMAND_LINE)
        return fitted(config), None

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


def makeService(options: Options) -> IService:
    """Return the gate's service.

    Args:
        options: The parsed options.

    Raises:
        SystemExit: The configuration has faults. They are on standard error; the status is 78.
    """
    from twisted.internet import reactor

    use_monotonic_time(reactor)
    notifier = Notifier.from_environment(os.environ, os.getpid())
    gate: Any
    output: Any = None
    try:
        loaded, loader = options.load(reactor)
        name = _COMMAND_LINE if loader is None else loader.name
        if options.has_output:
            output = Output(reactor, loaded.config)
        gate = GateService(
            loaded.fitted,
            reactor,
            rng=secrets.token_bytes,
            file=name,
            output=None if output is None else output.lines,
        )
    except ConfigError as error:
        raise exit_for(error, notifier) from None
    reloader = Reloader(
        gate, reactor, time.time, loader, loaded, follow=lambda config: admin.follow(config)
    )
    view = View(
        gate=gate,
        reloads=reloader,
        clock=reactor.seconds,
        wall_clock=time.time,
        started_s=time.time(),
    )
    tree = partial(populate, view=view, reactor=reactor)
    admin = AdminService(gate, reactor, tree, any_port=loader is None)
    reloader.ended.append(lambda _: view.keep_counters())
    # Services stop in reverse order: the status of the gate can be seen while it drains.
    # Signals come first, since they are blocked in the threads that start after that.
    services: list[Any] = [Signals(reactor, gate, reloader)]
    observer = None
    if output is not None:
        observer = output.take_over(options.parent)
        services.append(output)
    services += [admin, gate, Control(reactor, reloader, partial(refused_calls, view))]
    services += [FittedBounds(loaded.lines), UnusedSockets(reactor, gate, reloader)]
    services.append(Greeting(loaded.config, gate, name, has_file=loader is not None))
    if loader is not None:
        services.append(_watcher(reactor, loader, reloader, gate))
    if notifier:
        services.append(Notices(reactor, notifier, gate, reloader, daemonized=options.daemonized))
    daemon: Any = Top(daemonized=options.daemonized, notifier=notifier, observer=observer)
    for service in services:
        service.setServiceParent(daemon)
    return daemon  # type: ignore[no-any-return]  # MultiService provides IService


def _watcher(reactor: Any, loader: Loader, reloader: Reloader, gate: GateService) -> Watcher:
    in_thread = partial(call_in_thread, reactor)
    return Watcher(reactor, loader, reloader, lambda: gate.config.watch, in_thread)
