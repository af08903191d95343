"""Read only the text of a configuration, without secrets, certificates or other files."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

import attrs

from corsgate.config.model.command import Command
from corsgate.config.model.values import Config
from corsgate.config.parse import parse_with
from corsgate.config.sections.policies import CorsRules
from corsgate.config.sections.secrets import Sources
from corsgate.errors import BadValue, ConfigError, Fault

PASTED = "pasted.toml"
"""The name of the configuration in messages."""

MAX_PARTS = 100
"""How many parts a key may have. The time that tomllib takes grows with their cube."""

_BETWEEN_KEYS = re.compile(r"[=,{}\[\]\n#]")

_SERVERS = b'servers = ["http://servers-of-another-file.invalid"]\n'


def read_pasted(source: str, cors_rules: CorsRules) -> tuple[Config, Mapping[str, Any]]:
    """Return a configuration and its document, read only from its text.

    No file, environment variable or command output is read. Each is replaced by a placeholder.
    Certificates and keys are not checked; only `corsgate check` does that.

    Args:
        source: The TOML.
        cors_rules: Check policies, usually `corsgate.cors.check.CORS_RULES`.

    Raises:
        ConfigError: The text has faults.
    """
    if any(part.count(".") > MAX_PARTS for part in _BETWEEN_KEYS.split(source)):
        problem, fix = f"a key has more than {MAX_PARTS} parts", "remove some of its dots"
        raise ConfigError([Fault(file=PASTED, problem=problem, fix=fix)])
    config = parse_with(source, file=PASTED, sources=_sources(), cors_rules=cors_rules)
    return config, tomllib.loads(source)


def _sources() -> Sources:
    return _StandIns(
        environ=_Environ(),
        read_file=_other_file,
        has_http2=True,
        has_jose=True,
        has_spnego=True,
        stands_in=True,
        reads_pem=False,
    )


def _stand_in(what: str) -> str:
    """Return a placeholder that is valid as any kind of secret, and different for each name."""
    return sha256(what.encode("utf-8", "surrogatepass")).hexdigest()


def _other_file(path: str) -> bytes:
    """Return a placeholder for a separate file of servers."""
    return _SERVERS


class _Environ(Mapping[str, str]):
    """An environment that has a placeholder for every variable."""

    def __getitem__(self, name: str) -> str:
        return _stand_in(f"variable {name}")

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __contains__(self, name: object) -> bool:
        return True


@attrs.frozen(kw_only=True)
class _StandIns(Sources):
    """Sources that have a placeholder for everything."""

    def secret_file(self, path: str) -> bytes:
        """Return a placeholder for the content of a secret's file."""
        return _stand_in(f"file {_checked(path)}").encode()

    def printed(self, command: Command) -> str:
        """Return a placeholder; no command is run."""
        return _stand_in(f"command {command.arguments}")

    def certificate(self, path: str) -> bytes:
        """Return no bytes, which is valid because `reads_pem` is false."""
        _checked(path)
        return b""


def _checked(path: str) -> str:
    if not path or "\0" in path:
        raise BadValue("it is not a path", "name a file")
    return path
