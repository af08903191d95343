"""Parse a TOML file, and find the line of each key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable

from corsgate.config.toml.lines import key_lines
from corsgate.config.toml.reader import Notes
from corsgate.errors import ConfigError, Fault

_PLACE = re.compile(r" \(at (?:line ([0-9]+), column [0-9]+|end of document)\)$")
_SYNTAX_FIXES = (
    (" key", 'quote keys that contain other characters than letters, digits, "_" and "-"'),
    (
        "table declaration",
        'quote names that contain other characters than letters, digits, "_" and "-"',
    ),
    ("Invalid value", "quote text, and write numbers and arrays in TOML syntax"),
    ("Cannot ", "remove it, or the earlier key that it conflicts with"),
    ("", "fix the TOML syntax here"),
)


def load_document(
    source: str | bytes,
    file: str,
    needs: str = 'listen, [upstreams.NAME] and [routes."/"]',
) -> tuple[dict[str, object], Notes]:
    """Parse a TOML file.

    Args:
        source: The file's text.
        file: The file's name, for messages.
        needs: What to add to an empty file, in words.

    Returns:
        The document, and the notes to collect its faults in.

    Raises:
        ConfigError: The file is not valid TOML, or is empty.
    """
    toml = _decode(source, file)
    try:
        document = tomllib.loads(toml)
        lines = key_lines(toml)
    except RecursionError:
        raise _unusable(
            file, None, "arrays or tables are nested too deeply", "use fewer levels"
        ) from None
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _PLACE.search(message)
        line = int(place[1]) if place and place[1] else toml.rstrip("\n").count("\n") + 1
        raise _unusable(file, line, _PLACE.sub("", message), _syntax_fix(message)) from None
    except ValueError:
        # Python limits the digits of an integer; tomllib does not catch that exception.
        raise _unusable(file, None, "a number has too many digits", "write a shorter one") from None
    if not document:
        raise _unusable(file, None, "the file contains no keys", f"add {needs}")
    return document, Notes(file=file, lines=lines)


def _syntax_fix(message: str) -> str:
    """Return the fix for a message of tomllib, whose wording may change."""
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
        file: The file's name.
        read_file: Returns a file's bytes or raises OSError.

    Raises:
        ConfigError: The file can't be read.
    """
    try:
        return read_file(file)
    except OSError as error:
        raise _unusable(
            file,
            None,
            f"the file can't be read: {error.strerror}",
            "name a file that exists and is readable",
        ) from error


def _unusable(file: str, line: int | None, problem: str, fix: str) -> ConfigError:
    return ConfigError([Fault(file=file, line=line, problem=problem, fix=fix)])
