"""Run the daemon's service in the foreground, without twistd."""

from __future__ import annotations

import sys
from typing import Any

from twisted.application.app import startApplication
from twisted.application.service import Application, IService
from twisted.logger import ILogObserver, globalLogBeginner, textFileLogObserver


def run_in_foreground(daemon: Any, reactor: Any) -> None:
    """Run a service until the reactor stops, as ``twistd -n --pidfile=`` does.

    Args:
        daemon: What `corsgate.tap.makeService` returned.
        reactor: The reactor.

    Raises:
        SystemExit: The gate can't start. The reason is on standard error.
    """
    application: Any = Application("corsgate")
    daemon.setServiceParent(application)
    observer = application.getComponent(ILogObserver) or textFileLogObserver(sys.stdout)
    globalLogBeginner.beginLoggingTo([observer])
    IService(application).privilegedStartService()
    startApplication(application, False)
    reactor.run()
