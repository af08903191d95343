"""Explains step by step whether a gate allows a page's call, and finds a fix if not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from corsgate.config.model.by_url import signed_upstream
from corsgate.config.model.endpoint import is_loopback, is_tls, port_of
from corsgate.config.model.shared_cookies import SharedCookies
from corsgate.config.model.values import Config, Route
from corsgate.cors.debug import tell
from corsgate.cors.decide import Decision, Verdict, decide
from corsgate.cors.names import FORBIDDEN_METHODS, MAX_METHOD_BYTES
from corsgate.cors.policy import Policy, compile_policy
from corsgate.cors.unrouted import RoutePolicy, decide_unrouted, nearest
from corsgate.cors.vouching import origin_mode
from corsgate.errors import BadValue, TargetError
from corsgate.explain.block_causes import WORDS, Cause
from corsgate.explain.box_view import origin_seen
from corsgate.explain.browser import fetch
from corsgate.explain.call import Call
from corsgate.explain.cookies import CookieVerdict, cookies_of_route
from corsgate.explain.fix import Change, Fix, find_place, fix
from corsgate.explain.near_miss import near_misses, spell
from corsgate.explain.reach import account_refusal, reach_refusal
from corsgate.explain.refused_by import GATE
from corsgate.explain.trace import Answer, Request, Trace, text
from corsgate.explain.url import Url
from corsgate.message.headers import index_headers
from corsgate.message.host import HostRules, read_host
from corsgate.message.target import segments, sound_segments
from corsgate.routing import RouteTable

_NOT_FIXED_BY_CONFIG = frozenset((Cause.FORBIDDEN_METHOD, Cause.MIXED_CONTENT))


@attrs.frozen(kw_only=True)
class Explanation:
    """Whether a page's call would work, and why.

    Attributes:
        call: The call.
        allowed: Whether it reaches its server and the script may read the response.
        route: The route's host and prefix; empty if no route matches or there is no gate.
        policy: Where the route's policy is written; empty without one.
        trace: The steps of the browser.
        seen: The Origin that the upstream receives, in words; empty if it receives no call.
        reason: Why the call is refused; empty if it is allowed.
        cause: The step of Fetch that blocks it; None if the gate refuses it.
        near_misses: How the call differs from similar ones that are allowed.
        changes: The keys of the configuration that would allow it; empty if none can.
        toml: The changes as TOML.
        advice: Further notes.
        servers: How to configure a server that is not a gate: title and text.
        refused_by: Who refused it, ``gate`` or ``server``; empty if it was not refused, or if that
            is unknown. An allowed call may be refused: then the page can read the refusal.
        cookies: Which browsers keep the server's cookies, if the call has credentials.
        status: The status of the response to the request itself, if it was sent; 0 otherwise.
        by_origin: Whether a server refuses the page's origin by a check of its own.
        gate_toml: The missing keys in the policy of a running gate whose file is unknown.
    """

    call: Call
    allowed: bool
    route: str = ""
    policy: str = ""
    trace: Trace
    seen: str = ""
    reason: str = ""
    cause: Cause | None = None
    near_misses: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    toml: str = ""
    advice: tuple[str, ...] = ()
    servers: tuple[tuple[str, str], ...] = ()
    refused_by: str = ""
    cookies: tuple[CookieVerdict, ...] = ()
    status: int = 0
    by_origin: bool = False
    gate_toml: str = ""


def explain(config: Config, document: Mapping[str, object], call: Call) -> Explanation:
    """Explain what a gate does with a call, and how to fix a refusal.

    The decisions are made by the same code that serves requests. Upstreams are assumed to return
    200.

    Args:
        config: The gate's configuration.
        document: The same file as parsed by tomllib, to find where a fix belongs.
        call: The page's call.

    Returns:
        The explanation. Its changes have been tested with a simulated gate.

    Raises:
        BadValue: The call goes directly to an upstream's server, so it bypasses the gate.
    """
    _check_passes_gate(config, call.url)
    gate = SimulatedGate(config)
    trace = fetch(call, gate.answer)
    route, served = gate.route(call), gate.serves(call)
    place = None if route is None else find_place(document, route)
    refusal = next((answer.refusal for _, answer in trace.exchanges if answer.refusal), "")
    allowed = trace.allowed and not refusal
    explanation = Explanation(
        call=call,
        allowed=allowed,
        route="" if route is None else f"{route.host or ''}{route.prefix}",
        policy="" if place is None or route is None or route.cors is None else place.label,
        trace=trace,
        seen=next((answer.seen for _, answer in trace.exchanges if answer.seen), ""),
        advice=tuple(_unreached(config, call.url)),
        cookies=(
            ()
            if route is None or not call.credentials
            else cookies_of_route(call, route, shared=gate.cookies.sets(route))
        ),
    )
    if allowed:
        return explanation
    failed = trace.failed
    cause = None if failed is None else failed.cause
    # If the gate refused nothing but allowed no origin, its decision has the reason. For any other
    # cause, the browser's step has it.
    by = trace.exchanges[-1][1].by if trace.exchanges else ""
    found = _tried(fix(config, document, call, route, served=served), call, cause)
    policy = gate.policy(route)
    return attrs.evolve(
        explanation,
        reason=refusal
        or (by if cause is Cause.MISSING_ORIGIN else "" if failed is None else failed.why),
        cause=cause,
        near_misses=() if policy is None else tuple(near_misses(policy, call)),
        changes=found.changes,
        toml=found.toml,
        refused_by=GATE if refusal else "",
        advice=(*found.advice, *explanation.advice),
    )


def _check_passes_gate(config: Config, url: Url) -> None:
    """Raise BadValue if a URL is that of an upstream's server, since the call bypasses the gate."""
    origin = url.origin.decode("ascii")
    for upstream in config.upstreams.values():
        if any(server.origin == origin for server in upstream.servers):
            raise BadValue(
                f'{origin} is a server of the upstream "{upstream.name}", so calls to it bypass'
                " the gate",
                "call the gate's address instead, or test the server with --live",
            )


