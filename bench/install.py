"""The programs that the benchmark runs: found on this machine, or put below ``bench/.peers``.

Debian's packages are unpacked there, not installed. That needs no root and starts no service. To
undo it, remove the directory.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from bench.processes import LeftOut

PEERS: Final = Path(__file__).resolve().parent / ".peers"
_DEBIAN: Final = PEERS / "debian"
_TIMEOUT_S: Final = 300.0
# "Inst NAME (VERSION ...)" is new; "Inst NAME [OLD] (VERSION ...)" is already installed.
_NEW = re.compile(r"^Inst (\S+) \(", re.MULTILINE)


def program(name: str, debian: str | None = None) -> str:
    """Return the path of a program.

    Args:
        name: The program.
        debian: The Debian package to fetch it from; None to fetch nothing.

    Raises:
        LeftOut: It is not available.
    """
    found = _find(name)
    if found is None and debian is not None:
        _unpack(debian)
        found = _find(name)
    if found is None:
        raise LeftOut(f"there is no {name} on this machine")
    return found


def libraries(path: str) -> dict[str, str]:
    """Return the environment variables that an unpacked program needs to find its libraries."""
    if not Path(path).is_relative_to(_DEBIAN):
        return {}
    found = (str(directory) for directory in _DEBIAN.glob("usr/lib/*-linux-gnu"))
    return {"LD_LIBRARY_PATH": os.pathsep.join(found)}


def modules(package: str) -> Path:
    """Return a directory with a Node package and its dependencies; fetch them if missing.

    Args:
        package: Its name and version, ``name@version``.

    Raises:
        LeftOut: It is not available.
    """
    # Use a directory for each, because npm removes packages that it was not asked for.
    directory = PEERS / "npm" / package
    found = directory / "node_modules"
    if not (found / package.rpartition("@")[0]).is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(directory)]
        _run([program("npm"), "install", *options, package])
    return found


@cache
def debian_python() -> str:
    """Return Debian's Python, which is built with profiling, with this one's packages.

    It has a virtual environment below ``bench/.peers``, which uses the packages of this one's.
    Compiled packages work in both, because the two have the same minor version.

    Raises:
        LeftOut: There is none with that version.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = Path("/usr/bin") / version
    if not python.exists():
        raise LeftOut(f"there is no {python}, which could use this Python's packages")
    directory = PEERS / version
    _run([str(python), "-m", "venv", "--clear", "--without-pip", str(directory)])
    packages = sysconfig.get_path("purelib"), sysconfig.get_path("platlib")
    lines = "\n".join(dict.fromkeys(packages))
    (directory / "lib" / version / "site-packages" / "bench.pth").write_text(f"{lines}\n")
    return str(directory / "bin" / "python")


def python_packages(*packages: str) -> Path:
    """Return a directory with packages for this Python; fetch them if missing.

    Args:
        packages: Their names; dependencies are also fetched.

    Raises:
        LeftOut: They are not available.
    """
    directory = PEERS / "python"
    marks = [directory / f".{package}" for package in packages]
    if not all(mark.exists() for mark in marks):
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade"]
        _run([*pip, "--target", str(directory), *packages])
        for mark in marks:
            mark.touch()
    return directory


def _find(name: str) -> str | None:
    places = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
    places += [str(_DEBIAN / "usr/bin"), str(_DEBIAN / "usr/sbin")]
    return shutil.which(name, path=os.pathsep.join(places))


def _unpack(package: str) -> None:
    """Unpack a Debian package and all its dependencies that are not installed."""
    for tool in ("apt-get", "dpkg-deb"):
        program(tool)
    try:
        packages = _download(package)
    except LeftOut:
        if os.geteuid() != 0:
            raise
        _run(["apt-get", "update"])
        packages = _download(package)
    for path in packages:
        _run(["dpkg-deb", "--extract", str(path), str(_DEBIAN)])


def _download(package: str) -> list[Path]:
    directory = PEERS / "packages" / package
    directory.mkdir(parents=True, exist_ok=True)
    plan = _run(["apt-get", "install", "--simulate", "--no-install-recommends", package])
    _run(["apt-get", "download", *_NEW.findall(plan)], directory)
    return list(directory.glob("*.deb"))


def _run(command: Sequence[str], directory: Path | None = None) -> str:
    """Run a command and return its output.

    Raises:
        LeftOut: It failed or took too long.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the commands are our own
            command,
            cwd=directory,
            capture_output=True,
            text=True,
            check=True,
            timeout=_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no output"]
        raise LeftOut(f"`{command[0]} {command[1]}` failed: {lines[-1]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LeftOut(f"`{command[0]} {command[1]}` failed: {error}") from error
    return done.stdout
