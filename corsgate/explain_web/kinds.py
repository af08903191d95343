"""Kinds of causes for a failed call: a block by the browser, or a failed connection."""

from __future__ import annotations

from corsgate.explain.block_causes import Cause

_FIXED_BY_HEADERS = frozenset(
    (
        Cause.MISSING_ORIGIN,
        Cause.WILDCARD_ORIGIN,
        Cause.SEVERAL_ORIGINS,
        Cause.INVALID_ORIGIN,
        Cause.OTHER_ORIGIN,
        Cause.ORIGIN_NOT_ALLOWED,
        Cause.NO_CREDENTIALS,
        Cause.PREFLIGHT_STATUS,
        Cause.UNREADABLE_METHODS,
        Cause.UNREADABLE_HEADERS,
        Cause.METHOD,
        Cause.HEADER,
    )
)
"""The causes that a server's CORS configuration can fix."""

_OF_RESPONSES = frozenset(
    (
        Cause.PREFLIGHT_REDIRECT,
        Cause.REDIRECT_USERINFO,
        Cause.REDIRECT_SCHEME,
        Cause.REDIRECTS,
        Cause.CORP,
        Cause.ORB,
    )
)
"""Other causes that a browser finds in a response."""

_OF_BROWSERS = frozenset(
    (
        Cause.NOT_HTTP,
        Cause.MODE,
        Cause.FORBIDDEN_METHOD,
        Cause.MIXED_CONTENT,
        Cause.LOCAL_NETWORK,
        Cause.LOCAL_NETWORK_INSECURE,
        Cause.LOCAL_NETWORK_TARGET,
        Cause.DISABLED,
        Cause.PORT,
        Cause.BLOCKED_HERE,
        Cause.CSP,
    )
)
"""The causes for which a browser sends no request."""


def is_fixed_by_headers(cause: Cause | None) -> bool:
    """Return whether response headers can fix a cause."""
    return cause in _FIXED_BY_HEADERS


def is_of_response(cause: Cause) -> bool:
    """Return whether a browser finds a cause in a response, so that all earlier steps passed."""
    return cause in _FIXED_BY_HEADERS or cause in _OF_RESPONSES


def is_block(cause: Cause) -> bool:
    """Return whether the browser blocked the call; otherwise it failed for another reason."""
    return is_of_response(cause) or cause in _OF_BROWSERS
