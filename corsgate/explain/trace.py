"""The trace of a call: the browser's requests, their responses, and each step's result."""

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
    """The result of a step."""

    PASS = "pass"  # noqa: S105  # Not a password.
    FAIL = "fail"
    NOTE = "note"


@attrs.frozen(kw_only=True)
class Step:
    """One step of Fetch.

    Attributes:
        rule: Its anchor in the standard.
        title: What is checked.
        seen: The relevant input.
        outcome: The result.
        why: The result in words.
        cause: Why the call is blocked, if the step fails.
    """

    rule: str
    title: str
    seen: str
    outcome: Outcome
    why: str
    cause: Cause | None = None


@attrs.frozen(kw_only=True)
class Request:
    """The parts of a browser's request that matter to CORS.

    Attributes:
        method: The method.
        url: The requested URL.
        headers: Its fields, without cookies and fields such as User-Agent.
        credentials: Whether the browser adds its cookies.
    """

    method: bytes
    url: Url
    headers: tuple[Header, ...]
    credentials: bool


@attrs.frozen(kw_only=True)
class Answer:
    """The parts of a response that matter to CORS.

    Attributes:
        status: The status code.
        headers: The fields.
        body: The beginning of the body of an error that was received; empty otherwise.
        by: The software or reason behind the response; empty if unknown.
        refusal: Why a gate refused the request; empty if it did not.
        seen: The Origin that the server behind a gate receives, in words; empty if unknown.
    """

    status: int
    headers: tuple[Header, ...]
    body: bytes = b""
    by: str = ""
    refusal: str = ""
    seen: str = ""


Send: TypeAlias = Callable[[Request], Answer]
"""Returns the response to a request. Its exceptions propagate to the caller of `fetch`."""


@attrs.frozen(kw_only=True)
class Trace:
    """All steps and exchanges of a call.

    Attributes:
        steps: The steps in order; a failed one is the last.
        exchanges: Each request with its response, in order.
        allowed: Whether the script may read the last response.
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
    """Return the tokens of a list; None if it is malformed (``#extract-header-list-values``)."""
    members = tuple(list_members(found))
    return members if all(TOKEN.fullmatch(member) for member in members) else None


def shown(found: Sequence[bytes]) -> str:
    """Return a field's values as printable text; "none" if the field is absent."""
    return " | ".join(text(value) for value in found) if found else "none"


def text(value: bytes) -> str:
    """Return bytes from the network as text that is safe to print."""
    return "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in value.decode("latin-1"))
