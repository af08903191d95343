"""``corsgate explain --apply``: make the proposed change in the configuration file."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import tomllib
from collections.abc import Callable
from contextlib import suppress

import attrs

from corsgate.cli.load import Loaded, load_source
from corsgate.cli.usage import FINE, FOUND, complain
from corsgate.errors import BadValue, ConfigError
from corsgate.explain.apply import applied, shown_diff
from corsgate.explain.explanation import Explanation, explain
from corsgate.transport.files import read_file


@attrs.frozen(kw_only=True)
class Asked:
    """How the change is to be confirmed.

    Attributes:
        yes: Whether to make it without asking.
        ask: Asks a question and returns the reply; None without a terminal.
    """

    yes: bool
    ask: Callable[[str], str] | None


def on_terminal(yes: bool) -> Asked:
    """Return how to ask on the terminal of this process, if it has one."""
    has_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return Asked(yes=yes, ask=input if has_terminal else None)


def apply(file: str, loaded: Loaded, explanation: Explanation, asked: Asked) -> int:
    """Make the change that allows a call, after showing it.

    Args:
        file: The configuration file; a symbolic link is followed.
        loaded: Its content.
        explanation: The explanation, made with that content.
        asked: How to confirm the change.

    Returns:
        The exit status: 0 if the call is now allowed, 1 if nothing was changed, 2 if the file
        can't be changed.
    """
    if explanation.allowed:
        print(f"\n{file} already allows this call. Nothing to change.")
        return FINE
    if not explanation.changes:
        print(f"\nNo change to {file} was found that would allow this call.")
        return FOUND
    path = os.path.realpath(file)
    try:
        source = read_file(path)
        old = source.decode("utf-8")
        if tomllib.loads(old) != loaded.document:
            raise BadValue(f"{file} has changed in the meantime", "run the command again")
        new = applied(old, explanation.changes)
        _check(file, new, explanation)
        print(f"\nThe change to {file}:\n\n{shown_diff(old, new, file)}", end="")
        if not _confirmed(file, asked):
            return FOUND
        replace(path, source, new.encode("utf-8"))
    except OSError as error:
        return complain(f"{file} can't be changed: {error.strerror}. It still has its old content")
    except (BadValue, ConfigError) as error:
        return complain(f"{error}\n{file} was not changed")
    print(f"\n{file} was changed. {_in_force(loaded)}")
    return FINE


def _check(file: str, new: str, explanation: Explanation) -> None:
    """Raise an exception unless the changed file has no fault and allows the call.

    Raises:
        ConfigError: It has faults.
        BadValue: It does not allow the call.
    """
    loaded = load_source(new.encode("utf-8"), file)
    if not explain(loaded.config, loaded.document, explanation.call).allowed:
        raise BadValue("the change does not allow the call", "see the explanation above")


def _confirmed(file: str, asked: Asked) -> bool:
    if asked.yes:
        return True
    if asked.ask is None:
        print(
            "\nNothing was changed: there is no terminal to ask on. To make the change, add --yes."
        )
        return False
    try:
        answer = asked.ask(f"\nWrite this to {file}? [y/N] ")
    except (EOFError, KeyboardInterrupt):
        print()
        answer = ""
    if answer.strip().lower() in ("y", "yes"):
        return True
    print("Nothing was changed.")
    return False


def _in_force(loaded: Loaded) -> str:
    if loaded.config.watch:
        return "A running daemon reloads it on its own (watch = true)."
    return "Apply it with `corsgate reload`, or start the daemon."


def replace(path: str, old: bytes, new: bytes) -> None:
    """Replace a file atomically, and keep its mode and owner.

    Args:
        path: The file itself, not a link.
        old: The content that it must have now.
        new: The new content.

    Raises:
        OSError: It can't be written. The file is unchanged.
        BadValue: It no longer has the old content. The file is unchanged.
    """
    was = os.stat(path)
    folder, name = os.path.split(path)
    descriptor, made = tempfile.mkstemp(prefix=f".{name}.", suffix=".new", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(new)
            if (was.st_uid, was.st_gid) != (os.getuid(), os.getgid()):
                os.fchown(descriptor, was.st_uid, was.st_gid)
            # The mode is set last, since a change of owner clears the setuid and setgid bits.
            os.fchmod(descriptor, stat.S_IMODE(was.st_mode))
            file.flush()
            os.fsync(descriptor)
        if read_file(path) != old:
            raise BadValue("the file has changed in the meantime", "run the command again")
        os.replace(made, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(made)
        raise
