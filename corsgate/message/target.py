"""The request target: read for routing, cut and joined, its bytes otherwise left as they came."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from corsgate.errors import TargetError
from corsgate.message.host import parse_host

# Visible ASCII without "#": a fragment is no part of a request target (RFC 9112 3.2).
_VISIBLE = re.compile(rb"[!\"$-~]+")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_SEPARATOR = re.compile(rb"[/\\]")


def origin_form(target: bytes, method: bytes) -> tuple[bytes, bytes | None]:
    """Bring a request target into the one form that is forwarded.

    Args:
        target: The target as it stands in the request line.
        method: The request's method, since only OPTIONS may have the target ``*``.

    Returns:
        The target in origin-form (or ``*``), and the host that an absolute-form target names,
        which replaces the Host field (RFC 9112 3.2.2); None for the other forms.

    Raises:
        TargetError: The target has another form, or a byte that no target may have.
    """
    if _VISIBLE.fullmatch(target) is None:
        raise TargetError("the target is empty, or has a fragment or a byte not visible ASCII")
    if target.startswith(b"/"):
        return target, None
    if target == b"*":
        if method != b"OPTIONS":
            raise TargetError("the target * goes with OPTIONS only")
        return target, None
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise TargetError("the target is neither a path nor an http or https URL")
    host, rest = absolute.groups()
    if parse_host(host) is None:
        raise TargetError("the target is a URL with a bad host")
    if rest.startswith(b"/"):
        return rest, host
    if not rest and method == b"OPTIONS":
        # A URL without path and query is what * becomes on its way through proxies (3.2.4).
        return b"*", host
    return b"/" + rest, host


def segments(target: bytes) -> list[bytes]:
    r"""Answer a target's path as the segments that routes are found by.

    Each segment is percent-decoded once, so ``/v1%2Fx`` is the one segment ``v1/x``. A target
    that some server may read as another path is refused, because the route found here would
    then not be the one that the upstream serves: dot segments, plain, encoded, behind an
    encoded ``/`` or any ``\``, or with parameters (``..;x``), which some servers cut off.

    Args:
        target: What `origin_form` answered.

    Returns:
        At least one segment, any of them perhaps empty: ``/`` and ``*`` have one empty
        segment, ``/v1/`` has ``v1`` and an empty one.

    Raises:
        TargetError: A dot segment, a malformed escape, or an encoded control character.
    """
    path = target.partition(b"?")[0]
    if b"%" not in path and b"/." not in path and b"\\" not in path:
        return path[1:].split(b"/")
    if _BAD_ESCAPE.search(path):
        raise TargetError("the path has a % that no two hexadecimal digits follow")
    found = [unquote_to_bytes(raw) for raw in path[1:].split(b"/")]
    for segment in found:
        if _CONTROL.search(segment):
            raise TargetError("the path has an encoded control character")
        for piece in _SEPARATOR.split(segment):
            if piece.partition(b";")[0] in (b".", b".."):
                raise TargetError("the path has a dot segment")
    return found


def strip_segments(target: bytes, count: int) -> bytes:
    """Take the first segments off a target; all that follows keeps its bytes.

    The answer may begin with ``//`` (``/v1//x`` gives ``//x``). In a request line that is a
    path with an empty first segment and nothing else (RFC 9112 3.2.1). In a Location it would
    name a host, so don't put an answer of this into one.

    Args:
        target: A target in origin-form, or ``*``, which is answered as it is.
        count: How many segments to take off, 0 or more.

    Returns:
        A target in origin-form: ``/v1?x=`` without its first segment is ``/?x=``.

    Raises:
        ValueError: The target has fewer segments.
    """
    if not count or target == b"*":
        return target
    path, mark, query = target.partition(b"?")
    pieces = path.split(b"/", count + 1)
    if len(pieces) <= count:
        raise ValueError(f"a target of {len(pieces) - 1} segments can't lose {count}")
    rest = pieces[count + 1] if len(pieces) > count + 1 else b""
    return b"/" + rest + mark + query


def join_base(base_path: str | bytes, target: bytes) -> bytes:
    """Put a server's own path before a target.

    Args:
        base_path: Empty, or visible ASCII that starts with ``/`` and does not end with one.
        target: A target in origin-form, or ``*``, which is answered as it is.

    Returns:
        The target that goes on the wire.
    """
    if not base_path or target == b"*":
        return target
    base = base_path.encode("ascii") if isinstance(base_path, str) else base_path
    return base + target
