"""Map the resources that a WebDAV request names besides its target: Destination and If."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import attrs

from corsgate.errors import AddressRefused, TargetError
from corsgate.message.headers import Header, HeaderList
from corsgate.message.identity import METHOD_OVERRIDES
from corsgate.message.uri_mapping import ABSOLUTE, endpoint

MAX_TAGS = 256
"""How many brackets, parentheses and quotes an If may have; a client locks a few resources."""

_MOVING = frozenset((b"COPY", b"MOVE"))
# Visible ASCII, except for bytes that are not allowed in a URI and that servers read in more than
# one way: "#<>\
_PLAIN = re.compile(rb"[!$-;=?-\[\]-~]*+")
_SCHEME = re.compile(rb"[a-z][a-z0-9+.-]*:/|https?:", re.IGNORECASE)
# A coded URL in a list, or an entity tag, may contain parentheses. Each alternative also matches an
# unclosed string or bracket, so that no byte is scanned twice.
_TAG = re.compile(rb'"[^"]*+"?|<([^>]*+)(>?)|[()]')
_MARKS = (b'"', b"<", b"(", b")")


@attrs.frozen(kw_only=True)
class ResourceMap:
    """Maps the resources that one request names from the gate's addresses to a server's.

    Only resources on the request's own route are mapped. Any other is rejected, because the server
    would access it with the rights of this route, past the rules of the route that it belongs to.

    Attributes:
        target: The client's target.
        authorities: The Host values by which the client may name the gate.
        server_origin: The server's scheme and the Host that is sent.
        is_served: Returns whether a target is on the request's route. It may raise TargetError.
        to_server: Returns the target that the server gets for a target of the route.
    """

    target: bytes
    authorities: Sequence[bytes]
    server_origin: bytes
    is_served: Callable[[bytes], bool]
    to_server: Callable[[bytes], bytes]

    def map_fields(self, method: bytes, headers: Sequence[Header]) -> HeaderList:
        """Return a request's fields with Destination and If mapped.

        Destination has a meaning only in MOVE and COPY. With other methods it passes unchanged,
        unless a field may make the server treat the request as MOVE or COPY.

        Args:
            method: The request's method.
            headers: Its fields.

        Raises:
            AddressRefused: A resource can't be mapped.

        Source: RFC 4918 9.9.4, 10.3 and 10.4.
        """
        names = [name.lower() for name, _ in headers]
        moves = method.upper() in _MOVING or not METHOD_OVERRIDES.isdisjoint(names)
        if moves and names.count(b"destination") > 1:
            raise AddressRefused(400, "The request has more than one Destination.")
        mapped: HeaderList = []
        for lowered, (name, value) in zip(names, headers, strict=True):
            if lowered == b"destination" and moves:
                mapped.append((name, self.resource(value, 502, "Destination")))
            elif lowered == b"if":
                mapped.append((name, self.condition(value)))
            else:
                mapped.append((name, value))
        return mapped

    def resource(self, value: bytes, status: int, where: str) -> bytes:
        """Return the server's reference for a resource of the gate.

        A URL becomes the server's URL, and a path stays a path. A relative reference, as in
        CouchDB, is unchanged, because it means the same to the server.

        Args:
            value: A URL, a path, or a reference relative to the target.
            status: The status if the resource is not on the route.
            where: The field's name.

        Raises:
            AddressRefused: The resource is not on the route, or some servers may read another
                path.
        """
        if _PLAIN.fullmatch(value) is None:
            raise AddressRefused(400, f"{where} has a byte that must be percent-encoded.")
        absolute = ABSOLUTE.fullmatch(value)
        if absolute is not None:
            path = self._path_at_gate(*absolute.groups())
        elif value.startswith(b"/"):
            path = value
        elif _SCHEME.match(value):
            path = None
        else:
            path = self.target.partition(b"?")[0].rpartition(b"/")[0] + b"/" + value
        try:
            served = path is not None and self.is_served(path)
        except TargetError as error:
            raise AddressRefused(400, f"{where} can't be served: {error}.") from None
        if path is None or not served:
            raise AddressRefused(
                status, f"{where} names a resource that is not on the route of this request."
            )
        if absolute is None and not value.startswith(b"/"):
            return value
        mapped = self.to_server(path)
        # A path that begins with "//" would name a host.
        is_url = absolute is not None or mapped.startswith(b"//")
        return self.server_origin + mapped if is_url else mapped

    def condition(self, value: bytes) -> bytes:
        """Return an If with its resource tags mapped; its lists stay (RFC 4918 10.4).

        Args:
            value: The field's value. The time is linear in its length.

        Raises:
            AddressRefused: A tag is not closed, or names a resource that is not on the route. Then
                its list can't be true, so the precondition has failed.
        """
        if sum(map(value.count, _MARKS)) > MAX_TAGS:
            raise AddressRefused(400, "The If header has too many parts.")
        pieces: list[bytes] = []
        at, in_list = 0, False
        for found in _TAG.finditer(value):
            reference, closed = found.groups()
            if reference is None:
                in_list = found[0] == b"(" or (in_list and found[0] != b")")
            elif not in_list:
                if not closed:
                    raise AddressRefused(400, "The If header has a tag that is not closed.")
                pieces.append(value[at : found.start(1)])
                pieces.append(self.resource(reference, 412, "The If header"))
                at = found.end(1)
        return b"".join((*pieces, value[at:]))

    def _path_at_gate(self, scheme: bytes | None, authority: bytes, rest: bytes) -> bytes | None:
        """Return the target of a URL of the gate; None for another URL.

        Both schemes may be the gate's, because a proxy in front may have terminated TLS.
        """
        scheme = scheme.lower() if scheme else b"http"
        named = endpoint(scheme, authority)
        if named is None or named not in [endpoint(scheme, each) for each in self.authorities]:
            return None
        return rest if rest.startswith(b"/") else b"/" + rest
