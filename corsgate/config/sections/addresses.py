"""Read ``aliases`` and ``cookies`` of an upstream."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from corsgate.config.model import rules
from corsgate.config.model.addresses import COOKIES, Addresses, alias_endpoint, check_alias
from corsgate.config.model.values import Server, Upstream
from corsgate.config.toml.keys import Key, list_of
from corsgate.config.toml.reader import Notes, Table
from corsgate.config.toml.values import checked, choice
from corsgate.message.uri_mapping import Endpoint, server_endpoints

ALIASES = list_of(
    "aliases",
    checked(check_alias),
    "Other origins that the servers use for themselves in URLs of responses. These URLs become the"
    " gate's.",
    entry='"http://box.lan"',
    gives="URLs of {} in responses become the gate's",
    takes="URLs of {} in responses no longer become the gate's",
)
COOKIES_KEY = Key(
    "cookies",
    choice(COOKIES),
    None,
    '"adapt" makes cookies work at the gate, and "pass" leaves them unchanged. "drop" removes'
    " Set-Cookie from responses and Cookie from requests. The default is"
    ' "adapt", or "drop" with credentials_by_origin.',
    example='"drop"',
    shown_default='"adapt"',
)


def read_addresses(
    table: Table, servers: Sequence[Server], *, has_accounts: bool = False
) -> Addresses:
    """Read the keys of ``[upstreams.NAME]`` about addresses.

    Args:
        table: The table of the upstream.
        servers: Its servers; of discovered servers, the templates.
        has_accounts: Whether it has ``credentials_by_origin``. If so, cookies are dropped by
            default. A browser has one set of cookies for all pages that call the gate. A box may
            identify the user by a session cookie instead of the credentials.

    Returns:
        Their values. A faulty value is recorded, and replaced by the default.
    """
    aliases = table.list_of(ALIASES) or ()
    cookies = table.get(COOKIES_KEY) or ("drop" if has_accounts else COOKIES[0])
    if has_accounts and cookies != "drop":
        table.notes.warn(
            (*table.path, "cookies"),
            "browsers also send the cookies of one origin's account with the requests of other"
            " origins",
            'remove it, since credentials_by_origin implies "drop"',
        )
    own = {found for server in servers for found in server_endpoints(server)}
    for number, alias in enumerate(aliases):
        named = alias_endpoint(alias)
        if named in own:
            path = (*table.path, "aliases", number)
            problem = f"{rules.show(alias)} is a server of this upstream, or is listed already"
            table.notes.warn(path, problem, "remove it")
        elif named is not None:
            own.add(named)
    return Addresses(aliases=aliases, cookies=cookies)


def warn_of_foreign(notes: Notes, upstreams: Iterable[Upstream]) -> None:
    """Warn about aliases that are servers of other upstreams.

    URLs of those servers would lead clients to the routes of the wrong upstream.

    Args:
        notes: Where the warnings are recorded.
        upstreams: All upstreams.
    """
    owners: dict[Endpoint, set[str]] = {}
    for each in upstreams:
        for server in each.configured_servers:
            for endpoint in server_endpoints(server):
                owners.setdefault(endpoint, set()).add(each.name)
    for each in upstreams:
        for number, alias in enumerate(each.addresses.aliases):
            named = alias_endpoint(alias)
            others = owners.get(named, set()) if named is not None else set()
            if others and each.name not in others:
                path = ("upstreams", each.name, "aliases", number)
                problem = (
                    f"{rules.show(alias)} is a server of upstream {rules.one_of(sorted(others))}"
                )
                notes.warn(path, problem, "remove it")
