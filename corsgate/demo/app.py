"""The demo's app: one page, its style and script, and the addresses to call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Final

import attrs
from twisted.web.resource import Resource
from twisted.web.server import Request
from twisted.web.util import redirectTo

_TYPES: Final = {
    "index.html": b"text/html; charset=utf-8",
    "app.css": b"text/css; charset=utf-8",
    "app.js": b"text/javascript; charset=utf-8",
    "icon.svg": b"image/svg+xml",
}


@attrs.frozen(kw_only=True)
class Addresses:
    """The addresses that the page needs.

    Attributes:
        box: The closed box's origin.
        gate: The gate's origin.
        target: The path and query of the document, the same for both.
    """

    box: str
    gate: str
    target: str = "/v1/documents?uri=/test.json"


class _Fixed(Resource):
    """A fixed body, with headers that restrict what the page may do."""

    def __init__(self, body: bytes, content_type: bytes, policy: bytes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's
        self._body = body
        self._headers = {
            b"content-type": content_type,
            b"content-security-policy": policy,
            b"x-content-type-options": b"nosniff",
            b"referrer-policy": b"no-referrer",
            b"cache-control": b"no-store",
        }

    def render_GET(self, request: Request) -> bytes:
        """Set the headers, and return the body."""
        for name, value in self._headers.items():
            request.responseHeaders.setRawHeaders(name, [value])
        return self._body


class _Config(_Fixed):
    """The page's configuration, made at each request, since the command is known only later."""

    def __init__(
        self, addresses: Addresses, explain: Callable[[], Mapping[str, str]], policy: bytes
    ) -> None:
        super().__init__(b"", b"application/json", policy)
        self._addresses = addresses
        self._explain = explain

    def render_GET(self, request: Request) -> bytes:
        """Set the headers, and return the body."""
        super().render_GET(request)
        return json.dumps({**attrs.asdict(self._addresses), **self._explain()}).encode()


class _ToStatus(Resource):
    """Redirects to the gate's status page, whose address is known only after the gate's start."""

    def __init__(self, status_url: Callable[[], str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's
        self._status_url = status_url

    def render_GET(self, request: Request) -> bytes:
        """Redirect there."""
        url = self._status_url()
        if url:
            return redirectTo(url.encode("ascii"), request)
        request.setResponseCode(404)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return b"The address of the status page is not yet in the gate's log. Try again.\n"


def app_root(
    addresses: Addresses, status_url: Callable[[], str], explain: Callable[[], Mapping[str, str]]
) -> Resource:
    """Return the resource that serves the page at ``/`` and its addresses at ``/config.json``.

    ``/status`` redirects to the gate's status page.

    The page's content security policy allows requests to the box and the gate, so that only CORS
    can block them.

    Args:
        addresses: The addresses that the page calls.
        status_url: Returns the address of the gate's status page; empty if it is unknown.
        explain: Returns further members of the page's configuration: the result of
            `explain_command`.
    """
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' {addresses.box} {addresses.gate}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ).encode()
    root = Resource()
    files = resources.files("corsgate.demo")
    for name, content_type in _TYPES.items():
        page = _Fixed((files / name).read_bytes(), content_type, policy)
        root.putChild(b"" if name == "index.html" else name.encode(), page)
    root.putChild(b"status", _ToStatus(status_url))
    root.putChild(b"config.json", _Config(addresses, explain, policy))
    return root
