"""The status page: its files, and the policy that blocks other scripts."""

from __future__ import annotations

from importlib.resources import files

from corsgate.admin.resource import AdminResource, AdminRoot, respond
from corsgate.server.request import GateRequest

PAGE_POLICY = b"; ".join(
    (
        b"default-src 'none'",
        b"script-src 'self'",
        b"style-src 'self'",
        b"connect-src 'self'",
        b"img-src 'self'",
        b"base-uri 'none'",
        b"form-action 'none'",
        b"frame-ancestors 'none'",
        # Text can't become a script or markup, even through a bug in the page.
        b"require-trusted-types-for 'script'",
        b"trusted-types 'none'",
    )
)
"""The Content-Security-Policy of the page (CSP 3; Trusted Types)."""

_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}


class PageFile(AdminResource):
    """A file of the page, which is read at each request.

    Args:
        name: Its name in ``static/``.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._type = _TYPES[name[name.rindex(".") :]]

    def serve(self, request: GateRequest) -> None:
        """Respond with the file."""
        body = (files(__package__) / "static" / self._name).read_bytes()
        respond(request, self._type, body, policy=PAGE_POLICY)


def add_page(root: AdminRoot) -> None:
    """Add the page at ``/`` and its files below ``/static/``."""
    root.add(b"", PageFile("index.html"))
    for file in (files(__package__) / "static").iterdir():
        if any(file.name.endswith(suffix) for suffix in _TYPES) and file.name != "index.html":
            root.add(b"static/" + file.name.encode("ascii"), PageFile(file.name))
