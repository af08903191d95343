"""Read ``aliases`` and ``cookies`` of an upstream."""

from __future__ import annotations

from collections.abc import Sequence

from corsgate.config.model import rules
from corsgate.config.model.addresses import COOKIES, Addresses, check_alias
from corsgate.config.model.values import Server
from corsgate.config.toml.reader import Table, checked, text
from corsgate.config.toml.shape import shape
from corsgate.message.uri_mapping import parse_origin, server_endpoints


def read_addresses(table: Table, servers: Sequence[Server]) -> Addresses:
    """Read the keys of ``[upstreams.NAME]`` about addresses.

    Args:
        table: The table of the upstream.
        servers: Its servers; of discovered servers, the templates.

    Returns:
        Their values. A faulty value is recorded, and replaced by the default.
    """
    aliases = table.list_of("aliases", checked(check_alias), '"http://box.lan"') or ()
    cookies = table.get("cookies", _cookies, COOKIES[0])
    own = {found for server in servers for found in server_endpoints(server)}
    for number, alias in enumerate(aliases):
        named = parse_origin(alias.lower().rstrip("/").encode())
        if named in own:
            path = (*table.path, "aliases", number)
            problem = f"{rules.show(alias)} is a server of this upstream, or is listed already"
            table.notes.warn(path, problem, "remove it")
        elif named is not None:
            own.add(named)
    return Addresses(aliases=aliases, cookies=cookies)


@shape({"enum": list(COOKIES)})
def _cookies(raw: object) -> str:
    value = text(raw)
    rules.check_choice(value, COOKIES)
    return value
