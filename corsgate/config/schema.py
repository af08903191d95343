"""Build the JSON Schema of configuration files from the tables of their keys."""

from __future__ import annotations

from corsgate.config.keys import FILE_KEYS
from corsgate.config.sections.credentials import CREDENTIALS_SCHEMA
from corsgate.config.sections.login_fields import JSON_SCHEMA
from corsgate.config.sections.policies import CORS_KEYS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> dict[str, object]:
    """Return the schema of configuration files (JSON Schema draft 2020-12).

    It accepts everything that the reader accepts. It also accepts faults that only the reader can
    find, such as an invalid host.
    """
    return {
        "$schema": DIALECT,
        "title": "corsgate configuration",
        "description": "All settings of the gate.",
        **FILE_KEYS.schema,
        "$defs": {
            "cors": CORS_KEYS.schema,
            "credentials": CREDENTIALS_SCHEMA,
            "json": JSON_SCHEMA,
        },
    }
