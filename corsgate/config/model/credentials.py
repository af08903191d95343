"""Credentials for an upstream, one class for each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeAlias

import attrs

from corsgate.config.model import rules
from corsgate.config.model.secret import Secret
from corsgate.config.model.validators import Validator, choice, rule

DIGEST_ALGORITHMS = ("MD5", "SHA-256", "SHA-512-256")
"""The Digest algorithms, weakest first; each includes its ``-sess`` variant (RFC 7616 3.3)."""


def _secret(check: Callable[[str], None]) -> Validator[Secret]:
    return rule(lambda secret: check(secret.reveal()))


@attrs.frozen(kw_only=True)
class BasicCredentials:
    """A user name and password for Basic authentication (RFC 7617).

    Attributes:
        kind: The value of ``type`` in the configuration.
        username: The user's name, without a colon.
        password: Where to get the password.
    """

    kind: ClassVar[str] = "basic"
    username: str = attrs.field(validator=rule(rules.check_basic_username))
    password: Secret = attrs.field(validator=_secret(rules.check_secret))


@attrs.frozen(kw_only=True)
class DigestCredentials:
    """A user name and password for Digest authentication (RFC 7616).

    Attributes:
        kind: The value of ``type`` in the configuration.
        username: The user's name.
        password: Where to get the password.
        min_algorithm: The weakest algorithm that a challenge may use: MD5, SHA-256 or
            SHA-512-256, each with its -sess variant. Many boxes support only MD5.
        require_qop: Whether challenges without ``qop="auth"`` (RFC 2069) are rejected.
    """

    kind: ClassVar[str] = "digest"
    username: str = attrs.field(validator=rule(rules.check_username))
    password: Secret = attrs.field(validator=_secret(rules.check_secret))
    min_algorithm: str = attrs.field(
        default=DIGEST_ALGORITHMS[0], validator=choice(DIGEST_ALGORITHMS)
    )
    require_qop: bool = False


AUTO_SCHEMES = ("digest", "basic")
"""The schemes that ``type = "auto"`` may allow, strongest first."""


@attrs.frozen(kw_only=True)
class AutoCredentials:
    """A user name and password that are sent in the strongest way that a server asks for.

    Attributes:
        kind: The value of ``type`` in the configuration.
        username: The user's name, without a colon if Basic is allowed.
        password: Where to get the password.
        allow: What may be used: ``digest``, ``basic`` or both.
        min_algorithm: The weakest Digest algorithm that a challenge may use.
        require_qop: Whether Digest challenges without qop (RFC 2069) are rejected.
        dangerously_allow_basic_in_clear: Whether Basic may be used over plain http to another
            machine, where anyone on the network path can read the password.
    """

    kind: ClassVar[str] = "auto"
    username: str = attrs.field(validator=rule(rules.check_username))
    password: Secret = attrs.field(validator=_secret(rules.check_secret))
    allow: tuple[str, ...] = AUTO_SCHEMES
    min_algorithm: str = attrs.field(
        default=DIGEST_ALGORITHMS[0], validator=choice(DIGEST_ALGORITHMS)
    )
    require_qop: bool = False
    dangerously_allow_basic_in_clear: bool = False


@attrs.frozen(kw_only=True)
class BearerCredentials:
    """A bearer token (RFC 6750).

    Attributes:
        kind: The value of ``type`` in the configuration.
        token: Where to get the token.
    """

    kind: ClassVar[str] = "bearer"
    token: Secret = attrs.field(validator=_secret(rules.check_bearer_token))


@attrs.frozen(kw_only=True)
class HeaderCredentials:
    """A secret that is sent in a named field, such as ``X-Api-Key``.

    Attributes:
        kind: The value of ``type`` in the configuration.
        name: The field's name.
        value: Where to get the field's value.
    """

    kind: ClassVar[str] = "header"
    name: str = attrs.field(validator=rule(rules.check_field_name))
    value: Secret = attrs.field(validator=_secret(rules.check_field_value))


Credentials: TypeAlias = (
    AutoCredentials | BasicCredentials | DigestCredentials | BearerCredentials | HeaderCredentials
)
