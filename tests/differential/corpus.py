"""The corpus: some thousands of cases, the same ones each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from random import Random
from typing import TypeAlias

import attrs

from tests.differential import (
    corpus_bodies,
    corpus_faults,
    corpus_http2,
    corpus_kept,
    corpus_reach,
    corpus_servers,
)
from tests.differential.script import Case

SEED = 10

Family: TypeAlias = Callable[[Random], Iterator[Case]]

FAMILIES: Mapping[str, Family] = {
    name: family
    for module in (
        corpus_kept,
        corpus_bodies,
        corpus_faults,
        corpus_servers,
        corpus_http2,
        corpus_reach,
    )
    for name, family in module.FAMILIES.items()
}
"""By kind; each one draws by itself, so that what is added to one does not change the others."""


@cache
def cases(kind: str) -> tuple[Case, ...]:
    """Return all cases of a kind, numbered."""
    made = FAMILIES[kind](Random(f"{SEED} {kind}"))
    return tuple(
        attrs.evolve(case, name=f"{kind}-{number:03d}") for number, case in enumerate(made)
    )


def find(name: str) -> Case:
    """Return the case of a name, such as ``same-004``.

    Raises:
        KeyError: There is none.
    """
    kind = name.rpartition("-")[0]
    of_kind = {case.name: case for case in cases(kind)}
    return of_kind[name]


def counts() -> Counter[str]:
    """Return how many cases there are of each kind."""
    return Counter({kind: len(cases(kind)) for kind in FAMILIES})
