"""Recognize the URLs of a login and its pages, in each form that some server reads as the same."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import unquote, unquote_to_bytes

from corsgate.config.model.session import Call, SessionCredentials, parse_call
from corsgate.message.head import ResponseHead
from corsgate.message.query import normal_name

# As in `corsgate.message.target`, which rejects paths that are encoded more often.
_MOST_DECODED = 4
_ENCODED_PERCENT = re.compile(rb"%(?:25)+")


def login_pages(credentials: SessionCredentials) -> frozenset[str]:
    """Return the paths of the login pages; a redirect to one of them means an expired session."""
    texts = filter(None, (credentials.expired.location, credentials.login_url))
    return frozenset(path for path in (parse_call(text).path for text in texts) if path != "/")


def leads_to(head: ResponseHead, pages: Collection[str]) -> bool:
    """Return whether a response redirects to one of these pages.

    The server's own path may come before the page's.

    Args:
        head: The response's head.
        pages: The pages' paths, without ``/``.
    """
    path = location_path(head)
    return path is not None and any(_closed(path).endswith(_closed(page)) for page in pages)


def leads_back(target: bytes, head: ResponseHead) -> bool:
    """Return whether a response redirects a request to its own path, such as to add a slash.

    Args:
        target: The request's target.
        head: The response's head.
    """
    path = location_path(head)
    return path is not None and _closed(path) == _closed(path_of(target))


def path_of(target: bytes) -> str:
    """Return the path of a target as servers may read it: decoded, without parameters (``;``)."""
    path = unquote(target.partition(b"?")[0].decode("ascii", "replace"), errors="replace")
    return re.sub("/+", "/", re.sub(";[^/]*", "", path))


def is_for(target: bytes, call: Call, base: bytes) -> bool:
    r"""Return whether some server may read a target as that of a call.

    It has the path of the call and all of its query parameters. Either may be percent-encoded more
    than once, or in another case, and ``\`` may be written for ``/``.

    Args:
        target: The target, as sent.
        call: The call.
        base: The path of the server's own URL, which comes before that of the call.
    """
    own = base + call.target.encode("ascii")
    return _path_as_read(target) == _path_as_read(own) and (
        _parameters_as_read(own) <= _parameters_as_read(target)
    )


def _path_as_read(target: bytes) -> str:
    """Return one form of all paths that some server reads as the same path."""
    path = target.partition(b"?")[0]
    for _ in range(_MOST_DECODED):
        if b"%" not in path:
            break
        path = unquote_to_bytes(_ENCODED_PERCENT.sub(b"%", path))
    return _closed(path_of(path.replace(b"\\", b"/"))).lower()


def _parameters_as_read(target: bytes) -> set[tuple[bytes, bytes]]:
    """Return the name and value of each query parameter, in one form of all their spellings."""
    pairs = (each.partition(b"=") for each in re.split(b"[&;]", target.partition(b"?")[2]))
    return {
        (normal_name(name), unquote_to_bytes(value.replace(b"+", b" ")).lower())
        for name, _, value in pairs
        if name
    }


def _closed(path: str) -> str:
    return f"{path.rstrip('/')}/"


def location_path(head: ResponseHead) -> str | None:
    """Return the path to which a redirect leads; None if the response is not a redirect."""
    if not 300 <= head.status < 400:
        return None
    for name, value in head.headers:
        if name.lower() == b"location":
            text = value.decode("ascii", "replace")
            text = re.sub(r"^(?:[a-zA-Z]+:)?//[^/?#]*", "", text)
            return re.split("[?#;]", text, maxsplit=1)[0] or "/"
    return None
