"""Header fields that an operator sets, adds or removes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import attrs

from corsgate.config.model import rules
from corsgate.config.model.credentials import Credentials, fields_of
from corsgate.config.model.secret import Secret
from corsgate.config.model.validators import each, rule
from corsgate.errors import BadValue
from corsgate.message.headers import HOP_BY_HOP, Header
from corsgate.message.identity import WRITTEN_FIELDS

PLACEHOLDERS = ("client_ip", "host", "request_id", "route")
"""The names that the text of a value may contain in braces."""

_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[^{}]+|[{}]")
_NAMES_SOMETHING = re.compile(rf"{{(?:{'|'.join(PLACEHOLDERS)})}}")
# These fields prove that the server has read the WebSocket handshake (RFC 6455 1.3).
_HANDSHAKE = {b"sec-websocket-accept", b"sec-websocket-key", b"sec-websocket-version"}
_FRAMING = HOP_BY_HOP | {b"content-length", b"expect"} | _HANDSHAKE
_LOOKS_SECRET = re.compile(
    r"authorization|cookie|token|secret|passw|pwd|credential|jwt|api[-_]?key|session"
    # Such as X-Auth, Ocp-Apim-Subscription-Key, X-Functions-Key.
    r"|[-_]auth$|(?:subscription|functions|access|master|private)[-_]key",
    re.IGNORECASE,
)


def looks_secret(name: str, text: str) -> bool:
    """Return whether the text of a field is probably a secret.

    Args:
        name: The field's name.
        text: Its value. A value with a placeholder is not a secret.
    """
    return _LOOKS_SECRET.search(name) is not None and not _NAMES_SOMETHING.search(text)


def normal_name(name: str) -> bytes:
    """Return a field's name in the form for comparison: lower case, ``-`` instead of ``_``."""
    return name.lower().replace("_", "-").encode("ascii")


def owned_names(credentials: Credentials | None) -> frozenset[bytes]:
    """Return the names of request fields that credentials own, as `normal_name` returns them.

    Authorization is always included, because the client's own is dropped for all kinds.
    """
    if credentials is None:
        return frozenset()
    return frozenset((b"authorization", *map(normal_name, fields_of(credentials))))


def parse_value(text: str) -> Iterator[tuple[str, str]]:
    """Parse a value into literal text and placeholders.

    Args:
        text: The value; ``{{`` and ``}}`` are braces.

    Returns:
        Pairs of literal text and a name of `PLACEHOLDERS`, one of them empty.

    Raises:
        BadValue: The value can't be sent, or has another name in braces.
    """
    if not _VALUE.fullmatch(text):
        # It is not shown: keys of APIs are sent in headers.
        raise BadValue(
            "it can't be the value of a header",
            "write visible ASCII characters, without spaces at the ends",
        )
    for part in _PART.finditer(text):
        found, name = part[0], part[1]
        if found in ("{", "}"):
            raise BadValue("it has a single brace", 'write "{{" or "}}" for one')
        if name is not None and name not in PLACEHOLDERS:
            known = rules.one_of(f"{{{each}}}" for each in PLACEHOLDERS)
            raise BadValue(f"{rules.show(found)} is unknown", f"write {known}")
        if name is not None:
            yield "", name
        else:
            yield found[0] if found in ("{{", "}}") else found, ""


def check_value(text: str) -> None:
    """Reject text that `parse_value` can't parse."""
    for _ in parse_value(text):
        pass


def _check_token(text: str) -> None:
    try:
        rules.check_token(text)
    except BadValue:
        raise BadValue(
            f"{rules.show(text)} is not a header name", 'write a name, such as "X-Api-Version"'
        ) from None


