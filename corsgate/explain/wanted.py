"""The smallest set of response fields that allows a call."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from corsgate.cors.names import SAFELISTED_METHODS
from corsgate.explain.call import Call, unsafe_names
from corsgate.explain.trace import text
from corsgate.message.headers import Header


@attrs.frozen(kw_only=True)
class Wanted:
    """The response fields that a call needs, as text.

    Attributes:
        origin: The value of Access-Control-Allow-Origin.
        method: The method of the call.
        methods: The methods to list; empty if the call's method need not be listed.
        headers: The request headers to list.
        credentials: Whether credentials must be allowed.
        path: The path of the call.
        replaces: The names of those fields that the response already has, which must be removed.
    """

    origin: str
    method: str
    methods: str
    headers: str
    credentials: bool
    path: str
    replaces: tuple[str, ...] = ()

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The fields of the preflight response. Every other response may also have them."""
        found = [("Access-Control-Allow-Origin", self.origin), ("Vary", "Origin")]
        if self.credentials:
            found.append(("Access-Control-Allow-Credentials", "true"))
        if self.methods:
            found.append(("Access-Control-Allow-Methods", self.methods))
        if self.headers:
            found.append(("Access-Control-Allow-Headers", self.headers))
        return found


def wanted(call: Call, headers: Iterable[Header] = ()) -> Wanted:
    """Return the smallest set of response fields that allows a call.

    Args:
        call: The call.
        headers: The fields of the response that blocked it.
    """
    names = unsafe_names(call.sent_headers)
    method = call.sent_method
    listed = not SAFELISTED_METHODS.issuperset((method,))
    found = Wanted(
        origin=text(call.origin),
        method=text(method),
        methods=text(method) if listed else "",
        headers=", ".join(text(name) for name in names),
        credentials=call.credentials,
        path=call.url.path,
    )
    present = {field.lower() for field, _ in headers}
    replaces = (n for n, _ in found.fields if n != "Vary" and n.lower().encode("ascii") in present)
    return attrs.evolve(found, replaces=tuple(replaces))
