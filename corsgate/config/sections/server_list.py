"""Read ``servers`` of an upstream: a list of URLs and DNS names, or a separate file."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import attrs

from corsgate.config.model import rules
from corsgate.config.model.values import MAX_WEIGHT, Discovered, Server
from corsgate.config.sections.secrets import Sources
from corsgate.config.sections.server_url import parse_discovered, parse_server
from corsgate.config.toml.document import load_document
from corsgate.config.toml.keys import Key, Keys, by_hand
from corsgate.config.toml.reader import Item, Table
from corsgate.config.toml.shape import shape, shape_of
from corsgate.config.toml.values import boolean, integer, text
from corsgate.errors import BadValue, ConfigError

DNS_PORT = 53

_URL = "^((dns|srv)\\+)?[Hh][Tt][Tt][Pp][Ss]?://|^unix:"

_SERVERS_FIX = 'write servers = ["http://127.0.0.1:8000"]'
_SERVER_FIX = 'write a URL, or { url = "http://127.0.0.1:8000", weight = 2 }'
_FILE_FIX = 'write servers = { file = "PATH" }'


@shape({"type": "string", "pattern": _URL})
def _server(raw: object) -> Server | Discovered:
    found = parse_discovered(text(raw))
    return parse_server(text(raw)) if found is None else found


@shape({"type": "integer", "minimum": 1, "maximum": MAX_WEIGHT})
def _weight(raw: object) -> int:
    weight = integer(raw)
    rules.check_between(weight, 1, MAX_WEIGHT)
    return weight


@shape({"type": "string"})
def _resolver(raw: object) -> tuple[str, int]:
    return parse_resolver(text(raw))


URL = Key(
    "url",
    _server,
    None,
    "The scheme, host and port of the server. A path in it is put before each request's path.",
    example='"http://10.0.0.12:8000"',
    fix='write url = "http://127.0.0.1:8000"',
    type="URL",
)
WEIGHT = Key(
    "weight",
    _weight,
    1,
    "The server's share of requests, relative to the others.",
    example="2",
)
BACKUP = Key(
    "backup",
    boolean,
    False,
    "Whether the server is used only if no other server is available.",
    example="true",
)
DRAIN = Key(
    "drain",
    boolean,
    False,
    "Whether the server gets no new clients. Clients that stick to it stay.",
    example="true",
)
SERVER_KEYS = Keys(
    heading="[[upstreams.NAME.servers]]",
    description="A server of an upstream that needs more settings than a URL.",
    keys=(URL, WEIGHT, BACKUP, DRAIN),
    models=(Server,),
)
FILE = Key(
    "file",
    by_hand({"type": "string"}),
    None,
    "The file, in TOML with the key servers. It is read again when it changes.",
    example='"/etc/corsgate/servers.toml"',
    fix=_FILE_FIX,
    type="path",
    field="servers_file",
)
FILE_KEYS = Keys(
    heading="[upstreams.NAME.servers]",
    description="Instead of a list of servers, a separate file with that list.",
    keys=(FILE,),
)
SERVERS = Key(
    "servers",
    by_hand(
        {
            "anyOf": [
                {
                    "type": "array",
                    "items": {"anyOf": [shape_of(_server), SERVER_KEYS.schema]},
                },
                {**FILE_KEYS.schema, "description": FILE_KEYS.description},
            ]
        }
    ),
    None,
    "The servers of the API, at least one. Each is a URL, or a table with url, weight, backup and"
    " drain. unix:/PATH is a Unix socket; dns+http:// and srv+http:// are names to look up in DNS."
    " Instead of the array, a table { file } names a file with the list.",
    example='["http://127.0.0.1:8000", { url = "http://127.0.0.1:8001", weight = 2 }]',
    fix=_SERVERS_FIX,
    type="array of URLs and tables",
    tables=(SERVER_KEYS, FILE_KEYS),
)
RESOLVER = Key(
    "resolver",
    _resolver,
    None,
    "The DNS server for names with dns+ or srv+. By default it is the system's, and its port"
    " is 53.",
    example='"127.0.0.1:53"',
    range="an IP address with an optional port",
)
_FILE_CONTENT = Keys(heading="", description="A separate file of servers.", keys=(SERVERS,))


@attrs.frozen(kw_only=True)
class ServerList:
    """The value of ``servers``.

    Attributes:
        servers: The fixed servers.
        discovered: The servers to look up in DNS.
        file: The separate file from which the servers were read, or None.
    """

    servers: tuple[Server, ...] = ()
    discovered: tuple[Discovered, ...] = ()
    file: str | None = None

    @property
    def templates(self) -> Sequence[Server]:
        """The fixed servers, and the templates of the discovered ones."""
        return (*self.servers, *(each.template for each in self.discovered))


def read_servers(table: Table, sources: Sources) -> ServerList | None:
    """Read the servers of ``[upstreams.NAME]``.

    Args:
        table: The table of the upstream.
        sources: Reads the separate file.

    Returns:
        The servers without faults; None if there are none.
    """
    item = table.item(SERVERS)
    if item is None:
        return None
    if not isinstance(item.raw, dict):
        found = _read_list(item, may_discover=True)
        return found if found.servers or found.discovered else None
    part = Table(item.notes, item.path, item.raw)
    path = part.get_by(FILE, text)
    servers = None if path is None else part.get_by(FILE, lambda _: _from_file(path, sources))
    written_by = "" if path is None or servers is None else sources.written_by(path)
    if written_by:
        part.notes.warn(
            (*part.path, "file"),
            f"others can write to {written_by}, and so redirect requests and credentials",
            "make it private (chmod go-w)",
        )
    part.finish(FILE_KEYS)
    return None if path is None or servers is None else ServerList(servers=servers, file=path)


def parse_servers(content: bytes, file: str) -> tuple[Server, ...]:
    """Parse a separate file of servers: TOML with the key ``servers``, as in an upstream.

    Args:
        content: The file's bytes.
        file: The file's name, for messages.

    Returns:
        The servers, at least one.

    Raises:
        ConfigError: The file has faults; the error holds all of them.
    """
    document, notes = load_document(content, file, "servers, as in an upstream")
    table = Table(notes, (), document)
    item = table.item(SERVERS)
    found = ServerList() if item is None else _read_list(item, may_discover=False)
    table.finish(_FILE_CONTENT)
    notes.finish()
    return found.servers


def _from_file(path: str, sources: Sources) -> tuple[Server, ...]:
    content = sources.file(path)
    try:
        return parse_servers(content, path)
    except ConfigError as error:
        first = error.faults[0]
        more = f" (and {len(error.faults) - 1} more)" if len(error.faults) > 1 else ""
        line = "" if first.line is None else f":{first.line}"
        key = f" {first.key}:" if first.key else ""
        raise BadValue(f"{path}{line}:{key} {first.problem}{more}", first.fix) from None


def _read_list(array: Item, *, may_discover: bool) -> ServerList:
    items = array.items(_SERVERS_FIX)
    if items == []:
        array.wrong("there are no servers", _SERVERS_FIX)
    servers: dict[str, Server] = {}
    discovered: list[Discovered] = []
    for item in items or ():
        found = _read_server(item, may_discover=may_discover)
        if isinstance(found, Discovered):
            discovered.append(found)
        elif found is not None:
            if found.origin in servers:
                fix = "remove one, or raise the other's weight"
                item.wrong(f"{found.origin} is listed twice", fix)
            servers[found.origin] = found
    if servers and all(server.drain for server in servers.values()) and not discovered:
        array.wrong("every server has drain = true", "leave at least one without it")
    return ServerList(servers=tuple(servers.values()), discovered=tuple(discovered))


def _read_server(item: Item, *, may_discover: bool) -> Server | Discovered | None:
    def parse(raw: object) -> Server | Discovered:
        found = _server(raw)
        if isinstance(found, Discovered) and not may_discover:
            raise BadValue("DNS can't be used in this file", "write it in the configuration file")
        return found

    if isinstance(item.raw, str):
        return item.read(parse)
    table = item.table(_SERVER_FIX)
    if table is None:
        return None
    found = table.get_by(URL, parse)
    weight = table.get(WEIGHT)
    backup = table.get(BACKUP)
    drain = table.get(DRAIN)
    table.finish(SERVER_KEYS)
    if isinstance(found, Discovered):
        template = attrs.evolve(found.template, weight=weight, backup=backup, drain=drain)
        return attrs.evolve(found, template=template)
    return None if found is None else attrs.evolve(found, weight=weight, backup=backup, drain=drain)


def parse_resolver(where: str) -> tuple[str, int]:
    """Return the address and port of a DNS server; the default port is 53.

    Args:
        where: ``10.0.0.2``, ``10.0.0.2:5353`` or ``[::1]:5353``.

    Raises:
        BadValue: The text is not an IP address with an optional port.
    """
    host, port = rules.split_port(where)
    if port is not None:
        rules.check_port(port, where)
    address = host.removeprefix("[").removesuffix("]")
    try:
        ip_address(address)
    except ValueError:
        raise BadValue(
            f"{rules.show(where)} is not an IP address", 'write one such as "10.0.0.2:53"'
        ) from None
    return address, DNS_PORT if port is None else int(port)
