"""The fields that an operator adds to messages, built in advance if possible."""

from __future__ import annotations

from collections.abc import Sequence

from corsgate.config.model.header_rules import HeaderRules
from corsgate.message.client import Client, gate_origin
from corsgate.message.head import RequestHead
from corsgate.message.headers import Header, HeaderList


class FieldMaker:
    """Makes the fields of ``set`` and ``add`` rules. Constant parts are computed once.

    Args:
        rules: The rules.
        route: The route's host and prefix, percent-encoded.

    Attributes:
        dropped: The names of the fields to remove, in lower case and with ``-`` for ``_``.
        fixed: The fields that are the same in each message of the route.
        varies: Whether any field is not fixed.
        makes_any: Whether there is any field.
        by_route: Whether a fixed field contains the route.
        by_request: Whether a field differs between requests.
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
            # The route is known at this point.
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
            client: The client.
            head: The head of the client's request.
            request_id: The id of the request in the access log.
        """
        if not self._varying:
            return [*self.fixed]
        return [*self.fixed, *self.varying(client, head, request_id)]

    def varying(self, client: Client, head: RequestHead, request_id: str) -> HeaderList:
        """Return only the fields that are not fixed; the arguments are those of `fields`."""
        values = {
            "client_ip": client.address.encode("ascii"),
            "host": gate_origin(client, head.headers).partition(b"://")[2],
            "request_id": request_id.encode("ascii"),
        }
        return [
            (name, b"".join([values[named] if named else text for text, named in parts]))
            for name, parts in self._varying
        ]
