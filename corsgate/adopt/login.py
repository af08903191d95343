"""The login that a box requires, and the credentials that the gate needs for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import attrs

from corsgate.adopt.known import Known
from corsgate.adopt.probes import Look, Reply, clip
from corsgate.config.toml.writer import Toml
from corsgate.credentials.auth_fields import challenges_of
from corsgate.credentials.refusal import KIND_OF_SCHEME

PASSWORD_VARIABLE = "BOX_PASSWORD"  # noqa: S105  # The name of a variable.
TOKEN_VARIABLE = "BOX_TOKEN"  # noqa: S105

DIRECT = ("digest", "basic", "bearer")
"""The kinds that a single GET can test. The others are tested through the gate."""

_LOGIN_PATH = re.compile(r"(^|/)(log-?in|sign-?in|auth|sso|session|account)s?([/?.]|$)", re.I)
_PATH = re.compile(r"/[!-~]{0,500}")
_ELSEWHERE = "http://no-post.invalid"
_TOKENS = frozenset(("bearer", "vault", "influxdb2"))
_WITHOUT_USER = frozenset(("bearer", "vault", "influxdb2", "syncthing-open", "transmission-open"))
_WITHOUT_SECRET = frozenset(("syncthing-open", "transmission-open"))


@attrs.frozen(kw_only=True)
class Form:
    """A login form on a page.

    Attributes:
        action: The path that receives it.
        user_field: The name of its field for the user; empty without one.
        password_field: The name of its field for the password.
        others: Its other fields with their values.
    """

    action: str
    user_field: str
    password_field: str
    others: tuple[tuple[str, str], ...] = ()


@attrs.frozen(kw_only=True)
class Login:
    """The login that a box requires.

    Attributes:
        kinds: The suitable kinds of credentials, the best first; empty if it requires none, or if
            no suitable kind is known.
        words: The finding.
        wanted: Whether the box refuses requests without a login.
        form: The login form, for the kind ``form``.
        token: A part of the names of a session's cookie and header, for the kinds that need it.
    """

    kinds: tuple[str, ...] = ()
    words: str = ""
    wanted: bool = False
    form: Form | None = None
    token: str = ""


@attrs.frozen(kw_only=True)
class Account:
    """The account of the gate's login.

    Attributes:
        kind: The kind of credentials.
        user: The user's name; empty for kinds without one.
        variable: The environment variable with the password or token.
    """

    kind: str
    user: str = ""
    variable: str = PASSWORD_VARIABLE


def needs_user(kind: str) -> bool:
    """Return whether a kind has a user name."""
    return kind not in _WITHOUT_USER


def needs_secret(kind: str) -> bool:
    """Return whether a kind has a password or token."""
    return kind not in _WITHOUT_SECRET


def variable_of(kind: str) -> str:
    """Return the default name of the variable with the secret of a kind."""
    return TOKEN_VARIABLE if kind in _TOKENS else PASSWORD_VARIABLE


def login_of(look: Look, known: Known | None) -> Login:
    """Return the login that a box requires.

    Args:
        look: The results of the probes.
        known: Its kind; None if it is unknown.
    """
    replies = [reply for reply in look.plain_replies if not reply.failure]
    asked = [reply for reply in replies if reply.status == 401]
    schemes = _schemes(asked)
    special = known.login if known else ""
    if special in ("transmission", "syncthing", "jenkins", "sap"):
        found = _special(special, replies, bool(asked))
        if found is not None:
            return found
    if schemes:
        kinds = [kind for kind in dict.fromkeys(KIND_OF_SCHEME.values()) if kind in schemes]
        realm = next((r for reply in asked if (r := _realm(reply))), "")
        names = ", ".join(sorted(schemes.values()))
        words = f"401 offers {names}" + (f', realm "{realm}"' if realm else "")
        return Login(kinds=tuple(kinds), words=words, wanted=True)
    refused = next((r for r in replies if r.status in (401, 403)), None)
    if special and refused:
        kind = "influxdb2" if special == "influxdb" else special
        name = known.name if known else ""
        words = f"{name} responds {refused.status} without naming the login that it requires"
        return Login(kinds=(kind,), words=words, wanted=True)
    return _by_page(look, refused)


def _schemes(asked: Iterable[Reply]) -> Mapping[str, str]:
    """Return the kinds that challenges offer, each with the displayed name of its scheme."""
    found: dict[str, str] = {}
    for reply in asked:
        for challenge in challenges_of(reply.headers):
            kind = KIND_OF_SCHEME.get(challenge.scheme)
            if kind is None:
                continue
            shown = challenge.scheme.decode("ascii").capitalize()
            before = found.get(kind)
            name = "NTLM" if shown == "Ntlm" else shown
            found[kind] = name if before in (None, name) else f"{before}, {name}"
    return found


def _realm(reply: Reply) -> str:
    for challenge in challenges_of(reply.headers):
        realm = challenge.parameters.get(b"realm", b"")
        if realm:
            return clip(realm, 60)
    return ""


def _special(kind: str, replies: Sequence[Reply], is_asked: bool) -> Login | None:
    """Return the login of a box whose special login is known; None if its details are missing."""
    if kind == "transmission":
        if is_asked:
            words = "401 offers Basic; each request also needs X-Transmission-Session-Id"
            return Login(kinds=("transmission",), words=words, wanted=True)
        words = "each request needs the X-Transmission-Session-Id of a 409; no password"
        return Login(kinds=("transmission-open",), words=words, wanted=True)
    if kind == "syncthing":
        cookies = [value for reply in replies for value in reply.values(b"set-cookie")]
        found = [m for each in cookies if (m := re.match(rb"CSRF-Token-([0-9A-Z]{5})=", each))]
        ids = [m for r in replies if (m := re.match(rb"[0-9A-Z]{5}", r.value(b"x-syncthing-id")))]
        if not found and not ids:
            return None
        token = (found[0][1] if found else ids[0][0]).decode("ascii")
        name = "syncthing" if is_asked else "syncthing-open"
        words = "401 offers Basic; " if is_asked else "no password; "
        words += f"requests need X-CSRF-Token-{token}"
        return Login(kinds=(name,), words=words, wanted=True, token=token)
    if not is_asked and not any(reply.status == 403 for reply in replies):
        return Login(words="no login asked for here")
    return Login(
        kinds=(kind,), words="it requires Basic, and a CSRF token for changes", wanted=True
    )


def _by_page(look: Look, refused: Reply | None) -> Login:
    """Return the login of a box without challenges: a form, a redirect, or an unknown one."""
    form = login_form(look.page.body, look.spot)
    away = [each for each in look.visited if _LOGIN_PATH.search(urlsplit(each).path)]
    if form is not None:
        words = f"a login form that is sent to {clip(form.action, 60)}"
        return Login(kinds=("form",), words=words, wanted=True, form=form)
    if away:
        words = f"it redirects to {away[0]}, which looks like a login; no form was found there"
        return Login(words=words, wanted=True)
    if refused is not None:
        words = f"{refused.status} without naming the login that it requires"
        return Login(words=words, wanted=refused is look.page)
    return Login(words="no login asked for here")


def credentials(login: Login, account: Account) -> Mapping[str, Toml]:
    """Return the table of credentials for an account."""
    secret: Mapping[str, Toml] = {"env": account.variable}
    user: dict[str, Toml] = {"username": account.user, "password": secret}
    match account.kind:
        case "basic" | "digest" | "ntlm":
            return {"type": account.kind, **user}
        case "bearer":
            return {"type": "bearer", "token": secret}
        case "vault":
            return {"type": "header", "name": "X-Vault-Token", "value": secret}
        case "influxdb2":
            return {"type": "header", "name": "Authorization", "value": secret}
        case "aws_sigv4":
            keys: dict[str, Toml] = {"access_key": account.user, "secret_key": secret}
            return {"type": "aws_sigv4", "region": "us-east-1", "service": "s3", **keys}
    return {"type": "session", **_session(login, account, user)}


def _session(login: Login, account: Account, user: Mapping[str, Toml]) -> Mapping[str, Toml]:
    """Return the keys of a session, as docs/recipes/logins.md shows them for each box."""
    secret: Toml = {"env": account.variable}
    name = login.token
    csrf: Toml
    match account.kind:
        case "transmission" | "transmission-open":
            csrf = {"header": "X-Transmission-Session-Id", "status": 409, "always": True}
            if account.kind == "transmission":
                return {"basic": True, **user, "csrf": csrf}
            return {"csrf": {"fetch": "GET /transmission/rpc", **csrf}}
        case "syncthing":
            csrf = {"cookie": f"CSRF-Token-{name}", "header": f"X-CSRF-Token-{name}",
                    "always": True}  # fmt: skip
            return {"login_url": "/", "basic": True, **user, "csrf": csrf}
        case "syncthing-open":
            csrf = {"fetch": "GET /", "cookie": f"CSRF-Token-{name}",
                    "header": f"X-CSRF-Token-{name}", "always": True}  # fmt: skip
            return {"csrf": csrf}
        case "jenkins":
            csrf = {"fetch": "GET /crumbIssuer/api/json", "token_path": "crumb",
                    "header": "Jenkins-Crumb"}  # fmt: skip
            return {"basic": True, **user, "csrf": csrf}
        case "sap":
            csrf = {"fetch": "HEAD /sap/opu/odata/sap/", "header": "X-CSRF-Token"}
            return {"basic": True, **user, "csrf": csrf}
        case "unifi":
            csrf = {"fetch": "GET /api/users/self", "header": "X-CSRF-Token"}
            return {"login_url": "/api/auth/login", "csrf": csrf,
                    "json": {"username": account.user, "password": secret}}  # fmt: skip
        case "arcgis":
            form: Toml = {"f": "json", "username": account.user, "password": secret,
                          "client": "requestip", "expiration": 60}  # fmt: skip
            return {"login_url": "/arcgis/tokens/generateToken", "form": form,
                    "token_path": "token", "query": "token", "lifetime": "55m"}  # fmt: skip
    return _form_session(login, account)


def _form_session(login: Login, account: Account) -> Mapping[str, Toml]:
    assert login.form is not None, "the kind requires a form"
    form = login.form
    fields: dict[str, Toml] = {k: v for k, v in form.others if k != "csrfmiddlewaretoken"}
    if form.user_field:
        fields[form.user_field] = account.user
    fields[form.password_field] = {"env": account.variable}
    keys: dict[str, Toml] = {"login_url": form.action, "form": fields}
    if any(name == "csrfmiddlewaretoken" for name, _ in form.others):
        keys["csrf"] = {
            "fetch": f"GET {form.action}",
            "cookie": "csrftoken",
            "header": "X-CSRFToken",
        }
    return keys


class _Forms(HTMLParser):
    """Collects the forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, list[tuple[str, str, str]]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        if tag == "form":
            is_post = found.get("method", "").lower() == "post"
            self.forms.append((found.get("action", "") if is_post else _ELSEWHERE, []))
        elif tag == "input" and self.forms and found.get("name"):
            kind = found.get("type", "text").lower()
            self.forms[-1][1].append((kind, found["name"], found.get("value", "")))


def _path_in_box(target: str, action: str) -> str:
    """Return the path that receives a form; empty if it is not on the box, or not a path."""
    try:
        there = urlsplit(urljoin(f"http://box{target}", action))
    except ValueError:
        return ""
    path = there.path or "/"
    return path if there.netloc == "box" and _PATH.fullmatch(path) else ""


def login_form(body: bytes, target: str) -> Form | None:
    """Return the first form of a page with a field for a password.

    Args:
        body: The page, or its beginning.
        target: The page's target, to resolve relative links.
    """
    if b"password" not in body.lower():
        return None
    page = _Forms()
    page.feed(body.decode("utf-8", "replace"))
    for action, inputs in page.forms:
        passwords = [name for kind, name, _ in inputs if kind == "password"]
        path = _path_in_box(target, action)
        names = [name for _, name, _ in inputs]
        if not passwords or not path or not all(name.isprintable() for name in names):
            continue
        users = [name for kind, name, _ in inputs if kind in ("text", "email")]
        others = [
            (name, value)
            for kind, name, value in inputs
            if kind == "hidden" and value.isprintable()
        ]
        return Form(
            action=path,
            user_field=users[0] if users else "",
            password_field=passwords[0],
            others=tuple(others[:8]),
        )
    return None
