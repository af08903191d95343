"""The gate's CORS policy for a server of one's own: put in front of any twisted.web resource."""

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
        allow_origins: Exact origins, ``https://*.example.com``, ``http://localhost:*`` or ``*``.
        allow_methods: Methods besides GET, HEAD and POST; or ``*``.
        allow_headers: Request headers besides the safelisted ones; or ``*``, which never covers
            Authorization.
        expose_headers: Response headers that scripts may read besides the safelisted ones; or
            ``*``; or the text ``auto`` for all that an answer has and scripts may know.
        allow_credentials: Whether the browser may send and use cookies and the like.
        max_age: How long a browser may keep a preflight's answer: whole seconds, or text such as
            ``10m``; None, as without it, leaves that to the browser.
        enforce_origin: Whether a request from an origin that is not allowed gets 403, as without
            this. If not, it is served, and only its answer is kept from the page.
        debug: Whether a client on this machine is told why it was refused.
        debug_origins: Origins and patterns whose pages are told that wherever they are.
        dangerously_allow_insecure_origins_with_credentials: Whether pages that come over http,
            and so may have been changed on their way, may use the browser's credentials.
        dangerously_allow_subdomains_of_public_suffixes: Whether a wildcard may stand for names
            that anybody can register.
    """

    allow_origins: Required[Iterable[str]]
    allow_methods: Iterable[str]
    allow_headers: Iterable[str]
    expose_headers: Iterable[str] | Literal["auto"]
    allow_credentials: bool
    max_age: int | timedelta | str | None
    enforce_origin: bool
    debug: bool
    debug_origins: Iterable[str]
    dangerously_allow_insecure_origins_with_credentials: bool
    dangerously_allow_subdomains_of_public_suffixes: bool


def cors_resource(resource: IResource, **options: Unpack[CorsOptions]) -> CorsResource:
    """Return a resource that serves another by a CORS policy.

    Preflights are answered here and refused origins get 403; neither reaches `resource`. What
    does reach it is answered with the policy's headers, errors too, in place of any CORS headers
    that `resource` sets.

    To compress as well, put an ``EncodingResourceWrapper`` around the answer. Behind a proxy that
    ends TLS, ``request.setHost`` has to say what the browser asked for, or the server's own pages
    are taken for another origin's.

    Args:
        resource: Any resource: a tree of them, a ``File``, a Klein application's ``resource()``.
        options: The policy; see `CorsOptions`.

    Returns:
        A resource for a ``Site``, or for a place in a tree.

    Raises:
        PolicyError: The policy has faults; it carries all of them.
        TypeError: `resource` is no resource.

    Source: Fetch ``#http-cors-protocol``.
    """
    if not IResource.providedBy(resource):
        what = f"cors_resource needs an IResource, not {type(resource).__name__}"
        raise TypeError(f"{what}; of a Klein application pass its resource()")
    return CorsResource(resource, compile_policy(_read(options)))


def _read(options: Mapping[str, object]) -> Cors:
    """Return the policy that options say, read as a configuration's are; warn of the doubtful."""
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
    """Return entries as the list that TOML has; a lone text stays what it is, and a fault."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return list(value)
    return value


def _duration(max_age: object) -> object:
    """Return a duration as the text that TOML has."""
    if isinstance(max_age, timedelta):
        return f"{max_age.total_seconds()}s"
    if isinstance(max_age, int) and not isinstance(max_age, bool):
        return f"{max_age}s"
    return max_age


@implementer(IResource)
class CorsResource:
    """Serves another resource by a policy; `cors_resource` makes it.

    Args:
        resource: What is served.
        policy: Who may use it.
    """

    def __init__(self, resource: IResource, policy: Policy) -> None:
        self._resource = resource
        self._policy = policy
        self._preflight = _Preflight()
        self._refusal = forbidden(message="This origin may not use this server.")

    @property
    def isLeaf(self) -> bool:
        """Whether the resource takes all paths below it, which is for it to say."""
        return bool(self._resource.isLeaf)

    def getChildWithDefault(self, path: bytes, request: Request) -> IResource:
        """Return the resource's child, or one that answers in its place."""
        answer = self._admit(request)
        if answer is None:
            answer = self._resource.getChildWithDefault(path, request)
        return answer

    def putChild(self, path: bytes, child: IResource) -> None:
        """Give the resource a child, to be served by the policy as well."""
        self._resource.putChild(path, child)

    def render(self, request: Request) -> bytes | int:
        """Render the resource, or answer in its place."""
        rendered: bytes | int = (self._admit(request) or self._resource).render(request)
        return rendered

    def _admit(self, request: Request) -> IResource | None:
        """Take the decision on a request, and have its headers put on whatever the answer is.

        Returns:
            What answers in the resource's place; None where the request may pass.
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
            # Of two policies the outer one's headers go out, but the inner one may yet refuse.
            fields.vary_too(decision.vary)
        else:
            request.responseHeaders = _Outgoing(fields, decision)
        if decision.verdict is Verdict.FORWARD:
            return None
        if decision.verdict is Verdict.PREFLIGHT:
            return self._preflight
        return self._refusal


class _Preflight(Resource):
    """Returns a preflight that passed: 204 and no content, not even its length."""

    isLeaf = True

    def render(self, request: Request) -> int:
        # Returned bytes would get a Content-Length, which 204 must not have (RFC 9110 8.6).
        request.setResponseCode(NO_CONTENT)
        request.finish()
        return NOT_DONE_YET


class _Outgoing(Headers):
    """A response's fields, of which those that go out are a decision's as far as CORS goes.

    A channel reads them when the head goes out, and only then can it be known what the resource
    has set: in ``render`` or long after it, by a write or none at all, or by way of Twisted's own
    page for a resource that failed.

    Args:
        before: The fields set so far.
        decision: Whose headers go out.
    """

    def __init__(self, before: Headers, decision: Decision) -> None:
        super().__init__(dict(before.getAllRawHeaders()))
        self._decision = decision
        self._vary: list[bytes] = []

    def vary_too(self, value: bytes) -> None:
        """Add to what goes out as Vary, whatever is set there later."""
        self._vary.append(value)

    def copy(self) -> _Outgoing:
        """Return an independent copy."""
        return _Outgoing(self, self._decision)

    def getAllRawHeaders(self) -> Iterator[tuple[bytes, Sequence[bytes]]]:
        """Return the fields that go out: no CORS headers but the decision's, and one Vary."""
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
    """Return the origin that a browser knows this server by; empty where none is named."""
    hosts = request.requestHeaders.getRawHeaders(b"Host", ())
    client = Client(
        peer="unknown",
        trusted=False,
        scheme=b"https" if request.isSecure() else b"http",
        authority=hosts[0] if len(hosts) == 1 else b"",
    )
    return gate_origin(client, ())
