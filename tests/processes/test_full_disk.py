"""The disk of the access log is full for a while: requests are served as if it were not."""

from __future__ import annotations

import errno
import os
import re
import resource
from pathlib import Path
from unittest import SkipTest

from tests.processes.case import ProcessTestCase
from tests.processes.load import Load
from tests.processes.logs import targets
from tests.support import LISTEN
from tests.twistd import Daemon

ROOM = 20_000
"""Bytes that fit on the disk: some hundred lines, and a part of one."""
AGAIN = "the access log is being written to again; 0 line(s) were lost"


class FullDisk(ProcessTestCase):
    """It says that lines are not written, keeps them for a while, and goes on by itself."""

    async def loaded(self, log: Path, prepare: str = "") -> tuple[Daemon, Load]:
        """Return a daemon that writes to a log, under load."""
        upstream = await self.upstream()
        self.file = Path(self.mktemp()).absolute()
        self.file.write_text(
            f'{LISTEN}access_log = "{log}"\n'
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n'
        )
        daemon = self.daemon("--config", str(self.file), prepare=prepare)
        port = await daemon.port()
        load = Load(upstream, lambda: port)
        load.start()
        return daemon, load

    async def assert_nothing_lost(self, daemon: Daemon, load: Load, *logs: Path) -> None:
        """End both, and assert that each request was served, and has one whole line."""
        await daemon.when(lambda: AGAIN in daemon.said)
        await load.more(100)
        await load.stop()
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertEqual((load.unanswered, load.wrong, set(load.statuses)), ([], [], {200}))
        self.assertNotIn("Traceback", daemon.said)
        sent = [b"/%d" % number for number in range(1, load.answered + 1)]
        self.assertEqual(sorted(targets(*logs)), sorted(sent))

    async def full(self, daemon: Daemon, load: Load, number: int) -> None:
        """Wait until the daemon has said that the log can't be written to; then load on."""
        reason = os.strerror(number)
        said = f"the access log can't be written to ({reason}): lines wait or are lost"
        await daemon.when(lambda: said in daemon.said)
        await load.more(200)
        self.assertEqual(daemon.said.count(said), 1, "once is enough")

    async def test_grows_no_more(self) -> None:
        """A bound on the file's size cuts a line in two; it is completed once there is room."""
        log = Path(self.mktemp()).absolute()
        limit = f"import resource as r\nr.setrlimit(r.RLIMIT_FSIZE, ({ROOM}, r.RLIM_INFINITY))"
        daemon, load = await self.loaded(log, limit)
        await self.full(daemon, load, errno.EFBIG)
        self.assertEqual(log.stat().st_size, ROOM)
        free = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, free)
        await self.assert_nothing_lost(daemon, load, log)

    async def test_rotated_away(self) -> None:
        """A log that moves to a disk with room, and SIGHUP, take the lines that waited along."""
        log = Path(self.mktemp()).absolute()
        log.symlink_to("/dev/full")
        daemon, load = await self.loaded(log)
        await self.full(daemon, load, errno.ENOSPC)
        log.unlink()
        daemon.signal("HUP")
        await self.assert_nothing_lost(daemon, load, log)

    async def test_moved_away(self) -> None:
        """A reload to another log: lines that the full disk never took are counted, and logged."""
        log = Path(self.mktemp()).absolute()
        log.symlink_to("/dev/full")
        daemon, load = await self.loaded(log)
        await self.full(daemon, load, errno.ENOSPC)
        # No file any more, which would take the lines along.
        self.file.write_text(self.file.read_text().replace(f'"{log}"', '"-"'))
        daemon.signal("HUP")
        await daemon.when(lambda: "in force" in daemon.said)
        await load.stop()
        lost = re.compile(r"(\d+) line\(s\) of the access log were lost")
        await daemon.when(lambda: lost.search(daemon.said) is not None)
        self.assertEqual((load.unanswered, load.wrong, set(load.statuses)), ([], [], {200}))
        (count,) = lost.findall(daemon.said)
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        written = daemon.said.count('"target": "/')
        self.assertEqual(int(count) + written, load.answered)

    async def test_small_file_system(self) -> None:
        """A file system that is full, until somebody deletes a file on it."""
        disk = Path(self.mktemp()).absolute()
        disk.mkdir()
        mount = (
            "import ctypes, os, sys\n"
            "c = ctypes.CDLL(None, use_errno=True)\n"
            # CLONE_NEWNS, of sched.h: the mount is seen by this process alone.
            "if c.unshare(0x20000) or c.mount(b'none', b'/', None, 0x44000, None) or c.mount(\n"
            f"    b'none', {os.fsencode(disk)!r}, b'tmpfs', 0, b'size=1m'\n"
            "):\n"
            "    sys.exit(f'no mount: {os.strerror(ctypes.get_errno())}')\n"
            f"open({str(disk / 'other')!r}, 'wb').write(bytes(900_000))\n"
        )
        log = disk / "access.log"
        try:
            daemon, load = await self.loaded(log, mount)
        except AssertionError as error:
            if "no mount" in str(error):
                raise SkipTest("this user may not mount a file system") from None
            raise
        # The process alone sees the file system, which is gone with it.
        seen = Path(f"/proc/{daemon.process.pid}/root") / log.relative_to("/")
        await self.full(daemon, load, errno.ENOSPC)
        # What waits must fit into the room that there will be.
        await load.stop()
        (seen.parent / "other").unlink()
        await daemon.when(lambda: AGAIN in daemon.said)
        copy = Path(self.mktemp())
        copy.write_bytes(seen.read_bytes())
        self.assertEqual((load.unanswered, load.wrong, set(load.statuses)), ([], [], {200}))
        sent = [b"/%d" % number for number in range(1, load.answered + 1)]
        self.assertEqual(sorted(targets(copy)), sorted(sent))
