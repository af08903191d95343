"""Suggests credentials for a box that asks for a login, if the gate has none for it."""

from __future__ import annotations

from collections.abc import Iterable

from corsgate.adopt.login import Account, Login, credentials, variable_of
from corsgate.config.quick_auth import QuickAuth
from corsgate.config.toml.lines import key_text
from corsgate.config.toml.writer import toml_value
from corsgate.credentials.refusal import asked_words, kind_asked
from corsgate.message.headers import Header


def login_hint(headers: Iterable[Header], upstream: str, *, has_file: bool) -> str:
    """Return what a server asks for with a 401, and the setting that lets the gate log in.

    Args:
        headers: The fields of the 401. Their text is shortened and shown as printable ASCII.
        upstream: The name of the server's upstream.
        has_file: Whether the gate has a configuration file.

    Returns:
        One line; empty if the server asks for nothing that the gate supports.
    """
    fields = list(headers)
    kind = kind_asked(fields)
    if kind is None:
        return ""
    if has_file:
        account = Account(kind=kind, user="USER", variable=variable_of(kind))
        toml = toml_value(credentials(Login(), account))
        setting = f"write credentials = {toml} in [{key_text(('upstreams', upstream))}]"
    else:
        setting = f"add --auth {QuickAuth(kind=kind).shortest}"
    return (
        f"the server asks for {asked_words(fields)}, and the gate has no credentials for it: to log"
        f" in, {setting}"
    )
