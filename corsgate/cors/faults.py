"""The faults of policies and of routes with a policy, each with its fix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from corsgate.config.model.credentials import fields_of
from corsgate.config.model.rules import show
from corsgate.config.model.values import Cors, Route, Upstream
from corsgate.config.sections.policies import Finding
from corsgate.cors.names import (
    FORBIDDEN_METHODS,
    FORBIDDEN_REQUEST_HEADERS,
    FORBIDDEN_REQUEST_PREFIXES,
    FORBIDDEN_RESPONSE_HEADERS,
    NORMALIZED_METHODS,
    REQUEST_ONLY,
    RESPONSE_ONLY,
    TOKEN,
)
from corsgate.cors.origin import ANY, NULL, Pattern, parse_pattern
from corsgate.cors.suffixes import suffix_within
from corsgate.errors import BadValue

LONGEST_MAX_AGE_S = 86_400
"""One day: no browser caches a preflight response for longer."""

ANY_ORIGIN = "dangerously_allow_any_origin_to_use_upstream_credentials"
INSECURE_ORIGINS = "dangerously_allow_insecure_origins_with_credentials"
PUBLIC_SUFFIXES = "dangerously_allow_subdomains_of_public_suffixes"
ANY_EXTENSION = "dangerously_allow_any_browser_extension"
NULL_ORIGIN = "dangerously_allow_null_origin"
NULL_CREDENTIALS = "dangerously_allow_null_origin_with_credentials"


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
    """Return the faults of the combination of a route and its policy, regardless of other routes.

    Args:
        route: A route with or without a policy. The policy itself has no faults.

    Returns:
        Findings whose keys belong to the route.
    """
    if route.cors is None or not route.upstream.adds_secrets:
        return []
    return list(_open_credentials(route.cors, route.upstream))


def _open_credentials(cors: Cors, upstream: Upstream) -> Iterator[Finding]:
    """Return a fault if every page on the web could act with an upstream's credentials."""
    if upstream.credentials_by_origin and ANY in cors.allow_origins:
        # A policy for any origin sends no Vary: Origin (Fetch #cors-protocol-and-http-caches).
        yield (
            "cors",
            f"the policy allows any origin, and the upstream {show(upstream.name)} has"
            " credentials_by_origin: caches would send one origin's responses to another",
            "list the origins",
        )
        return
    if cors.dangerously_allow_any_origin_to_use_upstream_credentials:
        return
    for text, what in (
        (ANY, "any origin"),
        # Every page can create a sandboxed frame.
        (NULL, 'the origin "null", which a page has in a sandboxed frame'),
    ):
        if text in cors.allow_origins:
            yield (
                "cors",
                f"the policy allows {what}, and the upstream {show(upstream.name)} has credentials:"
                " every page on the web could act with them",
                f"list the origins, or set {ANY_ORIGIN} = true in the policy",
            )


def injected_names(upstream: Upstream) -> frozenset[str]:
    """Return the names of the fields in which the gate sends secrets to an upstream.

    The names are in lower case, with ``-`` instead of ``_``.
    """
    names = {name.decode("ascii") for name in upstream.request_rules.request_headers.secret_names}
    return frozenset(names).union(*map(fields_of, upstream.all_credentials))


