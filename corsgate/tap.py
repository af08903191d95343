"""``twistd corsgate``: its options and its service."""

from __future__ import annotations

import secrets
import sys
from typing import Any, ClassVar

from twisted.application.service import IService, MultiService, Service
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from corsgate.config.model import Config
from corsgate.config.quick import quick_config
from corsgate.cors.policy import faults
from corsgate.errors import ConfigError
from corsgate.gate.load import load_config
from corsgate.gate.service import GateService
from corsgate.gate.signals import exit_cleanly_on_signals


class Options(UsageOptions):
    """The options of ``twistd corsgate``."""

    synopsis = "[--config FILE | --upstream URL --allow-origin ORIGIN]"
    longdesc = (
        "A gateway that lets browser apps call REST APIs which know nothing of CORS. Give a "
        "configuration file, or an upstream and the origins that may call it."
    )
    optParameters: ClassVar[list[list[str | None]]] = [
        ["config", "c", None, "The configuration file (TOML)."],
        ["upstream", "u", None, "Without a file: the URL to forward to."],
        [
            "auth",
            None,
            None,
            "Without a file: basic:USER:PASSWORD, digest:USER:PASSWORD or bearer:TOKEN.",
        ],
        ["listen", None, None, "Without a file: where to listen (tcp:5555:interface=127.0.0.1)."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["origins"] = []

    def opt_allow_origin(self, origin: str) -> None:
        """Without a file: an origin that may call; give it once for each."""
        self["origins"].append(origin)

    def postOptions(self) -> None:
        """Refuse what contradicts itself."""
        quick = [f"--{name}" for name in ("upstream", "auth", "listen") if self[name] is not None]
        quick += ["--allow-origin"] if self["origins"] else []
        if self["config"] is not None and quick:
            raise UsageError(f"--config goes without {', '.join(quick)}; write them in the file")
        if self["config"] is None and self["upstream"] is None:
            raise UsageError("give --config FILE, or --upstream URL and --allow-origin ORIGIN")

    def load(self) -> tuple[Config, str]:
        """Answer the configuration and its name in faults.

        Raises:
            ConfigError: With all its faults at once.
        """
        if self["config"] is not None:
            return load_config(self["config"]), self["config"]
        config = quick_config(
            upstream=self["upstream"],
            allow_origins=self["origins"],
            auth=self["auth"],
            listen=self["listen"],
            check_cors=faults,
        )
        return config, "command line"


class _Daemon(MultiService):
    """The gate as twistd runs it: a fault ends the start with status 1 and no traceback."""

    def privilegedStartService(self) -> None:
        try:
            super().privilegedStartService()
        except ConfigError as error:
            raise _exit(error) from None


def makeService(options: Options) -> IService:
    """Answer the gate's service.

    Args:
        options: Parsed options.

    Raises:
        SystemExit: With status 1, all faults written to standard error.
    """
    from twisted.internet import reactor

    gate: Any
    try:
        config, file = options.load()
        gate = GateService(config, reactor, rng=secrets.token_bytes, file=file)
    except ConfigError as error:
        raise _exit(error) from None
    daemon: Any = _Daemon()
    service: Service = gate
    service.setServiceParent(daemon)
    exit_cleanly_on_signals(reactor, gate.abort)
    return daemon  # type: ignore[no-any-return]  # MultiService provides IService


def _exit(error: ConfigError) -> SystemExit:
    """Write faults where the user sees them, though twistd may have redirected stderr."""
    print(error, file=sys.__stderr__)
    return SystemExit(1)
