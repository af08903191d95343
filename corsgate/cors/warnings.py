"""Warnings of policies and of routes with one: valid settings that are probably unintended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address

from corsgate.config.model.rules import show
from corsgate.config.model.values import Cors, HeaderCredentials, Route, Upstream
from corsgate.config.sections.policies import Finding
from corsgate.cors.faults import ANY_ORIGIN, INSECURE_ORIGINS, PUBLIC_SUFFIXES
from corsgate.cors.names import KNOWN_METHODS, SAFELISTED_METHODS, SAFELISTED_RESPONSE_HEADERS
from corsgate.cors.origin import Pattern, parse_pattern
from corsgate.cors.suffixes import public_suffix, suffix_within
from corsgate.errors import BadValue
from corsgate.message.headers import HOP_BY_HOP
from corsgate.message.identity import WRITTEN_FIELDS, speaks_of_client

HONOURED_MAX_AGE_S = 7200
"""How long Chromium caches a preflight response; WebKit caches it for less, Firefox for a day."""


def warnings(cors: Cors, local: bool) -> list[Finding]:
    """Return the warnings of a policy.

    Args:
        cors: The policy as written; its faults are skipped.
        local: Whether only browsers on the gate's own machine can reach it.

    Returns:
        Findings in the order of the keys.
    """
    patterns = _patterns(cors.allow_origins)
    debugged = _patterns(cors.debug_origins)
    return [
        *_repeated("allow_origins", cors.allow_origins, str),
        *_covered("allow_origins", patterns),
        *(_far(patterns) if local else ()),
        *_repeated("allow_methods", cors.allow_methods, str),
        *_method_warnings(cors),
        *_repeated("allow_headers", cors.allow_headers, str.lower),
        *_request_header_warnings(cors),
        *_repeated("expose_headers", cors.expose_headers, str.lower),
        *_response_header_warnings(cors),
        *_max_age_warnings(cors),
        *_repeated("debug_origins", cors.debug_origins, str),
        *_covered("debug_origins", debugged),
        *_dangers(cors, patterns, debugged),
    ]


def route_warnings(route: Route, own: bool) -> list[Finding]:
    """Return the warnings of the combination of a route and its policy.

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
        found += _sharing(route.cors, route.upstream)
    return found


def _login_warnings(cors: Cors, upstream: Upstream) -> Iterator[Finding]:
    """Return a warning that scripts can't send Authorization, if they probably want to.

    They rarely do if cookies identify the user, or if the page is on a development server.
    """
    names = {name.lower() for name in cors.allow_headers}
    if (
        "*" in names
        and "authorization" not in names
        and upstream.credentials is None
        and not cors.allow_credentials
        and not all(pattern.is_loopback for _, pattern in _patterns(cors.allow_origins))
    ):
        # Fetch #cors-non-wildcard-request-header-name
        yield (
            "cors.allow_headers",
            'scripts that send Authorization are refused: "*" does not cover it',
            'add "Authorization" if scripts send it',
        )


def _unserved(cors: Cors, route: Route) -> Iterator[Finding]:
    """Return what a route's own policy allows although the route removes or refuses it."""
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
    credentials = route.upstream.credentials
    if credentials is None:
        return
    own = {"authorization"}
    if isinstance(credentials, HeaderCredentials):
        own.add(credentials.name.lower())
    for key, names, withheld in (
        ("allow_headers", cors.allow_headers, own),
        ("expose_headers", cors.expose_headers, {"www-authenticate"}),
    ):
        for index, name in enumerate(names):
            if name.lower() in withheld:
                yield (
                    f"cors.{key}[{index}]",
                    f"{show(name)} never gets through: the gate itself logs in at the upstream"
                    f" {show(route.upstream.name)}",
                    "remove it",
                )


