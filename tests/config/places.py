"""A configuration for each table of keys: where it is, and what its keys need around them."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping
from typing import Any

import attrs
from cryptography.hazmat.primitives.asymmetric import rsa

from corsgate.config.model.values import Config
from corsgate.config.parse import read_document
from corsgate.config.sections.secrets import Sources
from corsgate.config.toml.reader import Notes, Table
from corsgate.cors.check import CORS_RULES
from tests.certificates import Authority, key_pem

AUTHORITY = Authority.make()
ISSUED = AUTHORITY.issue("a.example.com")
KEY_PEM = key_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))

START = """
listen = ["tcp:5550:interface=127.0.0.1"]
[upstreams.api]
servers = ["https://127.0.0.1:8443"]
credentials = "gate"
[upstreams.maps]
servers = ["https://127.0.0.1:8444"]
[upstreams.photos]
servers = ["https://127.0.0.1:8445"]
[routes."/"]
upstream = "api"
[routes."/maps"]
upstream = "maps"
[routes."/photos"]
upstream = "photos"
[credentials.gate]
type = "bearer"
token = "secret"
[credentials.box]
type = "bearer"
token = "other"
"""
"""A configuration that has everything that examples of keys refer to."""

_LISTENER = 'listener = [{ endpoint = "tcp:5557:interface=127.0.0.1"%s }]\n'
_CERTIFICATES = ', certificates = [{ chain = "/a.pem", key = "/a-key.pem" }]'
_OAUTH2 = (
    'type = "oauth2"\ngrant = "client_credentials"\ntoken_url = "https://login.example/t"\n'
    'client_id = "me"\nclient_secret = "secret"'
)


@attrs.frozen(kw_only=True)
class Place:
    """Where a table is in a configuration.

    Attributes:
        path: Its path.
        table: Its keys that are always there, in TOML.
        start: The keys of the file that are there besides `START`, in TOML.
        without: The keys at the top of `START` that can't be there.
    """

    path: tuple[str | int, ...]
    table: str = ""
    start: str = ""
    without: tuple[str, ...] = ()


def _credentials(kind: str, table: str) -> Place:
    return Place(path=("credentials", "gate"), table=f'type = "{kind}"\n{table}')


def _of_upstream(name: str, table: str = "") -> Place:
    return Place(path=("upstreams", "api", name), table=table)


_USER = 'username = "me"\npassword = "secret"'
_CERTIFICATE = 'chain = "/a.pem"\nkey = "/a-key.pem"'
_LOGIN = 'login_url = "/in"\njson = { name = "me" }'

_SESSION = (
    'credentials.gate = { type = "session", token = false, login_url = "/in", json = { a = "b" } }'
)
_TLS_CLIENT = (
    'credentials.gate = { type = "oauth2", token = false, grant = "client_credentials",'
    ' token_url = "https://login.example/t", client_id = "me" }'
)

_KIND = "[credentials.NAME] with type = "
_SECRET = 'A secret, such as password = { env = "NAME" }'

PLACES: Mapping[str, Place] = {
    "Top level": Place(path=()),
    "[[listener]]": Place(
        path=("listener", 0), start=_LISTENER % _CERTIFICATES, without=("listen",)
    ),
    "[[listener.certificates]]": Place(
        path=("listener", 0, "certificates", 0),
        start=_LISTENER % _CERTIFICATES,
        without=("listen",),
    ),
    f'{_KIND}"basic"': _credentials("basic", _USER),
    f'{_KIND}"digest"': _credentials("digest", _USER),
    f'{_KIND}"auto"': _credentials("auto", _USER),
    f'{_KIND}"bearer"': _credentials("bearer", 'token = "t"'),
    f'{_KIND}"header"': _credentials("header", 'name = "X-A"\nvalue = "v"'),
    f'{_KIND}"query"': _credentials("query", 'name = "a"\nvalue = "v"'),
    f'{_KIND}"aws_sigv4"': _credentials(
        "aws_sigv4", 'region = "r"\nservice = "x"\naccess_key = "a"\nsecret_key = "b"'
    ),
    f'{_KIND}"oauth2"': Place(path=("credentials", "gate"), table=_OAUTH2),
    "[credentials.NAME.client_certificate]": Place(
        path=("credentials", "gate", "client_certificate"),
        table=_CERTIFICATE,
        start=_TLS_CLIENT,
    ),
    f'{_KIND}"session"': _credentials("session", _LOGIN),
    "[credentials.NAME.csrf]": Place(
        path=("credentials", "gate", "csrf"),
        table='header = "X-T"\nfetch = "GET /t"',
        start=_SESSION,
    ),
    "[credentials.NAME.expired]": Place(path=("credentials", "gate", "expired"), start=_SESSION),
    f'{_KIND}"ntlm"': _credentials("ntlm", _USER),
    "[upstreams.NAME]": Place(path=("upstreams", "api")),
    "[[upstreams.NAME.servers]]": Place(
        path=("upstreams", "api", "servers", 0), table='url = "https://127.0.0.1:8443"'
    ),
    "[upstreams.NAME.servers]": _of_upstream("servers", 'file = "/old-servers.toml"'),
    "[upstreams.NAME.client_certificate]": _of_upstream("client_certificate", _CERTIFICATE),
    "[upstreams.NAME.tls]": _of_upstream("tls"),
    "[upstreams.NAME.sticky]": _of_upstream("sticky", 'cookie = "c"'),
    "[upstreams.NAME.health]": _of_upstream("health", 'path = "/"'),
    "[upstreams.NAME.eject]": _of_upstream("eject"),
    "[upstreams.NAME.on_down]": _of_upstream("on_down"),
    "[upstreams.NAME.request_headers]": _of_upstream("request_headers"),
    "[cors.NAME]": Place(
        path=("routes", "/", "cors"), table='allow_origins = ["https://b.example"]'
    ),
    "[limits]": Place(path=("limits",)),
    '[routes."PREFIX"]': Place(path=("routes", "/")),
    '[routes."PREFIX".response_headers]': Place(path=("routes", "/", "response_headers")),
    '[routes."PREFIX".limits]': Place(path=("routes", "/", "limits")),
    "[admin]": Place(path=("admin",)),
    _SECRET: Place(path=("credentials", "gate", "token"), table='env = "API_KEY"'),
}
"""The place of each table of `corsgate.config.keys.all_keys`."""

_KEY = 'credentials.gate = { client_secret = false, private_key = { file = "/oauth-key.pem" } }'

AROUND: Mapping[tuple[str, str], str] = {
    ("Top level", "cors"): (
        'routes."/".cors = "app"\ncors.app.allow_origins = ["https://b.example"]'
    ),
    ("Top level", "credentials"): 'upstreams.api.credentials = "box"',
    ("Top level", "routes"): 'routes."/".upstream = "maps"',
    ("[upstreams.NAME]", "hash_on"): 'upstreams.api.balance = "hash"',
    ("[[upstreams.NAME.servers]]", "drain"): (
        'upstreams.api.servers = [{ url = "https://127.0.0.1:8443" }, "https://127.0.0.1:8447"]'
    ),
    ('[routes."PREFIX"]', "by_url"): 'routes."/".upstream = false',
    ('[routes."PREFIX"]', "upstream"): 'routes."/".upstream = "maps"',
    ("[credentials.NAME.expired]", "json_path"): "credentials.gate.expired.json_values = [1]",
    ("[credentials.NAME.expired]", "json_values"): 'credentials.gate.expired.json_path = "a"',
    (f'{_KIND}"oauth2"', "private_key"): "credentials.gate.client_secret = false",
    (f'{_KIND}"oauth2"', "key_id"): _KEY,
    (f'{_KIND}"oauth2"', "algorithm"): _KEY,
    (f'{_KIND}"oauth2"', "assertion_audience"): _KEY,
    (f'{_KIND}"oauth2"', "refresh_token"): 'credentials.gate.grant = "refresh_token"',
    (f'{_KIND}"oauth2"', "token_file"): (
        'credentials.gate = { grant = "refresh_token", refresh_token = "first" }'
    ),
    (_SECRET, "file"): "credentials.gate.token.env = false",
    (_SECRET, "systemd"): "credentials.gate.token.env = false",
    (_SECRET, "command"): "credentials.gate.token.env = false",
    (_SECRET, "timeout"): 'credentials.gate.token = { env = false, command = ["show"] }',
    (f'{_KIND}"header"', "headers"): (
        "credentials.gate.name = false\ncredentials.gate.value = false"
    ),
    (f'{_KIND}"session"', "form"): "credentials.gate.json = false",
    (f'{_KIND}"session"', "basic"): (
        'credentials.gate = { json = false, username = "me", password = "secret" }'
    ),
    (f'{_KIND}"session"', "username"): (
        'credentials.gate = { json = false, basic = true, password = "secret" }'
    ),
    (f'{_KIND}"session"', "password"): (
        'credentials.gate = { json = false, basic = true, username = "me" }'
    ),
    (f'{_KIND}"session"', "token_path"): 'credentials.gate.query = "t"',
    (f'{_KIND}"session"', "header"): 'credentials.gate.token_path = "t"',
    (f'{_KIND}"session"', "query"): 'credentials.gate.token_path = "t"',
}
"""What else a key needs or excludes, in TOML; false removes a key."""


class _Every(dict[str, str]):
    """An environment that has every variable."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return f"the-value-of-{name}"


