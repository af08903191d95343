"""A TOML file's text, with the line of each key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable

from corsgate.config.toml.lines import key_lines
from corsgate.config.toml.reader import Notes
from corsgate.errors import ConfigError, Fault

_PLACE = re.compile(r" \(at (?:line ([0-9]+), column [0-9]+|end of document)\)$")
_SYNTAX_FIXES = (
    (" key", 'put keys with other than letters, digits, "_" and "-" in quotes'),
    ("table declaration", 'put names with other than letters, digits, "_" and "-" in quotes'),
    ("Invalid value", "put text in quotes and write numbers and arrays as TOML has them"),
    ("Cannot ", "remove it, or what it clashes with above"),
    ("", "fix the TOML here"),
)


def load_document(
    source: str | bytes,
    file: str,
    needs: str = 'listen, [upstreams.NAME] and [routes."/"]',
) -> tuple[dict[str, object], Notes]:
    """Return the document and where to note its faults; raise ConfigError if it is none.

    Args:
        source: The file's text.
        file: Its name in faults.
        needs: What one that is empty is to be given, in words.
    """
    toml = _decode(source, file)
    try:
        document = tomllib.loads(toml)
        lines = key_lines(toml)
    except RecursionError:
        raise _unusable(file, None, "arrays or tables are nested too deeply", "nest less") from None
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _PLACE.search(message)
        line = int(place[1]) if place and place[1] else toml.rstrip("\n").count("\n") + 1
        raise _unusable(file, line, _PLACE.sub("", message), _syntax_fix(message)) from None
    except ValueError:
        # Python limits the digits of an integer, and tomllib lets that exception through.
        raise _unusable(file, None, "a number has too many digits", "write less") from None
    if not document:
        raise _unusable(file, None, "the file says nothing", f"give it {needs}")
    return document, Notes(file=file, lines=lines)


def _syntax_fix(message: str) -> str:
    """Return the fix that goes with a message of tomllib; its words may change."""
    return next(fix for part, fix in _SYNTAX_FIXES if part in message)


def _decode(source: str | bytes, file: str) -> str:
    if isinstance(source, bytes):
        try:
            source = source.decode("utf-8")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            problem = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
            raise _unusable(file, line, problem, "save the file as UTF-8") from None
    if source.startswith("\ufeff"):
        raise _unusable(
            file, 1, "the file starts with a byte order mark", "save it as UTF-8 without one"
        )
    return source


def read_source(file: str, read_file: Callable[[str], bytes]) -> bytes:
    """Return a configuration file's bytes.

    Args:
        file: Its name.
        read_file: Answers a file's bytes or raises OSError.

    Raises:
        ConfigError: It can't be read.
    """
    try:
        return read_file(file)
    except OSError as error:
        raise _unusable(
            file,
            None,
            f"the file can't be read: {error.strerror}",
            "name a file that is there and readable",
        ) from error


def _unusable(file: str, line: int | None, problem: str, fix: str) -> ConfigError:
    return ConfigError([Fault(file=file, line=line, problem=problem, fix=fix)])
