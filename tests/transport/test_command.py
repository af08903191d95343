"""Commands that print secrets, run as real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.command import MAX_OUTPUT_BYTES, Command
from corsgate.transport.command import run_command
from tests.config.support import fault_of

SECRET = "hunter2-of-the-box"


def run(*arguments: str, timeout_s: float = 10.0, **environ: str) -> bytes:
    """Run a command with a small environment."""
    command = Command(arguments=arguments, timeout_s=timeout_s)
    return run_command(command, {"PATH": os.environ["PATH"], **environ})


def python(program: str, *arguments: str, **environ: str) -> str:
    """Return what a Python program prints."""
    command = Command(arguments=(sys.executable, "-c", program, *arguments))
    return run_command(command, {"PATH": os.environ["PATH"], **environ}).decode()


class RunTests(SynchronousTestCase):
    """`run_command`, where the program succeeds."""

    def test_no_shell(self) -> None:
        """Arguments arrive as they are."""
        self.assertEqual(run("echo", "$HOME; `id`", "*"), b"$HOME; `id` *\n")

    def test_world(self) -> None:
        """The program has the gate's environment and directory, no input, and no terminal."""
        said = python(
            "import os, sys\n"
            "print(sys.stdin.read() == '', os.getcwd(), os.environ.get('VAULT_TOKEN'))\n"
            "print(sorted(set(os.environ) & {'NOTIFY_SOCKET', 'LISTEN_FDS', 'WATCHDOG_USEC'}))\n"
            "print(os.getsid(0) == os.getpid())\n"
            "print(sorted(int(each) for each in os.listdir('/proc/self/fd'))[:4][-1])\n",
            VAULT_TOKEN="x",
            NOTIFY_SOCKET="/run/n",
            LISTEN_FDS="1",
            WATCHDOG_USEC="5",
        )
        # The last descriptor is that of the directory, so there are three others.
        self.assertEqual(said.split("\n"), [f"True {os.getcwd()} x", "[]", "True", "3", ""])

    def test_descriptors(self) -> None:
        """A socket that systemd has handed over stays the gate's."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        os.set_inheritable(writing, True)
        said = python("import os, sys; os.fstat(int(sys.argv[1]))", "0")
        self.assertEqual(said, "")
        fault = fault_of(
            run, sys.executable, "-c", f"import os; os.fstat({writing})", "a descriptor"
        )
        self.assertIn("ended with status 1", fault)

    def test_signals(self) -> None:
        """A mask of the gate's threads, and what Python ignores, stay the gate's."""
        program = (
            "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))\n"
            "for line in open('/proc/self/status'):\n"
            "  if line.startswith('SigBlk'): print(line.split()[1])"
        )
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
        self.addCleanup(signal.pthread_sigmask, signal.SIG_SETMASK, before)
        self.assertEqual(python(program).split(), ["set()", "0" * 16])

    def test_other_children(self) -> None:
        """Only its own process is waited for, and SIGCHLD is nobody's concern."""
        other = os.spawnlp(os.P_NOWAIT, "true", "true")
        called: list[int] = []
        before = signal.signal(signal.SIGCHLD, lambda number, frame: called.append(number))
        self.addCleanup(signal.signal, signal.SIGCHLD, before)
        self.assertEqual(run("echo", "x"), b"x\n")
        self.assertIsNot(signal.getsignal(signal.SIGCHLD), signal.SIG_DFL)
        self.assertEqual(os.waitpid(other, 0)[1], 0)

    def test_in_threads(self) -> None:
        """Several threads may run commands."""
        found: list[bytes] = []
        threads = [
            threading.Thread(target=lambda text=str(each): found.append(run("echo", text)))
            for each in range(8)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.assertEqual(sorted(found), [b"%d\n" % each for each in range(8)])

    def test_a_child_that_stays(self) -> None:
        """An agent that the program leaves behind keeps nobody waiting, and goes on."""
        said = python(
            "import subprocess, sys\n"
            "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)\n"
        )
        pid = int(said)
        os.kill(pid, 0)
        os.kill(pid, signal.SIGKILL)

    def test_no_process_descriptors(self) -> None:
        """Where the kernel can't wait for a process, its end is still seen."""
        self.patch(os, "pidfd_open", lambda pid: (_ for _ in ()).throw(OSError()))
        self.assertEqual(run("echo", "x"), b"x\n")


class FaultTests(SynchronousTestCase):
    """`run_command`, where it fails: nothing of what was printed is shown."""

    def fault(self, *arguments: str, timeout_s: float = 10.0, **environ: str) -> str:
        """Return the fault, which has no secret."""
        found = fault_of(lambda: run(*arguments, timeout_s=timeout_s, **environ))
        self.assertNotEqual(found, "")
        self.assertNotIn(SECRET, found)
        return found

    def test_status(self) -> None:
        """Neither output is shown, nor an argument."""
        said = self.fault("sh", "-c", f"echo {SECRET}; echo {SECRET} >&2; exit 3", SECRET)
        self.assertTrue(said.startswith('"sh" ended with status 3; '), said)
        said = self.fault("sh", "-c", f"echo {SECRET}; kill -9 $$")
        self.assertTrue(said.startswith('"sh" was ended by signal 9; '), said)

    def test_unknown_status(self) -> None:
        """A parent has had the gate ignore SIGCHLD, so that the kernel keeps no status."""
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGCHLD, before)
        for program, time_s in ((("echo", SECRET), 10.0), (("sleep", "60"), 0.2)):
            problem = fault_of(lambda p=program, t=time_s: run(*p, timeout_s=t))
            self.assertIn(f'"{program[0]}"', problem)
            self.assertNotIn(SECRET, problem)

    def test_time(self) -> None:
        """What runs too long is killed with its children, even if it ignores SIGTERM."""
        pids = Path(self.mktemp())
        program = f"trap '' TERM; echo {SECRET}; sleep 60 & echo $$ $! > {pids}; wait"
        said = self.fault("sh", "-c", program, timeout_s=0.5)
        self.assertIn('"sh" was still running after 0.5 s; ', said)
        for pid in pids.read_text().split():
            # A process that nobody has waited for yet is a zombie, which runs no more.
            with contextlib.suppress(FileNotFoundError):
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
                self.assertIn(state, "ZX")

    def test_size(self) -> None:
        """Output without an end is not kept."""
        said = self.fault("yes", SECRET)
        self.assertIn(f"printed more than {MAX_OUTPUT_BYTES // 1024} KiB", said)

    def test_program(self) -> None:
        """The path and $PATH say which program is meant; a relative directory is not used."""
        here = Path(self.mktemp()).absolute()
        here.mkdir()
        program = here / "box-password"
        program.write_text(f"#!/bin/sh\necho {SECRET}\n")
        self.assertIn("can't be executed by this user", self.fault(str(program)))
        program.chmod(0o700)
        self.assertEqual(run("box-password", PATH=f"/none:{here}"), f"{SECRET}\n".encode())
        self.assertEqual(run(str(program)), f"{SECRET}\n".encode())
        relative = os.path.relpath(here)
        self.assertIn("is not in $PATH", self.fault("box-password", PATH=relative))
        self.assertIn("is not in $PATH", self.fault("box-password", PATH=""))
        self.assertIn("does not exist", self.fault(str(here / "none")))
        program.write_text("no program\n")
        self.assertIn("can't be started", self.fault(str(program)))
