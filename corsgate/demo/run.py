"""``corsgate demo``: start a server without CORS, an app, and the real gate between them."""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

import attrs
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import CannotListenError, ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IReactorCore,
    IReactorProcess,
    IReactorTCP,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, ServerFactory
from twisted.internet.task import deferLater, react
from twisted.protocols.policies import WrappingFactory
from twisted.web.resource import Resource
from twisted.web.server import Site

from corsgate.daemon.clock import use_monotonic_time
from corsgate.daemon.signals import exit_cleanly_on_signals
from corsgate.demo.app import Addresses, app_root
from corsgate.demo.box import Box, make_box
from corsgate.demo.child import GateProcess, Ports, checkout_config, config_text
from corsgate.demo.explain_command import explain_command, shown_path
from corsgate.transport.port_holder import is_taken, port_holder

READY_TIMEOUT_S: Final = 30.0
READY_INTERVAL_S: Final = 0.1
GREETING_INTERVALS: Final = 10
_LOOPBACK: Final = "127.0.0.1"
_LOOPBACK6: Final = "::1"


class IDemoReactor(IReactorCore, IReactorTCP, IReactorTime, IReactorProcess):
    """The interfaces that the demo needs from a reactor."""


class DemoError(Exception):
    """The demo can't continue; the message is for the user."""


class Interrupted(Exception):
    """A signal ended the gate. Ctrl-C also reaches the gate, possibly before the demo."""


def _taken(option: str, what: str, port: int, error: OSError) -> DemoError:
    where = f"corsgate demo: port {port}, for {what}, is"
    if error.errno != errno.EADDRINUSE:
        return DemoError(f"{where} not available ({error.strerror}); use another with {option}")
    holder = port_holder(port)
    stop = "stop the process that uses it"
    if holder is not None:
        stop = f"stop process {holder.pid} ({holder.name}), which uses it"
    others = (each for each in range(port + 1, min(port + 20, 65536)) if not is_taken(each))
    argument = f"{option} {next(others, 0)}"
    # If `make run` started the demo, options are passed through make.
    command = f'make run ARGS="{argument}"' if "MAKELEVEL" in os.environ else argument
    return DemoError(f"{where} in use; {stop}, or use another port: {command}")


def _reserve(port: int) -> socket.socket:
    """Return a socket that reserves a loopback port for the gate, without listening.

    Args:
        port: The port, or 0 for any free one.

    Raises:
        OSError: The port is not available.
    """
    reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # With this option on both sockets, Linux lets the gate listen while this one is open. Linux
        # also does not assign the port to programs that ask for any free port.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind((_LOOPBACK, port))
    except OSError:
        reserved.close()
        raise
    return reserved