def _sharing(cors: Cors, upstream: Upstream) -> Iterator[Finding]:
    """Return the settings that let strangers act with an upstream's credentials."""
    if not cors.enforce_origin:
        yield (
            "cors.enforce_origin",
            "pages of every origin can act with the credentials of the upstream"
            f" {show(upstream.name)}, though they can't read the responses",
            "remove it",
        )
    if "*" in cors.allow_origins and cors.dangerously_allow_any_origin_to_use_upstream_credentials:
        yield (
            f"cors.{ANY_ORIGIN}",
            f"every page on the web can act with the credentials of {show(upstream.name)}",
            "list the origins",
        )
    insecure = [
        (index, pattern)
        for index, pattern in _patterns(cors.allow_origins)
        if pattern.scheme == "http" and not pattern.is_loopback
    ]
    # With allow_credentials this is a fault of the policy, or the policy has its own warning.
    if insecure and not cors.allow_credentials:
        index, pattern = insecure[0]
        others = f" (and {len(insecure) - 1} more)" if len(insecure) > 1 else ""
        yield (
            f"cors.allow_origins[{index}]",
            f"{show(pattern.text)}{others} uses http: anyone who can modify the page in transit"
            f" can act with the credentials of the upstream {show(upstream.name)}",
            "serve the page over https",
        )


def _patterns(texts: Sequence[str]) -> list[tuple[int, Pattern]]:
    """Return the patterns with their positions; invalid ones are faults already."""
    found = []
    for index, text in enumerate(texts):
        try:
            found.append((index, parse_pattern(text)))
        except BadValue:
            continue
    return found


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
    for index, pattern in patterns:
        wider = next((text for text in _wider(pattern) if text in known), None)
        if wider is not None:
            yield (
                f"{key}[{index}]",
                f"{show(pattern.text)} is covered by {show(wider)}",
                "remove one of them",
            )


def _wider(pattern: Pattern) -> Iterator[str]:
    """Return the patterns that cover all that this one covers, and more."""
    if pattern.is_any:
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

    A public name may resolve to 127.0.0.1, as some developers' names do. No name is resolved here.

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
                "keep it if the name does; otherwise serve the page from this machine, or listen"
                " where its users can reach the gate",
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
        known = text.upper().encode("utf-8", "replace") in KNOWN_METHODS
        if text.isascii() and text != "*" and not known:
            yield (
                f"allow_methods[{index}]",
                f"{show(text)} never gets through: the gate does not know this method",
                "remove it",
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
            "only Firefox caches a preflight response that long; Chromium does for at most 2h",
            'write "2h"',
        )


def _dangers(
    cors: Cors,
    patterns: Sequence[tuple[int, Pattern]],
    debugged: Sequence[tuple[int, Pattern]],
) -> Iterator[Finding]:
    """Return the risks that a ``dangerously_`` key permits, and the keys that permit nothing."""
    insecure = (
        [p.text for _, p in patterns if p.scheme == "http" and not p.is_loopback]
        if cors.allow_credentials
        else []
    )
    wide = [
        p.text
        for _, p in (*patterns, *debugged)
        if p.subdomains
        and cors.dangerously_allow_subdomains_of_public_suffixes
        and suffix_within(p.host) is not None
    ]
    for key, is_set, found, problem in (
        (
            INSECURE_ORIGINS,
            cors.dangerously_allow_insecure_origins_with_credentials,
            insecure,
            "anyone who can modify a page of {} in transit can act as its user",
        ),
        (
            PUBLIC_SUFFIXES,
            cors.dangerously_allow_subdomains_of_public_suffixes,
            wide,
            "anyone who registers a name that {} covers is allowed",
        ),
    ):
        if is_set and found:
            yield (key, problem.format(show(found[0])), "list https origins of your own")
        elif is_set:
            yield (key, "it has no effect: no origin here needs it", "remove it")
    if (
        cors.dangerously_allow_any_origin_to_use_upstream_credentials
        and "*" not in cors.allow_origins
    ):
        yield (ANY_ORIGIN, 'it has no effect: "*" is not in allow_origins', "remove it")
