"""Sockets that were handed over: found by name, adopted again and again, never broken."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from twisted.internet import endpoints
from twisted.internet.protocol import Factory, Protocol
from twisted.python.systemd import ListenFDs
from twisted.trial.unittest import SynchronousTestCase, TestCase

from corsgate.errors import BadValue
from corsgate.transport.inherited import (
    InheritedEndpoint,
    InheritedSocket,
    find_socket,
    inherited_sockets,
    is_loopback_socket,
    unused_sockets,
)
from corsgate.transport.listening import stop_listening, tend
from tests.peers import reactor


def made(index: int, name: str, **changes: Any) -> InheritedSocket:
    """Return a socket without a descriptor."""
    values: dict[str, Any] = {
        "fileno": 3 + index,
        "family": socket.AF_INET,
        "address": f"127.0.0.1:{8000 + index}",
        "is_loopback": True,
        **changes,
    }
    return InheritedSocket(index=index, name=name, **values)


SOCKETS = (
    made(0, "web"),
    made(1, "admin", family=socket.AF_UNIX, address="unix:/run/x", is_loopback=False),
    made(2, "twice"),
    made(3, "twice"),
    made(4, "odd", family=None, address="0.0.0.0:53, not a stream", is_loopback=False),
)


class FindTests(SynchronousTestCase):
    """An endpoint names one socket, or it is a clear fault."""

    def test_found(self) -> None:
        """By name or by number, with or without the domain."""
        for endpoint, index in (
            ("systemd:name=web", 0),
            ("systemd:domain=INET:name=web", 0),
            ("systemd:INET:0", 0),
            ("SYSTEMD:name=admin", 1),
            ("systemd:domain=UNIX:name=admin", 1),
            ("systemd:index=3", 3),
            ("haproxy:systemd:name=web", 0),
        ):
            self.assertEqual(find_socket(endpoint, SOCKETS).index, index, endpoint)

    def test_faults(self) -> None:
        """Each says what there is instead."""
        for endpoint, sockets, said in (
            (
                "systemd:name=web",
                (),
                "systemd handed over no socket for 'systemd:name=web'; enable",
            ),
            ("systemd:name=wep", SOCKETS, "but 5 named 'web', 'admin', 'twice', 'odd'; use one"),
            ("systemd:index=5", SOCKETS, "no socket for 'systemd:index=5'"),
            (
                "systemd:name=twice",
                SOCKETS,
                "2 sockets named 'twice': index=2 (127.0.0.1:8002), in",
            ),
            (
                "systemd:name=odd",
                SOCKETS,
                "not a listening stream socket: 0.0.0.0:53, not a stream",
            ),
            ("systemd:domain=INET6:name=web", SOCKETS, "the socket is INET; write domain=INET,"),
        ):
            with self.assertRaises(BadValue) as caught:
                find_socket(endpoint, sockets)
            self.assertIn(said, str(caught.exception))

    def test_unused(self) -> None:
        """What no endpoint names; one that names nothing uses nothing."""
        used = ["tcp:80", "systemd:name=web", "systemd:name=wep", "haproxy:systemd:index=3"]
        self.assertEqual([one.index for one in unused_sockets(used, SOCKETS)], [1, 2, 4])
        self.assertEqual(list(unused_sockets(used, ())), [])


class Note(Protocol):
    """Keeps a connection in its factory."""

    def connectionMade(self) -> None:
        """Note it."""
        factory: Any = self.factory
        factory.made.append(self)


class HandedOver(TestCase):
    """Real sockets, as if systemd had opened them."""

    def setUp(self) -> None:
        """Make a directory whose path is short enough for a socket."""
        self.directory = tempfile.mkdtemp(prefix="corsgate-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.factory: Any = cast(Any, Factory.forProtocol(Note))
        self.factory.made = []

    def hand_over(self, *named: tuple[str, socket.socket]) -> Sequence[InheritedSocket]:
        """Have Twisted find these sockets; return what the gate makes of them."""
        descriptors = []
        for _, each in named:
            self.addCleanup(each.close)
            descriptors.append(each.fileno())
        names = [name for name, _ in named]
        parser: Any = endpoints._SystemdParser
        self.patch(parser, "_sddaemon", ListenFDs(descriptors, names))
        os.environ["LISTEN_FDNAMES"] = ":".join(names)
        self.addCleanup(os.environ.pop, "LISTEN_FDNAMES")
        return inherited_sockets(reactor)

    def unix(self, mode: int) -> socket.socket:
        """Return a Unix socket that listens, with a mode."""
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(f"{self.directory}/gate")
        os.chmod(f"{self.directory}/gate", mode)
        listening.listen(200)
        return listening

    def connect(self, listening: socket.socket) -> socket.socket:
        """Return a connection that waits in a socket's queue."""
        client = socket.socket(listening.family)
        self.addCleanup(client.close)
        client.settimeout(5)
        client.connect(listening.getsockname())
        return client

    def test_none(self) -> None:
        """Without systemd there is none; nor where Twisted found the variables incomplete."""
        self.assertEqual(inherited_sockets(reactor, {}), ())
        self.assertEqual(inherited_sockets(reactor, {"LISTEN_FDNAMES": "a:b"}), [])

    def test_kinds(self) -> None:
        """What each is; a name may be empty."""
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        named = (
            ("web", socket.create_server(("127.0.0.1", 0))),
            ("all", socket.create_server(("0.0.0.0", 0))),  # it accepts nothing
            ("", socket.create_server(("::1", 0), family=socket.AF_INET6)),
            ("unix", self.unix(0o660)),
            ("udp", udp),
            ("deaf", socket.socket()),
        )
        found = self.hand_over(*named)
        self.assertEqual([each.name for each in found], [name for name, _ in named])
        self.assertEqual(
            [each.family for each in found],
            [socket.AF_INET, socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, None, None],
        )
        self.assertEqual(
            [each.is_loopback for each in found], [True, False, True, False, False, False]
        )
        self.assertEqual(found[3].address, f"unix:{self.directory}/gate")
        self.assertTrue(found[2].address.startswith("[::1]:"))
        self.assertIn("not a stream", found[4].address)
        self.assertIn("not listening", found[5].address)

    def test_no_socket_at_all(self) -> None:
        """A descriptor that is a file, or is closed, is reported rather than raised."""
        parser: Any = endpoints._SystemdParser
        with open(os.devnull) as null:
            self.patch(parser, "_sddaemon", ListenFDs([null.fileno(), 10_000], ["a", "b"]))
            file, closed = inherited_sockets(reactor, {"LISTEN_FDNAMES": "a:b"})
        self.assertEqual((file.family, closed.family), (None, None))
        self.assertIn("Bad file descriptor", closed.address)

    def test_loopback(self) -> None:
        """The socket says what the endpoint doesn't."""
        self.hand_over(
            ("here", socket.create_server(("127.0.0.1", 0))),
            ("everywhere", socket.create_server(("0.0.0.0", 0))),  # as above
        )
        for endpoint, wanted in (
            ("systemd:name=here", True),
            ("systemd:index=0", True),
            ("systemd:name=everywhere", False),
            ("systemd:name=nowhere", False),
            ("haproxy:systemd:name=here", False),
            ("tcp:80:interface=127.0.0.1", False),
        ):
            self.assertEqual(is_loopback_socket(endpoint, reactor), wanted, endpoint)

    async def accept_again_and_again(self, listening: socket.socket) -> None:
        """Accept, stop, and accept what waits then, as another process or a reload does."""
        (found,) = self.hand_over(("web", listening))
        endpoint = InheritedEndpoint(reactor, found)
        for rounds in range(1, 4):
            self.connect(listening)
            port: Any = await endpoint.listen(self.factory)
            tend(port, reactor, lambda: None)
            port.doRead()
            self.assertEqual(len(self.factory.made), rounds)
            await stop_listening(port, reactor, handed_over=True)
            self.factory.made[-1].transport.abortConnection()
        # Nobody accepts now, yet a client is not refused.
        self.connect(listening)

    async def test_tcp(self) -> None:
        """A TCP socket is accepted from again and again."""
        await self.accept_again_and_again(socket.create_server(("127.0.0.1", 0)))

    async def test_unix(self) -> None:
        """So is a Unix socket, whose mode and file stay."""
        listening = self.unix(0o660)
        await self.accept_again_and_again(listening)
        mode = Path(self.directory, "gate").stat().st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o660)

    async def test_abstract_name(self) -> None:
        """A Unix socket may have no file."""
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(f"\0corsgate-{os.getpid()}-{id(self)}")
        listening.listen()
        await self.accept_again_and_again(listening)

    async def test_unix_backlog(self) -> None:
        """The backlog that its maker gave it is not cut to Twisted's 50."""
        listening = self.unix(0o660)
        (found,) = self.hand_over(("web", listening))
        port: Any = await InheritedEndpoint(reactor, found).listen(self.factory)
        for _ in range(120):
            client = socket.socket(socket.AF_UNIX)
            self.addCleanup(client.close)
            client.settimeout(0)
            self.assertEqual(client.connect_ex(listening.getsockname()), 0)
        await stop_listening(port, reactor, handed_over=True)

    async def test_kept_from_programs(self) -> None:
        """A program that the gate starts gets none of the sockets."""
        listening = socket.create_server(("127.0.0.1", 0))
        listening.set_inheritable(True)
        (found,) = self.hand_over(("web", listening))
        port: Any = await InheritedEndpoint(reactor, found).listen(self.factory)
        self.assertFalse(listening.get_inheritable())
        await stop_listening(port, reactor, handed_over=True)
