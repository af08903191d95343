"""Read secrets, and warn about those that others can read: on the network, or in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from corsgate.config.model.credentials import SingleCredentials, parts_of
from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.values import (
    AutoCredentials,
    BasicCredentials,
    BearerCredentials,
    Credentials,
    HeaderCredentials,
    QueryCredentials,
    Secret,
    Server,
    SessionCredentials,
)
from corsgate.config.sections.secrets import Sources
from corsgate.config.toml.keys import AnyKey
from corsgate.config.toml.reader import Table
from corsgate.message.host import is_loopback_name

_SENT_AS_THEY_ARE = (
    BasicCredentials,
    BearerCredentials,
    HeaderCredentials,
    OAuth2Credentials,
    QueryCredentials,
    SessionCredentials,
)

CLEAR_FIX = "use https if the server has it"


def sent_in_clear(credentials: Credentials | None, servers: Iterable[Server]) -> str:
    """Return a warning if a secret is sent to a server unencrypted.

    With Digest and AWS signatures only a hash is sent, and requests to this machine or a Unix
    socket use no network.

    Args:
        credentials: The credentials of the requests, or None.
        servers: The servers; of discovered servers, the template.

    Returns:
        One line; empty if the secret is not sent unencrypted.
    """
    sent = any(_is_sent_as_it_is(part) for part in parts_of(credentials))
    return in_clear(servers) if sent else ""


def _is_sent_as_it_is(part: SingleCredentials) -> bool:
    if isinstance(part, AutoCredentials):
        return part.dangerously_allow_basic_in_clear and "basic" in part.allow
    return isinstance(part, _SENT_AS_THEY_ARE)


def in_clear(servers: Iterable[Server]) -> str:
    """Return a warning if others can read what is sent to a server.

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
    """Warn about a secret in a file that others can read, or a program that they can replace.

    Args:
        table: The table that may contain the secret.
        key: The key of the secret.
        sources: Knows who can read or write a file.
    """
    problem, fix = sources.warning(table.raw.get(key))
    if problem:
        table.notes.warn((*table.path, key), problem, fix)


def read_secret(
    table: Table, key: AnyKey, check: Callable[[str], None], sources: Sources
) -> Secret | None:
    """Read a key that has a secret, and warn if others can read it in this file.

    Args:
        table: The table of the credentials.
        key: The key.
        check: A rule whose BadValue never shows the text.
        sources: Where secrets come from.

    Returns:
        The secret; None if an optional one is missing, or after recording the fault.
    """
    found = table.get_by(key, sources.secret(check))
    if found is not None:
        warn_of_exposed(table, key.name, sources)
    return found
