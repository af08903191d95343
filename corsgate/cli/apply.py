"""``corsgate explain --apply``: make the change that an explanation proposes in its file."""

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
        yes: Whether it is made without a question.
        ask: Asks a question, and returns the answer; None without a terminal.
    """

    yes: bool
    ask: Callable[[str], str] | None


def on_terminal(yes: bool) -> Asked:
    """Return how to ask the user of this process."""
    has_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return Asked(yes=yes, ask=input if has_terminal else None)


def apply(file: str, loaded: Loaded, explanation: Explanation, asked: Asked) -> int:
    """Make the change that allows a call, after showing it.

    Args:
        file: The configuration file; a symbolic link is followed.
        loaded: Its content.
        explanation: What was found with it.
        asked: How to confirm the change.

    Returns:
        The exit status: 0 if the call is allowed now, 1 if nothing was changed.
    """
    if explanation.allowed:
        print(f"\n{file} allows this call already; nothing to change.")
        return FINE
    if not explanation.changes:
        print(f"\nNo change of {file} was found that allows this call.")
        return FOUND
    path = os.path.realpath(file)
    try:
        source = read_file(path)
        old = source.decode("utf-8")
        if tomllib.loads(old) != loaded.document:
            raise BadValue(f"{file} has changed in the meantime", "run the command again")
        new = applied(old, explanation.changes)
        _check(file, new, explanation)
        print(f"\nThe change of {file}:\n\n{shown_diff(old, new, file)}", end="")
        if not _confirmed(file, asked):
            return FOUND
        replace(path, source, new.encode("utf-8"))
    except OSError as error:
        return complain(f"{file} can't be changed: {error.strerror}; it is as it was")
    except (BadValue, ConfigError) as error:
        return complain(f"{error}\n{file} is as it was")
    print(f"\n{file} is changed. {_in_force(loaded)}")
    return FINE


def _check(file: str, new: str, explanation: Explanation) -> None:
    """Raise unless a changed file has no fault and allows the call.

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
        print("\nNothing is changed: there is no terminal to ask on. Add --yes to make the change.")
        return False
    try:
        answer = asked.ask(f"\nWrite this to {file}? [y/N] ")
    except (EOFError, KeyboardInterrupt):
        print()
        answer = ""
    if answer.strip().lower() in ("y", "yes"):
        return True
    print("Nothing is changed.")
    return False


def _in_force(loaded: Loaded) -> str:
    if loaded.config.watch:
        return "A running daemon reloads it by itself (watch = true)."
    return "Put it in force with `corsgate reload`, or start the daemon."


def replace(path: str, old: bytes, new: bytes) -> None:
    """Replace a file as a whole, with the same mode and owner.

    Args:
        path: The file itself, not a link.
        old: What it has.
        new: What it gets.

    Raises:
        OSError: It can't be written; the file is as it was.
        BadValue: It does not have the old content any more.
    """
    was = os.stat(path)
    folder, name = os.path.split(path)
    descriptor, made = tempfile.mkstemp(prefix=f".{name}.", suffix=".new", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(new)
            if (was.st_uid, was.st_gid) != (os.getuid(), os.getgid()):
                os.fchown(descriptor, was.st_uid, was.st_gid)
            # Last, since a change of the owner clears some bits.
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
