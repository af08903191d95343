"""A configuration read from where its user keeps it."""

from __future__ import annotations

import os
from pathlib import Path

from corsgate.config.model import Config
from corsgate.config.parse import parse_config
from corsgate.cors.policy import faults
from corsgate.errors import ConfigError, Fault


def load_config(path: str) -> Config:
    """Answer the configuration in a file, its secrets taken from their sources.

    Args:
        path: The file.

    Returns:
        A configuration without faults.

    Raises:
        ConfigError: It can't be read, or with all its faults at once.
    """
    try:
        source = Path(path).read_bytes()
    except OSError as error:
        problem = f"the file can't be read: {error.strerror}"
        fault = Fault(file=path, problem=problem, mend="name a file that is there and readable")
        raise ConfigError([fault]) from error
    return parse_config(
        source,
        file=path,
        environ=os.environ,
        read_file=lambda name: Path(name).read_bytes(),
        check_cors=faults,
    )
