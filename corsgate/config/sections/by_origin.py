"""Read ``credentials_by_origin`` of an upstream."""

from __future__ import annotations

from corsgate.config.model.by_origin import OriginCredentials, check_exact_origin
from corsgate.config.model.values import Credentials
from corsgate.config.toml.keys import Key, by_hand
from corsgate.config.toml.reader import Item, Named, Table
from corsgate.errors import BadValue

_KEY = "credentials_by_origin"
_EXAMPLE = f'write {_KEY} = {{ "http://localhost:4200" = "NAME" }}'

CREDENTIALS_BY_ORIGIN = Key(
    _KEY,
    by_hand({"type": "object", "additionalProperties": {"type": "string"}}),
    None,
    "The credentials for requests from pages of some origins, instead of credentials: a name under"
    " [credentials] for each origin. If it is set, requests that get no credentials are refused.",
    example='{ "http://localhost:4200" = "box" }',
    type="table of names",
)


def read_by_origin(table: Table, credentials: Named[Credentials]) -> tuple[OriginCredentials, ...]:
    """Read the credentials of some origins, by name.

    Args:
        table: The table of the upstream.
        credentials: The credentials that an upstream may name.

    Returns:
        The credentials. After a fault, which is recorded, the entry is left out.
    """
    item = table.item(CREDENTIALS_BY_ORIGIN)
    named = None if item is None else item.table(_EXAMPLE)
    if named is None:
        return ()
    if not named.raw:
        table.notes.add((*table.path, _KEY), "it names no origin", _EXAMPLE)
    found = []
    for origin, raw in named.raw.items():
        at = Item(table.notes, (*table.path, _KEY, origin), raw)
        try:
            check_exact_origin(origin)
        except BadValue as error:
            at.wrong(error.problem, error.fix)
            continue
        if not isinstance(raw, str):
            at.wrong("it is not a name", "write a name under [credentials] in quotes")
            continue
        signer = credentials.resolve(at)
        if signer is not None:
            found.append(OriginCredentials(origin=origin, credentials=signer))
    return tuple(found)
