"""Serve any twisted.web resource under the gate's CORS policies, for other Twisted servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Literal, Required, TypedDict, Unpack

from twisted.logger import Logger
from twisted.web.http import NO_CONTENT
from twisted.web.http_headers import Headers
from twisted.web.pages import forbidden
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from corsgate.config.model.values import Cors
from corsgate.config.sections.policies import read_cors
from corsgate.config.toml.reader import Notes, Table
from corsgate.cors.check import CORS_RULES
from corsgate.cors.debug import tell
from corsgate.cors.decide import CORS_RESPONSE_HEADERS, Decision, Verdict, decide, merge_vary
from corsgate.cors.policy import Policy, compile_policy
from corsgate.errors import PolicyError
from corsgate.message.client import Client, gate_origin
from corsgate.message.headers import Header, HeaderIndex, index_headers
from corsgate.message.host import is_loopback_address

__all__ = ["CorsOptions", "CorsResource", "cors_resource"]

_log = Logger()


class CorsOptions(TypedDict, total=False):
    """The arguments of `cors_resource`, which are the keys of a ``[cors.NAME]`` table.

    Attributes:
        allow_origins: Exact origins, ``https://*.example.com``, ``https://pr-*.example.com``,
            ``http://localhost:*``, ``chrome-extension://*``, ``null`` or ``*``.
        allow_methods: Methods besides GET, HEAD and POST; or ``*``.
        allow_headers: Request headers besides the safelisted ones; or ``*``, which never covers
            Authorization.
        expose_headers: Response headers that scripts may read besides the safelisted ones; or
            ``*``; or the text ``auto`` for all response headers that are meant for scripts.
        allow_credentials: Whether the browser may send and use credentials such as cookies.
        max_age: How long a browser may cache a preflight response: whole seconds, or text such as
            ``10m``. With None, the default, the browser decides.
        preflight_status: The status of the response to a preflight: 204, the default, or 200.
        enforce_origin: Whether a request from an origin that is not allowed gets 403; on by
            default. Otherwise it is served, but the page can't read the response.
        debug: Whether a refused client on this machine gets the reason in the response.
        debug_origins: Origins and patterns whose pages get the reason, on any machine.
        dangerously_allow_insecure_origins_with_credentials: Whether pages loaded over http, which
            may have been modified in transit, may use the browser's credentials.
        dangerously_allow_subdomains_of_public_suffixes: Whether a wildcard may cover names that
            anyone can register.
        dangerously_allow_any_browser_extension: Whether a wildcard may cover every extension that a
            user has installed.
        dangerously_allow_null_origin: Whether ``null`` may be allowed, which every page can have in
            a sandboxed frame.
        dangerously_allow_null_origin_with_credentials: Whether ``null`` may also use the browser's
            credentials.
    """

    allow_origins: Required[Iterable[str]]
    allow_methods: Iterable[str]
    allow_headers: Iterable[str]
    expose_headers: Iterable[str] | Literal["auto"]
    allow_credentials: bool
    max_age: int | timedelta | str | None
    preflight_status: int
    enforce_origin: bool
    debug: bool
    debug_origins: Iterable[str]
    dangerously_allow_insecure_origins_with_credentials: bool
    dangerously_allow_subdomains_of_public_suffixes: bool
    dangerously_allow_any_browser_extension: bool
    dangerously_allow_null_origin: bool
    dangerously_allow_null_origin_with_credentials: bool


def cors_resource(resource: IResource, **options: Unpack[CorsOptions]) -> CorsResource:
    """Return a resource that serves another one under a CORS policy.

    It answers preflights itself, and refused origins get 403; neither reaches `resource`. All
    responses of `resource`, errors too, get the policy's headers, which replace any CORS headers
    that `resource` sets.

    To compress as well, wrap the returned resource in an ``EncodingResourceWrapper``. Behind a
    proxy that terminates TLS, call ``request.setHost`` with the host that the browser used.
    Otherwise the server's own pages are treated as cross-origin.

    Args:
        resource: Any resource: a tree of them, a ``File``, a Klein application's ``resource()``.
        options: The policy; see `CorsOptions`.

    Returns:
        A resource for a ``Site``, or for a place in a tree.

    Raises:
        PolicyError: The policy has faults; the error holds all of them.
        TypeError: `resource` is not a resource.

    Source: Fetch ``#http-cors-protocol``.
    """
    if not IResource.providedBy(resource):
        what = f"cors_resource needs an IResource, not {type(resource).__name__}"
        raise TypeError(f"{what}; for a Klein application pass its resource()")
    return CorsResource(resource, compile_policy(_read(options)))


def _read(options: Mapping[str, object]) -> Cors:
    """Read a policy from options, as from a configuration file; log its warnings."""
    given = {
        key: _duration(value) if key == "max_age" else _array(value)
        for key, value in options.items()
        if (key, value) != ("max_age", None)
    }
    notes = Notes(file="cors_resource", lines={})
    cors = read_cors(Table(notes, (), given), CORS_RULES, local=False)
    if cors is None or notes.faults:
        raise PolicyError([(fault.key, fault.problem, fault.fix) for fault in notes.faults])
    for caution in notes.warnings:
        _log.warn("{caution}", caution=str(caution))
    return cors


def _array(value: object) -> object:
    """Return entries as a list, as in TOML. A single string is not converted, and so is a fault."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return list(value)
    return value


