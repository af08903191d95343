"""Every place of a configuration that a secret can be in, and every source that it can have.

A new kind of credentials is added to `PLACES`, and nothing else has to be changed here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from tests.certificates import self_signed
from tests.leaks.markers import Marker, marker

TOKEN = "+/~._-=="
"""What tokens may have besides letters and digits, and URLs and Base64 encode otherwise."""

VISIBLE = "+/=~ %\"<&>'\\{};:,x"
"""What field values may have."""

ANY = VISIBLE + "\u00e9\u20ac"
"""What passwords may have."""

SOURCES = ("literal", "env", "file", "systemd", "command")

_SECRET = re.compile(r"\bSECRET\b")
_LOGIN = 'type = "session", login_url = "/login/NAME"'
_EXPIRED = 'expired = { status = [401], location = "/login/NAME" }'
_OAUTH2 = 'type = "oauth2", client_id = "gate", token_url = "BOX/login/NAME"'


@attrs.frozen(kw_only=True)
class Place:
    """A place for secrets in an upstream.

    Attributes:
        name: Its name, in lower-case letters.
        keys: The lines of the upstream. ``SECRET`` stands in the place of each secret, ``BOX`` for
            the URL of the box, ``NAME`` for the upstream's name, ``FOLDER`` for a directory.
        rest: The characters that the secrets end with.
        is_sent: Whether the box gets the secrets as they are, in some encoding.
        sources: Where the secrets come from. All sources are read by the same code.
        is_key: Whether the secrets are private keys.
    """

    name: str
    keys: str
    rest: str = VISIBLE
    is_sent: bool = True
    sources: Sequence[str] = ("literal", "file", "command")
    is_key: bool = False


PLACES: Sequence[Place] = (
    Place(
        name="basic",
        keys='credentials = { type = "basic", username = "admin", password = SECRET }',
        rest=ANY,
        sources=SOURCES,
    ),
    Place(
        name="digest",
        keys='credentials = { type = "digest", username = "admin", password = SECRET }',
        rest=ANY,
        is_sent=False,
    ),
    Place(name="bearer", keys='credentials = { type = "bearer", token = SECRET }', rest=TOKEN),
    Place(
        name="header",
        keys='credentials = { type = "header", name = "X-Api-Key", value = SECRET }',
    ),
    Place(
        name="headers",
        keys='credentials = { type = "header", headers = { X-Key = SECRET, X-Other = SECRET } }',
    ),
    Place(
        name="query",
        keys='credentials = { type = "query", name = "api_key", value = SECRET }',
        rest=ANY,
    ),
    Place(
        name="auto",
        keys='credentials = { type = "auto", username = "admin", password = SECRET }',
        rest=ANY,
        is_sent=False,
    ),
    Place(
        name="ntlm",
        keys='credentials = { type = "ntlm", username = "admin", password = SECRET }',
        rest=ANY,
        is_sent=False,
    ),
    Place(
        name="aws-key",
        keys='credentials = { type = "aws_sigv4", region = "eu-central-1", service = "s3",'
        ' access_key = "AKID", secret_key = SECRET }',
        rest=ANY,
        is_sent=False,
    ),
    Place(
        name="aws-token",
        keys='credentials = { type = "aws_sigv4", region = "eu-central-1", service = "s3",'
        ' access_key = SECRET, secret_key = "no secret of this test", session_token = SECRET }',
        rest=TOKEN,
    ),
    Place(
        name="oauth2-basic",
        keys=f"credentials = {{ {_OAUTH2}, client_secret = SECRET, token_params = {{ x = SECRET }},"
        ' grant = "client_credentials" }',
        rest=ANY,
    ),
    Place(
        name="oauth2-post",
        keys=f"credentials = {{ {_OAUTH2}, client_secret = SECRET,"
        ' auth_method = "post", grant = "client_credentials" }',
        rest=ANY,
    ),
    Place(
        name="oauth2-key",
        keys=f"credentials = {{ {_OAUTH2}, private_key = SECRET,"
        ' auth_method = "private_key_jwt", grant = "client_credentials" }',
        is_sent=False,
        is_key=True,
    ),
    Place(
        name="oauth2-refresh",
        keys=f"credentials = {{ {_OAUTH2}, refresh_token = SECRET,"
        ' token_file = "FOLDER/NAME.json", grant = "refresh_token" }',
        rest=TOKEN,
    ),
    Place(
        name="session-form",
        keys=f"credentials = {{ {_LOGIN}, form = {{ user = SECRET, pass = SECRET }}, {_EXPIRED},"
        ' csrf = { cookie = "csrf", header = "X-CSRF-Token" }, logout_url = "/logout" }',
        rest=ANY,
    ),
    Place(
        name="session-json",
        keys=f"credentials = {{ {_LOGIN}, {_EXPIRED},"
        " json = { user = SECRET, params = [1, { pass = SECRET }] },"
        ' token_path = "data.token", header = "Authorization: Bearer {token}",'
        ' csrf = { fetch = "HEAD /csrf", header = "X-CSRF-Token" } }',
        rest=ANY,
    ),
    Place(
        name="session-basic",
        keys=f'credentials = {{ {_LOGIN}, basic = true, username = "u", password = SECRET,'
        f' {_EXPIRED}, token_path = "data.token", query = "token", logout_url = "/logout" }}',
        rest=ANY,
    ),
    Place(
        name="several",
        keys='credentials = [{ type = "header", name = "X-Key", value = SECRET },'
        ' { type = "query", name = "key", value = SECRET },'
        f" {{ {_LOGIN}, form = {{ pass = SECRET }} }}]",
    ),
    Place(
        name="origins",
        keys='credentials_by_origin = { "https://app.example" = "NAME" }\n'
        '[credentials.NAME]\ntype = "bearer"\ntoken = SECRET',
        rest=TOKEN,
    ),
    Place(
        name="fields",
        keys="request_headers = { set = { X-Secret = SECRET, X-Token = SECRET } }",
    ),
    Place(
        name="sticky",
        keys='sticky = { cookie = "server", secret = SECRET }',
        rest=ANY,
        is_sent=False,
    ),
)


@attrs.define
class Written:
    """A configuration with a secret in each place from each source.

    Args:
        directory: Where files of secrets are put.
        box: The URL of the server of all upstreams.
        places: The places.

    Attributes:
        markers: All secrets, and those that were replaced.
        sent: Those in force that the box gets in some encoding.
        environ: The variables that the process needs.
        targets: A route to each upstream.
    """

    directory: Path
    box: str
    places: Sequence[Place] = PLACES
    markers: list[Marker] = attrs.Factory(list)
    sent: list[Marker] = attrs.Factory(list)
    environ: dict[str, str] = attrs.Factory(dict)
    targets: list[str] = attrs.Factory(list)
    _replaceable: dict[Path, tuple[Place, str]] = attrs.Factory(dict)

    def toml(self) -> str:
        """Return the upstreams and their routes; the secrets are put where it says."""
        for name in ("file", "systemd", "command"):
            (self.directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.environ["CREDENTIALS_DIRECTORY"] = str(self.directory / "systemd")
        return "".join(self._upstreams())

    def learned(self, name: str) -> str:
        """Return another secret, which the gate learns from the box and sends to it alone.

        Args:
            name: What it is.
        """
        made = marker(f"{name} {len(self.markers)}", "-learned")
        self.markers.append(made)
        return made.text

    def rotate(self) -> None:
        """Replace the secrets of all files and commands; the old ones count as secrets still."""
        for number, (path, (place, name)) in enumerate(self._replaceable.items()):
            old = next(each for each in self.markers if each.place == name)
            new = self._marker(place, f"{name}-rotated-{number}")
            if old in self.sent:
                self.sent.remove(old)
            temporary = path.with_suffix(".new")
            temporary.write_text(new.text + "\n", "utf-8")
            temporary.replace(path)

    def _upstreams(self) -> Iterator[str]:
        for place in self.places:
            for source in place.sources:
                name = f"{place.name}-{source}"
                numbers = iter(range(99))
                keys = place.keys.replace("NAME", name).replace("BOX", self.box)
                keys = keys.replace("FOLDER", str(self.directory))
                keys = _SECRET.sub(
                    lambda _, place=place, source=source, numbers=numbers: self._source(  # type: ignore[misc]
                        place, source, next(numbers)
                    ),
                    keys,
                )
                self.targets.append(f"/{name}")
                yield f'[upstreams.{name}]\nservers = ["{self.box}"]\n{keys}\n'
                yield f'[routes."/{name}"]\nupstream = "{name}"\ncors = "app"\n'

    def _source(self, place: Place, source: str, number: int) -> str:
        """Put a secret where a source has it; return what the configuration says."""
        name = f"{place.name}-{source}-{number}"
        secret = self._marker(place, name).text
        if source == "literal":
            return json.dumps(secret, ensure_ascii=False)
        if source == "env":
            variable = f"SECRET_{name.replace('-', '_').upper()}"
            self.environ[variable] = secret
            return f'{{ env = "{variable}" }}'
        path = self.directory / source / name
        path.write_text(secret + "\n", "utf-8")
        path.chmod(0o600)
        self._replaceable[path] = (place, name)
        return {
            "file": f'{{ file = "{path}" }}',
            "systemd": f'{{ systemd = "{name}" }}',
            "command": f'{{ command = ["cat", "{path}"] }}',
        }[source]

    def _marker(self, place: Place, name: str) -> Marker:
        made = key(name) if place.is_key else marker(name, place.rest)
        self.markers.append(made)
        if place.is_sent:
            self.sent.append(made)
        return made


def key(place: str) -> Marker:
    """Return a private key as the secret of a place."""
    text = self_signed("localhost").key_pem.decode()
    return Marker(place=place, text=text.rstrip("\n"), core=text.split("\n")[2])


def summary(found: Mapping[str, Sequence[str]]) -> str:
    """Return which outputs have which secrets; empty if none has any."""
    return "\n".join(f"{where}: {', '.join(each)}" for where, each in found.items() if each)
