"""Credentials that log in and then use a session of the box: cookies, a token, a CSRF token."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeAlias

import attrs

from corsgate.config.model import rules
from corsgate.config.model.login_json import Members, check_json, check_member, leaves
from corsgate.config.model.secret import Secret, repr_of_url
from corsgate.config.model.validators import DAY, Validator, count, each, rule, seconds
from corsgate.errors import BadValue

FieldValue: TypeAlias = Secret | bool | int
"""The value of a field of a login form; all text is treated as a secret."""

_CALL = re.compile(r"(?:([A-Z]+) +)?(?:(https?://[^/?#]+))?(/.*)")
_HEADER = re.compile(r"([^:]*): *(.*)")
_PATH = re.compile(r"[^.\s]+(?:\.[^.\s]+)*")
_MOST_LENGTH = 2048

MIN_LIFETIME_S, MAX_LIFETIME_S = 1.0, 365 * DAY
"""The bounds of a session's lifetime, in seconds."""


@attrs.frozen(kw_only=True)
class Call:
    """A request that the gate sends on its own.

    Attributes:
        method: Its method; empty for the default.
        origin: The origin of the server to call; empty for the server that the session is for.
        target: A path with an optional query.
    """

    method: str
    origin: str
    target: str = attrs.field(repr=False)

    @property
    def path(self) -> str:
        """The target without its query, which may contain a secret."""
        return self.target.partition("?")[0]


def parse_call(text: str) -> Call:
    """Parse a URL with an optional method before it, such as ``HEAD /``.

    Args:
        text: A path at the server itself, or an absolute URL of a server of the upstream.

    Raises:
        BadValue: The text has another form.
    """
    found = _CALL.fullmatch(text)
    if found is None or len(text) > _MOST_LENGTH:
        shown = rules.show(text.partition("?")[0])
        raise BadValue(f"{shown} is not a URL of the server", 'write a path, such as "/login"')
    method, origin, target = found[1] or "", (found[2] or "").lower(), found[3]
    rules.check_probe_target(target)
    if "@" in origin:
        raise BadValue("the URL contains a user name or password", "remove it")
    default = ":443" if origin.startswith("https:") else ":80"
    return Call(method=method, origin=origin.removesuffix(default), target=target)


def check_call(text: str) -> None:
    """Reject text that is not the URL of a server of the upstream; an empty one means none."""
    if text:
        parse_call(text)


def check_token_path(text: str) -> None:
    """Reject text that is not a path with dots, such as ``result.0.token``; empty means none."""
    if text and not _PATH.fullmatch(text):
        raise BadValue(
            f"{rules.show(text)} is not a path into JSON",
            'write names, and indexes of arrays, with dots: "data.token" or "result.0.token"',
        )


def check_token_header(text: str) -> None:
    """Reject text that is not a field with ``{token}`` in its value; an empty one means none."""
    if not text:
        return
    found = _HEADER.fullmatch(text)
    if found is None or found[2].count("{token}") != 1:
        raise BadValue(
            f"{rules.show(text)} does not say where the token goes",
            'write "Authorization: Bearer {token}", or another header',
        )
    rules.check_field_name(found[1])
    rules.check_field_value(found[2])


def check_name(text: str) -> None:
    """Reject the name of a field or a cookie that can't be sent; an empty one means none."""
    if text:
        rules.check_field_name(text)


def check_query_name(text: str) -> None:
    """Reject the name of a query parameter that would need percent-encoding."""
    if text and not re.fullmatch(r"[A-Za-z0-9_.~$-]+", text):
        raise BadValue(f"{rules.show(text)} is not a parameter's name", 'write one such as "token"')


@attrs.frozen(kw_only=True)
class Csrf:
    """The token that a box requires in addition to its session, against cross-site requests.

    Attributes:
        header: The header that carries the token. Its value in any response is the next token.
        fetch: A request whose response has the token, such as ``HEAD /``. It is sent with
            ``Fetch`` in the header, which SAP requires.
        cookie: The cookie that has the token.
        token_path: Where the token is in the JSON of the response to fetch.
        status: The status with which the box rejects a request without a valid token.
        always: Whether safe requests, such as GET, also carry the token.
    """

    header: str = attrs.field(validator=rule(rules.check_field_name))
    fetch: str = attrs.field(default="", repr=repr_of_url, validator=rule(check_call))
    cookie: str = attrs.field(default="", validator=rule(check_name))
    token_path: str = attrs.field(default="", validator=rule(check_token_path))
    status: int = attrs.field(default=403, validator=count(400, 499))
    always: bool = False


@attrs.frozen(kw_only=True)
class Expired:
    """Which responses mean that the session has ended.

    Attributes:
        status: The statuses of such responses.
        location: The path of the login page that a box redirects to; by default that of login_url.
        json_path: Where a JSON response with another status has an error code, such as
            ``error.code``.
        json_values: The error codes of such responses.
    """

    status: tuple[int, ...] = attrs.field(default=(401,))
    location: str = attrs.field(default="", repr=repr_of_url, validator=rule(check_call))
    json_path: str = attrs.field(default="", validator=rule(check_token_path))
    json_values: tuple[int, ...] = ()

    @status.validator
    def _statuses(self, _attribute: attrs.Attribute[Any], statuses: tuple[int, ...]) -> None:
        for status in statuses:
            rules.check_between(status, 400, 499)


