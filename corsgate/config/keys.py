"""All keys of a configuration file, collected from the modules of their readers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from corsgate.config.model import rules
from corsgate.config.model.values import LOG_FORMATS, Config
from corsgate.config.sections.admin import ADMIN
from corsgate.config.sections.credentials import CREDENTIALS
from corsgate.config.sections.limits import LIMITS
from corsgate.config.sections.listeners import HOSTS, LISTEN, LISTENER
from corsgate.config.sections.policies import CORS
from corsgate.config.sections.routes import ROUTES
from corsgate.config.sections.secrets import SECRET_KEYS
from corsgate.config.sections.upstreams import UPSTREAMS
from corsgate.config.toml.keys import AnyKey, Key, Keys, table_key
from corsgate.config.toml.values import boolean, checked, choice

LIMITS_KEY = table_key(
    "limits",
    LIMITS,
    "Limits on what clients and upstreams may use.",
    example='{ max_body_bytes = "10MiB" }',
)
LOG_FORMAT = Key(
    "log_format",
    choice(LOG_FORMATS),
    LOG_FORMATS[0],
    'The format of the log: "json", "text", or "combined" for requests and text for other lines.'
    ' "auto" is text on a terminal and in the journal, and JSON elsewhere.',
    example='"json"',
)
ACCESS_LOG = Key(
    "access_log",
    checked(rules.check_plain),
    None,
    'Where each request is logged: the path of a file, "-" for standard output, or "off".',
    example='"/var/log/corsgate/access.log"',
    shown_default='"-"',
    range='"-", "off", or a path',
)
WATCH = Key(
    "watch",
    boolean,
    False,
    "Whether the gate reloads this file when it, or a certificate or key that it names, changes.",
    example="true",
)
FILE_KEYS = Keys(
    heading="Top level",
    description="The keys before the first table.",
    keys=(
        *(LISTEN, LISTENER, HOSTS, CREDENTIALS, UPSTREAMS, CORS, LIMITS_KEY, ROUTES),
        *(LOG_FORMAT, ACCESS_LOG, WATCH, ADMIN),
    ),
    models=(Config,),
    any_of=("listen", "listener"),
)


def all_keys() -> Iterator[Keys]:
    """Return each kind of table of a file once, from the top down."""
    return iter(dict.fromkeys((*FILE_KEYS.below(), SECRET_KEYS)))


_SUFFIXES = ("", "_s", "_pem")


def field_of(key: AnyKey, model: type) -> str:
    """Return the name of the field of a model class that a key sets; empty if there is none."""
    names = {field.name for field in attrs.fields(model)}
    candidates = (key.field,) if key.field else (f"{key.name}{end}" for end in _SUFFIXES)
    return next((name for name in candidates if name in names), "")


def _keys_by_field() -> Mapping[tuple[type, str], AnyKey]:
    found: dict[tuple[type, str], AnyKey] = {}
    for keys in all_keys():
        for model in keys.models:
            for key in keys.keys:
                found.setdefault((model, field_of(key, model)), key)
    return found


_KEYS_BY_FIELD = _keys_by_field()


def key_of(model: type, field: str) -> AnyKey | None:
    """Return the key that sets a field of a model class; None if no single key does."""
    return _KEYS_BY_FIELD.get((model, field))
