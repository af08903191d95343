"""A box in a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final

from tests.ports import free_port
from tests.tree import outside

START_S: Final = 180.0
"""Far more than any box takes to start, also on a busy machine."""
POLL_S: Final = 0.05
TRIES: Final = 3
"""How often to look for another port where somebody else took the first."""


class Box:
    """A program of others that serves HTTP on 127.0.0.1, with a directory that is all it writes to.

    Attributes:
        port: Where it listens.
        home: Its directory.
    """

    ready = "/"
    """What it is asked for until it sends any response at all."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="corsgate-box-"))
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.prepare()
            for _ in range(TRIES):
                if self._started(free_port()):
                    return
            raise AssertionError(f"{type(self).__name__} did not start:\n{self.said()}")
        except BaseException:
            self.stop()
            raise

    def prepare(self) -> None:
        """Write the files that it needs; it has none by default."""

    def command(self, port: int) -> Sequence[str]:
        """Return what starts it in the foreground."""
        raise NotImplementedError

    def environ(self, port: int) -> Mapping[str, str]:
        """Return variables on top of the environment's."""
        return {}

    def said(self) -> str:
        """Return what it has written to standard output and standard error."""
        path = self.home / "said"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def count(self, text: str, least: int, name: str = "said") -> int:
        """Return how often it has written a text, once that is often enough.

        Args:
            text: The text.
            least: How often it will have written that; servers log a request after their response.
            name: The file that it writes to.
        """
        deadline = time.monotonic() + START_S
        while True:
            found = (self.home / name).read_text("utf-8", "replace").count(text)
            if found >= least or time.monotonic() > deadline:
                return found
            time.sleep(POLL_S)

    def stop(self) -> None:
        """End it and what it started, and remove its files; again does no harm."""
        process, self._process = self._process, None
        if process is not None:
            _end_group(process)
        shutil.rmtree(self.home, ignore_errors=True)

    def restart(self) -> None:
        """End it, and start it again on the same port; its directory stays."""
        assert self._process is not None, "it has been started"
        _end_group(self._process)
        assert self._started(self.port), f"it did not start again:\n{self.said()}"

    def _started(self, port: int) -> bool:
        """Start it; return False if it ended, most likely because the port was taken."""
        command = self.command(port)
        with (self.home / "said").open("wb") as said:
            self._process = process = subprocess.Popen(
                command,
                cwd=self.home,
                env={**outside(), "HOME": str(self.home), **self.environ(port)},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            answered = responds(port, self.ready)
            if process.poll() is not None:
                return False
            if answered:
                self.port = port
                return True
            time.sleep(POLL_S)
        raise AssertionError(f"{type(self).__name__} does not serve:\n{self.said()}")


def responds(port: int, target: str) -> bool:
    """Return whether a server sends a response, other than that it can't serve yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", target)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    # Prometheus, for one, answers 503 while it reads its data.
    return status < HTTPStatus.INTERNAL_SERVER_ERROR


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a session, and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(5)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        pass
    finally:
        # Children may outlive their parent, which stays a zombie until wait() reaps it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
