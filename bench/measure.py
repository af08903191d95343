"""Set up the proxies in the same way, and measure one of them under a load."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

from bench import install
from bench.drivers import Driver, Outcome
from bench.loads import LOADS, MIB, ORIGIN, Load, check, check_upstream, write_files
from bench.processes import Daemon, LeftOut, free_port, usage

GATE, GATE_DEBIAN = "corsgate", "corsgate-debian"
GATES: Final = (GATE, GATE_DEBIAN)
"""The gate on this Python and on Debian's."""
PROXY_CORE, LOAD_CORE = 0, 1

_HERE: Final = Path(__file__).resolve().parent
_USERNAME, _PASSWORD = "bench", "correct-horse"
_ACCESS_LOG: Final = 'access_log = "@directory@/access.log"'
_NAME: Final = re.compile(r"@([a-z]+)@")


@attrs.frozen(kw_only=True)
class Proxy:
    """One entry of ``peers.toml``, which describes the fields."""

    name: str
    program: str
    command: list[str]
    config: str
    plain: str
    tls: str
    debian: str | None = None
    npm: str | None = None
    python: str | None = None
    http2: bool = False
    target: str = ""
    values: dict[str, str] = attrs.Factory(dict)

    def takes_part(self, load: Load) -> bool:
        """Return whether it is measured under a load; a failure to run it is then reported."""
        return self.name in GATES or load.beside is None


@attrs.frozen(kw_only=True)
class Sample:
    """The figures of one measurement."""

    cpu_us: float
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    rss_mib: float


def proxies() -> list[Proxy]:
    """Return the gate and its peers."""
    tables = tomllib.loads((_HERE / "peers.toml").read_text(encoding="utf-8"))
    found = []
    for name, table in tables.items():
        base = tables.get(table.pop("like", None), {})
        found.append(Proxy(name=name, **{**base, **table}))
    return found