def _duration(max_age: object) -> object:
    """Return a duration as text, as in TOML."""
    if isinstance(max_age, timedelta):
        return f"{max_age.total_seconds()}s"
    if isinstance(max_age, int) and not isinstance(max_age, bool):
        return f"{max_age}s"
    return max_age


@implementer(IResource)
class CorsResource:
    """Serves another resource under a policy; made by `cors_resource`.

    Args:
        resource: The resource to serve.
        policy: The policy.
    """

    def __init__(self, resource: IResource, policy: Policy) -> None:
        self._resource = resource
        self._policy = policy
        self._preflight = _Preflight(policy.source.preflight_status)
        self._refusal = forbidden(message="This origin may not use this server.")

    @property
    def isLeaf(self) -> bool:
        """Whether the resource handles all paths below it."""
        return bool(self._resource.isLeaf)

    def getChildWithDefault(self, path: bytes, request: Request) -> IResource:
        """Return the resource's child, or a resource that responds instead of it."""
        found = self._admit(request)
        if found is None:
            found = self._resource.getChildWithDefault(path, request)
        return found

    def putChild(self, path: bytes, child: IResource) -> None:
        """Add a child to the resource; the policy also applies to it."""
        self._resource.putChild(path, child)

    def render(self, request: Request) -> bytes | int:
        """Render the resource, or the one that responds instead of it."""
        rendered: bytes | int = (self._admit(request) or self._resource).render(request)
        return rendered

    def _admit(self, request: Request) -> IResource | None:
        """Decide on a request, and add the decision's headers to any response.

        Returns:
            The resource that responds instead; None if the request may pass.
        """
        index = _index(request)
        decision = decide(
            self._policy, request.method, index, _own_origin(request), credentialed=False
        )
        if decision.verdict is Verdict.REFUSE:
            _log.info(
                "refused {method} {uri}: {reason}",
                method=request.method,
                uri=request.uri,
                reason=decision.reason,
            )
            local = is_loopback_address(getattr(request.getClientAddress(), "host", ""))
            decision = tell(self._policy, decision, index, loopback=local)
        fields = request.responseHeaders
        if isinstance(fields, _Outgoing):
            # With two nested policies, the outer policy's headers are sent, but the inner one can
            # still refuse.
            fields.vary_too(decision.vary)
        else:
            request.responseHeaders = _Outgoing(fields, decision)
        if decision.verdict is Verdict.FORWARD:
            return None
        if decision.verdict is Verdict.PREFLIGHT:
            return self._preflight
        return self._refusal


class _Preflight(Resource):
    """Responds without content to an allowed preflight.

    Args:
        status: The status, 204 or 200.
    """

    isLeaf = True

    def __init__(self, status: int) -> None:
        super().__init__()
        self._status = status

    def render(self, request: Request) -> bytes | int:
        request.setResponseCode(self._status)
        if self._status != NO_CONTENT:
            request.defaultContentType = None
            return b""
        # Twisted would add a Content-Length to returned bytes, which 204 must not have (RFC 9110
        # 8.6).
        request.finish()
        return NOT_DONE_YET


class _Outgoing(Headers):
    """A response's fields. When they are sent, a decision's fields replace all CORS fields.

    The channel reads the fields when it sends the head. Before that, the resource may still set
    some, in ``render`` or long after it. Twisted's own error page may also set some.

    Args:
        before: The fields set so far.
        decision: The decision whose headers are sent.
    """

    def __init__(self, before: Headers, decision: Decision) -> None:
        super().__init__(dict(before.getAllRawHeaders()))
        self._decision = decision
        self._vary: list[bytes] = []

    def vary_too(self, value: bytes) -> None:
        """Add a value to Vary, in addition to values that are set later."""
        self._vary.append(value)

    def copy(self) -> _Outgoing:
        """Return an independent copy."""
        return _Outgoing(self, self._decision)

    def getAllRawHeaders(self) -> Iterator[tuple[bytes, Sequence[bytes]]]:
        """Return the fields to send: only the decision's CORS headers, and one Vary."""
        decision = self._decision
        theirs: Sequence[bytes] = self._vary
        kept: list[Header] = []
        for name, values in super().getAllRawHeaders():
            lowered = name.lower()
            if lowered == b"vary":
                theirs = [*values, *self._vary]
            elif lowered not in CORS_RESPONSE_HEADERS:
                kept += [(name, value) for value in values]
                yield name, values
        if decision.exposes_all:
            decision = decision.exposing(kept)
        for name, value in decision.headers:
            if name != b"Vary":
                yield name, [value]
        vary = merge_vary(theirs, decision.vary)
        if vary is not None:
            yield b"Vary", [vary]


def _index(request: Request) -> HeaderIndex:
    """Return a request's fields by lower-cased name."""
    return index_headers(
        (name, value)
        for name, values in request.requestHeaders.getAllRawHeaders()
        for value in values
    )


def _own_origin(request: Request) -> bytes:
    """Return this server's origin as a browser sees it; empty unless there is exactly one Host."""
    hosts = request.requestHeaders.getRawHeaders(b"Host", ())
    client = Client(
        peer="unknown",
        trusted=False,
        scheme=b"https" if request.isSecure() else b"http",
        authority=hosts[0] if len(hosts) == 1 else b"",
    )
    return gate_origin(client, ())
