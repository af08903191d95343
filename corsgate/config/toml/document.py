"""Parse a TOML file, and find the line of each key."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

from corsgate.config.toml.lines import HeaderTable, header_paths, key_lines
from corsgate.config.toml.reader import Notes
from corsgate.config.toml.syntax import syntax_fault
from corsgate.errors import ConfigError, Fault


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
        The document, and the notes for its faults.

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
        raise ConfigError([syntax_fault(toml, str(error), file)]) from None
    except ValueError:
        # Python limits the digits of an integer, and tomllib does not catch that exception.
        raise _unusable(file, None, "a number has too many digits", "write a shorter one") from None
    mark_policies(document, toml)
    if not document:
        raise _unusable(file, None, "the file contains no keys", f"add {needs}")
    return document, Notes(file=file, lines=lines)


def mark_policies(document: dict[str, object], text: str) -> None:
    """Make the policies of routes that have a header of their own into `HeaderTable` objects.

    So a change of such a policy is shown, and made, below its header.

    Args:
        document: What tomllib has read from the text; it is changed.
        text: The text.
    """
    routes = document.get("routes")
    tables = routes.items() if isinstance(routes, dict) else ()
    inside = [
        (key, table)
        for key, table in tables
        if isinstance(table, dict) and isinstance(table.get("cors"), dict)
    ]
    headers = header_paths(text) if inside else ()
    for key, table in inside:
        if ("routes", key, "cors") in headers:
            table["cors"] = HeaderTable(table["cors"])


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
