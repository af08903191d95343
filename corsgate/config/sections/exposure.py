"""Where credentials can be read by somebody else: on their way, or where they are kept."""

from __future__ import annotations

from collections.abc import Iterable

from corsgate.config.model.values import (
    BasicCredentials,
    BearerCredentials,
    Credentials,
    HeaderCredentials,
    Server,
)
from corsgate.config.sections.secrets import Sources
from corsgate.config.toml.reader import Table
from corsgate.message.host import is_loopback_name

CLEAR_MEND = "use https if the server has it"

_EXPOSED_MEND = 'make the file private (chmod 600), or write { env = "NAME" } or { file = "PATH" }'


def sent_in_clear(credentials: Credentials | None, servers: Iterable[Server]) -> str:
    """Return to which servers a secret goes as it is, for all to read who are on the way.

    Digest sends a hash of it, and what goes to this machine or a Unix socket leaves it by no wire.

    Args:
        credentials: What the requests are signed with, or None.
        servers: Where they go; of what DNS knows, the template.

    Returns:
        One line; empty where there is none.
    """
    if not isinstance(credentials, BasicCredentials | BearerCredentials | HeaderCredentials):
        return ""
    places = [
        server.origin
        for server in servers
        if server.scheme == "http"
        and server.socket is None
        and not is_loopback_name(server.host.encode("utf-8"))
    ]
    if not places:
        return ""
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return f"the secret goes unencrypted to {places[0]}{more}: anybody in between can read it"


def warn_of_exposed(table: Table, key: str, sources: Sources) -> None:
    """Warn of a secret that stands in a configuration which others can read.

    Args:
        table: Where the secret may be.
        key: Its key.
        sources: Knows who can read the file.
    """
    problem = sources.warning(table.raw.get(key))
    if problem:
        table.notes.warn((*table.path, key), problem, _EXPOSED_MEND)
