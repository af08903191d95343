"""Records what the gate does: ``python -m tests.differential.record [--dump DIRECTORY]``.

Do so where it is meant to do something else than before, and look at what has changed: write all
transcripts before the change into one directory and those after it into another. ``diff -r``
compares the two, ``python -m tests.differential.show CASE FILE`` one of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.differential import corpus, golden
from tests.differential.play import play

_HEADER = """\
# What the gate does with each case of tests/differential: a digest of what clients, servers and the
# access log saw. python -m tests.differential.record writes this file.
"""


def main() -> None:
    """Play all cases; write their digests, or their transcripts into a directory."""
    parser = argparse.ArgumentParser(description="Record what the gate does with all cases.")
    parser.add_argument("--dump", metavar="DIRECTORY", type=Path, help="write transcripts instead")
    into: Path | None = parser.parse_args().dump
    rows = []
    for kind in corpus.FAMILIES:
        for case in corpus.cases(kind):
            transcript = play(case)
            rows.append(" ".join((case.name, *golden.digests(transcript))))
            if into is not None:
                into.mkdir(parents=True, exist_ok=True)
                (into / f"{case.name}.txt").write_text(golden.show(transcript), "ascii")
    if into is None:
        golden.FILE.write_text(_HEADER + "".join(f"{row}\n" for row in rows), "ascii")
    print(f"{len(rows)} cases")


if __name__ == "__main__":
    main()
