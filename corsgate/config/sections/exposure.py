"""Warn about credentials that others can read: on the network, or in the file."""

from __future__ import annotations

from collections.abc import Iterable

from corsgate.config.model.values import (
    AutoCredentials,
    BasicCredentials,
    BearerCredentials,
    Credentials,
    HeaderCredentials,
    Server,
)
from corsgate.config.sections.secrets import Sources
from corsgate.config.toml.reader import Table
from corsgate.message.host import is_loopback_name

CLEAR_FIX = "use https if the server has it"

_EXPOSED_FIX = 'make the file private (chmod 600), or write { env = "NAME" } or { file = "PATH" }'


def sent_in_clear(credentials: Credentials | None, servers: Iterable[Server]) -> str:
    """Return a warning if a secret is sent to a server unencrypted.

    Digest only sends a hash, and requests to this machine or a Unix socket use no network.

    Args:
        credentials: The credentials of the requests, or None.
        servers: The servers; of discovered servers, the template.

    Returns:
        One line; empty if the secret is not sent unencrypted.
    """
    match credentials:
        case BasicCredentials() | BearerCredentials() | HeaderCredentials():
            return in_clear(servers)
        case AutoCredentials(dangerously_allow_basic_in_clear=True) if "basic" in credentials.allow:
            return in_clear(servers)
    return ""


def in_clear(servers: Iterable[Server]) -> str:
    """Return a warning if what is sent to a server as it is can be read by others.

    Args:
        servers: The servers; of discovered servers, the template.

    Returns:
        One line; empty if nothing is sent unencrypted over a network.
    """
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
    return (
        f"the secret is sent unencrypted to {places[0]}{more}:"
        " anyone on the network path can read it"
    )


def warn_of_exposed(table: Table, key: str, sources: Sources) -> None:
    """Warn about a secret in a configuration file that others can read.

    Args:
        table: The table that may contain the secret.
        key: The key of the secret.
        sources: Knows who can read the file.
    """
    problem = sources.warning(table.raw.get(key))
    if problem:
        table.notes.warn((*table.path, key), problem, _EXPOSED_FIX)
