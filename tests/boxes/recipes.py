"""The configurations that docs/recipes/ shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tests.prose import Prose
from tests.tree import ROOT

FOLDER: Final = ROOT / "docs" / "recipes"
GATE_PORT: Final = 5555
APP_PORT: Final = 4200


def names() -> list[str]:
    """Return the names of all pages that have a configuration, without their ending."""
    return sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README")


def blocks(name: str) -> list[str]:
    """Return the configurations on a page."""
    return list(Prose.read(f"docs/recipes/{name}.md").blocks("toml"))


def placed(text: str, ports: Mapping[int, int]) -> str:
    """Return a configuration with other ports, and nothing else changed.

    Args:
        text: It.
        ports: The ports to use, by those that are shown.

    Raises:
        AssertionError: A port isn't shown.
    """
    for shown, used in ports.items():
        text, count = re.subn(rf":{shown}(?!\d)", f":{used}", text)
        assert count, f"no port {shown}"
    return text
