"""Why a route does not let a request reach its target: ``by_url`` and ``allow_paths``."""

from __future__ import annotations

from corsgate.config.model.by_url import OUTSIDE, url_table
from corsgate.config.model.path_rules import AllowedPaths, PathPattern, literal_pattern
from corsgate.config.model.values import Route
from corsgate.errors import BadValue, TargetError
from corsgate.message.proxied_url import read_url, url_in
from corsgate.message.target import segments


def reach_refusal(route: Route, method: bytes, target: bytes) -> str:
    """Return why a route refuses a request with 403 for its target; empty if it doesn't.

    Args:
        route: The route that was found by the target's path.
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


def missing_pattern(route: Route, method: bytes, target: bytes) -> PathPattern | None:
    """Return the narrowest pattern that lets a request reach its target.

    Args:
        route: The route that was found by the target's path.
        method: The request's method.
        target: Its target in origin-form.

    Returns:
        A pattern for the method and path alone; None if the route allows the path already, or
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
    """Return the target whose path is judged; raise TargetError for a URL that is not reached."""
    if not route.by_url:
        return target
    url = read_url(url_in(target, route.prefix.rstrip("/").count("/")))
    if url_table(route.by_url).find(url) is None:
        raise TargetError(OUTSIDE)
    return url.path
