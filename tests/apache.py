"""A real Apache that asks for digest credentials, for tests against a third-party server."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from unittest import SkipTest

from tests.ports import free_port

BINARY = "/usr/sbin/apache2"
MODULES = Path("/usr/lib/apache2/modules")
UNPRIVILEGED = "www-data"
STARTS = 5
POLLS = 500
POLL_S = 0.02

_LOADED = (
    "mpm_event",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_user",
    "auth_basic",
    "auth_digest",
    "dir",
    "dav",
    "dav_fs",
    "headers",
    "rewrite",
)

# mod_auth_basic and mod_auth_digest.
_WRONG_PASSWORD = re.compile("password mismatch", re.IGNORECASE)

_CONFIGURATION = """\
ServerRoot "{root}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
{loaded}
{identity}
PidFile "{root}/apache.pid"
DefaultRuntimeDir "{root}"
Mutex file:{root} default
ErrorLog "{root}/error.log"
LogLevel warn auth_basic:info auth_digest:info
LogFormat "%>s %r" facts
CustomLog "{root}/access.log" facts
StartServers 1
ThreadsPerChild 16
ThreadLimit 16
ServerLimit 1
MaxRequestWorkers 16
MinSpareThreads 1
MaxSpareThreads 16
GracefulShutdownTimeout 1
DocumentRoot "{root}/files"
DavLockDB "{root}/locks/dav"
<Directory "{root}/files">
    Dav On
    AuthType Digest
    AuthName "{realm}"
    AuthDigestProvider file
    AuthUserFile "{root}/users"
    AuthDigestNonceLifetime {nonce_lifetime_s}
    Require valid-user
    <Files "{forbidden}">
        Require user nobody-at-all
    </Files>
