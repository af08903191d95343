"""Every place of a configuration that a secret can be in, and every source that it can have.

A new kind of credentials is added to `PLACES`, and nothing else has to be changed here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from tests.leaks.markers import Marker, marker

TOKEN = "+/~._-=="
"""What tokens may have besides letters and digits, and URLs and Base64 encode otherwise."""

VISIBLE = "+/=~ %\"<&>'\\{};:,x"
"""What field values may have."""

ANY = VISIBLE + "\u00e9\u20ac"
"""What passwords may have."""

_SECRET = re.compile(r"\bSECRET\b")


@attrs.frozen(kw_only=True)
class Place:
    """A place for secrets in an upstream.

    Attributes:
        name: Its name, in lower-case letters.
        keys: The lines of the upstream. ``SECRET`` stands in the place of each secret.
        rest: The characters that the secrets end with.
        is_sent: Whether the box gets the secrets as they are, in some encoding.
    """

    name: str
    keys: str
    rest: str = VISIBLE
    is_sent: bool = True


PLACES: Sequence[Place] = (
    Place(
        name="basic",
        keys='credentials = { type = "basic", username = "admin", password = SECRET }',
        rest=ANY,
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

SOURCES = ("literal", "env", "file", "systemd", "command")


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
            for source in SOURCES:
                name = f"{place.name}-{source}"
                numbers = iter(range(99))
                keys = _SECRET.sub(
                    lambda _, place=place, source=source, numbers=numbers: self._source(  # type: ignore[misc]
                        place, source, next(numbers)
                    ),
                    place.keys,
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
        made = marker(name, place.rest)
        self.markers.append(made)
        if place.is_sent:
            self.sent.append(made)
        return made


def summary(found: Mapping[str, Sequence[str]]) -> str:
    """Return which outputs have which secrets; empty if none has any."""
    return "\n".join(f"{where}: {', '.join(each)}" for where, each in found.items() if each)