def _unreached(config: Config, url: Url) -> Iterator[str]:
    """Return the reasons why a call may not reach the gate."""
    ports = {port_of(listener.endpoint): listener for listener in config.listeners}
    if None in ports:
        return
    port = url.port or (443 if url.scheme == "https" else 80)
    listener = ports.get(port)
    only = "a call arrives here only if something in front of the gate forwards it"
    if listener is None:
        known = ", ".join(map(str, ports))
        yield f"The gate listens on {known}, not on {port}: {only}."
        return
    has_tls = listener.certificates or is_tls(listener.endpoint)
    speaks = "https" if has_tls else "http"
    if url.scheme != speaks:
        yield f"The gate uses {speaks} on port {port}: {only}."


def _tried(found: Fix, call: Call, cause: Cause | None) -> Fix:
    """Return the fix if it works; otherwise only its advice and the reason for the failure."""
    if cause in _NOT_FIXED_BY_CONFIG and cause is not None:
        return Fix(advice=(WORDS[cause].fix,))
    if found.config is None:
        return found
    # Browsers never send a misspelled origin, so the fix allows the one that was meant.
    meant = spell(call.origin.decode("latin-1"))
    tried = call if meant is None else attrs.evolve(call, origin=meant.encode("ascii"))
    trace = fetch(tried, SimulatedGate(found.config).answer)
    if trace.allowed and not any(answer.refusal for _, answer in trace.exchanges):
        return found
    refused = [answer.refusal for _, answer in trace.exchanges if answer.refusal]
    return Fix(advice=(*found.advice, *(f"A wider policy does not help: {r}." for r in refused)))


