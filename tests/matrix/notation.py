"""How the calls of the matrix are written down, and what is expected of each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import attrs

Seen: TypeAlias = Mapping[str, Any]

NOTHING: Seen = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Call:
    """One call of a page's script, and its verdict.

    Attributes:
        name: Says what is called for, and is in the URL, where all who see it find it.
        page: Which page calls: see `tests.matrix.stage`.
        call: ``fetch``, ``xhr``, ``eventsource``, ``websocket``, ``form``, or an element.
        target: The path at the gate.
        options: The call's own, such as a method.
        sees: What the script sees, as far as it is told apart here.
        reaches: The methods of what the upstream gets of it.
        preflights: How many preflights the gate answers for it.
        cookie: Whether the upstream gets the page's cookie.
        authorization: What the upstream gets as Authorization where the gate adds none.
    """

    name: str
    page: str
    call: str
    target: str
    options: Mapping[str, Any]
    sees: Seen
    reaches: tuple[str, ...]
    preflights: int
    cookie: bool
    authorization: bytes

    @property
    def work(self) -> dict[str, Any]:
        """What the page is told of it."""
        return {
            "name": self.name,
            "call": self.call,
            "target": self.target,
            "options": dict(self.options),
        }


def read(body: str | None = "ok", status: int = 200, *headers: str, **more: Any) -> Seen:
    """Return what a script sees of a response that it may read.

    Args:
        body: The whole body; None for any.
        status: The status.
        headers: The names that it may read besides X-Total, among those watched.
        more: What else it sees.
    """
    said = {} if body is None else {"body": body}
    return {"status": status, "headers": sorted([*headers, "x-total"]), **said, **more}


def made_here(status: int) -> Seen:
    """Return what a script sees of an error that the gate made, and that it may read."""
    return {"status": status, "type": "cors", "headers": []}


BLOCKED: Seen = {"blocked": "TypeError"}
"""The browser lets the script see nothing at all."""

OPAQUE: Seen = {"type": "opaque", "status": 0, "headers": [], "body": ""}
"""The script asked for no more than that the request be sent."""

LOADED: Seen = {"loaded": True}
FRAMES = {"iframe": LOADED, "frame": LOADED, "embed": LOADED, "object": BLOCKED}
"""The elements that show other documents, and what a page sees of one that the gate refuses."""
HEARD: Seen = {"event": "ok"}
GREETED: Seen = {"event": "hello"}


@attrs.frozen(eq=False)
class Page:
    """Writes down the calls of one page."""

    name: str
    calls: list[Call] = attrs.field(factory=list, init=False)

    def call(
        self,
        name: str,
        target: str,
        sees: Seen,
        *reaches: str,
        call: str = "fetch",
        preflights: int = 0,
        cookie: bool = False,
        authorization: bytes = b"",
        **options: Any,
    ) -> None:
        """Note a call: its name, target and verdict, and the options that the page gives it."""
        self.calls.append(
            Call(
                name=f"{self.name}: {name}",
                page=self.name,
                call=call,
                target=target,
                options=options,
                sees=sees,
                reaches=reaches,
                preflights=preflights,
                cookie=cookie,
                authorization=authorization,
            )
        )
