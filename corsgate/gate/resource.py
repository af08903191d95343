"""The resource tree: a resource for each place that some route passes through."""

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
"""For how many values of Host each listener remembers the tree; a client may make up any port."""

_LONGEST_REMEMBERED = 256

Serve = Callable[[GateRequest, CompiledRoute], None]
Respond = Callable[[GateRequest, Problem], None]
Misdirects = Callable[[GateRequest], bool]
Admit = Callable[[GateRequest, CompiledRoute], CompiledRoute]


class Term:
    """How long the trees of one configuration are used: a reload ends it.

    Attributes:
        over: Whether other trees are used now.
    """

    __slots__ = ("over",)

    def __init__(self) -> None:
        self.over = False


class PlaceResource(Resource):
    """A place in the tree of path prefixes; it serves the route at or above it.

    Args:
        node: The place.
        serve: Called with a request and the route that was found.
        respond: Called with a request and an error.
        admit: Called before `serve`, where the route restricts what its requests reach.
        term: How long the tree is used.

    Attributes:
        by_head: Whether the next request with the same fields and target may be rendered here
            without a look at the tree.
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
        # All that is below, except for the children, is this route's.
        self._rest = self if self.isLeaf else PlaceResource(node.leaf, serve, respond, admit, term)

    def getChildWithDefault(self, path: bytes, request: GateRequest) -> IResource:
        """Return the place one segment below."""
        child: IResource = self.children.get(path, self._rest)
        return child

    def render(self, request: GateRequest) -> int:
        """Serve the route that was found."""
        if self._term.over:
            # It was remembered for the request's head, before a reload.
            request.find_anew()
        elif self._route is None:
            self._respond(request, _out_of_place(request))
        else:
            self._serve(request, self._route)
        return NOT_DONE_YET


class GateRoot(Resource):
    """The root of one listener's tree: it chooses by Host.

    Args:
        table: The routes.
        hosts: The Host values that are served here.
        serve: Called with a request and the route that was found.
        respond: Called with a request and an error.
        admit: Called before `serve`, where the route restricts what its requests reach.
        misdirects: Returns whether a request was meant for a host that is not served, although
            its Host is; None where nothing but Host says what it was meant for.
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
        """Stop serving, also from memory: another root has replaced this one."""
        self._term.over = True

    def getChildWithDefault(self, path: bytes, request: GateRequest) -> IResource:
        """Return the place one segment below the root of the request's host."""
        tree = self._found.get(request.authority) or self._find(request.authority)
        if tree is None or (self._misdirects is not None and self._misdirects(request)):
            return _Misdirected(self._respond)
        return tree if tree.isLeaf else tree.getChildWithDefault(path, request)

    def _find(self, host: bytes) -> PlaceResource | None:
        """Return the root of a host's tree, if it is served, and remember it."""
        if not self._hosts.allows(host):
            return None
        tree = self._trees[id(self._table.root(host))]
        if len(host) <= _LONGEST_REMEMBERED:
            if len(self._found) >= MAX_HOSTS:
                self._found.clear()
            self._found[host] = tree
        return tree

    def render(self, request: GateRequest) -> int:
        """Respond to a request that has no place in the tree."""
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
    """Return why a request is not served that belongs to no route."""
    refusal = request.refusal
    if refusal is None:
        return Problem(status=404, detail="Nothing is served at this path.")
    return Problem(status=refusal.status, detail=refusal.detail)
