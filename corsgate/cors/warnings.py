"""Warnings about policies and routes: valid settings that are probably unintended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_address

from corsgate.config.model.by_url import upstreams_of
from corsgate.config.model.rules import show
from corsgate.config.model.values import Cors, Route, Upstream
from corsgate.config.sections.policies import Finding
from corsgate.cors.faults import injected_names
from corsgate.cors.names import (
    KNOWN_METHODS,
    MAX_METHOD_BYTES,
    SAFELISTED_METHODS,
    SAFELISTED_RESPONSE_HEADERS,
)
from corsgate.cors.origin import Pattern
from corsgate.cors.policy import compile_policy
from corsgate.cors.risks import policy_risks, route_risks, valid_patterns
from corsgate.cors.suffixes import public_suffix
from corsgate.cors.wildcards import Wildcards
from corsgate.message.headers import HOP_BY_HOP
from corsgate.message.identity import WRITTEN_FIELDS, speaks_of_client

HONOURED_MAX_AGE_S = 7200
"""For how many seconds Chromium caches a preflight response; WebKit: less, Firefox: a day."""


def warnings(cors: Cors, local: bool) -> list[Finding]:
    """Return the warnings about a policy.

    Args:
        cors: The policy as written. Its faults are not reported here.
        local: Whether only browsers on the gate's own machine can reach it.

    Returns:
        Findings in the order of the keys.
    """
    patterns = valid_patterns(cors.allow_origins)
    debugged = valid_patterns(cors.debug_origins)
    return [
        *_repeated("allow_origins", cors.allow_origins, str),
        *_covered("allow_origins", patterns),
        *(_far(patterns) if local else _debug_for_others(cors)),
        *_repeated("allow_methods", cors.allow_methods, str),
        *_method_warnings(cors),
        *_repeated("allow_headers", cors.allow_headers, str.lower),
        *_request_header_warnings(cors),
        *_repeated("expose_headers", cors.expose_headers, str.lower),
        *_response_header_warnings(cors),
        *_max_age_warnings(cors),
        *_repeated("debug_origins", cors.debug_origins, str),
        *_covered("debug_origins", debugged),
        *policy_risks(cors, patterns, debugged),
    ]


def route_warnings(route: Route, own: bool) -> list[Finding]:
    """Return the warnings about the combination of a route and its policy.

    Args:
        route: A route with or without a policy.
        own: Whether the policy belongs to this route only, so that no other route can share it.

    Returns:
        Findings whose keys belong to the route.
    """
    if route.cors is None:
        return []
    found = [*_login_warnings(route.cors, route.upstream)]
    if own:
        found += _unserved(route.cors, route)
    if route.upstream.adds_secrets:
        found += route_risks(route.cors, route.upstream)
    return found


def account_warnings(routes: Iterable[Route]) -> Iterator[tuple[str, str, str, str]]:
    """Find origins that have credentials at an upstream, but may call no route of it.

    Args:
        routes: All routes. Their policies have no faults.

    Returns:
        The name of the upstream, the origin, the problem, and the fix.
    """
    served: dict[str, list[Cors | None]] = {}
    upstreams: dict[str, Upstream] = {}
    for route in routes:
        for upstream in upstreams_of(route):
            if upstream.credentials_by_origin:
                upstreams[upstream.name] = upstream
                served.setdefault(upstream.name, []).append(route.cors)
    for name, upstream in upstreams.items():
        checked = [cors for cors in served[name] if cors is not None and cors.enforce_origin]
        if len(checked) < len(served[name]):
            # The gate checks no origin on one of the routes.
            continue
        compiled = [compile_policy(cors) for cors in checked]
        for each in upstream.credentials_by_origin:
            if not any(policy.allows(each.origin.encode("ascii")) for policy in compiled):
                yield (
                    name,
                    each.origin,
                    f"no route of the upstream {show(name)} allows {show(each.origin)}, so"
                    " its pages get 403",
                    "add it to allow_origins, or remove it; keep it if the gate itself serves the"
                    " pages",
                )


def _login_warnings(cors: Cors, upstream: Upstream) -> Iterator[Finding]:
    """Return a warning that scripts can't send Authorization, if they probably should.

    They rarely need it if cookies identify the user, or if the page is on a development server.
    """
    names = {name.lower() for name in cors.allow_headers}
    if (
        "*" in names
        and "authorization" not in names
        and not upstream.all_credentials
        and not cors.allow_credentials
        and not all(pattern.is_loopback for _, pattern in valid_patterns(cors.allow_origins))
    ):
        # Fetch #cors-non-wildcard-request-header-name
        yield (
            "cors.allow_headers",
            'scripts that send Authorization are refused: "*" does not cover it',
            'add "Authorization" if scripts send it',
        )


def _unserved(cors: Cors, route: Route) -> Iterator[Finding]:
    """Return methods and headers that a route's own policy allows but the route blocks."""
    for index, method in enumerate(cors.allow_methods):
        if route.methods is not None and method != "*" and method not in route.methods:
            yield (
                f"cors.allow_methods[{index}]",
                f"{show(method)} never gets through: the route does not serve it",
                "remove it, or add it to the route's methods",
            )
    passed = {name.lower() for name in route.pass_headers}
    for index, name in enumerate(cors.allow_headers):
        lowered = name.lower().encode("utf-8", "replace")
        if lowered in WRITTEN_FIELDS or name.lower() in passed or not speaks_of_client(lowered):
            continue
        yield (
            f"cors.allow_headers[{index}]",
            f"{show(name)} never gets through: upstreams may trust it to identify the client or"
            " the request",
            "remove it, or add it to the route's pass_headers",
        )
    if not route.upstream.all_credentials:
        return
    # The name of the field with the credentials is already a fault.
    for key, names, withheld in (
        ("allow_headers", cors.allow_headers, "authorization"),
        ("expose_headers", cors.expose_headers, "www-authenticate"),
    ):
        for index, name in enumerate(names):
            if name.lower() == withheld and withheld not in injected_names(route.upstream):
                yield (
                    f"cors.{key}[{index}]",
                    f"{show(name)} never gets through: the gate itself logs in at the upstream"
                    f" {show(route.upstream.name)}",
                    "remove it",
                )


