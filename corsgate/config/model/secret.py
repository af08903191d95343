"""A type for secret text, which keeps it out of logs and messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NoReturn, TypeVar, final

import attrs

from corsgate.config.model.command import Command

MASK: Final = "***"
"""The text that is printed instead of a secret."""

_Value = TypeVar("_Value")


@final
class Secret:
    """Text that must never be shown: it prints as ``***``.

    It is not an attrs class, so that `attrs.asdict` doesn't expose the text. ``vars`` shows no
    attributes of it. It can't be iterated, compared with text, serialized as JSON or pickled.

    Args:
        text: The text.
        command: The command that printed the text, which may be run again; None for another source.
    """

    __slots__ = ("_text", "command")

    def __init__(self, text: str, command: Command | None = None) -> None:
        self._text = text
        self.command = command

    def reveal(self) -> str:
        """Return the text itself; only code that signs requests should call this."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return self._text == other._text and self.command == other.command

    def __hash__(self) -> int:
        return hash((self._text, self.command))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __getstate__(self) -> NoReturn:
        # All protocols of pickle call this.
        raise TypeError("a secret can't be pickled")


def secrets_of(value: object) -> Iterator[Secret]:
    """Return the secrets in a value of the model, such as credentials of any kind.

    Args:
        value: An attrs object, a mapping, a tuple, a secret or anything else.
    """
    match value:
        case Secret():
            yield value
        case tuple():
            for each in value:
                yield from secrets_of(each)
        case Mapping():
            for each in value.values():
                yield from secrets_of(each)
        case _:
            for field in _fields(value):
                yield from secrets_of(getattr(value, field.name))


def with_secrets(value: _Value, change: Callable[[Secret], Secret]) -> _Value:
    """Return a value of the model with its secrets replaced; other parts stay the same objects.

    Args:
        value: A value that `secrets_of` accepts.
        change: Returns the replacement for a secret, which may be the same one.

    Raises:
        BadValue: A new secret is not valid in its place.
    """
    changed: Any = value
    if not any(True for _ in secrets_of(value)):
        return value
    match changed:
        case Secret():
            changed = change(changed)
        case tuple():
            changed = tuple(with_secrets(each, change) for each in changed)
        case Mapping():
            changed = {key: with_secrets(each, change) for key, each in changed.items()}
        case _:
            fields = [each for each in _fields(value) if each.init]
            new: dict[str, Any] = {
                str(each.alias): with_secrets(getattr(value, each.name), change) for each in fields
            }
            changed = attrs.evolve(changed, **new)
    return changed  # type: ignore[no-any-return]  # The type does not change.


def _fields(value: object) -> tuple[attrs.Attribute[Any], ...]:
    """Return the fields of an attrs object; none for any other value."""
    found: tuple[attrs.Attribute[Any], ...] = getattr(type(value), "__attrs_attrs__", ())
    return found


def repr_of_url(text: str) -> str:
    """Return the repr of a URL without its query, which may contain a secret.

    Args:
        text: The URL.
    """
    return repr(text.partition("?")[0])
