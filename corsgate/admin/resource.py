"""The resource tree of the admin listener: access checks, and the fields of every response.

A new address is a subclass of `AdminResource`, added by `AdminRoot.add`. It calls
`respond`, or `stream` for a body that is written in pieces.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from corsgate.gate.error_page import title_of
from corsgate.message.head import ResponseHead
from corsgate.message.headers import Header
from corsgate.message.host import HostRules
from corsgate.server.request import GateRequest

_log = Logger()

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"

CONTENT_SECURITY_POLICY = b"default-src 'none'; frame-ancestors 'none'"
"""The default policy of a response: it may load nothing."""

_FIELDS: tuple[Header, ...] = (
    (b"Cache-Control", b"no-store"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"X-Content-Type-Options", b"nosniff"),
)


def respond(
    request: GateRequest,
    content_type: bytes,
    body: bytes,
    *,
    status: int = 200,
    fields: Iterable[Header] = (),
    policy: bytes = CONTENT_SECURITY_POLICY,
) -> None:
    """Write a complete response.

    Args:
        request: The request.
        content_type: The value of Content-Type.
        body: The whole body. A response to HEAD has only its length.
        status: The status.
        fields: Additional fields.
        policy: The value of Content-Security-Policy.
    """
    request.respond(_head(request, content_type, status, fields, policy), body)


def stream(request: GateRequest, content_type: bytes) -> None:
    """Start a response. Write its body with `request.write`, and end it with `request.finish`.

    The head is sent at once. `request.notifyFinish` reports when the client disconnects.

    Args:
        request: The request.
        content_type: The value of Content-Type.
    """
    request.begin(_head(request, content_type, 200, (), CONTENT_SECURITY_POLICY), None)
    request.flush()


def refuse(request: GateRequest, status: int, detail: str, fields: Iterable[Header] = ()) -> None:
    """Respond with the reason why a request is not served.

    Args:
        request: The request.
        status: 400 to 599.
        detail: The reason, as a sentence.
        fields: Additional fields, such as Allow.
    """
    respond(request, TEXT, f"{detail}\n".encode(), status=status, fields=fields)


def fail(request: GateRequest, failure: Failure) -> None:
    """Log the failure of a resource, and respond with 500 if that is still possible."""
    if request.gone:
        return
    _log.failure("{path} of the admin listener failed", failure, path=request.path)
    if request.startedWriting:
        request.abort()
    else:
        refuse(request, 500, "An internal error occurred. See the gate's log.")


def _head(
    request: GateRequest,
    content_type: bytes,
    status: int,
    fields: Iterable[Header],
    policy: bytes,
) -> ResponseHead:
    headers = [
        (b"Content-Type", content_type),
        (b"Content-Security-Policy", policy),
        *_FIELDS,
        *fields,
        (b"Date", request.channel.context.date()),
    ]
    return ResponseHead(status=status, reason=title_of(status).encode("ascii"), headers=headers)


class AdminResource(Resource):
    """One address of the admin listener.

    Attributes:
        methods: The methods that it serves.
    """

    isLeaf = True
    methods: ClassVar[tuple[bytes, ...]] = (b"GET", b"HEAD")

    def render(self, request: GateRequest) -> int:
        """Serve a request whose method is one of `methods`."""
        if request.method not in self.methods:
            allow = (b"Allow", b", ".join(self.methods))
            refuse(request, 405, "This method is not supported here.", [allow])
            return NOT_DONE_YET
        try:
            self.serve(request)
        except Exception:
            fail(request, Failure())
        return NOT_DONE_YET

    def serve(self, request: GateRequest) -> None:
        """Respond to a request."""
        raise NotImplementedError


class AdminRoot(Resource):
    """The root of the tree. It refuses requests that web sites could make a browser send.

    Args:
        hosts: The Host values that are served. On TCP, these are only loopback names: a site could
            point its name at this machine (DNS rebinding), so that its pages have the same origin.
    """

    def __init__(self, hosts: HostRules) -> None:
        super().__init__()
        self._hosts = hosts

    def add(self, path: bytes, resource: IResource) -> None:
        """Serve a resource at a path, such as ``api/status``; empty for ``/``."""
        *above, name = path.split(b"/")
        place: Resource = self
        for segment in above:
            child = place.children.get(segment)
            if child is None:
                child = _Folder()
                place.putChild(segment, child)
            place = child
        place.putChild(name, resource)

    def getChildWithDefault(self, path: bytes, request: GateRequest) -> IResource:
        """Return the child for a request, or a resource that refuses the request."""
        refused = self._refusal(request)
        child: IResource = refused or self.children.get(path, _NOT_FOUND)
        return child

    def render(self, request: GateRequest) -> int:
        """Refuse a request whose target is not a path."""
        return (self._refusal(request) or _NOT_FOUND).render(request)

    def _refusal(self, request: GateRequest) -> _Refusing | None:
        refusal = request.refusal
        if not self._hosts.allows(request.authority):
            return _Refusing(421, "Only loopback names such as localhost are served here.")
        if refusal is not None:
            return _Refusing(refusal.status, refusal.detail)
        if _is_foreign(request):
            return _Refusing(403, "Pages of other origins may not use this listener.")
        return None


class _Folder(Resource):
    """A path that is not served itself, but has addresses below it."""

    def getChildWithDefault(self, path: bytes, request: GateRequest) -> IResource:
        child: IResource = self.children.get(path, _NOT_FOUND)
        return child

    def render(self, request: GateRequest) -> int:
        return _NOT_FOUND.render(request)


class _Refusing(Resource):
    isLeaf = True

    def __init__(self, status: int, detail: str) -> None:
        super().__init__()
        self._status = status
        self._detail = detail

    def render(self, request: GateRequest) -> int:
        refuse(request, self._status, self._detail)
        return NOT_DONE_YET


_NOT_FOUND = _Refusing(404, "Nothing is served at this path.")


def _is_foreign(request: GateRequest) -> bool:
    """Return whether a page of another origin sends a request.

    From another site, only a top-level navigation to the status page is allowed, such as a click on
    a link. Its response is not in a frame, and its window is isolated from its opener's.

    Source: Fetch ``#origin-header``; Fetch Metadata ``#sec-fetch-site-header``.
    """
    index = request.index
    for origin in index.get(b"origin", ()):
        scheme, _, authority = origin.lower().partition(b"://")
        if scheme not in (b"http", b"https") or authority != request.authority.lower():
            return True
    sites = index.get(b"sec-fetch-site", ())
    if all(site in (b"same-origin", b"none") for site in sites):
        return False
    is_page = request.path == b"/" and request.method in (b"GET", b"HEAD")
    mode, dest = index.get(b"sec-fetch-mode"), index.get(b"sec-fetch-dest")
    return not (is_page and mode == [b"navigate"] and dest == [b"document"])
