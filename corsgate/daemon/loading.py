"""Loads the configuration file, at the start and for each reload, also in a thread."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from corsgate.config.model.values import Config
from corsgate.daemon.descriptors import fit, needed, raise_limit
from corsgate.gate.load import load_config
from corsgate.transport.files import read_file

Signature = tuple[int, ...] | None
"""What changes when a file changes; None for a file that does not exist."""


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


@attrs.frozen(kw_only=True, eq=False)
class Loaded:
    """A configuration that was loaded.

    Attributes:
        config: The configuration as it is in the file.
        fitted: The same, with bounds that fit into the available descriptors.
        lines: Lines for the log about these bounds.
        document: The file as parsed by tomllib, for the names of credentials; empty without one.
    """

    config: Config
    fitted: Config
    lines: Sequence[str] = ()
    document: Mapping[str, Any] = attrs.Factory(dict)


def fitted(config: Config, document: Mapping[str, Any] | None = None) -> Loaded:
    """Return a configuration whose bounds fit into the descriptors that the process may open."""
    found = fit(config, raise_limit(needed(config)))
    return Loaded(config=config, fitted=found.config, lines=found.lines, document=document or {})


class Loader:
    """Loads one configuration file.

    Args:
        path: The file. If it is relative, it is resolved against the current directory now.
        reactor: The reactor of the gate.

    Attributes:
        name: The file's name in messages.
        files: The files that the last `load` has read, or tried to, each with its signature just
            before that.
    """

    def __init__(self, path: str, reactor: Any) -> None:
        self.name = path
        self.files: Mapping[str, Signature] = {}
        self._path = os.path.abspath(path)
        self._reactor = reactor

    def load(self) -> Loaded:
        """Return the configuration in the file; all files that it names are read again.

        Raises:
            ConfigError: It has faults; the error holds all of them.
        """
        files: dict[str, Signature] = {}
        sources: list[bytes] = []

        def read(path: str) -> bytes:
            files.setdefault(path, look(path))
            return read_file(path)

        def read_itself(path: str) -> bytes:
            sources.append(read(path))
            return sources[0]

        try:
            config = load_config(
                self._path,
                self._reactor,
                name=self.name,
                read=read_itself,
                read_named=read,
            )
        finally:
            self.files = files
        for upstream in config.upstreams.values():
            # The upstream itself watches that file, without a reload.
            files.pop(upstream.servers_file or "", None)
        return fitted(config, tomllib.loads(sources[0].decode("utf-8")))
