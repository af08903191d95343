"""Access logs that processes have written."""

from __future__ import annotations

import gzip
import json
from pathlib import Path


def targets(*files: Path) -> list[bytes]:
    """Return the targets in access logs, in their order.

    Args:
        files: Their files, some perhaps compressed by logrotate.

    Raises:
        ValueError: A line is not whole.
    """
    found = []
    for file in files:
        data = file.read_bytes()
        lines = gzip.decompress(data) if file.suffix == ".gz" else data
        found += [json.loads(line)["target"].encode() for line in lines.splitlines()]
    return found
