"""Read secrets from the configuration, the environment, another file, systemd or a command."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import attrs

from corsgate.config.model import units
from corsgate.config.model.command import DEFAULT_TIMEOUT_S, MAX_TIMEOUT_S, Command, printed_secret
from corsgate.config.model.rules import show
from corsgate.config.model.secret import Secret
from corsgate.config.toml.keys import AnyKey, Key, Keys, by_hand
from corsgate.config.toml.shape import Schema
from corsgate.config.toml.values import duration
from corsgate.config.toml.variables import env_table, variable_named
from corsgate.errors import BadValue

CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"
"""The variable with the directory of a service's credentials (systemd.exec(5))."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def _source(name: str, description: str, example: str) -> AnyKey:
    read = by_hand({"type": "string"})
    return Key(name, read, None, description, example=example, is_required=True)


ENV = _source("env", "The environment variable that contains the secret.", '"BOX_PASSWORD"')
FILE = _source(
    "file",
    "The file that contains the secret, in UTF-8. A line break at its end is ignored.",
    '"/etc/corsgate/box-password"',
)
SYSTEMD = _source(
    "systemd",
    "The name of the secret in LoadCredential= of the systemd unit.",
    '"box-password"',
)
COMMAND = Key(
    "command",
    by_hand({"type": "array", "items": {"type": "string"}, "minItems": 1}),
    None,
    "The program that prints the secret on its first line, and its arguments. No shell is used.",
    example='["pass", "show", "box"]',
    is_required=True,
)
TIMEOUT = Key(
    "timeout",
    duration,
    DEFAULT_TIMEOUT_S,
    "How long the command may run.",
    example='"30s"',
    range=f"more than 0s, up to {units.format_duration(MAX_TIMEOUT_S)}",
)


def _form(*keys: AnyKey) -> Schema:
    form = Keys(heading="", description="", keys=keys)
    return {"description": keys[0].description, **form.schema}


# Text comes last: a secret in the configuration file is the last resort.
SECRET = {
    "anyOf": [
        *(_form(ENV), _form(FILE), _form(SYSTEMD), _form(COMMAND, TIMEOUT)),
        {"type": "string", "minLength": 1, "description": "The secret itself."},
    ]
}
"""The schema of a secret."""

SECRET_KEYS = Keys(
    heading='A secret, such as password = { env = "NAME" }',
    description="Where a secret comes from. It is a table with one of these keys, or text.",
    keys=tuple(
        attrs.evolve(key, is_required=False) for key in (ENV, FILE, SYSTEMD, COMMAND, TIMEOUT)
    ),
)
"""The keys of a secret that is a table. `Sources` reads such tables."""

SOURCE_NAMES = frozenset(key.name for key in (ENV, FILE, SYSTEMD, COMMAND))


def is_source(raw: Mapping[str, object]) -> bool:
    """Return whether a table names the source of a secret; it may do so in a wrong way.

    Args:
        raw: A table in a place where other tables are valid, too.
    """
    names = raw.keys() - {TIMEOUT.name}
    return len(names) == 1 and names <= SOURCE_NAMES


def secret_key(
    name: str,
    description: str,
    *,
    fix: str = "",
    is_required: bool | None = None,
    example: str = '{ env = "BOX_SECRET" }',
) -> AnyKey:
    """Declare a key whose value is a secret, or names its source.

    Args:
        name: The name of the key.
        description: What the secret is.
        fix: How to fix its absence; empty if it may be absent.
        is_required: Whether every table needs it; None if that depends only on `fix`.
        example: A value in TOML.
    """
    return Key(
        name,
        by_hand(SECRET),
        None,
        description,
        example=example,
        type="secret",
        fix=fix,
        is_required=bool(fix) if is_required is None else is_required,
    )


