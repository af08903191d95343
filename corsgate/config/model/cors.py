"""A CORS policy, as a frozen value."""

from __future__ import annotations

import attrs

from corsgate.config.model.validators import rule
from corsgate.errors import BadValue

PREFLIGHT_STATUSES = (204, 200)
"""The statuses that a preflight response may have. Fetch accepts any from 200 to 299, but no client
needs another one."""


def check_preflight_status(status: int) -> None:
    """Reject a status that is not one of `PREFLIGHT_STATUSES`."""
    if status not in PREFLIGHT_STATUSES:
        raise BadValue(f"{status} is not a status for preflight responses", "write 204 or 200")


@attrs.frozen(kw_only=True)
class Cors:
    """A CORS policy as written in the file; `corsgate.cors.policy` checks it.

    Attributes:
        allow_origins: Exact origins, patterns such as ``https://*.example.com``,
            ``https://pr-*.example.com``, ``http://localhost:*`` and ``chrome-extension://*``,
            ``null``, or ``*``.
        allow_methods: Methods, or ``*``; Fetch always allows GET, HEAD and POST.
        allow_headers: Field names, or ``*``, which never includes Authorization.
        expose_headers: Field names that scripts may read in addition to the safelisted ones, or
            ``*``.
        expose_auto: Whether scripts may read all suitable fields of each response. It replaces
            `expose_headers`.
        allow_credentials: Whether the browser may send and store cookies and other credentials.
        max_age_s: How long a browser may cache a preflight response; None for no such header.
        preflight_status: The status of the response to a preflight that passes.
        enforce_origin: Whether a request from an origin that is not allowed gets 403.
        debug: Whether clients on the gate's own machine get the reason for a refusal.
        debug_origins: Origins and patterns whose pages get the reason from any machine.
        dangerously_allow_any_origin_to_use_upstream_credentials: Whether a route with upstream
            credentials may allow ``*``. Every page on the web can then use them.
        dangerously_allow_insecure_origins_with_credentials: Whether http pages may use the
            browser's credentials, although anyone on the network path can modify such pages.
        dangerously_allow_subdomains_of_public_suffixes: Whether a wildcard may include names
            that anyone can register.
        dangerously_allow_any_browser_extension: Whether a pattern may include every extension
            that a user has installed.
        dangerously_allow_null_origin: Whether ``null`` may be allowed, although every page can
            have this origin in a sandboxed frame.
        dangerously_allow_null_origin_with_credentials: Whether ``null`` may also use the browser's
            credentials.
    """

    allow_origins: tuple[str, ...]
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age_s: int | None = None
    expose_auto: bool = False
    enforce_origin: bool = True
    debug: bool = False
    debug_origins: tuple[str, ...] = ()
    dangerously_allow_any_origin_to_use_upstream_credentials: bool = False
    dangerously_allow_insecure_origins_with_credentials: bool = False
    dangerously_allow_subdomains_of_public_suffixes: bool = False
    preflight_status: int = attrs.field(default=204, validator=rule(check_preflight_status))
    dangerously_allow_any_browser_extension: bool = False
    dangerously_allow_null_origin: bool = False
    dangerously_allow_null_origin_with_credentials: bool = False

    @property
    def admits_strangers(self) -> bool:
        """Whether an entry admits pages of unknown owners."""
        return any(map(admits_strangers, self.allow_origins))

    @property
    def names_pages(self) -> bool:
        """Whether an entry admits pages of known owners, and ``*`` does not admit all others."""
        entries = self.allow_origins
        return "*" not in entries and not all(map(admits_strangers, entries))


def admits_strangers(entry: str) -> bool:
    """Return whether an entry admits pages of unknown owners: ``*``, ``null`` or any extension."""
    return entry in ("*", "null") or entry.endswith("://*")
