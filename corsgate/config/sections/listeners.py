"""Read where the gate listens and for which names: ``listen``, ``[[listener]]``, ``hosts``."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from corsgate.config.model import rules
from corsgate.config.model.certificates import CertifiedKey
from corsgate.config.model.endpoint import check_endpoint, is_tls, without_tls
from corsgate.config.model.values import Listener
from corsgate.config.sections.secrets import Sources
from corsgate.config.sections.tls import certificate_keys, read_certified_key
from corsgate.config.toml.keys import Key, Keys, by_hand, list_of
from corsgate.config.toml.reader import Item, Table
from corsgate.config.toml.shape import shape
from corsgate.config.toml.values import boolean, checked, text
from corsgate.errors import BadValue

_EXAMPLE = '"tcp:5555:interface=127.0.0.1"'
_NO_HTTP2 = "the library for HTTP/2 is not installed"
_INSTALL_HTTP2 = "run pip install 'h2>=4', or remove it"


@shape({"type": "string"})
def _network(raw: object) -> IPv4Network | IPv6Network:
    value = text(raw)
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        raise BadValue(
            f"{rules.show(value)} is not a network", 'write one such as "10.0.0.0/8"'
        ) from None
    if "/" in value and str(network.network_address) != value.partition("/")[0]:
        raise BadValue(f"{rules.show(value)} has bits set beyond its prefix", f'write "{network}"')
    return network


@shape({"type": "string"})
def _host(raw: object) -> str:
    host = text(raw).lower()
    rules.check_served_host(host)
    return host


LISTEN = list_of(
    "listen",
    checked(check_endpoint),
    "Where the gate listens: Twisted server endpoints, such as tcp:PORT:interface=ADDRESS,"
    " unix:PATH or systemd:name=NAME.",
    entry=_EXAMPLE,
)
ENDPOINT = Key(
    "endpoint",
    checked(check_endpoint),
    None,
    "Where it listens: a Twisted server endpoint, such as tcp:PORT:interface=ADDRESS,"
    " unix:PATH or systemd:name=NAME.",
    example=_EXAMPLE,
    fix=f"write endpoint = {_EXAMPLE}",
)
TRUSTED_PROXIES = list_of(
    "trusted_proxies",
    _network,
    "The networks of proxies in front of the gate, whose Forwarded and X-Forwarded-* fields are"
    " trusted.",
    entry='"10.0.0.0/8"',
    gives="proxies in {} are trusted",
    takes="proxies in {} are no longer trusted",
)
CERTIFICATE_KEYS = certificate_keys(
    "[[listener.certificates]]", "A certificate for TLS with its private key."
)
CERTIFICATES = Key(
    "certificates",
    by_hand({"type": "array", "items": CERTIFICATE_KEYS.schema}),
    None,
    "The certificates for TLS. The gate uses the one for the name that the client requests, or else"
    " the first. Without certificates, the listener uses plain TCP.",
    example='[{ chain = "/etc/corsgate/fullchain.pem", key = "/etc/corsgate/key.pem" }]',
    tables=(CERTIFICATE_KEYS,),
)
HTTP2 = Key(
    "http2",
    boolean,
    None,
    "Whether clients may use HTTP/2, which needs certificates. By default they may if h2 is"
    " installed.",
    example="false",
)
LISTENER_KEYS = Keys(
    heading="[[listener]]",
    description="A place where the gate listens, with TLS or behind trusted proxies.",
    keys=(ENDPOINT, TRUSTED_PROXIES, CERTIFICATES, HTTP2),
    models=(Listener,),
)
LISTENER = Key(
    "listener",
    by_hand({"type": "array", "items": LISTENER_KEYS.schema}),
    None,
    "Where the gate listens, with TLS or behind trusted proxies: a table for each listener.",
    example='[{ endpoint = "tcp:5556:interface=127.0.0.1" }]',
    tables=(LISTENER_KEYS,),
)
HOSTS = list_of(
    "hosts",
    _host,
    'The Host values to serve: "name" for any port, "name:port", or "*.name"; others get 421.'
    " The hosts that trusted proxies send must also match. By default a listener on loopback"
    " serves loopback names, and others serve any name.",
    entry='"localhost:5555"',
    gives="the host {} is served",
    takes="the host {} is no longer served",
)


def read_listeners(top: Table, sources: Sources) -> tuple[Listener, ...]:
    """Read ``listen`` and the tables ``[[listener]]``.

    Args:
        top: The document.
        sources: Reads the certificate files, and knows whether HTTP/2 is available.

    Returns:
        The listeners; empty if there are none or, after recording its faults, if one is faulty.
    """
    endpoints = top.list_of(LISTEN)
    tables = top.item(LISTENER)
    items = None if tables is None else tables.items("write tables [[listener]]")
    if not top.raw.get("listen") and not top.raw.get("listener"):
        top.notes.add(("listen",), "there is no listener", f"write listen = [{_EXAMPLE}]")
    found = [Listener(endpoint=endpoint) for endpoint in endpoints or ()]
    read = [_read_listener(item, sources) for item in items or ()]
    found += [listener for listener in read if listener is not None]
    faulty = (endpoints is None and "listen" in top.raw) or None in read
    return () if faulty else tuple(found)


def _read_listener(item: Item, sources: Sources) -> Listener | None:
    table = item.table("write a table [[listener]]")
    if table is None:
        return None
    endpoint = table.get(ENDPOINT)
    proxies = table.list_of(TRUSTED_PROXIES)
    certificates = _read_certificates(table, endpoint, sources)
    # A user who installs the library wants HTTP/2; no browser uses it over plain TCP.
    wanted = table.get(HTTP2)
    http2 = sources.has_http2 and bool(certificates) if wanted is None else wanted
    if http2 and not sources.has_http2:
        table.notes.add((*table.path, "http2"), _NO_HTTP2, _INSTALL_HTTP2)
    table.finish(LISTENER_KEYS)
    if endpoint is None or certificates is None:
        return None
    try:
        return Listener(
            endpoint=endpoint,
            trusted_proxies=proxies or (),
            certificates=certificates,
            http2=http2,
        )
    except BadValue as error:
        table.notes.add((*table.path, "http2"), error.problem, error.fix)
        return None


def _read_certificates(
    table: Table, endpoint: str | None, sources: Sources
) -> tuple[CertifiedKey, ...] | None:
    """Return the certificates of a listener, which may be none; None after recording a fault."""
    item = table.item(CERTIFICATES)
    if item is None:
        return ()
    items = item.items("write an array of tables { chain, key }")
    if items == []:
        item.wrong("it is empty", "give at least one, or remove it")
    if endpoint is not None and is_tls(endpoint):
        item.wrong(
            f"the endpoint {rules.show(endpoint)} has its own certificates",
            f"write endpoint = {_quoted(without_tls(endpoint))}",
        )
    found: list[CertifiedKey] = []
    named: set[str] = set()
    for one in items or ():
        certified = read_certified_key(one, sources)
        if certified is None:
            continue
        names = set(certified.names)
        if found and names <= named:
            one.wrong(
                "this certificate would never be used",
                "add a subjectAltName that no earlier certificate has, or remove it",
            )
        named |= names
        found.append(certified)
    return tuple(found) if items and len(found) == len(items) else None


def _quoted(endpoint: str) -> str:
    """Return an endpoint in TOML quotes, which are single quotes if it contains a backslash."""
    shown = rules.show(endpoint)
    return f"'{shown[1:-1]}'" if "\\" in shown else shown


def read_hosts(top: Table) -> tuple[str, ...] | None:
    """Read ``hosts``, the Host values to serve; None if it is absent or faulty."""
    hosts = top.list_of(HOSTS)
    if hosts == ():
        top.notes.add(("hosts",), "it is empty", "list the names that clients use")
    return hosts
