"""Kinds of causes for a failed call: a block by the browser, or a failed connection."""

from __future__ import annotations

from corsgate.explain.block_causes import Cause

_FIXED_BY_HEADERS = frozenset(
    (
        *("missing-allow-origin", "wildcard-with-credentials", "several-allow-origins"),
        *("invalid-allow-origin", "other-allow-origin", "origin-not-allowed"),
        *("credentials-not-allowed", "preflight-status", "unreadable-allow-methods"),
        *("unreadable-allow-headers", "method-not-allowed", "header-not-allowed"),
    )
)
"""The causes that a server's CORS configuration can fix."""

_OF_RESPONSES = frozenset(
    (
        *("preflight-redirect", "redirect-with-userinfo", "redirect-scheme", "too-many-redirects"),
        *("cross-origin-resource-policy", "opaque-response-blocking"),
    )
)
"""Other causes that a browser finds in a response."""

_OF_BROWSERS = frozenset(
    (
        *("not-http", "mode", "forbidden-method", "mixed-content", "local-network"),
        *("local-network-insecure-page", "local-network-target", "cors-disabled", "blocked-port"),
        *("blocked-in-browser", "csp-connect-src"),
    )
)
"""The causes for which a browser sends no request."""


def is_fixed_by_headers(cause: Cause | None) -> bool:
    """Return whether response headers can fix a cause."""
    return cause is not None and cause.value in _FIXED_BY_HEADERS


def is_of_response(cause: Cause) -> bool:
    """Return whether a browser finds a cause in a response, so that all earlier steps passed."""
    return cause.value in _FIXED_BY_HEADERS | _OF_RESPONSES


def is_block(cause: Cause) -> bool:
    """Return whether the browser blocked the call; otherwise it failed for another reason."""
    return is_of_response(cause) or cause.value in _OF_BROWSERS
