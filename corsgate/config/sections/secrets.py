"""Where a secret comes from: the file itself, the environment, another file, or systemd."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from corsgate.config.model.rules import show
from corsgate.config.model.secret import Secret
from corsgate.config.toml.shape import shape
from corsgate.errors import BadValue

CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"
"""The variable in which systemd names a service's credentials (systemd.exec(5))."""

# Text last: a secret that stands in the file is the last resort.
_SECRET = {
    "anyOf": [
        *(
            {
                "type": "object",
                "description": what,
                "properties": {source: {"type": "string"}},
                "required": [source],
                "additionalProperties": False,
            }
            for source, what in (
                ("env", "The environment variable that has it."),
                ("file", "The file that has it."),
                ("systemd", "The credential's name in LoadCredential= of the unit."),
            )
        ),
        {"type": "string", "minLength": 1, "description": "The secret itself."},
    ]
}


def nobody(path: str) -> str:
    """Return that nobody else can write to what a path leads to: the rights are not known."""
    return ""


@attrs.frozen(kw_only=True)
class Sources:
    """What a configuration may read beside its own text.

    Attributes:
        environ: The environment's variables.
        read_file: Answers a file's bytes or raises OSError.
        has_http2: Whether what HTTP/2 needs is installed.
        read_by: Who beside its owner can read the configuration, in words; empty for nobody.
        written_by: Returns what others can write to that a path leads to, in words that go on
            after "others can write to"; empty for nothing.
    """

    environ: Mapping[str, str] = attrs.field(repr=False)
    read_file: Callable[[str], bytes]
    has_http2: bool = False
    read_by: str = ""
    written_by: Callable[[str], str] = nobody

    def warning(self, raw: object) -> str:
        """Return what is doubtful about where a secret stands; empty for nothing.

        Args:
            raw: The value that was read as a secret.
        """
        if not isinstance(raw, str) or not self.read_by:
            return ""
        return f"the secret is written in this file, which {self.read_by} can read"

    def secret(self, check: Callable[[str], None]) -> Callable[[object], Secret]:
        """Make a reader of secrets whose text passes `check`.

        Args:
            check: A rule whose BadValue never says the text.

        Returns:
            A reader that raises BadValue, in which there is a variable's name or a path but
            nothing that is or may be a secret, not even where a value has the wrong type.
        """

        @shape(_SECRET)
        def reader(raw: object) -> Secret:
            text = self._text(raw)
            check(text)
            return Secret(text)

        return reader

    def file(self, path: str) -> bytes:
        """Return a file's bytes.

        Args:
            path: As it was written.

        Raises:
            BadValue: It can't be read; the problem has the system's reason.
        """
        try:
            return self.read_file(path)
        except (OSError, ValueError) as error:
            # ValueError is what Python makes of a path with a NUL in it.
            reason = getattr(error, "strerror", None) or "it is no path"
            raise BadValue(
                f"{show(path)} can't be read: {reason}", "give a file that this user can read"
            ) from None

    def certificate(self, path: str) -> bytes:
        """Return the bytes of a file of certificates or of a private key, as `file` does."""
        return self.file(path)

    def _text(self, raw: object) -> str:
        match raw:
            case str():
                return raw
            case {"env": str(name), **rest} if not rest:
                return self._variable(name)
            case {"file": str(path), **rest} if not rest:
                return self._file_text(path)
            case {"systemd": str(name), **rest} if not rest:
                return self._systemd(name)
        raise BadValue(
            "it names no secret",
            'write { env = "NAME" }, { file = "PATH" }, { systemd = "NAME" } or text in quotes',
        )

    def _variable(self, name: str) -> str:
        if name not in self.environ:
            raise BadValue(
                f"the environment has no variable {show(name)}", "set it, or name another"
            )
        return self.environ[name]

    def _file_text(self, path: str) -> str:
        try:
            text = self.file(path).decode("utf-8")
        except UnicodeDecodeError:
            raise BadValue(f"{show(path)} is not in UTF-8", "save it as UTF-8") from None
        # Editors and `echo` end a file with one line end that is no part of the secret.
        return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text

    def _systemd(self, name: str) -> str:
        if not name or "/" in name or name in (".", ".."):
            raise BadValue(f"{show(name)} is no credential's name", "write it without a path")
        directory = self.environ.get(CREDENTIALS_DIRECTORY)
        if not directory:
            raise BadValue(
                f"systemd gives no credential {show(name)}: ${CREDENTIALS_DIRECTORY} is not set",
                f"add LoadCredential={name}:PATH to the unit, or use env or file",
            )
        return self._file_text(f"{directory}/{name}")
