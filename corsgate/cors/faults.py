"""The faults of policies and of routes with a policy, each with its fix."""

from __future__ import annotations

from collections.abc import Iterator

from corsgate.config.model.rules import show
from corsgate.config.model.values import Cors, Route
from corsgate.config.sections.policies import Finding
from corsgate.cors.names import (
    FORBIDDEN_METHODS,
    FORBIDDEN_REQUEST_HEADERS,
    FORBIDDEN_REQUEST_PREFIXES,
    FORBIDDEN_RESPONSE_HEADERS,
    KNOWN_METHODS,
    NORMALIZED_METHODS,
    REQUEST_ONLY,
    RESPONSE_ONLY,
    TOKEN,
)
from corsgate.cors.origin import Pattern, parse_pattern
from corsgate.cors.suffixes import suffix_within
from corsgate.errors import BadValue

LONGEST_MAX_AGE_S = 86_400
"""One day: no browser caches a preflight response for longer."""

ANY_ORIGIN = "dangerously_allow_any_origin_to_use_upstream_credentials"
INSECURE_ORIGINS = "dangerously_allow_insecure_origins_with_credentials"
PUBLIC_SUFFIXES = "dangerously_allow_subdomains_of_public_suffixes"


def faults(cors: Cors) -> list[Finding]:
    """Return all faults of a policy.

    Args:
        cors: The policy as written.

    Returns:
        The faults in the order of the keys: key, problem, fix.
    """
    return [
        *_origin_faults(cors),
        *_debug_faults(cors),
        *_method_faults(cors),
        *_request_header_faults(cors),
        *_response_header_faults(cors),
        *_max_age_faults(cors),
    ]


def route_faults(route: Route) -> list[Finding]:
    """Return the faults of the combination of a route and its policy.

    Args:
        route: A route with or without a policy, which has no faults of its own.

    Returns:
        Findings whose keys belong to the route.
    """
    cors, upstream = route.cors, route.upstream
    if (
        cors is None
        or not upstream.adds_secrets
        or "*" not in cors.allow_origins
        or cors.dangerously_allow_any_origin_to_use_upstream_credentials
    ):
        return []
    return [
        (
            "cors",
            f"the policy allows any origin, and the upstream {show(upstream.name)} has credentials:"
            " every page on the web could act with them",
            f"list the origins, or set {ANY_ORIGIN} = true in the policy",
        )
    ]


def _origin_faults(cors: Cors) -> Iterator[Finding]:
    key = "allow_origins"
    if not cors.allow_origins:
        yield (key, "the list is empty", "remove the policy to allow no origin")
    for index, text in enumerate(cors.allow_origins):
        at = f"{key}[{index}]"
        try:
            pattern = parse_pattern(text)
        except BadValue as error:
            yield (at, error.problem, error.fix)
            continue
        if text == "*" and cors.allow_credentials:
            # Fetch #cors-protocol-and-credentials
            yield (
                at,
                '"*" can\'t go with allow_credentials',
                "list the origins, or leave allow_credentials out",
            )
        yield from _insecure(at, pattern, cors)
        yield from _too_wide(at, pattern, cors)
    yield from _mixed_star(key, cors.allow_origins)


def _debug_faults(cors: Cors) -> Iterator[Finding]:
    for index, text in enumerate(cors.debug_origins):
        at = f"debug_origins[{index}]"
        if text == "*":
            yield (at, '"*" would show reasons to every page', "list the developers' origins")
            continue
        try:
            pattern = parse_pattern(text)
        except BadValue as error:
            yield (at, error.problem, error.fix)
            continue
        yield from _too_wide(at, pattern, cors)


def _insecure(key: str, pattern: Pattern, cors: Cors) -> Iterator[Finding]:
    """Return a fault if a page that can be modified in transit may use credentials."""
    if (
        pattern.scheme == "http"
        and cors.allow_credentials
        and not pattern.is_loopback
        and not cors.dangerously_allow_insecure_origins_with_credentials
    ):
        yield (
            key,
            f"{show(pattern.text)} can't go with allow_credentials: anyone who can modify the page"
            " in transit can act as its user",
            f"serve the page over https, or set {INSECURE_ORIGINS} = true",
        )


