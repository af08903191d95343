"""The request target: read for routing, cut and joined, its bytes otherwise left as they came."""

from __future__ import annotations

import re

from corsgate.errors import TargetError
from corsgate.message.host import read_host

# Visible ASCII without "#": a fragment is no part of a request target (RFC 9112 3.2).
_VISIBLE = re.compile(rb"[!\"$-~]+")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# Each "/" of the path stands as NUL while it is read: no other byte can be mistaken for it.
_RAW_SLASH = b"\x00"
_CONTROL = re.compile(rb"[\x01-\x1f\x7f]")
# A segment, or a piece between "/" or "\" in one, that is dots, or dots and parameters.
_DOT_SEGMENT = re.compile(rb"(?:\A|[\x00/\\])\.\.?(?=[\x00/\\;]|\Z)")
# Overlong forms of "." and "/", of "\", and of "%", in 2 to 6 bytes (RFC 3629 3 and 10). UTF-8
# has no such forms, but some servers decode them.
_LEAD_80 = rb"(?:\xc0|\xe0\x80|\xf0\x80\x80|\xf8\x80\x80\x80|\xfc\x80\x80\x80\x80)"
_LEAD_C0 = rb"(?:\xc1|\xe0\x81|\xf0\x80\x81|\xf8\x80\x80\x81|\xfc\x80\x80\x80\x81)"
_OVERLONG = re.compile(_LEAD_80 + rb"[\xae\xaf]|" + _LEAD_C0 + rb"\x9c")
_OVERLONG_PERCENT = re.compile(_LEAD_80 + rb"\xa5")
_ESCAPE = re.compile(rb"%(?=[0-9A-Fa-f]{2})")
_ENCODED_PERCENT = re.compile(rb"%(?:25)+")
# Servers decode a path twice at times. What has to be decoded more often than this is no path
# that anybody means, and each round costs a pass.
_MOST_DECODED = 4


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
    if read_host(host) is None:
        raise TargetError("the target is a URL with a bad host")
    if rest.startswith(b"/"):
        return rest, host
    if not rest and method == b"OPTIONS":
        # A URL without path and query is what * becomes on its way through proxies (3.2.4).
        return b"*", host
    return b"/" + rest, host


def segments(target: bytes) -> list[bytes]:
    r"""Return a target's path as the segments that routes are found by.

    Each segment is percent-decoded once, so ``/v1%2Fx`` is the one segment ``v1/x``. A target
    that some server may read as another path is rejected, because the route found here would
    then not be the one that the upstream serves: dot segments, plain, encoded once or more
    often, behind an encoded ``/`` or any ``\``, or with parameters (``..;x``), which some
    servers cut off; and overlong UTF-8 forms of ``.``, ``/`` and ``\``.

    Args:
        target: What `origin_form` returned.

    Returns:
        At least one segment, any of them perhaps empty: ``/`` and ``*`` have one empty
        segment, ``/v1/`` has ``v1`` and an empty one.

    Raises:
        TargetError: A dot segment, an overlong form, a malformed escape, an encoded control
            character, or more layers of encoding than anybody needs.
    """
    path = target.partition(b"?")[0]
    if b"%" not in path and b"/." not in path and b"\\" not in path:
        return path[1:].split(b"/")
    if _BAD_ESCAPE.search(path):
        raise TargetError("the path has a % that no two hexadecimal digits follow")
    if b"%00" in path:
        raise TargetError("the path has an encoded control character")
    decoded = _decode(path[1:].replace(b"/", _RAW_SLASH))
    if _CONTROL.search(decoded):
        raise TargetError("the path has an encoded control character")
    _check_readings(decoded)
    return decoded.split(_RAW_SLASH)


def _check_readings(decoded: bytes) -> None:
    """Reject a path that a server may take for another one, however often that decodes it.

    Args:
        decoded: The path, decoded once.
    """
    for _ in range(_MOST_DECODED):
        if _OVERLONG.search(decoded):
            raise TargetError("the path has an overlong form of a dot, a slash or a backslash")
        if _DOT_SEGMENT.search(decoded):
            raise TargetError("the path has a dot segment")
        decoded = _OVERLONG_PERCENT.sub(b"%", decoded)
        if b"%" not in decoded:
            return
        # "%25" stands for "%", so that however many layers of it are one step.
        again = _decode(_ENCODED_PERCENT.sub(b"%", decoded))
        if again == decoded:
            return
        decoded = again
    raise TargetError("the path is percent-encoded too often")


def _decode(path: bytes) -> bytes:
    r"""Return a path percent-decoded; a ``%`` without two hexadecimal digits stays.

    As ``\xNN``, escapes are decoded in C: `urllib.parse.unquote_to_bytes` runs Python code for
    each, which a path of 8 KiB may have 2,700 of.
    """
    literal = path.replace(b"\\", b"\\\\")
    if _BAD_ESCAPE.search(literal):
        escaped = _ESCAPE.sub(rb"\\x", literal)
    else:
        escaped = literal.replace(b"%", b"\\x")
    return escaped.decode("unicode_escape").encode("latin-1")


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
