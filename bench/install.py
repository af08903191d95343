"""The programs that the benchmark runs: found on the machine, or put below ``bench/.peers``.

Debian's packages are unpacked there and not installed: that needs no root, starts no service, and
is undone by removing the directory.
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
# "Inst NAME (VERSION ...)" is new; "Inst NAME [OLD] (VERSION ...)" is there already.
_NEW = re.compile(r"^Inst (\S+) \(", re.MULTILINE)


def program(name: str, debian: str | None = None) -> str:
    """Return the path of a program.

    Args:
        name: The program.
        debian: The Debian package that has it, if any may be fetched.

    Raises:
        LeftOut: It can't be had.
    """
    found = _find(name)
    if found is None and debian is not None:
        _unpack(debian)
        found = _find(name)
    if found is None:
        raise LeftOut(f"there is no {name} on this machine")
    return found


def libraries(path: str) -> dict[str, str]:
    """Return the variables with which a program finds its libraries, if it was unpacked here."""
    if not Path(path).is_relative_to(_DEBIAN):
        return {}
    found = (str(directory) for directory in _DEBIAN.glob("usr/lib/*-linux-gnu"))
    return {"LD_LIBRARY_PATH": os.pathsep.join(found)}


def modules(package: str) -> Path:
    """Return a directory with a package for node and all that it needs, fetched where missing.

    Args:
        package: Its name and version, ``name@version``.

    Raises:
        LeftOut: It can't be had.
    """
    # Each has a directory of its own: npm removes what it finds beside those that it is asked for.
    directory = PEERS / "npm" / package
    found = directory / "node_modules"
    if not (found / package.rpartition("@")[0]).is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(directory)]
        _run([program("npm"), "install", *options, package])
    return found


@cache
def debian_python() -> str:
    """Return Debian's Python, which is built by profile, with this one's packages.

    It has a virtual environment below ``bench/.peers``, which looks for packages in this one's.
    Compiled packages fit both, as long as the two are of the same minor version.

    Raises:
        LeftOut: There is none of that version.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = Path("/usr/bin") / version
    if not python.exists():
        raise LeftOut(f"there is no {python}, whose packages would be those of this Python")
    directory = PEERS / version
    _run([str(python), "-m", "venv", "--clear", "--without-pip", str(directory)])
    packages = sysconfig.get_path("purelib"), sysconfig.get_path("platlib")
    lines = "\n".join(dict.fromkeys(packages))
    (directory / "lib" / version / "site-packages" / "bench.pth").write_text(f"{lines}\n")
    return str(directory / "bin" / "python")


def python_packages(*packages: str) -> Path:
    """Return a directory with packages for this Python, fetched where missing.

    Args:
        packages: Their names; all that they need is fetched too.

    Raises:
        LeftOut: They can't be had.
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
    """Unpack a Debian package and all that it needs and that is not installed."""
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
    """Run a command and return what it wrote.

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
        lines = error.stderr.strip().splitlines() or ["it says nothing"]
        raise LeftOut(f"`{command[0]} {command[1]}` failed: {lines[-1]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LeftOut(f"`{command[0]} {command[1]}` failed: {error}") from error
    return done.stdout