class Bench:
    """An upstream, and a directory for the proxies in front of it.

    Args:
        directory: An empty directory for the benchmark.

    Raises:
        LeftOut: wrk or nginx is not available.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._driver = Driver(LOAD_CORE)
        self._nginx = install.program("nginx", "nginx-light")
        self._upstream_port = free_port()
        token = base64.b64encode(f"{_USERNAME}:{_PASSWORD}".encode()).decode()
        self._values = {
            "upstream": str(self._upstream_port),
            "username": _USERNAME,
            "password": _PASSWORD,
            "authorization": f"Basic {token}",
            "origin": ORIGIN,
            **make_certificate(directory),
        }

    @contextmanager
    def upstream(self) -> Iterator[None]:
        """Run the upstream during the context.

        Raises:
            LeftOut: It doesn't start.
        """
        with self._place("upstream") as place:
            write_files(place / "files")
            config = _write("upstream.conf", place, self._values)
            command = [self._nginx, "-p", str(place), "-e", "stderr", "-c", config]
            environ = {**os.environ, **install.libraries(self._nginx)}
            with Daemon(
                command,
                core=LOAD_CORE,
                port=self._upstream_port,
                directory=place,
                environ=environ,
            ):
                for load in LOADS:
                    if load.length:
                        check_upstream(
                            load.at(0), self._upstream_port, self._values["authorization"]
                        )
                yield

    @contextmanager
    def running(
        self,
        proxy: Proxy,
        *,
        tls: bool = False,
        access_log: bool = True,
        options: Sequence[str] = (),
    ) -> Iterator[Daemon]:
        """Run a proxy during the context.

        Args:
            proxy: The proxy.
            tls: Whether its listener has a certificate.
            access_log: Whether the gate's configuration has one.
            options: Options for twistd, only for the gate.

        Raises:
            LeftOut: It is not available, or doesn't start.
        """
        path = _path_of(proxy)
        with self._place(proxy.name) as place:
            environ = _environ(proxy, path, place)
            port = free_port()
            values = {**self._values, **proxy.values, proxy.program: path, "port": str(port)}
            values["directory"] = str(place)
            values["listen"] = _fill(proxy.tls if tls else proxy.plain, values)
            values["log"] = _fill(_ACCESS_LOG, values) if access_log else ""
            values["config"] = _write(proxy.config, place, values)
            command = [_fill(word, values) for word in proxy.command]
            if options:
                at = command.index("corsgate")
                command[at:at] = options
            with Daemon(
                command, core=PROXY_CORE, port=port, directory=place, environ=environ
            ) as daemon:
                yield daemon

    def measure(self, proxy: Proxy, load: Load, seconds: int) -> Sample:
        """Put a freshly started proxy under a load.

        Args:
            proxy: The proxy.
            load: The load.
            seconds: For how long, after a warm-up.

        Raises:
            LeftOut: It is not available, doesn't start, or fails requests.
        """
        if load.http2 and not proxy.http2:
            raise LeftOut("it does not support HTTP/2")
        with self.running(proxy, tls=load.tls, access_log=load.access_log) as daemon:
            self.drive(proxy, load, daemon, max(1, seconds // 3))
            return self.sample(proxy, load, daemon, seconds)

    def sample(self, proxy: Proxy, load: Load, daemon: Daemon, seconds: int) -> Sample:
        """Put a running proxy under a load, and measure.

        Raises:
            LeftOut: It fails requests.
        """
        before = usage(daemon.pid)
        outcome = self.drive(proxy, load, daemon, seconds)
        after = usage(daemon.pid)
        return Sample(
            cpu_us=(after.cpu_s - before.cpu_s) * 1e6 / outcome.requests,
            requests_per_s=outcome.requests * 1e6 / outcome.duration_us,
            p50_ms=outcome.p50_us / 1e3,
            p99_ms=outcome.p99_us / 1e3,
            rss_mib=after.rss_bytes / MIB,
        )

    def drive(self, proxy: Proxy, load: Load, daemon: Daemon, seconds: int) -> Outcome:
        """Put a running proxy under a load, after a first request that checks that it works.

        Raises:
            LeftOut: It fails requests.
        """
        prefix = _fill(proxy.target, self._values)
        first = load.at(0)
        check(first, daemon.port, prefix + first.path)
        return self._driver.drive(load, daemon.port, prefix + load.path, seconds)

    @contextmanager
    def _place(self, name: str) -> Iterator[Path]:
        """Make a directory for one process, and remove it with its logs afterwards."""
        place = self._directory / name
        place.mkdir()
        try:
            yield place
        finally:
            shutil.rmtree(place)


@contextmanager
def bench() -> Iterator[Bench]:
    """Return a `Bench` with a running upstream.

    Raises:
        LeftOut: A program that every measurement needs is not available.
    """
    cores = os.sched_getaffinity(0)
    if not {PROXY_CORE, LOAD_CORE} <= cores:
        raise LeftOut(f"it needs cores {PROXY_CORE} and {LOAD_CORE}, and may use {cores}")
    with tempfile.TemporaryDirectory(prefix="corsgate-bench-") as name:
        directory = Path(name)
        # nginx drops root, but must still read files in it.
        directory.chmod(0o755)
        made = Bench(directory)
        with made.upstream():
            yield made


def python_version(gate: Proxy) -> str:
    """Return the version of the Python that runs a gate.

    Raises:
        LeftOut: It is not available.
    """
    code = "import platform; print(platform.python_version())"
    command = [_path_of(gate), "-c", code]
    done = subprocess.run(  # noqa: S603 - our own
        command, check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


def _path_of(proxy: Proxy) -> str:
    if proxy.python is not None:
        return sys.executable if proxy.python == "this" else install.debian_python()
    return install.program(proxy.program, proxy.debian)


def _environ(proxy: Proxy, path: str, place: Path) -> dict[str, str]:
    environ = {**os.environ, **install.libraries(path), "PYTHONPATH": str(_HERE.parent)}
    # Caddy writes to its home directory.
    environ |= {"HOME": str(place), "XDG_CONFIG_HOME": str(place), "XDG_DATA_HOME": str(place)}
    if proxy.python is not None:
        # Compile beforehand, as for an installed package, because start times are also measured.
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        environ["PYTHONPYCACHEPREFIX"] = str(install.PEERS / "bytecode")
    if proxy.npm is not None:
        environ["NODE_PATH"] = str(install.modules(proxy.npm))
    return environ


def _fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each ``@name@`` by its value."""
    return _NAME.sub(lambda match: values[match[1]], text)


def _write(name: str, place: Path, values: Mapping[str, str]) -> str:
    """Write a configuration with its values filled in, and return its path."""
    text = (_HERE / "configs" / name).read_text(encoding="utf-8")
    path = place / name
    path.write_text(_fill(text, {**values, "directory": str(place)}), encoding="utf-8")
    return str(path)


def make_certificate(directory: Path) -> dict[str, str]:
    """Make a certificate for 127.0.0.1; the chain file also has the key, as HAProxy requires."""
    key, chain = directory / "key.pem", directory / "chain.pem"
    command = [install.program("openssl"), "req", "-x509", "-days", "2", "-nodes"]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(chain)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603 - our own
    with chain.open("ab") as both:
        both.write(key.read_bytes())
    return {"key": str(key), "chain": str(chain)}
