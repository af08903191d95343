"""Shows a case: ``python -m tests.differential.show CASE [FILE] [--variant NAME]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.differential import corpus, golden
from tests.differential.play import play
from tests.differential.script import Case
from tests.differential.servers import describe
from tests.differential.variants import VARIANTS


def main() -> None:
    """Print what happens in a case and its transcript, and where another one differs."""
    parser = argparse.ArgumentParser(description="Show a case and what the gate does with it.")
    parser.add_argument("case", help="its name, such as same-004")
    parser.add_argument("file", nargs="?", type=Path, help="another transcript of it")
    names = [variant.name for variant in VARIANTS]
    parser.add_argument("--variant", choices=names, help="play it in this way, too")
    arguments = parser.parse_args()
    case = corpus.find(arguments.case)
    transcript = play(case)
    print(_script(case) + golden.show(transcript), end="")
    if arguments.file is not None:
        before = arguments.file.read_text("ascii")
        print(golden.differences(before, golden.show(transcript)) or "no difference")
    for variant in VARIANTS:
        if variant.name == arguments.variant:
            compared = variant.compare(case, transcript)
            if compared is None:
                print("the variant does not apply to this case")
            else:
                print(golden.differences(*map(golden.show, compared)) or "no difference")


def _script(case: Case) -> str:
    """Return what happens in a case."""
    rows = [f"== {case.name}, configuration {case.config}", *map(repr, case.steps)]
    rows += [f"connections: {', '.join(case.connects)}"] if case.connects else []
    rows += [f"reaction: {', '.join(describe(each.moves))}" for each in case.reactions]
    return "".join(f"{row}\n" for row in rows)


if __name__ == "__main__":
    main()
