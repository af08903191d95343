"""Attack a gate, and measure what another client sees meanwhile: ``make attack``.

Each attack also runs alone, such as by ``python -m bench.attack_connections``. All run on loopback
and end on their own. Together they take some minutes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Final

ATTACKS: Final = ("connections", "memory", "floods", "descriptors")
TIMEOUT_S: Final = 600.0
"""How many seconds each attack may take at most."""


def main() -> int:
    """Run the attacks; return 1 if one missed its bar."""
    parser = argparse.ArgumentParser(prog="python -m bench.attack", description=__doc__)
    parser.add_argument("--only", action="append", choices=ATTACKS)
    options = parser.parse_args()
    held = True
    for name in options.only or ATTACKS:
        print(f"## {name}\n", flush=True)
        command = [sys.executable, "-m", f"bench.attack_{name}"]
        try:
            status = subprocess.run(command, check=False, timeout=TIMEOUT_S).returncode  # noqa: S603
        except subprocess.TimeoutExpired:
            print(f"\nBROKEN: it did not end within {TIMEOUT_S:.0f} s\n", flush=True)
            held = False
            continue
        print(f"\n{'held' if status == 0 else 'BROKEN'}\n", flush=True)
        held = held and status == 0
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
