"""Credentials of the kind oauth2: access tokens from a token server (RFC 6749)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import attrs

from corsgate.config.model import rules
from corsgate.config.model.certificates import CertifiedKey, parse_key
from corsgate.config.model.secret import Secret, repr_of_url
from corsgate.config.model.validators import choice, each, rule
from corsgate.errors import BadValue
from corsgate.message.host import is_loopback_name

if TYPE_CHECKING:
    from corsgate.config.model.certificates import PrivateKey

GRANTS = ("client_credentials", "refresh_token")
"""How the gate gets a token (RFC 6749 4.4 and 6)."""

AUTH_METHODS = ("basic", "post", "private_key_jwt", "tls", "none")
"""How the gate identifies itself at the token server: RFC 6749 2.3.1 for the first two, RFC 7523,
RFC 8705, and a public client."""

OWN_PARAMETERS = frozenset(
    (
        *("grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type"),
        *("refresh_token", "scope", "audience", "resource"),
    )
)
"""Parameters of the token request that other keys set."""

Misfit: TypeAlias = tuple[str, str, str]
"""A key that does not fit the others, what is wrong with it, and the fix."""

_URL = re.compile(r"(https?)://([^/?#]*)((?:/[^?#]*)?(?:\?[^#]*)?)", re.IGNORECASE)
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")
_ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21\x24-\x7e]+")
_ANOTHER_URL = 'write a URL such as "https://login.example/token"'


@attrs.frozen(kw_only=True)
class TokenUrl:
    """The parts of a token server's URL.

    Attributes:
        scheme: ``https`` or ``http``.
        host: The lower-cased host, an IPv6 address without brackets.
        port: The port.
        target: The path and the query, as a request target.
    """

    scheme: str
    host: str
    port: int
    target: str = attrs.field(repr=False)


def parse_token_url(text: str) -> TokenUrl:
    """Return the parts of a token server's URL (RFC 6749 3.2).

    Args:
        text: The URL. It may have a query, but neither a user name nor a fragment.

    Raises:
        BadValue: It is invalid. The message shows neither user info nor the query.
    """
    if "@" in text.partition("?")[0]:
        raise BadValue("the URL contains a user name or password", "write client_id instead")
    match = _URL.fullmatch(text)
    if match is None:
        shown = rules.show(re.split("[?#]", text, maxsplit=1)[0])
        if "#" in text:
            raise BadValue(f"the URL {shown}... has a fragment", "remove it")
        raise BadValue(f"{shown} is not an http or https URL", _ANOTHER_URL)
    scheme, authority, target = match[1].lower(), match[2], match[3]
    host, port = rules.split_port(authority)
    if not host:
        raise BadValue(f"{rules.show(text)} has no host", _ANOTHER_URL)
    host = rules.normal_host(host)
    rules.check_bracketed_host(host)
    if port is not None:
        rules.check_port(port, f"{scheme}://{authority}")
    target = target if target.startswith("/") else f"/{target}"
    rules.check_probe_target(target)
    usual = 443 if scheme == "https" else 80
    return TokenUrl(
        scheme=scheme,
        host=host.strip("[]"),
        port=usual if port is None else int(port),
        target=target,
    )


def check_token_url(text: str) -> None:
    """Reject a URL that `parse_token_url` can't parse."""
    parse_token_url(text)


def is_confidential(url: TokenUrl) -> bool:
    """Return whether nobody else can read what is sent: it uses TLS, or stays on this machine."""
    return url.scheme == "https" or is_loopback_name(url.host.encode("ascii"))


def check_scope(text: str) -> None:
    """Reject text that is not a list of scopes separated by a space (RFC 6749 3.3)."""
    if not _SCOPE.fullmatch(text):
        raise BadValue(
            f"{rules.show(text)} is not a scope",
            'write scopes with one space between them, such as "read write"',
        )


def check_resource(text: str) -> None:
    """Reject text that is not an absolute URI without a fragment (RFC 8707 2)."""
    if not _ABSOLUTE_URI.fullmatch(text):
        raise BadValue(
            f"{rules.show(text)} is not an absolute URI without a fragment",
            'write the API\'s identifier, such as "https://api.example/"',
        )


def check_parameter_name(text: str) -> None:
    """Reject the name of a parameter that another key sets, or that is empty."""
    rules.check_plain(text)
    if text in OWN_PARAMETERS:
        raise BadValue(f"{rules.show(text)} is set by another key", "use that key")


def check_private_key(text: str) -> None:
    """Reject text that contains no private key in PEM; never show it."""
    parse_key(text.encode("utf-8", "surrogateescape"))


def usual_auth_method(present: Mapping[str, object]) -> str:
    """Return the default ``auth_method``, which depends on the keys that are present.

    Args:
        present: The keys of the credentials.
    """
    if "private_key" in present:
        return "private_key_jwt"
    if "client_secret" in present:
        return "basic"
    if "client_certificate" in present:
        return "tls"
    return "none" if present.get("grant") == "refresh_token" else "basic"


