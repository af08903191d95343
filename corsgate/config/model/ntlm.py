"""Credentials for NTLM, which authenticates upstream connections."""

from __future__ import annotations

from typing import ClassVar

import attrs

from corsgate.config.model import rules
from corsgate.config.model.secret import Secret
from corsgate.config.model.validators import rule
from corsgate.errors import BadValue


def check_name(text: str) -> None:
    """Reject a name that is empty, has control characters, or can't be encoded in UTF-16."""
    rules.check_username(text)
    if not text or not _is_unicode(text):
        raise BadValue(f"{rules.show(text)} is empty or not valid Unicode", "write a name")


def check_password(text: str) -> None:
    """Reject a secret as `rules.check_secret` does, and one that is not Unicode; never show it."""
    rules.check_secret(text)
    if not _is_unicode(text):
        raise BadValue("the secret is not valid UTF-8", "store it in UTF-8")


def _is_unicode(text: str) -> bool:
    """Return whether text has no lone surrogates, which represent bytes that are not UTF-8."""
    return not any("\ud800" <= each <= "\udfff" for each in text)


def _check_secret(secret: Secret) -> None:
    check_password(secret.reveal())


@attrs.frozen(kw_only=True)
class NtlmCredentials:
    """A user name and password for NTLM, also inside Negotiate (MS-NLMP, RFC 4559).

    Attributes:
        kind: The value of ``type`` in the configuration.
        username: The user's name; also ``user@domain``, or ``DOMAIN\\user``.
        password: Where to get the password.
        domain: The Windows domain of the user, or None.
        workstation: The name of this machine that the server sees; None for its host name.
    """

    kind: ClassVar[str] = "ntlm"
    username: str = attrs.field(validator=rule(check_name))
    password: Secret = attrs.field(validator=rule(_check_secret))
    domain: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(rule(check_name))
    )
    workstation: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(rule(check_name))
    )
