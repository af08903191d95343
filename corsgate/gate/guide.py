"""Hints that a developer gets with a 404: the routes, and where to look next."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import attrs

MAX_ROUTES = 20
"""The maximum number of listed routes."""

_SERVED = (
    "This is corsgate. Through it, pages of allowed origins call REST APIs that don't support CORS."
)
_BLOCKED = (
    "Is a call blocked? corsgate refusals lists the last refused calls, each with its reason and"
    " the TOML that allows it."
)


@attrs.frozen(kw_only=True)
class Guide:
    """Hints for a developer whose request matches no route.

    Attributes:
        routes: The labels of the first `MAX_ROUTES` routes, such as ``/v1``.
        more: How many further routes exist.
        near: Similar paths that a route serves.
        status_page: The URL of the status page; empty if there is none.
        is_root: Whether the request was for ``/``; then the page describes the gate.
    """

    routes: tuple[str, ...]
    more: int = 0
    near: tuple[str, ...] = ()
    status_page: str = ""
    is_root: bool = False

    @property
    def members(self) -> dict[str, object]:
        """Further members of problem details (RFC 9457 3.2)."""
        found: dict[str, object] = {}
        if self.near:
            found["did_you_mean"] = list(self.near)
        found["routes"] = list(self.routes)
        if self.more:
            found["more_routes"] = self.more
        if self.status_page:
            found["status_page"] = self.status_page
        return found

    @property
    def text(self) -> str:
        """The same hints as lines of plain text."""
        lines = [_SERVED] if self.is_root else []
        if self.near:
            lines.append(f"Did you mean {_either(self.near)}?")
        lines.append(f"Routes: {', '.join(self.routes)}{self._more}")
        if self.status_page:
            lines.append(f"Status page: {self.status_page}")
        if self.is_root:
            lines.append(_BLOCKED)
        return "".join(f"{line}\n" for line in lines)

    def html(self, status: int, title: str, detail: str, request_id: str) -> str:
        """Return the hints as a page.

        Args:
            status: The response's status.
            title: Its phrase.
            detail: The problem in one sentence.
            request_id: The request's id, which is also in the access log.
        """
        parts: list[str] = []
        if self.near:
            near = " or ".join(map(_link, self.near))
            parts.append(f"<p>Did you mean {near}?</p>")
        parts.append("<h2>Routes</h2>")
        items = "".join(f"<li>{_link(route)}</li>" for route in self.routes)
        parts.append(f"<ul>{items}</ul>")
        if self.more:
            parts.append(f"<p>{self._more.strip()}</p>")
        parts.append("<h2>Is a call blocked?</h2><ul>")
        if self.status_page:
            url = escape(self.status_page)
            shown = f'<a href="{url}">{url}</a>' if url.startswith("http:") else url
            parts.append(f"<li>The status page lists the last refused calls: {shown}</li>")
        parts.append(
            "<li><code>corsgate refusals</code> lists them in a terminal, each with its reason and"
            " the TOML that allows it.</li>"
            '<li><code>corsgate explain --error "..."</code> explains a message of the'
            " browser&#8217;s console.</li></ul>"
        )
        head = f"<h1>{status} {escape(title)}</h1>\n<p>{escape(detail)}</p>"
        if self.is_root:
            head = f"<h1>corsgate</h1>\n<p>{escape(_SERVED)} No route serves <code>/</code>.</p>"
        return _PAGE.format(
            title="corsgate" if self.is_root else f"{status} {escape(title)}",
            head=head,
            body="\n".join(parts),
            request_id=escape(request_id),
        )

    @property
    def _more(self) -> str:
        return f" and {self.more:,} more" if self.more else ""


SECURITY = b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""The Content-Security-Policy of the page: it loads nothing, and no other page may frame it."""

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --link: #0b57d0; --soft: #eceef1; --text: #1c1f24;
  background: #fff; color: var(--text) }}
@media (prefers-color-scheme: dark) {{
  :root {{ --link: #8ab4f8; --soft: #262a30; --text: #e6e8eb; background: #14171b }}
}}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: anywhere }}
h1 {{ font-size: 1.5rem }} h2 {{ font-size: 1.1rem; margin-top: 1.5rem }}
ul {{ padding-left: 1.25rem }} li {{ margin: .25rem 0 }} a {{ color: var(--link) }}
code {{ font-family: ui-monospace, monospace; background: var(--soft); border-radius: .25rem;
  padding: .1rem .3rem }}
</style>
<main>
{head}
{body}
<p><small>Only a gate with <code>debug = true</code> that listens only on this machine shows
this.<br>Request {request_id}</small></p>
</main>
</html>
"""


def _link(path: str) -> str:
    """Return a path as a link, or as text if it starts with a host and so has another origin."""
    shown = escape(path)
    if not path.startswith("/") or path.startswith("//"):
        return f"<code>{shown}</code>"
    return f'<a href="{shown}"><code>{shown}</code></a>'


def _either(items: Sequence[str]) -> str:
    return " or ".join(items)