def read_file(path: str) -> bytes:
    """Return a file whose kind its name says."""
    if path.endswith("servers.toml"):
        return b'servers = ["https://127.0.0.1:8443", "https://127.0.0.1:8446"]'
    if path.endswith("oauth-key.pem"):
        return KEY_PEM
    if path.endswith("key.pem"):
        return ISSUED.key_pem
    return ISSUED.pem if path.endswith(".pem") else b"secret"


def read(document: Mapping[str, Any]) -> Config:
    """Return the configuration of a document; every file and variable that it names exists."""
    sources = Sources(
        environ=_Every(CREDENTIALS_DIRECTORY="/run/credentials"),
        read_file=read_file,
        run=lambda command: b"secret",
        has_http2=True,
        has_jose=True,
        has_spnego=True,
    )
    return read_document(Table(Notes(file="c", lines={}), (), document), sources, CORS_RULES)


def merged(old: Any, new: Any) -> Any:
    """Return a document with the keys of another one; false removes a key."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    found = {**old}
    for key, value in new.items():
        if value is False:
            found.pop(key, None)
        else:
            found[key] = merged(old.get(key), value)
    return found


def start_of(heading: str, key: str = "") -> dict[str, Any]:
    """Return a valid document with a table, and with what one of its keys needs around it."""
    place = PLACES[heading]
    document = tomllib.loads(START)
    for name in place.without:
        del document[name]
    document = merged(document, tomllib.loads(place.start))
    if place.path:
        into = table_at(document, place.path[:-1])
        last: Any = place.path[-1]
        table = tomllib.loads(place.table)
        if isinstance(last, int):
            old = into[last]
            into[last] = table if isinstance(old, str) else {**old, **table}
        elif place.table or last not in into:
            into[last] = table
    return dict(merged(document, tomllib.loads(AROUND.get((heading, key), ""))))


def table_at(document: dict[str, Any], path: tuple[str | int, ...]) -> Any:
    """Return the table or array at a path, which is made if it is not there."""
    found: Any = document
    for step in path:
        found = found.setdefault(step, {}) if isinstance(found, dict) else found[step]
    return found


def with_key(document: Mapping[str, Any], heading: str, key: str, value: object) -> dict[str, Any]:
    """Return a copy of a document in which a table has a key with a value."""
    copied = copy.deepcopy(dict(document))
    table = table_at(copied, PLACES[heading].path)
    # Tables under names are in the file besides others.
    table[key] = merged(table.get(key), value) if heading == "Top level" else value
    return copied