def needed_secret(name: str, description: str, example: str = '{ env = "BOX_SECRET" }') -> AnyKey:
    """Declare a key as `secret_key` does, which every table needs."""
    fix = f'write {name} = {{ env = "NAME" }}'
    return secret_key(name, description, fix=fix, example=example)


def nobody(path: str) -> str:
    """Return that nobody else has access to a path, for callers that don't check permissions."""
    return ""


def run_nothing(command: Command) -> bytes:
    """Reject a command, for callers that must not run any.

    Raises:
        BadValue: Always.
    """
    raise BadValue("commands are not run here", "")


@attrs.frozen(kw_only=True)
class Sources:
    """What a configuration may read in addition to its own text.

    Attributes:
        environ: The environment variables.
        read_file: Returns a file's bytes or raises OSError.
        read_secret: The same for a file that contains a secret; None for `read_file`.
        run: Returns the output of a command, or raises BadValue.
        has_http2: Whether the library for HTTP/2 is installed.
        has_jose: Whether the library for signed assertions is installed.
        has_spnego: Whether the library for NTLM is installed.
        stands_in: Whether secrets are replaced by placeholders, which are not valid private keys.
        reads_pem: Whether certificates and private keys are parsed and checked, which needs
            cryptography. False only for callers that never start a gate.
        read_by: Who can read the configuration besides its owner, in words; empty for nobody.
        secret_read_by: The same for the path of a secret's file.
        written_by: Returns which part of a path others can write to, as the end of a sentence
            that starts with "others can write to"; empty for none.
    """

    environ: Mapping[str, str] = attrs.field(repr=False)
    read_file: Callable[[str], bytes]
    read_secret: Callable[[str], bytes] | None = None
    run: Callable[[Command], bytes] = run_nothing
    has_http2: bool = False
    has_jose: bool = False
    has_spnego: bool = False
    stands_in: bool = False
    reads_pem: bool = True
    read_by: str = ""
    secret_read_by: Callable[[str], str] = nobody
    written_by: Callable[[str], str] = nobody

    def warning(self, raw: object) -> tuple[str, str]:
        """Return a warning about others who can read or choose a secret, and its fix.

        Args:
            raw: The value of the secret's key.

        Returns:
            The problem and the fix; both empty if there is none.
        """
        match raw:
            case str() if self.read_by:
                return (
                    f"the secret is written in this file, which {self.read_by} can read",
                    'make the file private (chmod 600), or write { env = "NAME" } or'
                    ' { file = "PATH" }',
                )
            case {"file": str(path)} if readers := self.secret_read_by(path):
                return (
                    f"{readers} can read the secret's file {show(path)}",
                    "make the file private (chmod 600)",
                )
            case {"command": [str(program), *_]} if place := self._replaced_by(program):
                return (
                    f"others can write to {place}, and so run programs as the gate's user",
                    "remove their write permission (chmod go-w)",
                )
        return "", ""

    def _replaced_by(self, program: str) -> str:
        """Return where others can replace a program; empty if nowhere, or if $PATH decides."""
        return self.written_by(program) if program.startswith("/") else ""

    def secret(self, check: Callable[[str], None]) -> Callable[[object], Secret]:
        """Make a reader of secrets whose text passes `check`.

        Args:
            check: A rule whose BadValue never shows the text.

        Returns:
            A reader. Its BadValue may show a variable's name or a path. It never shows text that
            may be a secret, even if the value has the wrong type.
        """

        def reader(raw: object) -> Secret:
            command = _command(raw)
            text = self._text(raw) if command is None else self.printed(command)
            check(text)
            return Secret(text, command)

        return reader

    def file(self, path: str, read: Callable[[str], bytes] | None = None) -> bytes:
        """Return a file's bytes.

        Args:
            path: The path, as written in the configuration.
            read: Reads the file instead of `read_file`.

        Raises:
            BadValue: The file can't be read; the message includes the system's reason.
        """
        try:
            return (read or self.read_file)(path)
        except (OSError, ValueError) as error:
            # Python raises ValueError for a path that contains a NUL.
            reason = getattr(error, "strerror", None) or "it is not a path"
            raise BadValue(
                f"{show(path)} can't be read: {reason}", "give a file that this user can read"
            ) from None

    def secret_file(self, path: str) -> bytes:
        """Return the bytes of a file that contains a secret, as `file` does."""
        return self.file(path, self.read_secret)

    def printed(self, command: Command) -> str:
        """Return the secret that a command prints.

        Raises:
            BadValue: It failed, or printed no secret. The message shows nothing of its output.
        """
        return printed_secret(command, self.run(command))

    def certificate(self, path: str) -> bytes:
        """Return the bytes of a file with certificates or a private key, as `file` does."""
        return self.file(path)

    def _text(self, raw: object) -> str:
        match raw:
            case str():
                _refuse_variable(raw)
                return raw
            case {"env": str(name), **rest} if not rest:
                return self._variable(name)
            case {"file": str(path), **rest} if not rest:
                return self._file_text(path)
            case {"systemd": str(name), **rest} if not rest:
                return self._systemd(name)
        raise BadValue(
            "it does not say where the secret is",
            'write { env = "NAME" }, { file = "PATH" }, { systemd = "NAME" },'
            ' { command = ["PROGRAM", "ARGUMENT"] } or text in quotes',
        )

    def _variable(self, name: str) -> str:
        if name not in self.environ:
            meant = variable_named(name)
            if meant is None and not _VARIABLE.fullmatch(name):
                # Some write the secret itself in this place.
                raise BadValue(
                    "env has no name of an environment variable",
                    'write { env = "NAME" }, and the secret into the variable NAME',
                )
            fix = "" if meant is None else f"write {env_table(meant)}"
            raise BadValue(f"environment variable {show(name)} is not set", fix)
        return self.environ[name]

    def _file_text(self, path: str) -> str:
        try:
            # Some editors begin a file with a byte order mark, which is not part of the secret.
            text = self.secret_file(path).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise BadValue(f"{show(path)} is not in UTF-8", "save it as UTF-8") from None
        # Editors and `echo` end a file with a line break, which is not part of the secret.
        return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text

    def _systemd(self, name: str) -> str:
        if not name or "/" in name or name in (".", ".."):
            raise BadValue(
                f"{show(name)} is not the name of a credential", "write it without a path"
            )
        directory = self.environ.get(CREDENTIALS_DIRECTORY)
        if not directory:
            raise BadValue(
                f"systemd provides no credential {show(name)}: ${CREDENTIALS_DIRECTORY} is not set",
                f"add LoadCredential={name}:PATH to the unit, or use env or file",
            )
        return self._file_text(f"{directory}/{name}")


def _refuse_variable(text: str) -> None:
    """Reject a secret that looks like a shell variable, because nothing would expand it."""
    name = variable_named(text)
    if name is not None:
        raise BadValue(
            "it looks like an environment variable, but text is used as it is",
            f'write {env_table(name)}, or {{ file = "PATH" }} if this is the secret itself',
        )


def _command(raw: object) -> Command | None:
    """Return the command that a secret's value names; None if it names another source.

    Raises:
        BadValue: It is not a valid command. The message shows none of its arguments.
    """
    match raw:
        case {"command": list(arguments), **rest} if rest.keys() <= {"timeout"}:
            if not all(isinstance(each, str) for each in arguments):
                raise BadValue("an argument of the command is not text", "write all in quotes")
            timeout_s = duration(rest["timeout"]) if rest else DEFAULT_TIMEOUT_S
            return Command(arguments=tuple(map(str, arguments)), timeout_s=timeout_s)
        case {"command": str(), **rest} if rest.keys() <= {"timeout"}:
            raise BadValue(
                "the command is text, but there is no shell to split it",
                'write a list, such as ["pass", "show", "box"]',
            )
    return None
