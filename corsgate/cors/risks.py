"""Warnings about risks, whether a ``dangerously_`` key permits them or they need no such key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from corsgate.config.model.rules import show
from corsgate.config.model.values import Cors, Upstream
from corsgate.config.sections.policies import Finding
from corsgate.cors.faults import (
    ANY_EXTENSION,
    ANY_ORIGIN,
    INSECURE_ORIGINS,
    NULL_CREDENTIALS,
    NULL_ORIGIN,
    PUBLIC_SUFFIXES,
)
from corsgate.cors.origin import ANY, NULL, Pattern, parse_pattern
from corsgate.cors.suffixes import suffix_within
from corsgate.errors import BadValue


def valid_patterns(texts: Sequence[str]) -> list[tuple[int, Pattern]]:
    """Return the valid patterns with their positions; invalid ones are reported as faults."""
    found = []
    for index, text in enumerate(texts):
        try:
            found.append((index, parse_pattern(text)))
        except BadValue:
            continue
    return found


def policy_risks(
    cors: Cors,
    patterns: Sequence[tuple[int, Pattern]],
    debugged: Sequence[tuple[int, Pattern]],
) -> list[Finding]:
    """Return the risks that a policy takes, and its ``dangerously_`` keys that permit nothing.

    Args:
        cors: The policy.
        patterns: The valid entries of its allow_origins, with their positions.
        debugged: The valid entries of its debug_origins, likewise.
    """
    return [*_with_credentials(cors, patterns), *_permitted(cors, patterns, debugged)]


def _with_credentials(cors: Cors, patterns: Sequence[tuple[int, Pattern]]) -> Iterator[Finding]:
    """Return entries that are wider than necessary while browsers send credentials."""
    if not cors.allow_credentials:
        return
    for index, pattern in patterns:
        if pattern.is_loopback and pattern.port == "*":
            yield (
                f"allow_origins[{index}]",
                f"{show(pattern.text)} with allow_credentials: pages of every program on the user's"
                " machine, no matter who started it, can act as the user",
                "write the port of the development server",
            )
    if "*" in cors.allow_headers:
        yield (
            "allow_headers",
            '"*" with allow_credentials: pages may send any header, except Authorization, with the'
            " user's cookies",
            "list the headers that the pages send",
        )


def _permitted(
    cors: Cors,
    patterns: Sequence[tuple[int, Pattern]],
    debugged: Sequence[tuple[int, Pattern]],
) -> Iterator[Finding]:
    """Return the risks that a ``dangerously_`` key permits, and the keys that permit nothing."""
    everywhere = [pattern for _, pattern in (*patterns, *debugged)]
    insecure = [p.text for _, p in patterns if p.scheme == "http" and not p.is_loopback]
    null = [p.text for _, p in patterns if p.is_null]
    for key, found, problem, fix in (
        (
            INSECURE_ORIGINS,
            insecure if cors.allow_credentials else [],
            "anyone who can modify a page of {} in transit can act as its user",
            "list https origins of your own",
        ),
        (
            PUBLIC_SUFFIXES,
            # The list of public suffixes is read only if it is needed.
            [p.text for p in everywhere if p.above and suffix_within(p.above) is not None]
            if getattr(cors, PUBLIC_SUFFIXES)
            else [],
            "anyone who registers a name that {} matches is allowed",
            "list https origins of your own",
        ),
        (
            ANY_EXTENSION,
            [p.text for p in everywhere if p.is_any_extension],
            "every extension that {} matches is allowed, no matter who wrote it",
            "list the origins of your own extensions",
        ),
        (
            NULL_ORIGIN,
            [] if cors.allow_credentials else null,
            "every page can have the origin {}, in a sandboxed frame",
            "serve the page from an http or https origin",
        ),
        (
            NULL_CREDENTIALS,
            null if cors.allow_credentials else [],
            "every page can have the origin {}, in a sandboxed frame, and act as its user",
            "serve the page from an http or https origin",
        ),
        (
            ANY_ORIGIN,
            # If it has an effect, `route_risks` warns about each route.
            [text for text in cors.allow_origins if text in (ANY, NULL)],
            "",
            "",
        ),
    ):
        if not getattr(cors, key):
            continue
        if not found:
            yield (key, "it has no effect: no origin here needs it", "remove it")
        elif problem:
            yield (key, problem.format(show(found[0])), fix)


def route_risks(cors: Cors, upstream: Upstream) -> Iterator[Finding]:
    """Return the settings that let strangers act with an upstream's credentials.

    Args:
        cors: The policy of a route.
        upstream: The route's upstream, which has credentials.

    Returns:
        Findings whose keys belong to the route.
    """
    if not cors.enforce_origin:
        yield (
            "cors.enforce_origin",
            "pages of every origin can act with the credentials of the upstream"
            f" {show(upstream.name)}, though they can't read the responses",
            "remove it",
        )
    if cors.dangerously_allow_any_origin_to_use_upstream_credentials and not {ANY, NULL}.isdisjoint(
        cors.allow_origins
    ):
        yield (
            f"cors.{ANY_ORIGIN}",
            f"every page on the web can act with the credentials of {show(upstream.name)}",
            "list the origins",
        )
    patterns = valid_patterns(cors.allow_origins)
    for index, pattern in patterns:
        if pattern.is_any_extension:
            yield (
                f"cors.allow_origins[{index}]",
                f"every extension that {show(pattern.text)} matches can act with the credentials of"
                f" {show(upstream.name)}",
                "list the origins of your own extensions",
            )
    insecure = [
        (index, pattern)
        for index, pattern in patterns
        if pattern.scheme == "http" and not pattern.is_loopback
    ]
    # With allow_credentials the policy itself already has a fault or a warning about this.
    if insecure and not cors.allow_credentials:
        index, pattern = insecure[0]
        others = f" (and {len(insecure) - 1} more)" if len(insecure) > 1 else ""
        yield (
            f"cors.allow_origins[{index}]",
            f"{show(pattern.text)}{others} uses http: anyone who can modify the page in transit"
            f" can act with the credentials of the upstream {show(upstream.name)}",
            "serve the page over https",
        )
