"""Read what a login sends: the fields of a form, or JSON of any depth."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence

import attrs

from corsgate.config.model import rules
from corsgate.config.model.login_json import (
    JsonObject,
    JsonValue,
    Members,
    check_depth,
    check_float,
    check_member,
    check_size,
)
from corsgate.config.model.secret import Secret
from corsgate.config.model.session import FieldValue
from corsgate.config.sections.secrets import SECRET, SOURCE_NAMES, Sources, is_source
from corsgate.config.toml.keys import Key, by_hand
from corsgate.config.toml.reader import Item, Table
from corsgate.config.toml.shape import Schema
from corsgate.config.toml.values import integer, type_of
from corsgate.errors import BadValue

_LOOKS_SECRET = re.compile("pass|pwd|secret|token|key|pin|auth", re.IGNORECASE)

_REFERENCE: Schema = {"$ref": "#/$defs/json"}
JSON_SCHEMA: Schema = {
    "anyOf": [
        SECRET,
        {"type": ["boolean", "number"]},
        {"type": "array", "items": _REFERENCE},
        {"type": "object", "additionalProperties": _REFERENCE},
    ]
}
"""The schema of a value in the JSON of a login."""

FORM = Key(
    "form",
    by_hand(
        {
            "type": "object",
            "additionalProperties": {"anyOf": [SECRET, {"type": "boolean"}, {"type": "integer"}]},
        }
    ),
    None,
    "The fields of the login form.",
    example='{ user = "gate", password = { env = "BOX_PASSWORD" } }',
    type="table of secrets",
)
JSON = Key(
    "json",
    by_hand({"type": "object", "additionalProperties": _REFERENCE}),
    None,
    "The members of the JSON object for the login, instead of a form. Values may also be numbers,"
    " arrays and tables.",
    example='{ user = "gate", password = { env = "BOX_PASSWORD" } }',
    type="table",
)


def read_form(table: Table, sources: Sources) -> tuple[tuple[str, FieldValue], ...]:
    """Read the fields of a login form, whose text is always a secret.

    Args:
        table: The table of the credentials.
        sources: Where secrets come from.

    Returns:
        The fields without those whose faults have been recorded.
    """
    item, secret = table.item(FORM), sources.secret(rules.check_secret)
    inner = None if item is None else item.table('write form = { user = "NAME" }')
    if item is None or inner is None:
        return ()

    def reader(raw: object) -> FieldValue:
        is_nested = isinstance(raw, dict) and any(isinstance(each, dict) for each in raw.values())
        if is_nested or isinstance(raw, list):
            raise BadValue(
                "the fields of a form can't be nested",
                'write text, a number, a boolean, or a secret such as { env = "NAME" }; for nested'
                " values use json",
            )
        return raw if isinstance(raw, bool | int) else secret(raw)

    found, leaves = [], []
    for name, raw in inner.raw.items():
        field = Item(table.notes, (*item.path, name), raw)
        value = field.read(reader) if _has_name(field, name) else None
        if value is not None:
            found.append((name, value))
        if isinstance(raw, str | dict):
            leaves.append(field)
    _warn_of_exposed(leaves, sources)
    return tuple(found)


def read_json(table: Table, sources: Sources) -> Members:
    """Read the members of the JSON object of a login, whose text is always a secret.

    Args:
        table: The table of the credentials.
        sources: Where secrets come from.

    Returns:
        The members without those whose faults have been recorded.
    """
    item = table.item(JSON)
    if item is None or item.table('write json = { user = "NAME" }') is None:
        return ()
    before = len(table.notes.faults)
    reader = _JsonReader(sources.secret(rules.check_secret))
    found = reader.object(item, 1)
    if len(table.notes.faults) == before:
        try:
            check_size(found.members)
        except BadValue as error:
            item.wrong(error.problem, error.fix)
    _warn_of_exposed(reader.leaves, sources)
    return found.members


@attrs.define
class _JsonReader:
    """Reads JSON, and records each fault at its place.

    Attributes:
        leaves: The text, and the tables that name the source of a secret, that it has read.
    """

    _secret: Callable[[object], Secret]
    leaves: list[Item] = attrs.Factory(list)

    def object(self, item: Item, depth: int) -> JsonObject:
        """Return a table as an object, without the members whose faults have been recorded."""
        table = item.table("")
        found = []
        for name, raw in table.raw.items() if table is not None and _fits(item, depth) else ():
            member = Item(item.notes, (*item.path, name), raw)
            if _has_name(member, name):
                value = self._value(member, depth)
                if value is not None:
                    found.append((name, value))
        return JsonObject(tuple(found))

    def _array(self, item: Item, depth: int) -> tuple[JsonValue, ...]:
        entries = (item.items("") or ()) if _fits(item, depth) else ()
        found = (self._value(each, depth) for each in entries)
        return tuple(each for each in found if each is not None)

    def _value(self, item: Item, depth: int) -> JsonValue | None:
        """Return a value; None after recording its fault.

        Args:
            item: The value.
            depth: How many arrays and tables it is in.
        """
        raw = item.raw
        match raw:
            case bool():
                return raw
            case int():
                return item.read(integer)
            case float():
                return item.read(_finite)
            case list():
                return self._array(item, depth + 1)
            case dict() if not is_source(raw):
                _warn_of_typing_error(item, raw)
                return self.object(item, depth + 1)
            case str() | dict():
                self.leaves.append(item)
                return item.read(self._secret)
        item.wrong(type_of(raw), "write it as text in quotes")
        return None


def _fits(item: Item, depth: int) -> bool:
    """Return whether an array or table may be this deep; record a fault if not."""
    return _is_valid(item, lambda: check_depth(depth))


def _has_name(item: Item, name: str) -> bool:
    """Return whether a member or a field has a name that can be sent; record a fault if not."""
    return _is_valid(item, lambda: check_member(name))


def _is_valid(item: Item, check: Callable[[], None]) -> bool:
    try:
        check()
    except BadValue as error:
        item.wrong(error.problem, error.fix)
        return False
    return True


def _finite(raw: object) -> float:
    assert isinstance(raw, float), "its type has been checked"
    check_float(raw)
    return raw


def _warn_of_typing_error(item: Item, raw: Mapping[str, object]) -> None:
    """Warn about a table that was probably meant to name the source of a secret."""
    match list(raw.items()):
        case [(name, str())]:
            near = difflib.get_close_matches(name.lower(), SOURCE_NAMES, n=1, cutoff=0.85)
            meant = near[0] if near else "env" if name.lower().startswith("env") else ""
            if meant:
                problem = f"it is sent as it is, since {rules.show(name)} is no source of a secret"
                item.notes.warn(item.path, problem, f"did you mean {rules.show(meant)}?")


def _warn_of_exposed(leaves: Sequence[Item], sources: Sources) -> None:
    """Warn about secrets that others can read, or choose.

    Text without a telling name may be anything, such as the number of a session. In an array it
    counts as the secret only if nothing else does.

    Args:
        leaves: The text, and the tables that name the source of a secret.
        sources: Knows who can read or write a file.
    """
    elsewhere = [each for each in leaves if not isinstance(each.raw, str)]
    texts = [each for each in leaves if isinstance(each.raw, str)]
    named = [each for each in texts if _LOOKS_SECRET.search(_name_of(each))]
    if not elsewhere and not named:
        named = [each for each in texts if isinstance(each.path[-1], int)]
    for each in (*elsewhere, *named):
        problem, fix = sources.warning(each.raw)
        if problem:
            each.notes.warn(each.path, problem, fix)


def _name_of(item: Item) -> str:
    """Return the innermost name in the path of a value."""
    return next(step for step in reversed(item.path) if isinstance(step, str))
