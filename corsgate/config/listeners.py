"""Where the gate listens and under which names: ``listen``, ``[[listener]]`` and ``hosts``."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from corsgate.config import rules
from corsgate.config.endpoint import check_endpoint
from corsgate.config.model import Listener
from corsgate.config.reader import Item, Table, checked, text
from corsgate.errors import BadValue

_EXAMPLE = '"tcp:5555:interface=127.0.0.1"'
_TLS_MEND = "put a TLS terminator in front"


def read_listeners(top: Table) -> tuple[Listener, ...]:
    """Read ``listen`` and the tables ``[[listener]]``.

    Args:
        top: The document.

    Returns:
        The listeners; empty where there is none or one is faulty, which is noted.
    """
    endpoints = top.list_of("listen", checked(check_endpoint), _EXAMPLE)
    tables = top.item("listener")
    items = None if tables is None else tables.items("write tables [[listener]]")
    if not top.raw.get("listen") and not top.raw.get("listener"):
        top.notes.add(("listen",), "there is no listener", f"write listen = [{_EXAMPLE}]")
    found = [Listener(endpoint=endpoint) for endpoint in endpoints or ()]
    read = [_read_listener(item) for item in items or ()]
    found += [listener for listener in read if listener is not None]
    faulty = (endpoints is None and "listen" in top.raw) or None in read
    return () if faulty else tuple(found)


def _read_listener(item: Item) -> Listener | None:
    table = item.table("write a table [[listener]]")
    if table is None:
        return None
    endpoint = table.need("endpoint", checked(check_endpoint), f"write endpoint = {_EXAMPLE}")
    proxies = table.list_of("trusted_proxies", _network, '"10.0.0.0/8"')
    table.later("certificates", _TLS_MEND)
    table.later("http2", _TLS_MEND)
    table.finish()
    return None if endpoint is None else Listener(endpoint=endpoint, trusted_proxies=proxies or ())


def _network(raw: object) -> IPv4Network | IPv6Network:
    value = text(raw)
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        raise BadValue(
            f"{rules.show(value)} is no network", 'write one such as "10.0.0.0/8"'
        ) from None
    if "/" in value and str(network.network_address) != value.partition("/")[0]:
        raise BadValue(f"{rules.show(value)} has bits set beyond its prefix", f'write "{network}"')
    return network


def read_hosts(top: Table) -> tuple[str, ...] | None:
    """Read ``hosts``, the Host values that are served; None where it is absent or faulty."""
    hosts = top.list_of("hosts", _host, '"localhost:5555"')
    if hosts == ():
        top.notes.add(("hosts",), "it is empty", "list the names that clients use")
    return hosts


def _host(raw: object) -> str:
    host = text(raw).lower()
    rules.check_served_host(host)
    return host