def _relay(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


@attrs.define(eq=False)
class Demo:
    """The three servers. `stop` ends everything that `start` started, even if `start` failed.

    Attributes:
        reactor: Runs the box and the app, and spawns the gate.
        ports: The requested ports; after the start, the actual ones.
        relay: Receives the gate's log after the start. The log of the start is only shown on
            failure.
        on_terminal: Whether the relayed log is shown on a terminal.
        box: The closed box, so that tests can inspect it.
        config: The configuration file of the gate.
        gate: The process of the gate.
    """

    reactor: IDemoReactor
    ports: Ports = attrs.field(factory=Ports)
    relay: Callable[[bytes], None] = _relay
    on_terminal: bool = False
    box: Box = attrs.field(factory=make_box)
    config: Path | None = attrs.field(default=None, init=False)
    gate: GateProcess = attrs.field(factory=GateProcess, init=False)
    _listening: list[IListeningPort] = attrs.field(factory=list, init=False)
    _factories: list[WrappingFactory] = attrs.field(factory=list, init=False)
    _temporary: Path | None = attrs.field(default=None, init=False)

    async def start(self) -> None:
        """Start all three, and wait until the gate is ready.

        Raises:
            DemoError: A port is not available, or the gate doesn't start.
            Interrupted: A signal ended the gate.
        """
        try:
            reserved = _reserve(self.ports.gate)
        except OSError as error:
            raise _taken("--gate-port", "the gate", self.ports.gate, error) from error
        with reserved:
            gate_port = reserved.getsockname()[1]
            box_port = self._listen(self.ports.box, self.box, "box", "the closed box")
            addresses = Addresses(
                box=f"http://localhost:{box_port}", gate=f"http://localhost:{gate_port}"
            )
            root = app_root(addresses, lambda: self.gate.status_url, self._explain_command)
            app_port = self._listen(self.ports.app, root, "app", "the page")
            if self.ports.gate:
                # Not every system lets the gate use a port that is bound here.
                reserved.close()
            self.ports = Ports(box=box_port, gate=gate_port, app=app_port)
            self.config = self._find_config()
            self.gate.start(self.reactor, self.config, on_terminal=self.on_terminal)
            await self._gate_ready()
            self.gate.pass_log_to(self.relay)

    def _listen(self, port: int, root: Resource, name: str, what: str) -> int:
        """Listen on both loopback addresses, if the machine has both; return the port."""
        site = Site(root)
        # The wrapper keeps track of connections, so that `stop` can close them.
        factory = WrappingFactory(site)
        factory.noisy = site.noisy = False
        self._factories.append(factory)
        try:
            number = self._bind(port, factory, _LOOPBACK)
            try:
                self._bind(number, factory, _LOOPBACK6)
            except CannotListenError as error:
                if error.socketError.errno == errno.EADDRINUSE:
                    raise
        except CannotListenError as error:
            raise _taken(f"--{name}-port", what, error.port, error.socketError) from error
        return number

    def _bind(self, port: int, factory: IProtocolFactory, interface: str) -> int:
        listening = self.reactor.listenTCP(port, cast(ServerFactory, factory), interface=interface)
        self._listening.append(listening)
        return cast("IPv4Address | IPv6Address", listening.getHost()).port

    def _explain_command(self) -> Mapping[str, str]:
        """Return the command that explains a call, for the page."""
        assert self.config is not None, "the page is served only after the configuration was found"
        return explain_command(self.config, Path.cwd(), sys.executable, shutil.which("corsgate"))

    def _find_config(self) -> Path:
        path = checkout_config()
        if path is not None and self.ports == Ports():
            return path
        descriptor, name = tempfile.mkstemp(prefix="corsgate-demo-", suffix=".toml")
        self._temporary = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(config_text(self.ports))
        return self._temporary

    async def _gate_ready(self) -> None:
        endpoint = TCP4ClientEndpoint(self.reactor, _LOOPBACK, self.ports.gate, timeout=5)
        deadline = self.reactor.seconds() + READY_TIMEOUT_S
        while self.reactor.seconds() < deadline:
            if not self.gate.is_running:
                raise self._gone(f"the gate did not start; its output was:\n{self._tail()}")
            try:
                protocol = await endpoint.connect(Factory.forProtocol(Protocol))
            except ConnectError:
                await deferLater(self.reactor, READY_INTERVAL_S)
            else:
                cast(ITCPTransport, cast(Protocol, protocol).transport).loseConnection()
                await self._gate_has_greeted()
                return
        raise DemoError(
            f"corsgate demo: the gate does not listen on port {self.ports.gate} after "
            f"{READY_TIMEOUT_S:.0f} seconds; check listen in {self.config}"
        )

    async def _gate_has_greeted(self) -> None:
        """Wait at most a second for the log of the gate's start, which is not shown."""
        for _ in range(GREETING_INTERVALS):
            if self.gate.status_url:
                break
            await deferLater(self.reactor, READY_INTERVAL_S)
        await deferLater(self.reactor, READY_INTERVAL_S)
        if not self.gate.is_running:
            raise self._gone(f"the gate did not start; its output was:\n{self._tail()}")

    def _tail(self) -> str:
        return self.gate.tail.decode("utf-8", "replace").strip() or "(nothing)"

    def _gone(self, message: str) -> Exception:
        if self.gate.was_told_to_end:
            return Interrupted()
        return DemoError(f"corsgate demo: {message}")

    async def wait(self) -> None:
        """Wait until the gate ends.

        Raises:
            DemoError: The gate ended without a signal.
            Interrupted: A signal ended the gate.
        """
        await self.gate.when_ended()
        raise self._gone("the gate has ended; its log is above")

    async def stop(self) -> None:
        """Stop everything: first the gate, so that it can drain while the box still runs."""
        self.gate.pass_log_to(lambda _: None)
        await self.gate.stop(self.reactor)
        for port in self._listening:
            await maybeDeferred(port.stopListening)
        self._listening.clear()
        for factory in self._factories:
            for protocol in list(factory.protocols):
                protocol.transport.abortConnection()
            while factory.protocols:
                await deferLater(self.reactor, 0)
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)