def _repeated(key: str, entries: Sequence[str], normal: Callable[[str], str]) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, text in enumerate(entries):
        if normal(text) in seen:
            yield (f"{key}[{index}]", f"{show(text)} is a duplicate", "remove it")
        seen.add(normal(text))


def _covered(key: str, patterns: Sequence[tuple[int, Pattern]]) -> Iterator[Finding]:
    """Return the entries that another entry of the list covers.

    Patterns are looked up rather than compared in pairs, since there may be thousands.
    """
    known = {pattern.text for _, pattern in patterns}
    wildcards = Wildcards(pattern for _, pattern in patterns)
    for index, pattern in patterns:
        if pattern.is_exact:
            wider = wildcards.find(pattern.text.encode("ascii"))
        else:
            wider = next((text for text in _wider(pattern) if text in known), "")
        if wider:
            yield (
                f"{key}[{index}]",
                f"{show(pattern.text)} is covered by {show(wider)}",
                "remove one of them",
            )


def _wider(pattern: Pattern) -> Iterator[str]:
    """Return the patterns that match everything that this one with a ``*`` matches, and more."""
    if pattern.is_any or pattern.is_any_extension:
        return
    ends = [f":{pattern.port}" if pattern.port else "", ":*"]
    host = pattern.host
    if pattern.port != "*":
        yield f"{pattern.scheme}://{'*.' if pattern.subdomains else ''}{host}:*"
    while "." in host:
        host = host.partition(".")[2]
        yield from (f"{pattern.scheme}://*.{host}{end}" for end in ends)


