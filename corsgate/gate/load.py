"""Reads a configuration and its secrets from files and other sources on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from corsgate.config.model.command import Command
from corsgate.config.model.values import Config
from corsgate.config.parse import parse_config
from corsgate.config.toml.document import read_source
from corsgate.config.toml.lines import key_lines
from corsgate.cors.check import CORS_RULES
from corsgate.credentials.ntlm_messages import has_spnego
from corsgate.credentials.oauth2.client_assertion import has_jose
from corsgate.gate.startup_checks import preflight
from corsgate.server.alpn import find_http2
from corsgate.transport.command import run_command
from corsgate.transport.files import read_file, who_reads, who_writes


def load_config(
    path: str,
    reactor: Any,
    *,
    name: str | None = None,
    read: Callable[[str], bytes] = read_file,
    read_named: Callable[[str], bytes] = read_file,
    read_secret: Callable[[str], bytes] | None = None,
    run: Callable[[Command], bytes] | None = None,
) -> Config:
    """Return the configuration from a file, with secrets read from their sources.

    If the file itself has no faults, this also checks what it needs of this machine, without
    opening anything.

    Args:
        path: The file.
        reactor: The reactor that would serve it.
        name: The file's name in messages; its path by default.
        read: Reads the file itself.
        read_named: Reads the files that the configuration names.
        read_secret: Reads the files that contain secrets; None for `read_named`.
        run: Runs the commands that print secrets; by default, each distinct one once.

    Returns:
        A configuration that can be served, as far as can be known without opening anything.

    Raises:
        ConfigError: The file can't be read, or has faults. The exception has all of them.
    """
    source, file = read_source(path, read), name or path
    config = parse_config(
        source,
        file=file,
        environ=os.environ,
        read_file=read_named,
        read_secret=read_secret,
        run=run or cache(run_command),
        cors_rules=CORS_RULES,
        has_http2=find_http2() is not None,
        has_jose=has_jose(),
        has_spnego=has_spnego(),
        read_by=who_reads(path),
        secret_read_by=who_reads,
        written_by=who_writes,
    )
    preflight(config, reactor=reactor, file=file, lines=key_lines(source.decode("utf-8-sig")))
    return config
