"""systemd as PID 1 of namespaces of its own, on a copy of this machine's file system.

It needs root, systemd and a writable cgroup2 hierarchy. The copy is an overlay in memory: nothing
that the machine does is left. It shares this machine's network, so a test's clients and servers
are those of any other test.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

import attrs
from twisted.trial.unittest import SkipTest

from tests.programs import require
from tests.running import PATIENCE_S
from tests.tree import ROOT, outside

_SETUP = r"""
set -eu
mount -t tmpfs tmpfs "$BASE"
mkdir "$BASE/upper" "$BASE/work" "$BASE/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$BASE/upper,workdir=$BASE/work" "$BASE/root"
cp -R "$FILES/." "$BASE/root/"
mkdir -p "$BASE/root/opt/corsgate/python" "$BASE/root/opt/corsgate/packages"
mkdir -p "$BASE/root/opt/corsgate/source"
mount --rbind "$PREFIX" "$BASE/root/opt/corsgate/python"
mount --bind "$PACKAGES" "$BASE/root/opt/corsgate/packages"
mount --bind "$SOURCE" "$BASE/root/opt/corsgate/source"
cd "$BASE/root"
# Nothing of the kernel's that is not of a namespace may be changed from there.
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --bind /sys sys
mount -o remount,bind,ro sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for name in null zero full random urandom tty; do
    touch "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
mount -t tmpfs -o mode=1777 tmpfs dev/shm
# None of the machine's own services or mounts, and nothing that sets the kernel up.
: > etc/fstab
for unit in lib/systemd/system/*.wants/* etc/systemd/system/*.wants/*; do
    case $unit in
        */systemd-journald*) ;;
        *) ln -sf /dev/null "etc/systemd/system/${unit##*/}" ;;
    esac
done
mkdir -p .outside
pivot_root . .outside
umount -l .outside
# systemd leaves this to a container's manager; credentials are not handed over without it.
mount --make-rshared /
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=test.target --log-target=journal --show-status=0
"""

_TARGET = """\
[Unit]
Description=Only what a test needs
DefaultDependencies=no
AllowIsolate=yes
Requires=systemd-journald.service
After=systemd-journald.service
"""

_TWISTD = f"""\
#!/opt/corsgate/python/bin/{Path(sys.executable).resolve().name}
import sys
sys.path[:0] = ["/opt/corsgate/source", "/opt/corsgate/packages"]
sys.dont_write_bytecode = True
from twisted.scripts.twistd import run
run()
"""


class Machine:
    """A machine that is booted once it is entered, and is gone once it is left.

    Args:
        files: A directory whose files it has on top of this machine's.
    """

    def __init__(self, files: Path) -> None:
        self._files = files
        self._group = Path()
        self._base = ""

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            raise SkipTest("systemd as PID 1 needs root")
        unshare, self._nsenter = require("unshare", "util-linux"), require("nsenter", "util-linux")
        require("systemctl", "systemd")
        if not os.access("/lib/systemd/systemd", os.X_OK):
            raise SkipTest("there is no systemd here (Debian: systemd)")
        self._add_files()
        self._base = tempfile.mkdtemp(prefix="corsgate-pid1-")
        self._group = self._make_group()
        namespaces = ("--pid", "--fork", "--kill-child", "--mount", "--uts", "--ipc", "--cgroup")
        environ = {
            "BASE": self._base,
            "FILES": str(self._files),
            "PREFIX": sys.base_prefix,
            "PACKAGES": str(Path(attrs.__file__).parents[1]),
            "SOURCE": str(ROOT),
        }
        # The shell joins the group before it makes the namespace that hides all others.
        joined = f'echo $$ > "{self._group}/cgroup.procs"; exec "$@"'
        setup = (unshare, *namespaces, "--propagation", "private", "sh", "-c", _SETUP)
        self._process = subprocess.Popen(
            ["sh", "-c", joined, "sh", *setup],
            env={**outside(), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            self._boot()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _add_files(self) -> None:
        units = self._files / "etc/systemd/system"
        units.mkdir(parents=True, exist_ok=True)
        (units / "test.target").write_text(_TARGET)
        program = self._files / "opt/corsgate/bin/twistd"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(_TWISTD)
        program.chmod(0o755)

    def _make_group(self) -> Path:
        for line in Path("/proc/mounts").read_text().splitlines():
            _, place, kind, *_ = line.split()
            if kind == "cgroup2":
                group = Path(place) / f"corsgate-test-{os.getpid()}-{id(self):x}"
                try:
                    group.mkdir()
                except OSError as error:
                    raise SkipTest(f"no cgroup can be made here: {error}") from None
                return group
        raise SkipTest("there is no cgroup2 hierarchy here")

    def _boot(self) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            if self._process.poll() is not None:
                assert self._process.stderr is not None
                said = self._process.stderr.read()
                raise SkipTest(f"no systemd as PID 1 here: {said.strip()}")
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
            self._pid = children.read_text().strip()
            # Before systemd is PID 1 there is nobody to ask.
            if self._pid and "systemd" in Path(f"/proc/{self._pid}/comm").read_text():
                state = self.run("systemctl", "is-system-running", "--wait")
                if state.stdout.strip() == "running":
                    return
        raise AssertionError("systemd did not boot")

    def _end(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()
        # PID 1 is killed with its parent; the groups are free once all its processes are gone.
        deadline_s = time.monotonic() + PATIENCE_S
        while self._group.exists() and time.monotonic() < deadline_s:
            for path, _, _ in os.walk(self._group, topdown=False):
                try:
                    os.rmdir(path)
                except OSError:
                    break
        shutil.rmtree(self._base, ignore_errors=True)

    @property
    def root(self) -> Path:
        """Its root directory, as it is seen from here."""
        return Path(f"/proc/{self._pid}/root")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command there to its end."""
        return subprocess.run(
            [self._nsenter, "--target", self._pid, "--all", "--", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        )

    def systemctl(self, *arguments: str) -> str:
        """Run systemctl there; return what it printed.

        Raises:
            AssertionError: It failed.
        """
        done = self.run("systemctl", *arguments)
        if done.returncode:
            journal = self.run("journalctl", "--no-pager", "--output=cat").stdout
            raise AssertionError(f"systemctl {arguments}: {done.stderr}\n{journal}")
        return done.stdout

    def until(self, unit: str, name: str, wanted: str) -> str:
        """Wait until a property of a unit has a value, as a regular expression; return it."""
        deadline_s = time.monotonic() + PATIENCE_S
        value = ""
        while time.monotonic() < deadline_s:
            value = self.show(unit, name)
            if re.search(wanted, value):
                return value
        raise AssertionError(f"{name} of {unit} is {value!r}:\n{self.journal(unit)}")

    def journal(self, unit: str) -> str:
        """Return what a unit has logged, and what systemd said of it."""
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}").stdout

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.systemctl("show", "--value", f"--property={name}", unit).strip()
