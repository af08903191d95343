"""What a browser sent, was answered and found: the values of a call's trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TypeAlias

import attrs

from corsgate.cors.names import TOKEN
from corsgate.explain.block_causes import Cause
from corsgate.explain.url import Url
from corsgate.message.headers import Header, list_members


class Outcome(Enum):
    """What a step came to."""

    PASS = "pass"  # noqa: S105  # No password.
    FAIL = "fail"
    NOTE = "note"


@attrs.frozen(kw_only=True)
class Step:
    """One step of Fetch.

    Attributes:
        rule: Its anchor in the standard.
        title: What is looked at.
        seen: The input, as far as it counts.
        outcome: What it came to.
        why: The verdict in words.
        cause: Why the call is blocked, where it fails.
    """

    rule: str
    title: str
    seen: str
    outcome: Outcome
    why: str
    cause: Cause | None = None


@attrs.frozen(kw_only=True)
class Request:
    """A request as the browser sends it, as far as CORS looks at it.

    Attributes:
        method: The method.
        url: Where it goes.
        headers: Its fields, cookies and the browser's own trifles apart.
        credentials: Whether the browser adds its cookies.
    """

    method: bytes
    url: Url
    headers: tuple[Header, ...]
    credentials: bool


@attrs.frozen(kw_only=True)
class Answer:
    """An answer's head, as far as CORS looks at it.

    Attributes:
        status: The status code.
        headers: The fields.
        by: Who answered and why, where that is known.
        refusal: Why a gate served the request no further; empty where it did.
    """

    status: int
    headers: tuple[Header, ...]
    by: str = ""
    refusal: str = ""


Send: TypeAlias = Callable[[Request], Answer]
"""Returns a request; what it raises goes through to the caller."""


@attrs.frozen(kw_only=True)
class Trace:
    """What a browser did and found.

    Attributes:
        steps: In order; the last one that fails is why the call is blocked.
        exchanges: Each request with its answer, in order.
        allowed: Whether the script may read the last answer.
    """

    steps: tuple[Step, ...]
    exchanges: tuple[tuple[Request, Answer], ...]
    allowed: bool

    @property
    def failed(self) -> Step | None:
        """The step at which the call was blocked."""
        return next((step for step in self.steps if step.outcome is Outcome.FAIL), None)


def values(headers: Sequence[Header], name: bytes) -> list[bytes]:
    """Return the values of all fields of a lower-cased name, in order."""
    return [value for each, value in headers if each.lower() == name]


def tokens(found: Sequence[bytes]) -> tuple[bytes, ...] | None:
    """Return the tokens of a list, or None where it is none (``#extract-header-list-values``)."""
    members = tuple(list_members(found))
    return members if all(TOKEN.fullmatch(member) for member in members) else None


def shown(found: Sequence[bytes]) -> str:
    """Return the values of a field for people; "none" where it did not come."""
    return " | ".join(text(value) for value in found) if found else "none"


def text(value: bytes) -> str:
    """Return bytes from the wire as text that is safe to print."""
    return "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in value.decode("latin-1"))