def misfits(values: Mapping[str, object]) -> Iterator[Misfit]:
    """Return the keys that are missing, or that have no effect in this combination.

    Args:
        values: The values of the keys that are present. grant, auth_method and token_url must be.
    """
    grant, method = values["grant"], values["auth_method"]
    needed = {
        "basic": "client_secret",
        "post": "client_secret",
        "private_key_jwt": "private_key",
        "tls": "client_certificate",
    }
    key = needed.get(str(method))
    if key is not None and key not in values:
        wanted = "or private_key or client_certificate" if key == "client_secret" else ""
        fix = f'write {key} = {{ env = "NAME" }}'
        if key == "client_certificate":
            fix = 'write client_certificate = { chain = "FILE", key = "FILE" }'
        yield key, f'it is missing: auth_method "{method}" needs it', f"{fix} {wanted}".strip()
    if method == "none" and grant != "refresh_token":
        yield "auth_method", '"none" does not authenticate the gate', "remove it"
    if method not in ("basic", "post") and "client_secret" in values:
        yield "client_secret", f'auth_method "{method}" does not use it', "remove one of the two"
    for key in ("private_key", "key_id", "algorithm", "assertion_audience"):
        if method != "private_key_jwt" and key in values:
            yield key, f'auth_method "{method}" does not use it', "remove one of the two"
    yield from _refresh_misfits(values)
    yield from _tls_misfits(values)


def _refresh_misfits(values: Mapping[str, object]) -> Iterator[Misfit]:
    if values["grant"] == "refresh_token":
        if "refresh_token" not in values:
            fix = 'write refresh_token = { file = "PATH" }'
            yield "refresh_token", 'it is missing: grant "refresh_token" needs it', fix
        return
    for key in ("refresh_token", "token_file"):
        if key in values:
            fix = 'write grant = "refresh_token", or remove it'
            yield key, f'grant "{values["grant"]}" does not use it', fix


def _tls_misfits(values: Mapping[str, object]) -> Iterator[Misfit]:
    try:
        url = parse_token_url(str(values["token_url"]))
    except BadValue:
        return
    if url.scheme == "https":
        return
    if not values.get("allow_http") and not is_confidential(url):
        yield (
            "token_url",
            "it is not https, so others on the network path could read the secret and the token",
            "write an https:// URL, or allow_http = true to accept the risk",
        )
    for key in ("ca", "client_certificate"):
        if key in values:
            yield key, "token_url is not https, so it has no effect", "write an https:// URL"


@attrs.frozen
class TokenParam:
    """An additional parameter of the token request; ``str`` returns only its name.

    Attributes:
        name: Its name.
        value: Its value, which may be a secret.
    """

    name: str = attrs.field(validator=rule(check_parameter_name))
    value: Secret

    def __str__(self) -> str:
        return self.name


@attrs.frozen(kw_only=True)
class OAuth2Credentials:
    """Access tokens from a token server, sent as bearer tokens (RFC 6749, RFC 6750).

    Attributes:
        kind: The value of ``type`` in the configuration.
        grant: How the gate gets a token: for itself, or with a refresh token.
        token_url: The URL of the token server.
        client_id: The gate's name at the token server.
        auth_method: How the gate authenticates at the token server. For the default, see
            `usual_auth_method`.
        client_secret: The secret for ``basic`` and ``post``.
        private_key: The key for ``private_key_jwt``, in PEM. It is parsed only for signing.
        key_id: The key's name at the token server, sent as ``kid`` in the assertion.
        algorithm: The signature algorithm of the assertion; None for the key's usual one.
        assertion_audience: The ``aud`` of the assertion; None for token_url.
        client_certificate: The certificate for TLS with the token server.
        ca_pem: The certificates for verifying the token server; None for the system's.
        allow_http: Whether token_url may be plain http to another machine.
        scope: The scopes to request.
        audience: The API that the token is for, as some vendors require it.
        resource: The APIs that the token is for (RFC 8707).
        token_params: Additional parameters of the token request.
        refresh_token: The first refresh token.
        token_file: The file that keeps the newest refresh token over restarts.
    """

    kind: ClassVar[str] = "oauth2"
    grant: str = attrs.field(validator=choice(GRANTS))
    token_url: str = attrs.field(repr=repr_of_url, validator=rule(check_token_url))
    client_id: str = attrs.field(validator=rule(rules.check_plain))
    auth_method: str = attrs.field(validator=choice(AUTH_METHODS))
    client_secret: Secret | None = None
    private_key: Secret | None = None
    key_id: str | None = None
    algorithm: str | None = None
    assertion_audience: str | None = None
    client_certificate: CertifiedKey | None = None
    ca_pem: bytes | None = attrs.field(default=None, repr=False)
    allow_http: bool = False
    scope: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(rule(check_scope))
    )
    audience: str | None = None
    resource: tuple[str, ...] = attrs.field(default=(), validator=each(check_resource))
    token_params: tuple[TokenParam, ...] = ()
    refresh_token: Secret | None = None
    token_file: str | None = None

    def __attrs_post_init__(self) -> None:
        names = {"ca_pem": "ca"}
        present = {
            names.get(field.name, field.name): value
            for field in attrs.fields(type(self))
            if (value := getattr(self, field.name)) not in (None, (), False)
        }
        for _, problem, fix in misfits(present):
            raise BadValue(problem, fix)

    @property
    def refreshed_by(self) -> tuple[object, ...]:
        """The values that are equal for all credentials that share a refresh token."""
        return (self.token_url, self.client_id, self.refresh_token, self.token_file)

    @property
    def signing_key(self) -> PrivateKey:
        """The key in `private_key`, which must be present, and was checked when it was read."""
        assert self.private_key is not None
        pem = self.private_key.reveal().encode("utf-8", "surrogateescape")
        return parse_key(pem, is_checked=True)

    @property
    def url(self) -> TokenUrl:
        """The parts of `token_url`."""
        return parse_token_url(self.token_url)
