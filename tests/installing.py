"""Builds of the checkout, and their installation in environments of their own."""

from __future__ import annotations

import functools
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

import attrs

from tests.tree import ROOT, made, run


def copy_tree() -> Path:
    """Return a new copy of the checkout, without what tools have made in it."""
    copy = Path(tempfile.mkdtemp(prefix="tree-", dir=Path.cwd())) / "corsgate"
    shutil.copytree(ROOT, copy, ignore=lambda _, inside: [name for name in inside if made(name)])
    return copy


@attrs.frozen(kw_only=True)
class Built:
    """What a build gives: an sdist, and a wheel made from that and nothing else."""

    sdist: Path
    wheel: Path


@functools.cache
def build() -> Built:
    """Build once for all tests, with the setuptools of this environment."""
    copy = copy_tree()
    out = copy.parent / "out"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        out,
        copy,
    ]
    done = run(command, copy.parent, timeout_s=300)
    if done.returncode:
        raise AssertionError(f"the build failed:\n{done.stdout}\n{done.stderr}")
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    return Built(sdist=sdist, wheel=wheel)


def install(environment: Path, *what: str | Path) -> Path:
    """Make a virtual environment with the gate and nothing else of its own; return its path.

    The projects that the gate needs are seen through a ``.pth`` file, in which a line for an
    editable install of the checkout, if there is one, does not count. So nothing is downloaded.

    Args:
        environment: Where to make it.
        what: The arguments of ``pip install``.
    """
    environment = environment.resolve()
    here = environment.parent
    here.mkdir(parents=True, exist_ok=True)
    venv = run([sys.executable, "-m", "venv", "--without-pip", environment], here)
    assert venv.returncode == 0, venv.stderr
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "projects.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = environment / "bin" / "python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    apart = ["--no-index", "--no-deps", "--no-build-isolation", "--ignore-installed"]
    done = run([*pip, *apart, *what], here, timeout_s=300)
    assert done.returncode == 0, done.stderr
    return environment
