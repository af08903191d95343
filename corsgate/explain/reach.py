"""Why a route refuses a request for its target or account.

The rules are in ``by_url``, ``allow_paths``, and the upstream's ``credentials_by_origin``.
"""

from __future__ import annotations

from collections.abc import Sequence

from corsgate.config.model.by_origin import chosen
from corsgate.config.model.by_url import OUTSIDE, url_table
from corsgate.config.model.path_rules import AllowedPaths, PathPattern, literal_pattern
from corsgate.config.model.values import Route, Upstream
from corsgate.errors import BadValue, TargetError
from corsgate.message.proxied_url import read_url, url_in
from corsgate.message.target import segments


def reach_refusal(route: Route, method: bytes, target: bytes) -> str:
    """Return why a route refuses the target of a request with 403; empty if it doesn't.

    Args:
        route: The route that the target's path selects.
        method: The request's method.
        target: Its target in origin-form.
    """
    try:
        path = _judged(route, target)
        if not route.allow_paths:
            return ""
        return AllowedPaths(route.allow_paths).refusal(method, segments(path))
    except TargetError as error:
        return str(error)


def account_refusal(route: Route, target: bytes, origins: Sequence[bytes]) -> str:
    """Return why a route refuses a request with 403 for lack of credentials; empty if it doesn't.

    Args:
        route: The route that the target's path selects.
        target: The request's target in origin-form, which the route must allow.
        origins: The values of the request's Origin fields.
    """
    upstream = upstream_of(route, target)
    named = {each.origin.encode("ascii"): True for each in upstream.credentials_by_origin}
    if not named or chosen(named, upstream.credentials is not None, origins):
        return ""
    who = f"requests from {origins[0].decode('latin-1')}" if origins else "requests without Origin"
    return f"the upstream {upstream.name} has no credentials for {who}"


def upstream_of(route: Route, target: bytes) -> Upstream:
    """Return the upstream of a route for a target, which the route must allow."""
    if not route.by_url:
        return route.upstream
    url = read_url(url_in(target, route.prefix.rstrip("/").count("/")))
    found = url_table(route.by_url).find(url)
    return route.upstream if found is None else found.value


def missing_pattern(route: Route, method: bytes, target: bytes) -> PathPattern | None:
    """Return the narrowest pattern that allows the target of a request.

    Args:
        route: The route that the target's path selects.
        method: The request's method.
        target: Its target in origin-form.

    Returns:
        A pattern for only this method and path; None if the route already allows the path, or
        refuses the target for another reason.
    """
    try:
        path = segments(_judged(route, target))
        if not route.allow_paths or not AllowedPaths(route.allow_paths).refusal(method, path):
            return None
        return literal_pattern(method, path)
    except (TargetError, BadValue):
        return None


def _judged(route: Route, target: bytes) -> bytes:
    """Return the target whose path is checked. For ``by_url`` it is the URL in the path.

    Raises:
        TargetError: The URL is invalid, or no upstream has it.
    """
    if not route.by_url:
        return target
    url = read_url(url_in(target, route.prefix.rstrip("/").count("/")))
    if url_table(route.by_url).find(url) is None:
        raise TargetError(OUTSIDE)
    return url.path
