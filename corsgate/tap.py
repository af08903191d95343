"""``twistd corsgate``: the options and the service."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Mapping
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
from corsgate.config.quick_auth import FORMS, QuickAuth, parse_auth, with_variable
from corsgate.cors.check import CORS_RULES
from corsgate.credentials.ntlm_messages import has_spnego
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
from corsgate.errors import BadValue, ConfigError, Fault
from corsgate.gate.service import GateService
from corsgate.gate.startup_checks import preflight
from corsgate.transport.threads import call_in_thread

COMMAND_LINE = "command line"


class Options(UsageOptions):
    """The options of ``twistd corsgate``.

    Attributes:
        completed: The credentials of the options, with the secret that the user entered.
        names: The names that faults and warnings use for options that were given by other names.
    """

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
            f"Without a file: the environment variable that contains {FORMS}, or only what --auth "
            "lacks.",
        ],
        [
            "auth",
            None,
            None,
            f"Without a file: {FORMS}. Other users of this machine can see it in the list of "
            "processes; leave out the secret and have --auth-env name the variable with it.",
        ],
        [
            "listen",
            None,
            None,
            "Without a file: where to listen: 5556, 127.0.0.1:5556 or an endpoint string "
            "(tcp:5555:interface=127.0.0.1).",
        ],
    ]
    optFlags: ClassVar[list[list[str | None]]] = [
        [
            "allow-credentials",
            None,
            "Without a file: the browser may send cookies and its other credentials.",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["origins"] = []
        self.completed: QuickAuth | None = None
        self.names: Mapping[str, str] = {}

    def opt_allow_origin(self, origin: str) -> None:
        """Without a file: an origin that may call; repeat it for several."""
        self["origins"].append(origin)

    def opt_allow(self, origin: str) -> None:
        """Short for --allow-origin."""
        self.opt_allow_origin(origin)

    def postOptions(self) -> None:
        """Reject contradictory options."""
        names = ("upstream", "auth", "auth-env", "listen")
        quick = [f"--{name}" for name in names if self[name] is not None]
        quick += ["--allow-origin"] if self["origins"] else []
        quick += ["--allow-credentials"] if self["allow-credentials"] else []
        if self["config"] is not None and quick:
            raise UsageError(
                f"--config can't be combined with {', '.join(quick)}; write them in the file"
            )
        if self["config"] is None and self["upstream"] is None:
            raise UsageError("give --config FILE, or --upstream URL and --allow-origin ORIGIN")
        if self["auth-env"] is not None and _has_secret(self["auth"]):
            raise UsageError("give the secret in --auth or by --auth-env, not both")
        if self.daemonized:
            # This process only waits until the daemon has started.
            release_signals()

    @property
    def daemonized(self) -> bool:
        """Whether twistd detaches from the terminal before the service starts."""
        # `twist` never does, and has neither option.
        twistd = getattr(self, "parent", None) or {}
        return not (twistd.get("nodaemon", True) or twistd.get("debug"))

    @property
    def has_output(self) -> bool:
        """Whether the service may use standard output under twistd or twist."""
        parent = getattr(self, "parent", None)
        return parent is not None and sys.__stdout__ is not None and not self.daemonized

    def load(self, reactor: Any) -> tuple[Loaded, Loader | None]:
        """Return the configuration and its loader, which is None without a file.

        Args:
            reactor: The reactor that will serve it.

        Raises:
            ConfigError: The configuration has faults; the error holds all of them.
        """
        if self["config"] is not None:
            loader = Loader(self["config"], reactor)
            return loader.load(), loader
        config = self.quick()
        preflight(config, reactor=reactor, file=COMMAND_LINE)
        return fitted(config), None

    def quick(self, auth: QuickAuth | None = None) -> Config:
        """Return the configuration of a command line without a file.

        Args:
            auth: The credentials; None to use those of the options.

        Raises:
            ConfigError: The options have faults; the error holds all of them.
        """
        faults: list[Fault] = []
        try:
            auth = auth or self.completed or self.auth()
        except ConfigError as error:
            faults += error.faults
        try:
            config = quick_config(
                upstream=self["upstream"],
                allow_origins=self["origins"],
                auth=auth,
                listen=self["listen"],
                allow_credentials=bool(self["allow-credentials"]),
                cors_rules=CORS_RULES,
                has_spnego=has_spnego(),
            )
        except ConfigError as error:
            raise ConfigError([*faults, *(self._renamed(one) for one in error.faults)]) from None
        if faults:
            raise ConfigError(faults)
        return attrs.evolve(config, warnings=tuple(map(self._renamed, config.warnings)))

    def auth(self) -> QuickAuth | None:
        """Return the credentials of the options, which may lack the secret.

        Raises:
            ConfigError: The credentials have a fault.
        """
        name, text = self["auth-env"], self["auth"]
        key = "--auth"
        try:
            auth = None if text is None else parse_auth(text)
            if name is None:
                return auth
            key = "--auth-env"
            if name not in os.environ:
                raise BadValue(f'environment variable "{name}" is not set', "")
            return with_variable(auth, os.environ[name])
        except BadValue as error:
            fault = Fault(file=COMMAND_LINE, key=key, problem=error.problem, fix=error.fix)
            raise ConfigError([fault]) from None

    def _renamed(self, fault: Fault) -> Fault:
        """Return a fault or warning with the option that the user gave."""
        key, fix = fault.key or "", fault.fix
        if key == "--auth" and self["auth-env"] is not None:
            return attrs.evolve(fault, key="--auth-env")
        if key in self.names:
            fix = fix.replace(key, self.names[key])
        return attrs.evolve(fault, key=self.names.get(key, key), fix=fix)


def _has_secret(auth: str | None) -> bool:
    """Return whether ``--auth`` is complete."""
    try:
        return auth is not None and parse_auth(auth).secret is not None
    except BadValue:
        return False


def makeService(options: Options) -> IService:
    """Return the gate's service.

    Args:
        options: The parsed options.

    Raises:
        SystemExit: The configuration has faults, which are printed on standard error; the status is
            78.
    """
    from twisted.internet import reactor

    use_monotonic_time(reactor)
    notifier = Notifier.from_environment(os.environ, os.getpid())
    gate: Any
    output: Any = None
    try:
        loaded, loader = options.load(reactor)
        name = COMMAND_LINE if loader is None else loader.name
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
    view = _view(reactor, gate, reloader)
    tree = partial(populate, view=view, reactor=reactor)
    admin = AdminService(gate, reactor, tree, any_port=loader is None)
    reloader.ended.append(lambda _: view.keep_counters())
    # Services stop in reverse order, so the admin pages show the gate's status while it drains.
    # Signals start first, so that they are blocked in all threads that start later.
    services: list[Any] = [Signals(reactor, gate, reloader)]
    observer = None
    if output is not None:
        observer = output.take_over(options.parent)
        services.append(output)
    services += [admin, gate, Control(reactor, reloader, partial(refused_calls, view))]
    services += [FittedBounds(loaded.lines), UnusedSockets(reactor, gate, reloader)]
    services.append(_greeting(reactor, loaded.config, gate, admin, output, loader))
    if loader is not None:
        services.append(_watcher(reactor, loader, reloader, gate))
    if notifier:
        services.append(Notices(reactor, notifier, gate, reloader, daemonized=options.daemonized))
    daemon: Any = Top(daemonized=options.daemonized, notifier=notifier, observer=observer)
    for service in services:
        service.setServiceParent(daemon)
    return daemon  # type: ignore[no-any-return]  # MultiService provides IService


def _view(reactor: Any, gate: GateService, reloader: Reloader) -> View:
    return View(
        gate=gate,
        reloads=reloader,
        clock=reactor.seconds,
        wall_clock=time.time,
        started_s=time.time(),
    )


def _greeting(
    reactor: Any,
    config: Config,
    gate: GateService,
    admin: AdminService,
    output: Output | None,
    loader: Loader | None,
) -> Greeting:
    return Greeting(
        reactor,
        config,
        gate,
        gate.file,
        has_file=loader is not None,
        status_url=lambda: admin.url,
        terminal=output.lines if output is not None and output.has_summary else None,
    )


def _watcher(reactor: Any, loader: Loader, reloader: Reloader, gate: GateService) -> Watcher:
    in_thread = partial(call_in_thread, reactor)
    return Watcher(reactor, loader, reloader, lambda: gate.config.watch, in_thread)
