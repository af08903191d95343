"""The resource tree: a resource for each path segment of the routes' prefixes."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from corsgate.gate.compiled_route import CompiledRoute
from corsgate.gate.error_page import Problem
from corsgate.message.host import HostRules
from corsgate.routing import Node, RouteTable
from corsgate.server.request import GateRequest

MAX_HOSTS = 256
"""The maximum number of Host values per listener that are cached; clients can invent ports."""

_LONGEST_REMEMBERED = 256

Serve = Callable[[GateRequest, CompiledRoute], None]
Respond = Callable[[GateRequest, Problem], None]
Misdirects = Callable[[GateRequest], bool]
Admit = Callable[[GateRequest, CompiledRoute], CompiledRoute]


class Term:
    """The time for which the trees of one configuration are used, until a reload.

    Attributes:
        over: Whether newer trees are used now.
    """

    __slots__ = ("over",)

    def __init__(self) -> None:
        self.over = False


class PlaceResource(Resource):
    """A place in the tree of path prefixes; it serves the nearest route at or above it.

    Args:
        node: The place.
        serve: Called with a request and its route.
        respond: Called with a request and an error.
        admit: Called before `serve` if the route restricts what its requests may reach.
        term: The time for which the tree is used.

    Attributes:
        by_head: Whether the next request with the same fields and target may be rendered here,
            without searching the tree.
    """

    by_head: ClassVar[bool] = True

    def __init__(
        self,
        node: Node[CompiledRoute],
        serve: Serve,
        respond: Respond,
        admit: Admit,
        term: Term,
    ) -> None:
        super().__init__()
        self._route = route = node.route
        self._serve = serve
        self._term = term
        if route is not None and route.reach is not None:
            self._serve = lambda request, found: serve(request, admit(request, found))
        self._respond = respond
        self.isLeaf = not node.children
        for segment, child in node.children.items():
            self.putChild(segment, PlaceResource(child, serve, respond, admit, term))
        # Everything below this place belongs to its route, except for the children.
        self._rest = self if self.isLeaf else PlaceResource(node.leaf, serve, respond, admit, term)

    def getChildWithDefault(self, path: bytes, request: GateRequest) -> IResource:
        """Return the place one segment below."""
        child: IResource = self.children.get(path, self._rest)
        return child

    def render(self, request: GateRequest) -> int:
        """Serve the route of this place."""
        if self._term.over:
            # The connection remembered this resource from before a reload.
            request.find_anew()
        elif self._route is None:
            self._respond(request, _out_of_place(request))
        else:
            self._serve(request, self._route)
        return NOT_DONE_YET


class GateRoot(Resource):
    """The root of one listener's tree, which chooses a tree by Host.

    Args:
        table: The routes.
        hosts: The Host values that are served.
        serve: Called with a request and its route.
        respond: Called with a request and an error.
        admit: Called before `serve` if the route restricts what its requests may reach.
        misdirects: Returns whether a request was meant for a host that is not served, although
            its Host is; None if only Host says which host was meant.
    """

    def __init__(
        self,
        table: RouteTable[CompiledRoute],
        hosts: HostRules,
        serve: Serve,
        respond: Respond,
        admit: Admit,
        misdirects: Misdirects | None = None,
    ) -> None:
        super().__init__()
        self._hosts = hosts
        self._misdirects = misdirects
        self._respond = respond
        self._table = table
        self._found: dict[bytes, PlaceResource] = {}
        self._term = term = Term()
        self._trees = {
            id(node): PlaceResource(node, serve, respond, admit, term) for node in table.roots
        }

    def end(self) -> None:
        """Stop serving, even for connections that remember a resource: this root was replaced."""
        self._term.over = True

    def getChildWithDefault(self, path: bytes, request: GateRequest) -> IResource:
        """Return the place one segment below the root of the request's host."""
        tree = self._found.get(request.authority) or self._find(request.authority)
        if tree is None or (self._misdirects is not None and self._misdirects(request)):
            return _Misdirected(self._respond)
        return tree if tree.isLeaf else tree.getChildWithDefault(path, request)

    def _find(self, host: bytes) -> PlaceResource | None:
        """Return the root of a host's tree and cache it; None if the host is not served."""
        if not self._hosts.allows(host):
            return None
        tree = self._trees[id(self._table.root(host))]
        if len(host) <= _LONGEST_REMEMBERED:
            if len(self._found) >= MAX_HOSTS:
                self._found.clear()
            self._found[host] = tree
        return tree

    def render(self, request: GateRequest) -> int:
        """Respond to a request for which the tree has no place."""
        self._respond(request, _out_of_place(request))
        return NOT_DONE_YET


class _Misdirected(Resource):
    """Responds to a request for a host that is not served here (RFC 9110 15.5.20)."""

    isLeaf = True

    def __init__(self, respond: Respond) -> None:
        super().__init__()
        self._respond = respond

    def render(self, request: GateRequest) -> int:
        self._respond(request, Problem(status=421, detail="This host is not served here."))
        return NOT_DONE_YET


def _out_of_place(request: GateRequest) -> Problem:
    """Return the error for a request without a route."""
    refusal = request.refusal
    if refusal is None:
        return Problem(status=404, detail="Nothing is served at this path.")
    return Problem(status=refusal.status, detail=refusal.detail)
