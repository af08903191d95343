"""The kinds of credentials that the matrix knows: a module with a class ``Kind`` each."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from tests.credentials_matrix.kind import Kind


def kinds() -> Iterator[type[Kind]]:
    """Return the class of each module here, in alphabetical order."""
    for module in sorted(found.name for found in iter_modules(__path__)):
        made: type[Kind] = import_module(f"{__name__}.{module}").Kind
        yield made
