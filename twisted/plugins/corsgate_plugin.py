"""Tells ``twistd`` that the subcommand ``corsgate`` is in `corsgate.tap`."""

import os
from typing import Any

from twisted.application.service import ServiceMaker

from corsgate.daemon.signals import hold_signals


class _GateMaker(ServiceMaker):
    """Keeps signals from ending the process as soon as this subcommand was chosen."""

    @property
    def options(self) -> Any:
        # What follows imports most of the program, which takes a second.
        hold_signals(on_terminal=os.isatty(0))
        return super().options


corsgate = _GateMaker(
    "corsgate", "corsgate.tap", "Adds CORS and credentials to REST APIs", "corsgate"
)
