"""The notation for the calls of the matrix and their expected results."""

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
        name: Describes the call. It is in the URL, so that the gate and the box log it.
        page: The page that makes the call; see `tests.matrix.stage`.
        call: ``fetch``, ``xhr``, ``eventsource``, ``websocket``, ``form``, or an element.
        target: The path at the gate.
        options: Options of the call, such as a method.
        sees: What the script sees.
        reaches: The methods of the requests that the upstream gets.
        preflights: The number of preflights that the gate responds to.
        cookie: Whether the upstream gets the page's cookie.
        authorization: The Authorization that the upstream gets if the gate adds none.
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
        """The call as the page's script gets it."""
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
        headers: The names that it may read in addition to X-Total.
        more: Anything else that it sees.
    """
    said = {} if body is None else {"body": body}
    return {"status": status, "headers": sorted([*headers, "x-total"]), **said, **more}


def made_here(status: int) -> Seen:
    """Return what a script sees of an error page of the gate that it may read."""
    return {"status": status, "type": "cors", "headers": []}


BLOCKED: Seen = {"blocked": "TypeError"}
"""The browser hides everything from the script."""

OPAQUE: Seen = {"type": "opaque", "status": 0, "headers": [], "body": ""}
"""The script only sends the request (mode ``no-cors``)."""

LOADED: Seen = {"loaded": True}
FRAMES = {"iframe": LOADED, "frame": LOADED, "embed": LOADED, "object": BLOCKED}
"""The elements that show other documents, and what a page sees of one that the gate refuses."""
HEARD: Seen = {"event": "ok"}
GREETED: Seen = {"event": "hello"}


@attrs.frozen(eq=False)
class Page:
    """Collects the calls of one page."""

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
        """Add a call: its name, target, verdict and options."""
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