def check_request_name(text: str) -> None:
    """Reject the name of a request field that operators can't set, add or remove."""
    _check_token(text)
    name, shown = normal_name(text), rules.show(text)
    if name in (b"origin", b"referer", b"sec-fetch-site"):
        raise BadValue(f"{shown} identifies the page", "set origin on the upstream instead")
    if name == b"host":
        raise BadValue(f"{shown} is set by the gate itself", "set preserve_host instead")
    if name in WRITTEN_FIELDS:
        raise BadValue(f"{shown} is written by the gate itself", "set forwarded instead")
    if name in (b"via", b"cdn-loop"):
        raise BadValue(f"{shown} detects loops", "set via = false to send no Via")
    if name in _FRAMING:
        raise BadValue(f"{shown} belongs to a single connection", "remove it")
    if name.startswith(b"access-control-"):
        raise BadValue(f"{shown} belongs to CORS", "remove it")


def check_sent_name(text: str) -> None:
    """Reject the name of a request field that operators can't set or add."""
    check_request_name(text)
    if normal_name(text) == b"authorization":
        raise BadValue(f"{rules.show(text)} holds credentials", "set credentials on the upstream")


def check_response_name(text: str) -> None:
    """Reject the name of a response field that operators can't set, add or remove."""
    _check_token(text)
    name, shown = normal_name(text), rules.show(text)
    if name in _FRAMING:
        raise BadValue(f"{shown} belongs to a single connection", "remove it")
    if name.startswith(b"access-control-"):
        raise BadValue(f"{shown} belongs to CORS", "use the route's policy instead")
    if name in (b"vary", b"date"):
        raise BadValue(f"{shown} is written by the gate itself", "remove it")


@attrs.frozen
class HeaderField:
    """A field with a fixed name.

    Attributes:
        name: The name.
        value: Text that may have `PLACEHOLDERS`, or a secret.
    """

    name: str = attrs.field(validator=rule(_check_token))
    value: str | Secret = attrs.field()

    @value.validator
    def _sendable(self, _attribute: attrs.Attribute[Any], value: str | Secret) -> None:
        if isinstance(value, Secret):
            rules.check_field_value(value.reveal())
        else:
            check_value(value)

    def parts(self) -> list[tuple[bytes, str]]:
        """Return the value as pairs of literal bytes and a name of `PLACEHOLDERS`, one empty."""
        if isinstance(self.value, Secret):
            return [(self.value.reveal().encode("ascii"), "")]
        return [(text.encode("ascii"), name) for text, name in parse_value(self.value)]

    def __str__(self) -> str:
        return f"{self.name}: {'a secret' if isinstance(self.value, Secret) else self.value}"


@attrs.frozen(kw_only=True)
class HeaderRules:
    """Fields to set, add or remove.

    Attributes:
        set: Fields that replace all fields of the same name.
        add: Fields that are sent in addition to others of the same name.
        remove: Names of fields that are removed.
    """

    set: tuple[HeaderField, ...] = ()
    add: tuple[HeaderField, ...] = ()
    remove: tuple[str, ...] = attrs.field(default=(), validator=each(_check_token))

    @property
    def dropped(self) -> frozenset[bytes]:
        """The names of the fields that are not forwarded, as `normal_name` returns them."""
        return frozenset(map(normal_name, (*(field.name for field in self.set), *self.remove)))

    @property
    def named(self) -> frozenset[bytes]:
        """The names of all fields that are set, added or removed, as `normal_name` returns them."""
        return self.dropped | {normal_name(field.name) for field in self.add}

    @property
    def secret_names(self) -> frozenset[bytes]:
        """The names of the fields whose values are secrets, as `normal_name` returns them."""
        return frozenset(
            normal_name(field.name)
            for field in (*self.set, *self.add)
            if isinstance(field.value, Secret)
        )

    def constant(self, *, secrets: bool = True) -> list[Header]:
        """Return the fields whose values are the same for each request.

        Args:
            secrets: Whether those with a secret are included.
        """
        found: list[Header] = []
        for field in (*self.set, *self.add):
            parts = field.parts()
            is_left_out = isinstance(field.value, Secret) and not secrets
            if not is_left_out and not any(name for _, name in parts):
                value = b"".join(literal for literal, _ in parts)
                found.append((field.name.encode("ascii"), value))
        return found
