"""Where the boxes are that ``make test-boxes`` has installed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.programs import missing, require
from tests.tree import ROOT

BOXES: Final = ROOT / ".boxes"
MODULES: Final = BOXES / "node" / "node_modules"
SERVERS: Final = Path(__file__).parent / "servers"


def python() -> str:
    """Return the interpreter that can import the boxes of PyPI.

    Raises:
        SkipTest: They are not installed.
        AssertionError: The same, in CI.
    """
    return str(_present(BOXES / "venv" / "bin" / "python"))


def node(script: str) -> list[str]:
    """Return the command that runs one of `SERVERS` with the boxes of npm.

    Raises:
        SkipTest: They are not installed.
        AssertionError: The same, in CI.
    """
    program = require("node", "nodejs")
    return [program, str(SERVERS / script), str(_present(MODULES))]


def module_file(name: str) -> Path:
    """Return a file of a package of npm.

    Raises:
        SkipTest: It is not installed.
        AssertionError: The same, in CI.
    """
    return _present(MODULES / name)


def _present(path: Path) -> Path:
    if not path.exists():
        missing(f"there is no {path.relative_to(ROOT)} here; `make test-boxes` installs it")
    return path