def _welcome(demo: Demo) -> str:
    ports = demo.ports
    config = "" if demo.config is None else shown_path(demo.config, Path.cwd())
    # The gate logs the address of its status page a moment after it listens.
    status = demo.gate.status_url or f"http://localhost:{ports.app}/status"
    return f"""
  Open  http://localhost:{ports.app}

  the page  http://localhost:{ports.app}  an app that needs a document of the box
  the box   http://localhost:{ports.box}  a server without CORS that requires a password
  the gate  http://localhost:{ports.gate}  between them
  config    {config}
  status    {status}

  Below is a line for each request to the gate. Press Ctrl-C to stop all three.
"""


async def serve(demo: Demo) -> None:
    """Start the demo and print the addresses. Return quietly when cancelled or interrupted.

    Args:
        demo: The demo; the caller must stop it.

    Raises:
        SystemExit: The demo can't continue. The reason is on standard error, and the code is 1.
    """
    try:
        # After this wait, the reactor runs and has installed its signal handlers, so everything
        # that is started from here on will be stopped.
        await deferLater(demo.reactor, 0)
        await demo.start()
        print(_welcome(demo), flush=True)
        await demo.wait()
    except (CancelledError, ConnectingCancelledError, Interrupted):
        return
    except DemoError as error:
        print(error, file=sys.stderr, flush=True)
        raise SystemExit(1) from error


def _begin(reactor: IDemoReactor, ports: Ports) -> Deferred[None]:
    use_monotonic_time(reactor)
    demo = Demo(reactor, ports, on_terminal=sys.stdout.isatty())
    finished = Deferred.fromCoroutine(serve(demo))

    def shut_down() -> Deferred[None]:
        finished.cancel()
        if demo.on_terminal:
            # The terminal has shown ^C, and the shell's prompt comes next.
            print(flush=True)
        return Deferred.fromCoroutine(demo.stop())

    reactor.addSystemEventTrigger("before", "shutdown", shut_down)
    # make, its shell and the terminal may all forward the same signal. Only the first counts.
    exit_cleanly_on_signals(reactor, lambda: None)
    return finished


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = argparse.ArgumentParser(
        prog="corsgate demo",
        description="Start a server without CORS (the box), an app, and the gate between them.\n\n"
        "exit status: 0 stopped by Ctrl-C or SIGTERM, 1 a port can't be used or the gate failed",
        epilog="example:\n  corsgate demo --gate-port 5556\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    usual = Ports()
    for name, what in (("box", "closed box"), ("gate", "gate"), ("app", "page")):
        port = getattr(usual, name)
        options.add_argument(
            f"--{name}-port",
            type=int,
            default=port,
            metavar="PORT",
            choices=range(65536),
            help=f"the port of the {what}; 0 for any free port (default: {port})",
        )
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo until SIGINT or SIGTERM.

    Args:
        argv: The arguments after ``demo``; None for those of this process.

    Returns:
        0 after a signal, 1 if the demo could not continue.
    """
    given = parser().parse_args(argv)
    ports = Ports(box=given.box_port, gate=given.gate_port, app=given.app_port)
    try:
        react(_begin, (ports,))
    except SystemExit as ended:
        return int(ended.code or 0)
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