def injection_faults(route: Route, upstreams: Iterable[Upstream]) -> list[Finding]:
    """Return faults if a policy lets scripts send or read a field with an upstream's credentials.

    An entry is not a fault if it is useful on another route with the same policy. On this route,
    the gate removes what a script sends in that field.

    Args:
        route: A route with a policy.
        upstreams: The upstreams of all routes with this policy, including its own.

    Returns:
        Findings whose keys belong to the route.
    """
    cors = route.cors
    own = injected_names(route.upstream).intersection(*map(injected_names, upstreams))
    if cors is None or not own:
        return []
    return [
        (
            f"cors.{key}[{index}]",
            f"{show(name)} {problem}: the gate itself sends it, with the credentials of the"
            f" upstream {show(route.upstream.name)}",
            "leave it out",
        )
        for key, names, problem in (
            ("allow_headers", cors.allow_headers, "can't come from a script"),
            ("expose_headers", cors.expose_headers, "must not be shown to a script"),
        )
        for index, name in enumerate(names)
        if name.lower().replace("_", "-") in own
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
        if pattern.is_any and cors.allow_credentials:
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
        if text in (ANY, NULL):
            problem = f"{show(text)} would show reasons to every page"
            yield (at, problem, "list the developers' origins")
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
    """Return a fault if an allowed origin can belong to a stranger."""
    if pattern.is_null:
        yield from _null(key, cors)
    elif pattern.is_any_extension and not cors.dangerously_allow_any_browser_extension:
        yield (
            key,
            f"{show(pattern.text)} allows every extension that a user has installed",
            f"list the origins of your own extensions, or set {ANY_EXTENSION} = true",
        )
    if not pattern.above or cors.dangerously_allow_subdomains_of_public_suffixes:
        return
    suffix = suffix_within(pattern.above)
    if suffix is not None:
        owned = pattern.text.replace(f".{pattern.above}", f".example.{suffix}", 1)
        fix = f"put your own name before it, as in {show(owned)}"
        if pattern.has_star_within and pattern.host.partition("*")[2][0].isalnum():
            below = pattern.text.replace("*", "*.", 1)
            fix = f"write {show(below)} for the names below it"
        yield (
            key,
            f"{show(pattern.text)} allows anyone who registers a name under {show(suffix)},"
            " which is a public suffix",
            f"{fix}, or set {PUBLIC_SUFFIXES} = true",
        )


def _null(key: str, cors: Cors) -> Iterator[Finding]:
    """Return a fault if ``null`` is allowed without the ``dangerously_`` key for it."""
    if cors.allow_credentials:
        if not cors.dangerously_allow_null_origin_with_credentials:
            yield (
                key,
                '"null" can\'t go with allow_credentials: every page has this origin in a sandboxed'
                " frame, and could act as the browser's user",
                "serve the page from an http or https origin, and list that, or set"
                f" {NULL_CREDENTIALS} = true",
            )
    elif not cors.dangerously_allow_null_origin:
        yield (
            key,
            '"null" is the origin of local files and of sandboxed frames, and every page can have'
            " such a frame",
            "serve the page from an http or https origin, and list that, or set"
            f" {NULL_ORIGIN} = true",
        )


def _method_faults(cors: Cors) -> Iterator[Finding]:
    for index, text in enumerate(cors.allow_methods):
        key = f"allow_methods[{index}]"
        if not _is_token(text):
            yield (key, f"{show(text)} is not a method", 'write a method, such as "PUT"')
            continue
        if _is_half_star(text):
            yield _never_matches(key, text)
            continue
        upper = text.upper()
        method = upper.encode("ascii")
        if method in FORBIDDEN_METHODS:
            # Fetch #forbidden-method
            yield (key, f"{show(text)} is a method that scripts can't send", "leave it out")
        elif method in NORMALIZED_METHODS and text != upper:
            # Fetch #concept-method-normalize
            why = "browsers send it in upper case"
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
        if _is_half_star(text):
            yield _never_matches(key, text)
        elif name in FORBIDDEN_REQUEST_HEADERS or name.startswith(FORBIDDEN_REQUEST_PREFIXES):
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
            continue
        name = text.lower().encode("ascii")
        if _is_half_star(text):
            yield _never_matches(key, text)
        elif name in FORBIDDEN_RESPONSE_HEADERS:
            # Fetch #forbidden-response-header-name
            yield (key, f"{show(text)} is a header that scripts can't read", "leave it out")
        elif name in REQUEST_ONLY:
            yield (key, f"{show(text)} is a header that only clients send", "leave it out")
        elif name.startswith(b"access-control-"):
            yield (
                key,
                f"{show(text)} is a header of CORS itself, which the gate sets for the browser",
                "leave it out",
            )
        elif text == "*" and cors.allow_credentials:
            yield (key, '"*" can\'t go with allow_credentials', "list the headers")
    yield from _mixed_star("expose_headers", cors.expose_headers)


def _is_half_star(text: str) -> bool:
    """Return whether text has a ``*`` and other characters, which match only literally.

    Source: Fetch ``#wildcards``.
    """
    return "*" in text and text != "*"


def _never_matches(key: str, text: str) -> Finding:
    return (
        key,
        f'{show(text)} never matches: "*" is a wildcard only if it is alone',
        'write each name, or "*" for all',
    )


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
