"""What requests tell an upstream about the client and its page."""

from __future__ import annotations

import attrs

from corsgate.config.model import rules
from corsgate.config.model.header_rules import HeaderRules
from corsgate.config.model.validators import each, rule
from corsgate.errors import BadValue
from corsgate.message.identity import FORWARDED_FIELDS

ORIGIN_MODES = ("server", "gate", "drop", "keep")
"""The modes for the Origin that an upstream gets. Any other value is itself the origin."""

_DEFAULT_PORTS = {"http": "80", "https": "443"}


def check_origin(text: str) -> None:
    """Reject text that is neither one of `ORIGIN_MODES` nor an origin as browsers write it.

    Source: Fetch ``#origin-header``, HTML ``#ascii-serialisation-of-an-origin``.
    """
    if text in ORIGIN_MODES:
        return
    scheme, separator, authority = text.partition("://")
    if "@" in authority:
        raise BadValue(
            "it has a user name or password before the host", "leave out everything up to the '@'"
        )
    if authority and text != text.lower():
        raise BadValue(
            f"{rules.show(text)} has upper-case letters", f"write {rules.show(text.lower())}"
        )
    if not separator or scheme not in _DEFAULT_PORTS:
        raise BadValue(
            f"{rules.show(text)} is unknown",
            f'write {rules.one_of(ORIGIN_MODES)}, or an origin, such as "https://box.example"',
        )
    authority, slash, _ = authority.partition("/")
    if slash:
        raise BadValue(
            f"{rules.show(text)} has a path", f"write {rules.show(f'{scheme}://{authority}')}"
        )
    host, port = rules.split_port(authority)
    rules.check_bracketed_host(host)
    if port is not None:
        rules.check_port(port, text)
        if port.startswith("0"):
            problem = f"{rules.show(text)} has a port with a leading zero"
            raise BadValue(problem, "leave out the zero")
        if port == _DEFAULT_PORTS[scheme]:
            raise BadValue(
                f"{rules.show(text)} has the default port, which browsers leave out",
                f"write {rules.show(f'{scheme}://{host}')}",
            )


def check_forwarded(text: str) -> None:
    """Reject the name of a field that is not one of `FORWARDED_FIELDS`, in any case."""
    if text.lower() not in FORWARDED_FIELDS:
        raise BadValue(f"{rules.show(text)} is unknown", f"write {rules.one_of(FORWARDED_FIELDS)}")


@attrs.frozen(kw_only=True)
class RequestRules:
    """What requests tell an upstream about the client and its page.

    Attributes:
        origin: The Origin and Referer that the upstream gets: server (its own origin), gate (the
            origin that the client used), drop (neither field), keep (what the client sent), or an
            origin. None for server if the gate has checked the origin itself, else keep.
        forwarded: The fields about the client and its URL that the upstream gets: all, none, or a
            list of forwarded, x-forwarded-for, x-forwarded-proto, x-forwarded-host and
            x-forwarded-prefix.
        via: Whether the upstream gets Via.
        request_headers: Fields that are set, added or removed in requests to the upstream.
    """

    origin: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(rule(check_origin))
    )
    forwarded: tuple[str, ...] = attrs.field(
        default=FORWARDED_FIELDS, validator=each(check_forwarded)
    )
    via: bool = True
    request_headers: HeaderRules = attrs.field(factory=HeaderRules)
