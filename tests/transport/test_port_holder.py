"""Tests of `corsgate.transport.port_holder`: who listens on a port."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.transport.port_holder import Process, is_taken, listening, port_holder

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid inode"
LINE = "   0: 0100007F:{port:04X} 00000000:0000 {state} 00000000:00000000 0:0 0 0 0 {inode} 1 0"


class TableTests(SynchronousTestCase):
    """What /proc/net/tcp says."""

    def test_listening(self) -> None:
        """Only sockets that listen on the port count; other lines are ignored."""
        lines = [
            HEAD,
            LINE.format(port=5555, state="0A", inode=17),
            LINE.format(port=5555, state="01", inode=18),
            LINE.format(port=5556, state="0A", inode=19),
            "rubbish",
            "",
        ]
        self.assertEqual(list(listening(lines, 5555)), ["17"])
        self.assertEqual(list(listening(lines, 80)), [])


class HolderTests(SynchronousTestCase):
    """The process."""

    def proc(self, comm: bytes = b"node\n") -> Path:
        """Make a file system like /proc, in which process 42 listens on port 5555."""
        proc = Path(self.mktemp())
        (proc / "net").mkdir(parents=True)
        (proc / "net/tcp6").write_text(f"{HEAD}\n{LINE.format(port=5555, state='0A', inode=17)}\n")
        for pid, inode in ((7, 16), (42, 17), (43, 17)):
            (proc / f"{pid}/fd").mkdir(parents=True)
            (proc / f"{pid}/fd/0").symlink_to("/dev/null")
            (proc / f"{pid}/fd/3").symlink_to(f"socket:[{inode}]")
            (proc / f"{pid}/comm").write_bytes(comm)
        (proc / "8").mkdir()
        return proc

    def test_found(self) -> None:
        """The first process with the socket is found, past those that can't be looked into."""
        self.assertEqual(port_holder(5555, str(self.proc())), Process(pid=42, name="node"))
        self.assertIsNone(port_holder(5556, str(self.proc())))

    def test_taken(self) -> None:
        """A port is known to be taken even if the process can't be looked into."""
        proc = str(self.proc())
        self.assertTrue(is_taken(5555, proc))
        self.assertFalse(is_taken(5556, proc))

    def test_strange_name(self) -> None:
        """A process chooses its name, so a terminal must not obey it."""
        found = port_holder(5555, str(self.proc(b"\x1b[2J\xff\n")))
        self.assertEqual(found, Process(pid=42, name="[2J\ufffd"))

    def test_no_proc(self) -> None:
        """Without /proc nothing is known."""
        self.assertIsNone(port_holder(5555, self.mktemp()))

    def test_this_process(self) -> None:
        """On Linux, the listening socket of this process is found."""
        if not sys.platform.startswith("linux"):
            self.skipTest("there is no /proc")
        with socket.create_server(("127.0.0.1", 0)) as server:
            found = port_holder(server.getsockname()[1])
        assert found is not None
        self.assertEqual(found.pid, os.getpid())