def _too_wide(key: str, pattern: Pattern, cors: Cors) -> Iterator[Finding]:
    """Return a fault if anyone can register an allowed origin."""
    if not pattern.subdomains or cors.dangerously_allow_subdomains_of_public_suffixes:
        return
    suffix = suffix_within(pattern.host)
    if suffix is not None:
        owned = pattern.text.replace(f"*.{pattern.host}", f"*.example.{suffix}", 1)
        yield (
            key,
            f"{show(pattern.text)} allows anyone who registers a name under {show(suffix)},"
            " which is a public suffix",
            f"put your own name before it, as in {show(owned)}, or set {PUBLIC_SUFFIXES} = true",
        )


def _method_faults(cors: Cors) -> Iterator[Finding]:
    for index, text in enumerate(cors.allow_methods):
        key = f"allow_methods[{index}]"
        if not _is_token(text):
            yield (key, f"{show(text)} is not a method", 'write a method, such as "PUT"')
            continue
        upper = text.upper()
        method = upper.encode("ascii")
        if method in FORBIDDEN_METHODS:
            # Fetch #forbidden-method
            yield (key, f"{show(text)} is a method that scripts can't send", "leave it out")
        elif method in KNOWN_METHODS and text != upper:
            # Fetch #concept-method-normalize
            why = (
                "browsers send it in upper case"
                if method in NORMALIZED_METHODS
                else "methods are case-sensitive, and servers expect it in upper case"
            )
            yield (key, f"{show(text)} never matches: {why}", f"write {show(upper)}")
    yield from _mixed_star("allow_methods", cors.allow_methods)


def _request_header_faults(cors: Cors) -> Iterator[Finding]:
    for index, text in enumerate(cors.allow_headers):
        key = f"allow_headers[{index}]"
        if not _is_token(text):
            yield (
                key,
                f"{show(text)} is not a header name",
                'write one name, such as "Content-Type"',
            )
            continue
        name = text.lower().encode("ascii")
        if name in FORBIDDEN_REQUEST_HEADERS or name.startswith(FORBIDDEN_REQUEST_PREFIXES):
            # Fetch #forbidden-request-header
            yield (key, f"{show(text)} is a header that scripts can't set", "leave it out")
        elif name in RESPONSE_ONLY:
            fix = 'write "If-Match" if you meant that' if name == b"etag" else "leave it out"
            yield (key, f"{show(text)} is a header that only servers send", fix)
    others = tuple(text for text in cors.allow_headers if text.lower() != "authorization")
    yield from _mixed_star("allow_headers", others)


def _response_header_faults(cors: Cors) -> Iterator[Finding]:
    for index, text in enumerate(cors.expose_headers):
        key = f"expose_headers[{index}]"
        if not _is_token(text):
            yield (key, f"{show(text)} is not a header name", 'write one name, such as "X-Total"')
        elif text.lower().encode("ascii") in FORBIDDEN_RESPONSE_HEADERS:
            # Fetch #forbidden-response-header-name
            yield (key, f"{show(text)} is a header that scripts can't read", "leave it out")
        elif text.lower().encode("ascii") in REQUEST_ONLY:
            yield (key, f"{show(text)} is a header that only clients send", "leave it out")
        elif text == "*" and cors.allow_credentials:
            yield (key, '"*" can\'t go with allow_credentials', "list the headers")
    yield from _mixed_star("expose_headers", cors.expose_headers)


def _max_age_faults(cors: Cors) -> Iterator[Finding]:
    if cors.max_age_s is not None and not 0 <= cors.max_age_s <= LONGEST_MAX_AGE_S:
        yield (
            "max_age",
            f"{cors.max_age_s} s is out of bounds",
            'write a duration from "0s" (not cached) to "24h"',
        )


def _mixed_star(key: str, entries: tuple[str, ...]) -> Iterator[Finding]:
    """Return a fault if ``*`` makes the other entries useless."""
    if "*" in entries and len(set(entries)) > 1:
        yield (
            key,
            '"*" already covers the other entries',
            'write "*" alone, or leave it out',
        )


def _is_token(text: str) -> bool:
    return text.isascii() and TOKEN.fullmatch(text.encode("ascii")) is not None