</Directory>
{more}
"""


class ApacheDigest:
    """Apache with mod_auth_digest (MD5 and qop=auth only) before a folder that WebDAV can write to.

    It is ready for requests once it is made. Use it as a context, or call `stop` in a clean-up.

    Attributes:
        port: Where it listens on 127.0.0.1.
        origin: Its origin, ``http://127.0.0.1:PORT``.
        files: The folder it serves.
    """

    FORBIDDEN = "forbidden.json"
    """The name of a file that no user may read: Apache answers 401 to right credentials too."""

    def __init__(
        self,
        *,
        users: Mapping[str, str],
        realm: str = "closed box",
        files: Mapping[str, bytes] | None = None,
        nonce_lifetime_s: int = 300,
        more: str = "",
    ) -> None:
        """Start it.

        Args:
            users: Passwords by user name.
            realm: The realm, in ASCII without quotes or backslashes: Apache escapes those in its
                challenge, and then takes no answer.
            files: What to serve, by file name.
            nonce_lifetime_s: How long a nonce lives, in whole seconds. In its last 30 s, each
                answer names the next nonce.
            more: Further lines of its configuration; they may use mod_headers and mod_rewrite.

        Raises:
            SkipTest: Apache is not installed, outside CI.
            RuntimeError: It did not start; the message has its error log.
        """
        _require_apache()
        self._root = Path(tempfile.mkdtemp(prefix="corsgate-apache-"))
        self._settings = {
            "realm": realm,
            "nonce_lifetime_s": str(nonce_lifetime_s),
            "forbidden": self.FORBIDDEN,
            "more": more,
        }
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.files = self._root / "files"
            self._lay_out(users, realm, files or {})
            self.port = self._start()
        except BaseException:
            self.stop()
            raise
        self.origin = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> ApacheDigest:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it and remove its files; calling it again has no effect."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._root, ignore_errors=True)

    def requests(self, at_least: int = 0) -> list[tuple[int, str, str]]:
        """Return the requests that it has responded to.

        Apache writes a line after it sent the response, so a client may be here first, and lines
        of different connections may come in any order.

        Args:
            at_least: Wait, for a limited time, until there are this many.

        Returns:
            Status, method and target (as it was sent) of each request.
        """
        for _ in range(POLLS):
            lines = self._read("access.log").splitlines()
            if len(lines) >= at_least:
                break
            time.sleep(POLL_S)
        answered = []
        for line in lines:
            status, _, request_line = line.partition(" ")
            method, _, rest = request_line.partition(" ")
            answered.append((int(status), method, rest.rpartition(" ")[0]))
        return answered

    def failed_logins(self, at_least: int = 0) -> int:
        """Return how many requests had a wrong password so far.

        Args:
            at_least: Wait, for a limited time, until there are this many.
        """
        for _ in range(POLLS):
            found = len(_WRONG_PASSWORD.findall(self._read("error.log")))
            if found >= at_least:
                break
            time.sleep(POLL_S)
        return found

    def statuses(self, at_least: int = 0) -> list[int]:
        """Return the statuses of its responses, sorted; see `requests`."""
        return sorted(status for status, _, _ in self.requests(at_least))

    def _lay_out(self, users: Mapping[str, str], realm: str, files: Mapping[str, bytes]) -> None:
        """Write the files to serve and the password file, in the form of htdigest."""
        self.files.mkdir()
        (self._root / "locks").mkdir()
        for name, content in {self.FORBIDDEN: b"{}", **files}.items():
            (self.files / name).write_bytes(content)
        lines = []
        for user, password in users.items():
            secret = hashlib.md5(f"{user}:{realm}:{password}".encode()).hexdigest()
            lines.append(f"{user}:{realm}:{secret}\n")
        (self._root / "users").write_text("".join(lines), "utf-8")
        if os.geteuid() == 0:
            # Its workers leave root behind, and must read and write here all the same.
            for path in (self._root, *self._root.rglob("*")):
                shutil.chown(path, UNPRIVILEGED)

    def _start(self) -> int:
        """Start it on a free port; return the port once it accepts connections."""
        for _ in range(STARTS):
            port = free_port()
            self._write_configuration(port)
            with (self._root / "stderr").open("wb") as stderr:
                self._process = subprocess.Popen(
                    [BINARY, "-D", "FOREGROUND", "-f", str(self._root / "apache.conf")],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                )
            if self._answers(port):
                return port
            # Most likely another test took the port between `free_port` and now.
            self._process.terminate()
            self._process.wait(10)
        raise RuntimeError(f"Apache did not start: {self._read('stderr')}{self._read('error.log')}")

    def _write_configuration(self, port: int) -> None:
        identity = ""
        if os.geteuid() == 0:
            identity = f"User {UNPRIVILEGED}\nGroup {UNPRIVILEGED}"
        loaded = "\n".join(
            f'LoadModule {name}_module "{MODULES}/mod_{name}.so"' for name in _LOADED
        )
        text = _CONFIGURATION.format(
            root=self._root, port=port, loaded=loaded, identity=identity, **self._settings
        )
        (self._root / "apache.conf").write_text(text, "utf-8")

    def _answers(self, port: int) -> bool:
        """Wait until it accepts connections; return False if it ended or never did.

        It writes its pid file after it has bound the port: until then, whoever answers there is
        somebody else.
        """
        process = self._process
        assert process is not None
        for _ in range(POLLS):
            if process.poll() is not None:
                return False
            if self._read("apache.pid").strip() == str(process.pid) and _connects(port):
                return True
            time.sleep(POLL_S)
        return False

    def _read(self, name: str) -> str:
        path = self._root / name
        return path.read_text("utf-8", "replace") if path.exists() else ""


def _require_apache() -> None:
    """Skip the test if Apache is not installed; in CI, fail."""
    missing = [BINARY] if not Path(BINARY).exists() else []
    missing += [name for name in _LOADED if not (MODULES / f"mod_{name}.so").exists()]
    if not missing:
        return
    reason = f"no Apache to test against; missing: {', '.join(missing)} (Debian: apache2-bin)"
    if "CI" in os.environ:
        raise AssertionError(reason)
    raise SkipTest(reason)


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