def _far(patterns: Sequence[tuple[int, Pattern]]) -> Iterator[Finding]:
    """Return the public origins that would call a gate on the loopback address.

    A public name may resolve to 127.0.0.1, as some names for developers do. No name is looked up
    here.

    Source: Local Network Access, ``#local-network-request``.
    """
    for index, pattern in patterns:
        if pattern.scheme in ("http", "https") and _is_public(pattern.host):
            what = (
                "ask the user before its pages may call the gate"
                if pattern.scheme == "https"
                else "block its calls to the gate, because its pages come over http"
            )
            yield (
                f"allow_origins[{index}]",
                f"{show(pattern.text)} is public, but the gate listens only on this machine's"
                f" loopback address: unless that name resolves to this machine, browsers {what}",
                "keep it if the name resolves to this machine; otherwise serve the page from this"
                " machine, or listen on an address that its users can reach",
            )


def _debug_for_others(cors: Cors) -> Iterator[Finding]:
    """Return a finding if a setting for developers is on while other machines are served."""
    if cors.debug:
        yield (
            "debug",
            "other machines can reach the gate, so it probably no longer serves only one developer:"
            " programs on the gate's own machine get the reason for each refusal",
            "remove it, or list the developers' pages in debug_origins",
        )


def _is_public(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_global
    except ValueError:
        return public_suffix(host) is not None


def _method_warnings(cors: Cors) -> Iterator[Finding]:
    methods = {method.encode("utf-8", "replace") for method in cors.allow_methods}
    if methods and methods <= SAFELISTED_METHODS:
        yield (
            "allow_methods",
            "GET, HEAD and POST need not be listed, and a policy can't forbid them",
            "remove it; to serve only some methods, set methods in the route",
        )
    for index, text in enumerate(cors.allow_methods):
        if text == "OPTIONS":
            yield (
                f"allow_methods[{index}]",
                "the gate responds to preflights itself, whether or not OPTIONS is listed",
                "remove it, unless scripts call the API with OPTIONS",
            )
        upper = text.upper()
        if len(text) > MAX_METHOD_BYTES:
            yield (
                f"allow_methods[{index}]",
                f"{show(text)} never gets through: it is longer than {MAX_METHOD_BYTES} bytes",
                "remove it",
            )
        elif text != upper and upper.encode("utf-8", "replace") in KNOWN_METHODS:
            yield (
                f"allow_methods[{index}]",
                f"{show(text)} is a different method from {show(upper)}: methods are"
                " case-sensitive, and browsers send this one as the page spells it",
                f"write {show(upper)}, unless page and server both spell it so",
            )


def _request_header_warnings(cors: Cors) -> Iterator[Finding]:
    for index, text in enumerate(cors.allow_headers):
        if text.lower().encode("utf-8", "replace") in WRITTEN_FIELDS:
            yield (
                f"allow_headers[{index}]",
                f"{show(text)} never gets through: the gate itself sets the fields that identify"
                " the client",
                "remove it",
            )


def _response_header_warnings(cors: Cors) -> Iterator[Finding]:
    for index, text in enumerate(cors.expose_headers):
        name = text.lower().encode("utf-8", "replace")
        if name in SAFELISTED_RESPONSE_HEADERS:
            # Fetch #cors-safelisted-response-header-name
            yield (
                f"expose_headers[{index}]",
                f"every script may read {show(text)} anyway",
                "remove it",
            )
        elif name in HOP_BY_HOP:
            yield (
                f"expose_headers[{index}]",
                f"{show(text)} never gets through: it applies to a single connection",
                "remove it",
            )


def _max_age_warnings(cors: Cors) -> Iterator[Finding]:
    if cors.max_age_s is not None and cors.max_age_s > HONOURED_MAX_AGE_S:
        yield (
            "max_age",
            "only Firefox caches a preflight response that long; Chromium's limit is 2h",
            'write "2h"',
        )