class SimulatedGate:
    """Returns the responses of a gate with the given configuration, without any I/O.

    Args:
        config: The configuration.

    Attributes:
        cookies: The cookies that pages of other sites may use.
    """

    def __init__(self, config: Config) -> None:
        self.cookies = SharedCookies(config.routes)
        self._table = RouteTable.build(config.routes, lambda route, _prefix, _depth: route)
        self._hosts = [
            HostRules.build(config.hosts, loopback=is_loopback(listener.endpoint))
            for listener in config.listeners
        ]
        self._hosts_checked = config.hosts is not None or all(
            is_loopback(listener.endpoint) for listener in config.listeners
        )
        self._policies: dict[tuple[str | None, str], Policy] = {}
        self._debugging = [found for each in config.routes if (found := self._placed(each))]

    def serves(self, call: Call) -> bool:
        """Return whether a listener serves the host of a call."""
        return self._serves(call.url.authority)

    def _serves(self, authority: str) -> bool:
        return any(rules.allows(authority.encode("ascii")) for rules in self._hosts)

    def route(self, call: Call) -> Route | None:
        """Return the route of a call, or None."""
        try:
            path = segments(call.url.target.encode("ascii"))
            return self._table.find(call.url.authority.encode("ascii"), path)
        except TargetError:
            return None

    def policy(self, route: Route | None) -> Policy | None:
        """Return a route's compiled policy, or None without one."""
        if route is None or route.cors is None:
            return None
        place = (route.host, route.prefix)
        if place not in self._policies:
            self._policies[place] = compile_policy(route.cors)
        return self._policies[place]

    def answer(self, request: Request) -> Answer:
        """Return the gate's response to a request."""
        authority = request.url.authority
        if not self._serves(authority):
            return _refuse(421, f"the gate does not serve the host {authority}")
        bad: tuple[int, str] | None = None
        target = request.url.target.encode("ascii")
        try:
            path = segments(target)
        except TargetError as error:
            # As in the gate, the segments before the fault select the route.
            bad, path = (400, str(error)), sound_segments(target)
        if len(request.method) > MAX_METHOD_BYTES:
            bad = bad or (501, f"the method is longer than {MAX_METHOD_BYTES} bytes")
        route = self._table.find(authority.encode("ascii"), path)
        if route is None:
            return _refuse(*bad) if bad else self._unrouted(request, path)
        policy, index = self.policy(route), index_headers(request.headers)
        decision = decide(
            policy,
            request.method,
            index,
            request.url.origin,
            credentialed=self._confines(route, request),
            allow_framing=route.allow_framing,
        )
        by = decision.reason
        refusal = by if decision.verdict is Verdict.REFUSE else ""
        if refusal and policy is not None and policy.debugs:
            # A client that uses a loopback name is on the same machine.
            decision = tell(policy, decision, index, loopback=request.url.is_loopback)
        headers = decision.headers
        if decision.verdict is Verdict.PREFLIGHT:
            status = 204 if policy is None else policy.source.preflight_status
            return Answer(status=status, headers=headers, by=by, refusal=refusal)
        if bad is not None:
            status, why = bad
            return Answer(status=status, headers=headers, by=why, refusal=why)
        if decision.verdict is Verdict.REFUSE:
            return Answer(status=403, headers=headers, by=by, refusal=refusal)
        method = request.method.decode("latin-1")
        forbidden = request.method.upper() in FORBIDDEN_METHODS
        if forbidden or (route.methods is not None and method not in route.methods):
            why = f"the route does not serve the method {method}"
            return Answer(status=405, headers=headers, by=why, refusal=why)
        why = reach_refusal(route, request.method, target) or account_refusal(
            route, target, index.get(b"origin", ())
        )
        if why:
            return Answer(status=403, headers=headers, by=why, refusal=why)
        seen = self._seen(route, decision, request) if b"origin" in index else ""
        return Answer(status=200, headers=headers, by=by, seen=seen)

    def _unrouted(self, request: Request, path: Sequence[bytes]) -> Answer:
        """Return the response for a path without a route, which a page may read with `debug`."""
        why = f"no route covers {request.url.path}"
        index = index_headers(request.headers)
        host = read_host(request.url.authority.encode("ascii"))
        policy = nearest(
            self._debugging,
            b"" if host is None else host.name,
            path,
            index,
            loopback=request.url.is_loopback,
        )
        decision = None if policy is None else decide_unrouted(policy, request.method, index)
        if decision is None:
            return _refuse(404, why)
        status = 204 if decision.verdict is Verdict.PREFLIGHT else 404
        return Answer(status=status, headers=decision.headers, by=why, refusal=why)

    def _placed(self, route: Route) -> RoutePolicy | None:
        """Return where a policy with `debug` is; None for a route without one."""
        policy = self.policy(route)
        if policy is None or not policy.debugs:
            return None
        named = None if route.host is None else read_host(route.host.encode("ascii"))
        prefix = route.prefix.rstrip("/").encode("ascii")
        return RoutePolicy(
            host=None if named is None else named.name,
            path=tuple(segments(prefix)) if prefix else (),
            policy=policy,
        )

    def _seen(self, route: Route, decision: Decision, request: Request) -> str:
        """Describe the Origin that the upstream receives with a request."""
        index, own_origin = index_headers(request.headers), request.url.origin
        mode = origin_mode(
            route.upstream.request_rules.origin,
            self.policy(route),
            decision,
            request.method,
            index,
            own_origin,
            hosts_checked=self._hosts_checked,
        )
        return origin_seen(mode, route.upstream, text(index[b"origin"][0]), own_origin)

    def _confines(self, route: Route, request: Request) -> bool:
        """Return whether requests without CORS are confined, since they carry credentials."""
        with_session = request.credentials and request.url.scheme == "https"
        return signed_upstream(route) is not None or (with_session and self.cookies.rides_on(route))


def _refuse(status: int, why: str) -> Answer:
    return Answer(status=status, headers=(), by=why, refusal=why)
