"""Read the keys for TLS: certificates, and the verification of an upstream's servers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from corsgate.config.model import rules
from corsgate.config.model.certificates import (
    CertifiedKey,
    Unread,
    parse_chain,
    parse_key,
)
from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.values import Config, Server
from corsgate.config.sections.secrets import Sources
from corsgate.config.sections.upstream_tls import upstream_tls_findings
from corsgate.config.toml.keys import AnyKey, Key, Keys, by_hand, table_key
from corsgate.config.toml.lines import Path
from corsgate.config.toml.reader import Item, Table
from corsgate.config.toml.shape import shape
from corsgate.config.toml.values import text
from corsgate.errors import BadValue

VERIFY_OFF = "dangerously-off"

_CHAIN = 'chain = "/etc/corsgate/fullchain.pem"'
_KEY = 'key = "/etc/corsgate/key.pem"'
_OF_UPSTREAMS = ("server_name", "client_certificate", "verify", "tls")

_IS_FILE = by_hand({"type": "string"})

CHAIN = Key(
    "chain",
    _IS_FILE,
    None,
    "The file with the certificate and then its intermediate certificates, in PEM.",
    example='"/etc/corsgate/fullchain.pem"',
    fix=f"write {_CHAIN}",
    type="path",
)
KEY = Key(
    "key",
    _IS_FILE,
    None,
    "The file with the certificate's private key, in PEM.",
    example='"/etc/corsgate/key.pem"',
    fix=f"write {_KEY}",
    type="path",
)


def certificate_keys(heading: str, description: str) -> Keys:
    """Declare a table of a certificate with its key."""
    return Keys(heading=heading, description=description, keys=(CHAIN, KEY), models=(CertifiedKey,))


CLIENT_CERTIFICATE_KEYS = certificate_keys(
    "[upstreams.NAME.client_certificate]", "The certificate for servers that ask for one."
)
CA = Key(
    "ca",
    _IS_FILE,
    None,
    "The file with the certificates of a private authority, in PEM, for verifying https servers."
    " By default the system's authorities are trusted.",
    example='"/etc/corsgate/ca.pem"',
    type="path",
    field="ca_pem",
)
CLIENT_CERTIFICATE = table_key(
    "client_certificate",
    CLIENT_CERTIFICATE_KEYS,
    "The certificate that the gate shows to https servers that ask for one.",
    example=f"{{ {_CHAIN}, {_KEY} }}",
)


@shape({"type": "string"})
def _server_name(raw: object) -> str:
    name = rules.normal_host(text(raw))
    rules.check_host(name)
    return name


SERVER_NAME = Key(
    "server_name",
    _server_name,
    None,
    "The name that the certificates of https servers must have; it is also sent as SNI. By default"
    " it is the host in each server's URL.",
    example='"box.internal.example.com"',
)


@shape({"const": VERIFY_OFF})
def _verify(raw: object) -> bool:
    if raw == VERIFY_OFF:
        return False
    shown = rules.show(raw) if isinstance(raw, str) else "it"
    raise BadValue(
        f"{shown} is not valid",
        f'remove it, or write "{VERIFY_OFF}" to trust any server',
    )


VERIFY = Key(
    "verify",
    _verify,
    True,
    "Turns off the verification of https servers. Anyone on the network path can then read and"
    " change the traffic.",
    example=f'"{VERIFY_OFF}"',
)


def read_certified_key(item: Item, sources: Sources) -> CertifiedKey | None:
    """Read a table ``{ chain = "FILE", key = "FILE" }``.

    Args:
        item: The table.
        sources: Reads the files.

    Returns:
        The chain with its key, or None after recording all faults.
    """
    table = item.table(f"write {{ {_CHAIN}, {_KEY} }}")
    if table is None:
        return None
    chain = table.get_by(CHAIN, _file(sources, parse_chain))
    key = table.get_by(KEY, _file(sources, parse_key))
    table.finish(CLIENT_CERTIFICATE_KEYS)
    if chain is None or key is None:
        return None
    (chain_file, chain_pem), (key_file, key_pem) = chain, key
    kind = CertifiedKey if sources.reads_pem else Unread
    try:
        return kind(chain_file=chain_file, chain_pem=chain_pem, key_file=key_file, key_pem=key_pem)
    except BadValue as error:
        table.notes.add((*table.path, "key"), error.problem, error.fix)
        return None


def _file(
    sources: Sources, parse: Callable[[bytes], object]
) -> Callable[[object], tuple[str, bytes]]:
    """Make a reader of a file name that returns the name and the bytes, checked by `parse`."""

    def reader(raw: object) -> tuple[str, bytes]:
        name = text(raw)
        pem = sources.certificate(name)
        if sources.reads_pem:
            parse(pem)
        return name, pem

    return reader


def read_ca(table: Table, sources: Sources, key: AnyKey = CA) -> bytes | None:
    """Read ``ca``, the file of certificates for verifying servers; None if absent."""
    found = table.get_by(key, _file(sources, parse_chain))
    return None if found is None else found[1]


def read_client_certificate(
    table: Table, sources: Sources, key: AnyKey = CLIENT_CERTIFICATE
) -> CertifiedKey | None:
    """Read ``client_certificate``, for servers that ask for one; None if absent."""
    item = table.item(key)
    return None if item is None else read_certified_key(item, sources)


def tls_warnings(config: Config, now_s: float) -> list[str]:
    """Return the warnings about a configuration's TLS that are logged at each start.

    Args:
        config: The configuration.
        now_s: The time in seconds since 1970.
    """
    return [problem for _, problem in tls_findings(config, now_s)]


def tls_findings(config: Config, now_s: float) -> list[tuple[Path, str]]:
    """Return the warnings of `tls_warnings`, each with its key.

    A listener is identified by its index among all listeners, as ``listener[0]``.
    """
    shown: list[tuple[Path, CertifiedKey]] = [
        (("listener", number, "certificates", index, "chain"), certified)
        for number, listener in enumerate(config.listeners)
        for index, certified in enumerate(listener.certificates)
    ]
    for name, upstream in config.upstreams.items():
        if upstream.client_certificate:
            place = ("upstreams", name, "client_certificate", "chain")
            shown.append((place, upstream.client_certificate))
        shown += [
            (("upstreams", name, "credentials"), part.client_certificate)
            for part in upstream.credential_parts
            if isinstance(part, OAuth2Credentials) and part.client_certificate
        ]
    lapses = [(place, one.chain_file, one.lapse(now_s)) for place, one in shown]
    return [
        *(
            (place, f'the certificate in "{file}" {lapse}')
            for place, file, lapse in lapses
            if lapse
        ),
        *(
            (
                ("upstreams", name, "verify"),
                f"upstream {name}: its servers are not verified, so anyone on the network path can"
                " read and change the traffic",
            )
            for name, upstream in config.upstreams.items()
            if not upstream.verify
        ),
        *(
            found
            for name, upstream in config.upstreams.items()
            for found in upstream_tls_findings(name, upstream)
        ),
    ]


def check_upstream_tls(table: Table, servers: Sequence[Server]) -> None:
    """Record a fault for each TLS key that has no effect.

    Args:
        table: The table of the upstream.
        servers: The servers of the upstream.
    """
    if table.raw.get("verify") == VERIFY_OFF and "ca" in table.raw:
        table.notes.add(
            (*table.path, "verify"),
            "ca has no effect when servers are not verified",
            "remove one of the two",
        )
    if any(server.scheme == "https" for server in servers):
        return
    for key in _OF_UPSTREAMS:
        if key in table.raw:
            table.notes.add(
                (*table.path, key),
                "no server of this upstream uses https",
                "write https:// URLs, or remove it",
            )
