"""Patterns of the methods and paths that a route allows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import quote

import attrs

from corsgate.config.model.rules import check_served_method, show
from corsgate.errors import BadValue, TargetError
from corsgate.message.target import percent_decoded, segments

ANY, REST = "*", "**"
_EXAMPLE = 'write a path, such as "/v1/*/search" or "GET /v1/documents/**"'
# An encoded slash, backslash, "?" or "#", a remaining escape, or only parameters.
_MORE_THAN_ONE = re.compile(rb"[/\\?#]|%[0-9A-Fa-f]{2}|\A;")
_NAMES_NOTHING = b". "
# The characters besides letters and digits that need no escape in a segment (RFC 3986 3.3),
# without the star.
_PLAIN = ":@!$&'()+,;="
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_QUERY = re.compile("[?#]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def is_one_segment(segment: bytes) -> bool:
    r"""Return whether every server reads a segment as one segment that is not empty.

    Some servers decode twice, read ``\`` as ``/``, remove parameters (``;x``), or split at an
    encoded ``?``. Others drop trailing dots and spaces of a name.

    Args:
        segment: A segment that has been percent-decoded once.
    """
    return bool(segment.strip(_NAMES_NOTHING)) and _MORE_THAN_ONE.search(segment) is None


class _Parsed(NamedTuple):
    """A parsed pattern: its method or None, its segments (None for ``*``), whether more follow."""

    method: bytes | None
    parts: tuple[bytes | None, ...]
    has_rest: bool


@attrs.frozen
class PathPattern:
    """The paths that a route allows, for one method or for all.

    Attributes:
        text: The pattern as written, such as ``GET /v1/*/search``. ``*`` is one segment, and ``**``
            at the end is any number of segments, including none.
    """

    text: str
    _parsed: _Parsed = attrs.field(init=False, eq=False, repr=False)

    @_parsed.default
    def _parse(self) -> _Parsed:
        method, blank, path = "", "", self.text
        if not path.startswith("/"):
            method, blank, path = path.partition(" ")
        if blank:
            check_served_method(method)
        if method == ANY:
            raise BadValue(f"{show(self.text)} names no method", f"write {show(path)} for all")
        steps = _steps(self.text, path)
        has_rest = steps[-1] == REST
        parts = steps[:-1] if has_rest else steps
        return _Parsed(
            method.encode("ascii") if blank else None,
            tuple(None if part == ANY else _decoded(part) for part in parts),
            has_rest,
        )

    @property
    def method(self) -> bytes | None:
        """The only method that the pattern allows, or None for all."""
        return self._parsed.method

    def __str__(self) -> str:
        return self.text

    def covers(self, path: Sequence[bytes]) -> bool:
        """Return whether a path matches, regardless of the method.

        Args:
            path: Its segments, as `corsgate.message.target.segments` returns them. That function
                rejects dot segments. So however a server reads the rest, the result is below the
                pattern's own segments.
        """
        _, parts, has_rest = self._parsed
        if len(path) < len(parts) or (len(path) > len(parts) and not has_rest):
            return False
        # Do the cheaper comparison first, because a path may have thousands of segments.
        pairs = tuple(zip(parts, path, strict=False))
        return all(part is None or segment == part for part, segment in pairs) and all(
            part is not None or is_one_segment(segment) for part, segment in pairs
        )

    def may_match_below(self, prefix: Sequence[bytes]) -> bool:
        """Return whether the pattern matches any path with a prefix.

        Args:
            prefix: The segments of the prefix.
        """
        _, parts, has_rest = self._parsed
        if len(parts) < len(prefix) and not has_rest:
            return False
        return all(part in (None, own) for part, own in zip(parts, prefix, strict=False))


@attrs.frozen
class AllowedPaths:
    """The paths that a route allows; every other request gets 403."""

    _patterns: tuple[PathPattern, ...]

    def allows(self, method: bytes, path: bytes) -> bool:
        """Return whether a request is allowed.

        Args:
            method: The request's method. A pattern for GET also allows HEAD, which does less.
            path: The path of its target, without the query, before a prefix is stripped.
        """
        try:
            return not self.refusal(method, segments(path))
        except TargetError:
            return False

    def refusal(self, method: bytes, path: Sequence[bytes]) -> str:
        """Return why a request is not allowed; empty if it is.

        Args:
            method: The request's method.
            path: The segments of its path, percent-decoded.
        """
        asked = (None, method, b"GET") if method == b"HEAD" else (None, method)
        is_covered = False
        for pattern in self._patterns:
            if pattern.covers(path):
                if pattern.method in asked:
                    return ""
                is_covered = True
        if is_covered:
            return "this route does not allow this method on this path"
        return "this route does not allow this path"


def literal_pattern(method: bytes, path: Iterable[bytes | None]) -> PathPattern:
    """Return the pattern for one method and path.

    Args:
        method: The method.
        path: The segments, percent-decoded; None for ``*``.

    Raises:
        BadValue: No pattern matches only this path, since servers could read it differently.
    """
    steps = [ANY if step is None else quote(step, safe=_PLAIN) for step in path]
    return PathPattern(f"{method.decode('latin-1')} /{'/'.join(steps)}")


def judges_methods(patterns: Iterable[PathPattern]) -> bool:
    """Return whether any of the patterns is for one method only."""
    return any(pattern.method is not None for pattern in patterns)


def _steps(text: str, path: str) -> list[str]:
    """Return the segments of a pattern's path as written; raise BadValue if it is not one."""
    if not path.startswith("/"):
        raise BadValue(f"{show(text)} is not a path", _EXAMPLE)
    if _CONTROL.search(path) or "\\" in path:
        raise BadValue(f"{show(text)} has a backslash or a control character", _EXAMPLE)
    shorter = _QUERY.split(text, maxsplit=1)[0]
    if shorter != text:
        fix = f"write {show(shorter)}; queries are not checked"
        raise BadValue(f"{show(text)} has a query or fragment", fix)
    if _BAD_ESCAPE.search(path):
        raise BadValue(f"{show(text)} has a bad percent-escape", 'write "%25" for a "%"')
    steps = path[1:].split("/")
    if "" in steps[:-1]:
        raise BadValue(f"{show(text)} has an empty segment", 'write one "/" only')
    for number, step in enumerate(steps):
        if step == REST and number < len(steps) - 1:
            raise BadValue(f'{show(text)} has "**" before its end', 'write "*" for one segment')
        if "*" in step and step not in (ANY, REST):
            raise BadValue(
                f"{show(text)} has a star within a segment", 'write "*" for the whole segment'
            )
        _check_literal(text, step)
    return steps


def _check_literal(text: str, step: str) -> None:
    """Reject a segment that no request has, or that a server could read as something else."""
    if step in ("", ANY, REST):
        return
    literal = _decoded(step)
    if literal.partition(b";")[0] in (b".", b".."):
        raise BadValue(f"{show(text)} has a dot segment", "write the path that it leads to")
    if not is_one_segment(literal):
        raise BadValue(
            f"{show(text)} has a segment that servers could read differently",
            'write "**" for what follows an encoded slash',
        )


def _decoded(step: str) -> bytes:
    return percent_decoded(step.encode("utf-8"))
