"""Parse Twisted's server endpoint strings, such as ``tcp:5555:interface=127.0.0.1``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv6Address, ip_address

import attrs

from corsgate.config.model.rules import did_you_mean, one_of, show
from corsgate.errors import BadValue
from corsgate.message.host import is_loopback_name

_ARGUMENTS: Mapping[str, Sequence[str]] = {
    "tcp": ("port", "interface", "backlog"),
    "tcp6": ("port", "backlog", "interface"),
    "ssl": ("port", "privateKey", "certKey", "sslmethod", "interface", "backlog"),
    "tls": ("path", "port", "backlog", "interface"),
    "unix": ("address", "mode", "backlog", "lockfile"),
}
"""The arguments of each endpoint type that opens a socket, in positional order."""

_SYSTEMD_ARGUMENTS = ("domain", "index", "name")
_DOMAINS = ("INET", "INET6", "UNIX")
_SYSTEMD_EXAMPLE = "systemd:name=corsgate"

DEFAULT_BACKLOG = 4096
"""The number of connections that may wait to be accepted, unless an endpoint sets another.

The kernel's own limit (net.core.somaxconn on Linux) applies if it is lower. A burst fills Twisted's
default of 50 within milliseconds, and a client whose SYN is dropped waits a second to retry.
"""

_FILE_ARGUMENTS = ("privateKey", "certKey", "extraCertChain", "dhParameters")
_CHECKED = ("tcp", "tcp6")
_TLS = ("ssl", "tls")
_ANY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104  # Nothing is bound here.
_WRAPPERS = ("haproxy",)
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*")
_HOST_PORT = re.compile(r"[a-z]+://.*|[^:=/]*\.[^:=/]*:[0-9]+", re.IGNORECASE)
_PORT_AT_END = re.compile(r"(?:^|:)([0-9]+)/?$")
_SHORT_IP_V4 = re.compile(r"127(?:\.[0-9]+){0,3}")


def check_endpoint(text: str) -> None:
    r"""Reject text that is clearly not a server endpoint string.

    Only the arguments of ``tcp``, ``tcp6`` and ``systemd`` are checked: Twisted plugins may add
    other types.

    Args:
        text: As for twisted.internet.endpoints.serverFromString, where ``\`` escapes.

    Raises:
        BadValue: The text is not an endpoint.
    """
    kind = text.partition(":")[0].lower()
    if (
        ":" not in text
        or not _TYPE.fullmatch(kind)
        or kind == "localhost"
        or _HOST_PORT.fullmatch(text)
    ):
        # Suggest loopback, because a user who gave no interface may not want all interfaces.
        found = _PORT_AT_END.search(text)
        port = found[1] if found and _is_number(found[1], 1, 65535) else "5555"
        example = f"tcp:{port}:interface=127.0.0.1"
        raise BadValue(f"{show(text)} is not an endpoint", f"write {show(example)}")
    if _ends_in_escape(text):
        raise BadValue(f"{show(text)} ends in a backslash", "remove it")
    if kind in _CHECKED:
        _check_tcp(text, kind)
    if is_handed_over(text):
        handed_over(text)


def is_loopback(endpoint: str) -> bool:
    """Return whether only programs on this machine can connect to an endpoint.

    False for a Unix socket, because a local proxy may forward requests from anywhere to it. Also
    False for ``systemd:``, because the string does not contain the address.

    Args:
        endpoint: A string that `check_endpoint` accepts.
    """
    return _names_loopback(_arguments(endpoint).get("interface", "").lower())


def is_reached_at(endpoint: str, host: str, port: int) -> bool:
    """Return whether a connection from this machine to a host and port reaches an endpoint.

    Names are not resolved; only those that always mean this machine are recognized.

    Args:
        endpoint: A string that `check_endpoint` accepts.
        host: A host name or an IP address; an IPv6 address may have brackets.
        port: The port.
    """
    if port_of(endpoint) != port:
        return False
    interface = _arguments(endpoint).get("interface", "").lower()
    name = host.strip("[]").rstrip(".").lower()
    if is_loopback(endpoint) or interface in _ANY_ADDRESS:
        # A connection to the unspecified address reaches this machine.
        return (
            name in _ANY_ADDRESS or _names_loopback(name) or is_loopback_name(name.encode("utf-8"))
        )
    return name == interface


def files_of(endpoint: str) -> list[str]:
    """Return the files that Twisted reads for an endpoint; for ``tls:`` this is a directory.

    Args:
        endpoint: A string that `check_endpoint` accepts.
    """
    arguments = _arguments(endpoint)
    match endpoint.partition(":")[0].lower():
        case "ssl":
            arguments.setdefault("privateKey", "server.pem")
            return [arguments[name] for name in _FILE_ARGUMENTS if arguments.get(name)]
        case "tls":
            return [arguments["path"]] if arguments.get("path") else []
    return []


def without_tls(endpoint: str) -> str:
    """Return the plain TCP endpoint with the port and interface of a TLS endpoint.

    Args:
        endpoint: A string for which `is_tls` is true.
    """
    arguments = _arguments(endpoint)
    interface = arguments.get("interface", "")
    escaped = interface.replace("\\", "\\\\").replace(":", "\\:")
    port = arguments.get("port", "443")  # Twisted's own default.
    return f"tcp:{port}:interface={escaped}" if interface else f"tcp:{port}"


def port_of(endpoint: str) -> int | None:
    """Return the port that an endpoint listens on; None if the string does not contain it.

    Args:
        endpoint: A string that `check_endpoint` accepts.
    """
    port = _arguments(endpoint).get("port", "")
    return int(port) if _is_number(port, 1, 65535) else None


def address_of(endpoint: str) -> tuple[str, ...]:
    """Return the address of an endpoint, without its other settings.

    Endpoints with the same address can share a listening socket.

    Args:
        endpoint: A string that `check_endpoint` accepts.

    Returns:
        The type, and the port and interface or the path. For types other than ``tcp``, ``tcp6``
        and ``unix``, the whole string, since any part of it may matter.
    """
    kind, _, wrapped = endpoint.partition(":")
    kind, arguments = kind.lower(), _arguments(endpoint)
    if kind in _WRAPPERS:
        return (kind, *address_of(wrapped))
    if kind in _CHECKED:
        return (kind, arguments.get("port", ""), arguments.get("interface", ""))
    if kind == "unix" and "address" in arguments:
        return (kind, arguments["address"])
    return (endpoint,)


def backlog_of(endpoint: str) -> int | None:
    """Return an endpoint's backlog, if it has one.

    Args:
        endpoint: A string that `check_endpoint` accepts.
    """
    kind, _, wrapped = endpoint.partition(":")
    if kind.lower() in _WRAPPERS:
        return backlog_of(wrapped)
    backlog = _arguments(endpoint).get("backlog", "")
    return int(backlog) if _is_number(backlog, 1, 65535) else None


def socket_mode_of(endpoint: str) -> tuple[str, int] | None:
    """Return the path of a Unix socket and its permissions; None for other types.

    Args:
        endpoint: A string that `check_endpoint` accepts.
    """
    kind, _, wrapped = endpoint.partition(":")
    if kind.lower() in _WRAPPERS:
        return socket_mode_of(wrapped)
    arguments = _arguments(endpoint)
    mode = arguments.get("mode", "666")  # Twisted's own default.
    if kind.lower() != "unix" or re.fullmatch("[0-7]{1,4}", mode) is None:
        return None
    return arguments.get("address", ""), int(mode, 8)


def with_mode(endpoint: str, mode: str) -> str:
    """Return an endpoint with the permissions of its socket.

    Args:
        endpoint: A string that `check_endpoint` accepts.
        mode: The permissions, in octal digits.

    Returns:
        The endpoint, unchanged if it has a mode or is not a Unix socket.
    """
    is_unix = endpoint.partition(":")[0].lower() == "unix"
    if not is_unix or "mode" in _arguments(endpoint):
        return endpoint
    return f"{endpoint}:mode={mode}"


def with_backlog(endpoint: str) -> str:
    """Return an endpoint with a backlog: how many connections may wait to be accepted.

    Args:
        endpoint: A string that `check_endpoint` accepts.

    Returns:
        The endpoint, unchanged if it has a backlog or its type does not support one. For a wrapper
        such as ``haproxy:``, the backlog is added to the wrapped endpoint.
    """
    kind, _, wrapped = endpoint.partition(":")
    if kind.lower() in _WRAPPERS:
        return f"{kind}:{with_backlog(wrapped)}"
    if kind.lower() not in _ARGUMENTS or "backlog" in _arguments(endpoint):
        return endpoint
    return f"{endpoint}:backlog={DEFAULT_BACKLOG}"


def is_handed_over(endpoint: str) -> bool:
    """Return whether an endpoint's socket was opened by another process, such as systemd.

    Args:
        endpoint: A string that `check_endpoint` accepts.
    """
    kind, _, wrapped = endpoint.partition(":")
    return is_handed_over(wrapped) if kind.lower() in _WRAPPERS else kind.lower() == "systemd"


@attrs.frozen(kw_only=True)
class HandedOver:
    """How a ``systemd:`` endpoint identifies its socket.

    Attributes:
        index: Its position among the sockets from systemd, from 0; None if it has a name.
        name: Its name, from FileDescriptorName= of the socket unit; None if it has an index.
        domain: Its address family: ``INET``, ``INET6`` or ``UNIX``. None if the endpoint does not
            set one.
    """

    index: int | None
    name: str | None
    domain: str | None


def handed_over(endpoint: str) -> HandedOver:
    """Return how a ``systemd:`` endpoint identifies its socket.

    Args:
        endpoint: A string for which `is_handed_over` is true.

    Raises:
        BadValue: Its arguments are wrong.
    """
    kind, _, wrapped = endpoint.partition(":")
    if kind.lower() in _WRAPPERS:
        return handed_over(wrapped)
    positional, named = _split(endpoint)
    for argument in named:
        if argument not in _SYSTEMD_ARGUMENTS:
            only = f"give only {one_of(_SYSTEMD_ARGUMENTS)}"
            fix = did_you_mean(argument, _SYSTEMD_ARGUMENTS, only)
            raise BadValue(f"{show(endpoint)} has the unknown argument {show(argument)}", fix)
    given = {**dict(zip(_SYSTEMD_ARGUMENTS, positional[1:], strict=False)), **named}
    domain, index, name = (given.get(each) for each in _SYSTEMD_ARGUMENTS)
    if domain is not None and domain not in _DOMAINS:
        raise BadValue(
            f"{show(endpoint)} has the domain {show(domain)}",
            f"write {one_of(_DOMAINS)}, or no domain: write {show(_SYSTEMD_EXAMPLE)}",
        )
    if (index is None) == (name is None) or name == "":
        raise BadValue(
            f"{show(endpoint)} must have either a name or an index",
            f"write {show(_SYSTEMD_EXAMPLE)}, with the FileDescriptorName= of the socket unit",
        )
    if index is not None and not _is_number(index, 0, 65535):
        raise BadValue(
            f"{show(endpoint)} has a bad index", "count the sockets from 0, or give a name"
        )
    return HandedOver(index=None if index is None else int(index), name=name, domain=domain)


def _arguments(endpoint: str) -> dict[str, str]:
    """Return the arguments of an endpoint; empty for a type that is not in `_ARGUMENTS`."""
    kind = endpoint.partition(":")[0].lower()
    if kind not in _ARGUMENTS:
        return {}
    positional, named = _split(endpoint)
    return {**dict(zip(_ARGUMENTS[kind], positional[1:], strict=False)), **named}


def is_tls(endpoint: str) -> bool:
    """Return whether an endpoint string configures TLS and certificates itself.

    Args:
        endpoint: A string that `check_endpoint` accepts.
    """
    return endpoint.partition(":")[0].lower() in _TLS


def _names_loopback(interface: str) -> bool:
    if interface == "localhost" or _SHORT_IP_V4.fullmatch(interface):
        return True
    try:
        address = ip_address(interface)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def _check_tcp(text: str, kind: str) -> None:
    names = _ARGUMENTS[kind]
    positional, named = _split(text)
    given = positional[1:]
    if "interface" in named and len(given) > 1 and not named["interface"]:
        raise BadValue(
            f"{show(text)} has colons that end the interface",
            r"put a backslash before each, as in interface=\:\:1, in single quotes",
        )
    if len(given) > len(names):
        raise BadValue(f"{show(text)} has too many parts", f"give only {one_of(names)}")
    taken = names[: len(given)]
    for name in named:
        if name not in names:
            fix = did_you_mean(name, names, f"give only {one_of(names)}")
            raise BadValue(f"{show(text)} has the unknown argument {show(name)}", fix)
        if name in taken:
            raise BadValue(f"{show(text)} gives {show(name)} twice", "remove one of them")
    arguments = {**dict(zip(taken, given, strict=True)), **named}
    if not _is_number(arguments.get("port", ""), 0, 65535):
        raise BadValue(f"{show(text)} has a bad port", "write a port from 0 to 65535")
    if not _is_number(arguments.get("backlog", "50"), 1, 65535):
        raise BadValue(f"{show(text)} has a bad backlog", "write a number from 1 to 65535")


def _is_number(text: str, low: int, high: int) -> bool:
    return re.fullmatch("[0-9]{1,5}", text) is not None and low <= int(text) <= high


def _ends_in_escape(text: str) -> bool:
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def _split(text: str) -> tuple[list[str], dict[str, str]]:
    """Return the positional parts, including the type, and the ``name=value`` parts."""
    positional: list[str] = []
    named: dict[str, str] = {}
    for part in _parts(text):
        if len(part) == 1:
            positional.append(part[0])
        else:
            named[part[0]] = part[1]
    return positional, named


def _parts(text: str) -> Iterator[list[str]]:
    """Split at colons, and each part at its first ``=``; a backslash escapes one character."""
    part = [""]
    characters = iter(text)
    for character in characters:
        if character == ":":
            yield part
            part = [""]
        elif character == "=" and len(part) == 1:
            part.append("")
        else:
            part[-1] += next(characters, "") if character == "\\" else character
    yield part