def _secret(check: Any) -> Validator[Secret | None]:
    def checked(value: Secret | None) -> None:
        if value is not None:
            check(value.reveal())

    return rule(checked)


def _check_field(field: tuple[str, FieldValue]) -> None:
    check_member(field[0])
    if isinstance(field[1], Secret):
        rules.check_secret(field[1].reveal())


def session_faults(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Return faults in the combination of keys: the key, problem and fix of each.

    Args:
        values: The attributes of a `SessionCredentials`.
    """
    bodies = bool(values["form"]) + bool(values["json"])
    basic, token_path, csrf = values["basic"], values["token_path"], values["csrf"]
    places = [key for key in ("header", "query") if values[key]]
    if values["login_url"] and not (bodies or basic):
        yield "login_url", "the login has no credentials", "add form, json, or basic = true"
    if not values["login_url"] and (bodies or not csrf):
        yield "login_url", "it is missing", 'write login_url = "/login"'
    if bodies > 1:
        yield "json", "a login can't have both a form and a JSON body", "remove one of the two"
    if basic and values["password"] is None:
        yield "password", "it is missing", 'write password = { env = "NAME" }'
    if not basic and (values["password"] is not None or values["username"]):
        yield "basic", "username and password have no effect without it", "add basic = true"
    if token_path and not values["login_url"]:
        yield "token_path", "there is no login whose response has a token", "add login_url"
    if token_path and len(places) != 1:
        fix = 'write header = "Authorization: Bearer {token}", or query = "NAME"'
        yield "token_path", "requests need exactly one place for the token", fix
    if places and not token_path:
        yield places[0], "there is no token for it", 'write token_path = "data.token"'


@attrs.frozen(kw_only=True)
class SessionCredentials:
    """A login at the box, whose session authenticates the requests.

    Attributes:
        kind: The value of ``type`` in the configuration.
        login_url: Where to log in: a path at the server, or the URL of another server of the
            upstream, with an optional method before it. Empty if the box needs no login.
        form: The fields of the login form.
        json: The members of the JSON object that logs in.
        basic: Whether the login carries Basic credentials; without login_url, every request does.
        username: The user name for Basic.
        password: Where to get the password for Basic.
        token_path: Where the login's JSON response has the token; empty for cookies.
        header: The header that carries the token, such as ``Authorization: Bearer {token}``.
        query: The query parameter that carries the token.
        csrf: The token against cross-site requests, or None.
        expired: Which responses mean that the gate must log in again.
        lifetime_s: How long a session is used before the gate logs in again; None for as long as
            the box accepts it.
        logout_url: Where to log out when the gate stops or the credentials change.
        shared: Whether one session serves all servers of the upstream.
    """

    kind: ClassVar[str] = "session"
    login_url: str = attrs.field(default="", repr=repr_of_url, validator=rule(check_call))
    form: tuple[tuple[str, FieldValue], ...] = attrs.field(
        default=(), repr=False, validator=each(_check_field), eq=leaves
    )
    json: Members = attrs.field(default=(), repr=False, validator=rule(check_json), eq=leaves)
    basic: bool = False
    username: str = attrs.field(default="", repr=False, validator=rule(rules.check_basic_username))
    password: Secret | None = attrs.field(
        default=None, repr=False, validator=_secret(rules.check_secret)
    )
    token_path: str = attrs.field(default="", validator=rule(check_token_path))
    header: str = attrs.field(default="", validator=rule(check_token_header))
    query: str = attrs.field(default="", validator=rule(check_query_name))
    csrf: Csrf | None = None
    expired: Expired = attrs.field(factory=Expired)
    lifetime_s: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(seconds(MIN_LIFETIME_S, MAX_LIFETIME_S))
    )
    logout_url: str = attrs.field(default="", repr=repr_of_url, validator=rule(check_call))
    shared: bool = False

    def __attrs_post_init__(self) -> None:
        values = attrs.asdict(self, recurse=False)
        for _, problem, fix in session_faults(values):
            raise BadValue(problem, fix)

    def calls(self) -> Iterator[tuple[str, Call]]:
        """Return the requests that the gate sends on its own, with their keys."""
        csrf = self.csrf
        texts = (
            ("login_url", self.login_url),
            ("csrf", "" if csrf is None else csrf.fetch),
            ("logout_url", self.logout_url),
        )
        return ((key, parse_call(text)) for key, text in texts if text)

    @property
    def token_header(self) -> tuple[str, str]:
        """The name of the field that carries the token, and its template, or empty text."""
        name, _, template = self.header.partition(":")
        return name, template.strip()

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of the request fields that these credentials set, besides Cookie."""
        names = (self.token_header[0], "" if self.csrf is None else self.csrf.header)
        return tuple(name for name in names if name)
