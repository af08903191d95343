"""The request target: parse it for routing, strip and join paths, and keep all other bytes."""

from __future__ import annotations

import re

from corsgate.errors import TargetError
from corsgate.message.host import read_host

# Visible ASCII without "#": a request target has no fragment (RFC 9112 3.2).
_VISIBLE = re.compile(rb"[!\"$-~]+")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# Each "/" of the path is replaced by NUL before decoding, so that it differs from an encoded one.
_RAW_SLASH = b"\x00"
_CONTROL = re.compile(rb"[\x01-\x1f\x7f]")
# A segment, or a part of one between "/" or "\", that is dots, or dots and parameters.
_DOT_SEGMENT = re.compile(rb"(?:\A|[\x00/\\])\.\.?(?=[\x00/\\;]|\Z)")
# Overlong forms of "." and "/", of "\", and of "%", in 2 to 6 bytes (RFC 3629 3 and 10). UTF-8
# has no such forms, but some servers decode them.
_LEAD_80 = rb"(?:\xc0|\xe0\x80|\xf0\x80\x80|\xf8\x80\x80\x80|\xfc\x80\x80\x80\x80)"
_LEAD_C0 = rb"(?:\xc1|\xe0\x81|\xf0\x80\x81|\xf8\x80\x80\x81|\xfc\x80\x80\x80\x81)"
_OVERLONG = re.compile(_LEAD_80 + rb"[\xae\xaf]|" + _LEAD_C0 + rb"\x9c")
_OVERLONG_PERCENT = re.compile(_LEAD_80 + rb"\xa5")
_ESCAPE = re.compile(rb"%(?=[0-9A-Fa-f]{2})")
_ENCODED_PERCENT = re.compile(rb"%(?:25)+")
# Some servers decode a path twice. No real path needs more rounds than this, and each costs a pass.
_MOST_DECODED = 4
# No prefix of a route has that many segments, and each is decoded separately.
_MOST_SOUND = 32


def origin_form(target: bytes, method: bytes) -> tuple[bytes, bytes | None]:
    """Convert a request target to the form that is forwarded.

    Args:
        target: The target of the request line.
        method: The request's method, since only OPTIONS may have the target ``*``.

    Returns:
        The target in origin-form (or ``*``), and the host of an absolute-form target, which
        replaces the Host field (RFC 9112 3.2.2); None for the other forms.

    Raises:
        TargetError: The target has another form, or an invalid byte.
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
        # Proxies turn * into a URL without path and query (3.2.4).
        return b"*", host
    return b"/" + rest, host


def segments(target: bytes) -> list[bytes]:
    r"""Return a target's path as the segments for finding a route.

    Each segment is percent-decoded once, so ``/v1%2Fx`` is the one segment ``v1/x``. A target that
    some server may read as another path is rejected: the route found here would not be the one
    that the upstream serves. Such targets have dot segments or overlong UTF-8 forms of ``.``,
    ``/`` and ``\``. A dot segment may be encoded several times, or follow an encoded ``/`` or any
    ``\``. It may also have parameters (``..;x``), which some servers cut off.

    Args:
        target: The result of `origin_form`.

    Returns:
        At least one segment, each possibly empty: ``/`` and ``*`` have one empty segment, ``/v1/``
        has ``v1`` and an empty one.

    Raises:
        TargetError: A dot segment, an overlong form, a malformed escape, an encoded control
            character, or too many layers of encoding.
    """
    path = target.partition(b"?")[0]
    if b"%" not in path and b"/." not in path and b"\\" not in path:
        return path[1:].split(b"/")
    if _BAD_ESCAPE.search(path):
        raise TargetError("the path has a % that no two hexadecimal digits follow")
    if b"%00" in path:
        raise TargetError("the path has an encoded control character")
    decoded = percent_decoded(path[1:].replace(b"/", _RAW_SLASH))
    if _CONTROL.search(decoded):
        raise TargetError("the path has an encoded control character")
    _check_readings(decoded)
    return decoded.split(_RAW_SLASH)


def sound_segments(target: bytes) -> list[bytes]:
    """Return the segments that precede the first bad one of a path that `segments` rejects.

    They lead to the route whose CORS headers let a page read the error. The error only states that
    the path is bad, so it does not matter which route another reading of the path would lead to.

    Args:
        target: A target that begins with ``/``.

    Returns:
        At most `_MOST_SOUND`, and perhaps none.
    """
    sound: list[bytes] = []
    for raw in target.partition(b"?")[0].split(b"/", _MOST_SOUND + 1)[1 : _MOST_SOUND + 1]:
        try:
            sound += segments(b"/" + raw)
        except TargetError:
            break
    return sound


def _check_readings(decoded: bytes) -> None:
    """Reject a path that becomes another path if a server decodes it several times.

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
        # "%25" is an encoded "%"; any number of its layers is decoded in one step.
        again = percent_decoded(_ENCODED_PERCENT.sub(b"%", decoded))
        if again == decoded:
            return
        decoded = again
    raise TargetError("the path is percent-encoded too often")


def percent_decoded(path: bytes) -> bytes:
    r"""Return a path percent-decoded; a ``%`` without two hexadecimal digits stays.

    Escapes are rewritten as ``\xNN``, which is decoded in C. `urllib.parse.unquote_to_bytes` runs
    Python code for each escape, and a path of 8 KiB may have 2,700 of them.
    """
    literal = path.replace(b"\\", b"\\\\")
    if _BAD_ESCAPE.search(literal):
        escaped = _ESCAPE.sub(rb"\\x", literal)
    else:
        escaped = literal.replace(b"%", b"\\x")
    return escaped.decode("unicode_escape").encode("latin-1")


def strip_segments(target: bytes, count: int) -> bytes:
    """Remove the first segments of a target; the rest is unchanged.

    The result may begin with ``//`` (``/v1//x`` gives ``//x``). In a request line that is a path
    with an empty first segment (RFC 9112 3.2.1). In a Location it would name a host, so don't use
    the result there.

    Args:
        target: A target in origin-form, or ``*``, which is returned unchanged.
        count: How many segments to remove, 0 or more.

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
    """Prepend a server's base path to a target.

    Args:
        base_path: Empty, or visible ASCII that starts with ``/`` and does not end with one.
        target: A target in origin-form, or ``*``, which is returned unchanged.

    Returns:
        The target to send.
    """
    if not base_path or target == b"*":
        return target
    base = base_path.encode("ascii") if isinstance(base_path, str) else base_path
    return base + target
