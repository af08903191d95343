"""Loads the configuration file, at the start and for each reload, also in a thread."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from corsgate.config.model.command import Command
from corsgate.config.model.values import Config
from corsgate.daemon.descriptors import fit, needed, raise_limit
from corsgate.errors import BadValue
from corsgate.gate.load import load_config
from corsgate.transport.command import run_command
from corsgate.transport.files import read_file

Signature = tuple[int, ...] | None
"""A value that changes when a file changes; None for a file that does not exist."""


def look(path: str) -> Signature:
    """Return the signature of a file, or of the target of a link."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Inputs:
    """The sources of a configuration. They include secrets.

    Attributes:
        source: The configuration file.
        files: The other files that it names, by path, except for those of secrets.
        outputs: The output of commands that print secrets.
        secret_files: The files of secrets, each with its signature just before it was read.
    """

    source: bytes = b""
    files: Mapping[str, bytes] = attrs.Factory(dict)
    outputs: Mapping[Command, bytes] = attrs.Factory(dict)
    secret_files: Mapping[str, Signature] = attrs.Factory(dict)


@attrs.frozen(kw_only=True, eq=False)
class Loaded:
    """A configuration that was loaded.

    Attributes:
        config: The configuration as it is in the file.
        fitted: The same, with bounds that fit into the available descriptors.
        lines: Lines for the log about these bounds.
        document: The file as parsed by tomllib, for the names of credentials; empty without one.
        inputs: The sources of the configuration.
    """

    config: Config
    fitted: Config
    lines: Sequence[str] = ()
    # A secret may be written in the file.
    document: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    inputs: Inputs = attrs.field(factory=Inputs, repr=False)


def fitted(config: Config, inputs: Inputs | None = None) -> Loaded:
    """Return a configuration whose bounds fit into the descriptors that the process may open."""
    found = fit(config, raise_limit(needed(config)))
    inputs = inputs or Inputs()
    return Loaded(
        config=config,
        fitted=found.config,
        lines=found.lines,
        document=tomllib.loads(inputs.source.decode("utf-8")),
        inputs=inputs,
    )


class Loader:
    """Loads one configuration file.

    Args:
        path: The file. If it is relative, it is resolved against the current directory now.
        reactor: The reactor of the gate.
        run: Runs a command that prints a secret.

    Attributes:
        name: The file's name in messages.
        files: The files that the last `load` has read, or tried to read, each with its signature
            just before that.
    """

    def __init__(
        self, path: str, reactor: Any, run: Callable[[Command], bytes] = run_command
    ) -> None:
        self.name = path
        self.files: Mapping[str, Signature] = {}
        self._path = os.path.abspath(path)
        self._reactor = reactor
        self._run = run

    def load(self) -> Loaded:
        """Return the configuration in the file; read all files that it names again.

        Commands that print secrets are run, each once.

        Raises:
            ConfigError: It has faults. The exception has all of them.
        """
        files: dict[str, Signature] = {}
        sources: list[bytes] = []
        named: dict[str, bytes] = {}

        def read_itself(path: str) -> bytes:
            files[path] = look(path)
            sources.append(read_file(path))
            return sources[0]

        def read_named(path: str) -> bytes:
            files.setdefault(path, look(path))
            named[path] = read_file(path)
            return named[path]

        reading, outputs = _SecretFiles(), _Outputs(self._run)
        try:
            config = self._load(read_itself, read_named, reading.read, outputs.of)
        finally:
            self.files = {**files, **reading.signatures}
        for upstream in config.upstreams.values():
            # The upstream itself watches that file, without a reload.
            files.pop(upstream.servers_file or "", None)
        self.files = {**files, **reading.signatures}
        inputs = Inputs(
            source=sources[0],
            files=named,
            outputs=outputs.printed,
            secret_files=reading.signatures,
        )
        return fitted(config, inputs)

    def load_secrets(self, inputs: Inputs) -> Loaded:
        """Return the configuration that was loaded last, with secrets read again from their files.

        The configuration file may have changed in the meantime, or have faults. So neither it nor
        any other file is read again, and no command is run.

        Args:
            inputs: The sources of the configuration.

        Raises:
            ConfigError: A secret can't be read or used.
        """
        reading = _SecretFiles()
        try:
            config = self._load(
                lambda _: inputs.source,
                lambda path: inputs.files[path] if path in inputs.files else read_file(path),
                reading.read,
                inputs.outputs.__getitem__,
            )
        finally:
            self.files = {**self.files, **reading.signatures}
        return fitted(config, attrs.evolve(inputs, secret_files=reading.signatures))

    def _load(
        self,
        read: Callable[[str], bytes],
        read_named: Callable[[str], bytes],
        read_secret: Callable[[str], bytes],
        run: Callable[[Command], bytes],
    ) -> Config:
        return load_config(
            self._path,
            self._reactor,
            name=self.name,
            read=read,
            read_named=read_named,
            read_secret=read_secret,
            run=run,
        )


class _SecretFiles:
    """Reads the files of secrets, and keeps their signatures."""

    def __init__(self) -> None:
        self.signatures: dict[str, Signature] = {}

    def read(self, path: str) -> bytes:
        self.signatures.setdefault(path, look(path))
        return read_file(path)


class _Outputs:
    """Runs each command once, even if it is named several times, or fails."""

    def __init__(self, run: Callable[[Command], bytes]) -> None:
        self.printed: dict[Command, bytes] = {}
        self._failed: dict[Command, BadValue] = {}
        self._run = run

    def of(self, command: Command) -> bytes:
        if command in self._failed:
            raise self._failed[command]
        try:
            if command not in self.printed:
                self.printed[command] = self._run(command)
        except BadValue as error:
            self._failed[command] = error
            raise
        return self.printed[command]
