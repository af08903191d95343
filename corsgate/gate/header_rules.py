"""The fields that an operator adds to a message, ready to be sent as far as they can be."""

from __future__ import annotations

from collections.abc import Sequence

from corsgate.config.model.header_rules import HeaderRules
from corsgate.message.client import Client, gate_origin
from corsgate.message.head import RequestHead
from corsgate.message.headers import Header, HeaderList


class FieldMaker:
    """Makes the fields that are set and added; whatever can be worked out once is.

    Args:
        rules: The fields.
        route: The route's host and prefix, percent-encoded.

    Attributes:
        dropped: The names of the fields that don't pass, in lower case and with ``-`` for ``_``.
        fixed: The fields that are the same in each message of the route.
        varies: Whether there are others.
        makes_any: Whether there is any field.
        by_route: Whether a fixed field names the route.
        by_request: Whether a field is another one for each request.
    """

    __slots__ = ("_varying", "by_request", "by_route", "dropped", "fixed", "makes_any", "varies")

    def __init__(self, rules: HeaderRules, route: bytes) -> None:
        self.dropped = rules.dropped
        fixed: HeaderList = []
        self._varying: list[tuple[bytes, Sequence[tuple[bytes, str]]]] = []
        self.by_route = self.by_request = False
        for field in (*rules.set, *rules.add):
            name, parts = field.name.encode("ascii"), field.parts()
            named = {each for _, each in parts}
            self.by_route |= "route" in named
            self.by_request |= "request_id" in named
            # The route is known by now.
            parts = [(route, "") if each == "route" else (text, each) for text, each in parts]
            if named <= {"", "route"}:
                fixed.append((name, b"".join(text for text, _ in parts)))
            else:
                self._varying.append((name, parts))
        self.fixed: Sequence[Header] = tuple(fixed)
        self.varies = bool(self._varying)
        self.makes_any = self.varies or bool(fixed)

    def fields(self, client: Client, head: RequestHead, request_id: str) -> HeaderList:
        """Return all fields.

        Args:
            client: Who asks.
            head: The client's head.
            request_id: The id of the request in the access log.
        """
        if not self._varying:
            return [*self.fixed]
        return [*self.fixed, *self.varying(client, head, request_id)]

    def varying(self, client: Client, head: RequestHead, request_id: str) -> HeaderList:
        """Return the fields that are not fixed, for the arguments of `fields`."""
        values = {
            "client_ip": client.address.encode("ascii"),
            "host": gate_origin(client, head.headers).partition(b"://")[2],
            "request_id": request_id.encode("ascii"),
        }
        return [
            (name, b"".join([values[named] if named else text for text, named in parts]))
            for name, parts in self._varying
        ]
