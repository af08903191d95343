"""Credentials for an upstream, one class for each kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar, TypeAlias
from urllib.parse import quote

import attrs

from corsgate.config.model import rules
from corsgate.config.model.ntlm import NtlmCredentials
from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.secret import Secret
from corsgate.config.model.session import SessionCredentials
from corsgate.config.model.validators import Validator, choice, rule
from corsgate.errors import BadValue
from corsgate.message.query import normal_name

DIGEST_ALGORITHMS = ("MD5", "SHA-256", "SHA-512-256")
"""The Digest algorithms, weakest first; each includes its ``-sess`` variant (RFC 7616 3.3)."""

AWS_FIELDS = frozenset(
    ("authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token")
)
"""The request fields of an AWS signature."""

_AWS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_aws_name(text: str) -> None:
    """Reject text that can't be a region or a service in the scope of an AWS signature."""
    if not _AWS_NAME.fullmatch(text):
        raise BadValue(
            f"{rules.show(text)} is not the name of a region or service",
            'write it as the provider does, such as "us-east-1" or "s3"',
        )


def check_parameter_name(text: str) -> None:
    """Reject text that can't be the name of a query parameter, such as ``?api_key=``."""
    rules.check_plain(text)
    if re.search("[?&=]", text):
        raise BadValue(
            f"{rules.show(text)} is more than the name of a parameter",
            'write the name alone, such as "api_key"',
        )


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


@attrs.frozen(kw_only=True)
class QueryCredentials:
    """A secret that is sent as a parameter of the query, such as ``api_key``.

    Attributes:
        kind: The value of ``type`` in the configuration.
        name: The parameter's name, not encoded.
        value: Where to get the parameter's value, which is sent percent-encoded.
    """

    kind: ClassVar[str] = "query"
    name: str = attrs.field(validator=rule(check_parameter_name))
    value: Secret = attrs.field(validator=_secret(rules.check_secret))


@attrs.frozen(kw_only=True)
class AwsCredentials:
    """An access key that signs requests (AWS Signature Version 4).

    Attributes:
        kind: The value of ``type`` in the configuration.
        region: The region that the signature is for, such as ``eu-central-1``. Servers other than
            AWS's usually require ``us-east-1``.
        service: The service's name in signatures, such as ``s3``, ``execute-api`` or ``es``.
        access_key: Where to get the id of the access key.
        secret_key: Where to get the secret of the access key.
        session_token: Where to get the session token of temporary credentials, or None.
    """

    kind: ClassVar[str] = "aws_sigv4"
    region: str = attrs.field(validator=rule(check_aws_name))
    service: str = attrs.field(validator=rule(check_aws_name))
    access_key: Secret = attrs.field(validator=_secret(rules.check_bearer_token))
    secret_key: Secret = attrs.field(validator=_secret(rules.check_secret))
    session_token: Secret | None = attrs.field(
        default=None, validator=attrs.validators.optional(_secret(rules.check_field_value))
    )


@attrs.frozen(kw_only=True)
class SeveralCredentials:
    """Credentials that are all sent in the same request.

    Attributes:
        parts: At least two: any number of headers and query parameters with different names, and
            at most one of another kind.
    """

    parts: tuple[SingleCredentials, ...] = attrs.field()

    @parts.validator
    def _compatible(self, _attribute: object, parts: tuple[SingleCredentials, ...]) -> None:
        if len(parts) < 2:
            raise BadValue("there are fewer than two credentials", "write a single name instead")
        others = [part.kind for part in parts if not isinstance(part, _COMBINED)]
        if len(others) > 1:
            raise BadValue(
                f"{others[0]} and {others[1]} can't sign the same request",
                "keep one of them; only header and query can be combined with others",
            )
        _check_distinct("the header", [name for part in parts for name in sorted(fields_of(part))])
        _check_distinct("the parameter", [name for part in parts for name in _parameters_of(part)])

    @property
    def kind(self) -> str:
        """The kinds of the parts, each once."""
        return " and ".join(dict.fromkeys(part.kind for part in self.parts))


def _check_distinct(what: str, names: list[str]) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise BadValue(f"{what} {rules.show(name)} is sent twice", "remove one of the two")


def _parameters_of(part: SingleCredentials) -> tuple[str, ...]:
    """Return the names of the parameters that credentials add, in normalized form."""
    match part:
        case QueryCredentials():
            name = part.name
        case SessionCredentials(query=name) if name:
            pass
        case _:
            return ()
    return (normal_name(quote(name).encode("ascii")).decode("utf-8", "replace"),)


def parts_of(credentials: Credentials | None) -> tuple[SingleCredentials, ...]:
    """Return the single credentials in a value; none for None."""
    match credentials:
        case None:
            return ()
        case SeveralCredentials():
            return credentials.parts
    return (credentials,)


def fields_of(credentials: Credentials) -> frozenset[str]:
    """Return the names of the request fields in which credentials are sent.

    Returns:
        The names in lower case, with ``-`` instead of ``_``.
    """
    match credentials:
        case SeveralCredentials():
            return frozenset().union(*map(fields_of, credentials.parts))
        case HeaderCredentials():
            return frozenset((credentials.name.lower().replace("_", "-"),))
        case QueryCredentials():
            return frozenset()
        case AwsCredentials():
            return AWS_FIELDS
        case SessionCredentials():
            return frozenset(name.lower().replace("_", "-") for name in credentials.field_names)
    return frozenset(("authorization",))


SingleCredentials: TypeAlias = (
    AutoCredentials
    | BasicCredentials
    | DigestCredentials
    | BearerCredentials
    | HeaderCredentials
    | QueryCredentials
    | AwsCredentials
    | OAuth2Credentials
    | SessionCredentials
    | NtlmCredentials
)
Credentials: TypeAlias = SingleCredentials | SeveralCredentials

_COMBINED = (HeaderCredentials, QueryCredentials)
