"""Read the keys of ``[upstreams.NAME]`` for what requests tell it about client and page."""

from __future__ import annotations

from collections.abc import Iterable

from corsgate.config.model.by_url import upstreams_of
from corsgate.config.model.request_rules import RequestRules, check_forwarded, check_origin
from corsgate.config.model.rules import show
from corsgate.config.model.values import Credentials, Route
from corsgate.config.sections.header_rules import read_request_headers
from corsgate.config.sections.secrets import Sources
from corsgate.config.toml.keys import Key
from corsgate.config.toml.reader import Table
from corsgate.config.toml.shape import shape
from corsgate.config.toml.values import boolean, checked, text
from corsgate.errors import BadValue
from corsgate.message.identity import FORWARDED_FIELDS


@shape(
    {
        "anyOf": [
            {"enum": ["all", "none"]},
            {"type": "array", "items": {"type": "string"}},
        ]
    }
)
def _forwarded(raw: object) -> tuple[str, ...]:
    """Return the fields about the client that the upstream gets, from a word or a list."""
    if raw == "all":
        return FORWARDED_FIELDS
    if raw == "none":
        return ()
    if not isinstance(raw, list):
        shown = show(raw) if isinstance(raw, str) else "it"
        raise BadValue(
            f"{shown} is unknown",
            'write "all", "none", or an array of names, such as ["x-forwarded-for"]',
        )
    names = [text(each) for each in raw]
    for name in names:
        check_forwarded(name)
    return tuple(name.lower() for name in names)


ORIGIN = Key(
    "origin",
    checked(check_origin),
    None,
    'The Origin and Referer that the upstream gets. "server" is its own origin, and "gate" the one'
    ' that the client uses. "drop" removes both fields, "keep" leaves them unchanged, and an origin'
    ' replaces them. By default it is "server" if the gate has checked the origin, else "keep".',
    example='"gate"',
    range='"server", "gate", "drop", "keep", or an origin',
)
FORWARDED: Key[tuple[str, ...], tuple[str, ...]] = Key(
    "forwarded",
    _forwarded,
    FORWARDED_FIELDS,
    'Which fields about the client and its URL the upstream gets: "all", "none" or a list. Some'
    " servers reject such fields.",
    example='["x-forwarded-host", "x-forwarded-proto"]',
    shown_default='"all"',
    type="text, or array of text",
    range='"all", "none", or names among ' + ", ".join(FORWARDED_FIELDS),
    gives="it gets the field {}",
    takes="it no longer gets the field {}",
)
VIA = Key(
    "via",
    boolean,
    True,
    "Whether the upstream gets Via. nginx doesn't compress for a request that has it.",
    example="false",
)


def read_request_rules(
    table: Table, credentials: Iterable[Credentials], sources: Sources
) -> RequestRules:
    """Read what requests tell an upstream about the client and its page.

    Args:
        table: The table of the upstream.
        credentials: All credentials of the upstream.
        sources: Where secrets come from.

    Returns:
        The rules. After a fault, which is recorded, the default is used.
    """
    return RequestRules(
        origin=table.get(ORIGIN),
        forwarded=table.get(FORWARDED),
        via=table.get(VIA),
        request_headers=read_request_headers(table, credentials, sources),
    )


def vouching_warnings(routes: Iterable[Route]) -> Iterable[tuple[str, str, str]]:
    """Find upstreams that would trust pages whose origin nobody checks.

    Args:
        routes: All routes.

    Returns:
        The name of each such upstream, once, with the problem and the fix.
    """
    found: dict[str, tuple[str, str, str]] = {}
    for route, upstream in ((each, one) for each in routes for one in upstreams_of(each)):
        cors, origin = route.cors, upstream.request_rules.origin
        if origin in (None, "keep") or upstream.name in found:
            continue
        if cors is None:
            why = "has no CORS policy"
        elif not cors.enforce_origin:
            why = "does not enforce its policy"
        elif "*" in cors.allow_origins:
            why = "allows any origin"
        elif cors.admits_strangers:
            why = 'allows the origin "null", or any extension'
        else:
            continue
        place = show(f"{route.host or ''}{route.prefix}")
        found[upstream.name] = (
            upstream.name,
            f"the route {place} {why}, so the upstream can't see which page sends a request, and"
            " its own check of Origin has no effect",
            'remove it, or write "keep"; or list the origins in the policy',
        )
    return found.values()
