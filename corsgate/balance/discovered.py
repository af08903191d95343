"""Create servers from DNS records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from corsgate.config.model.values import MAX_WEIGHT, Server
from corsgate.errors import BadValue


@attrs.frozen(kw_only=True)
class Service:
    """One SRV record (RFC 2782).

    Attributes:
        priority: The lowest one is used first.
        weight: The target's share among those of the same priority.
        port: The port of the service.
        target: The host name.
    """

    priority: int
    weight: int
    port: int
    target: str


def is_within(target: str, service: str) -> bool:
    """Return whether a target belongs to the domain of its service.

    Args:
        target: A host name, such as ``a.internal.example``.
        service: The service's name, such as ``_api._tcp.internal.example``.
    """
    domain = service.split(".", 2)[-1]
    return target == domain or target.endswith(f".{domain}")


def host_servers(template: Server, addresses: Iterable[str]) -> list[Server]:
    """Return the servers of a host, one for each of its addresses.

    Args:
        template: The settings of each server; its host is the name.
        addresses: The addresses of the name.
    """
    return [attrs.evolve(template, host=each, name=template.host) for each in addresses]


def service_servers(
    template: Server, services: Sequence[Service], addresses: Mapping[str, Sequence[str]]
) -> list[Server]:
    """Return the servers of a service; all except those of the lowest priority are backups.

    Targets without addresses and records with invalid values are left out. A weight of 0, which
    asks for very little traffic, becomes the smallest weight (RFC 2782).

    Args:
        template: The settings of each server, except host, port and weight.
        services: The records.
        addresses: The addresses of each target.
    """
    usable = [each for each in services if addresses.get(each.target) and _is_valid(each)]
    if not usable:
        return []
    first = min(each.priority for each in usable)
    heaviest = max(each.weight for each in usable)
    scale = MAX_WEIGHT / heaviest if heaviest > MAX_WEIGHT else 1.0
    servers: dict[str, Server] = {}
    for service in sorted(usable, key=lambda each: each.priority):
        found = attrs.evolve(
            template,
            host=service.target,
            port=service.port,
            weight=max(1, round(service.weight * scale)),
            backup=template.backup or service.priority > first,
        )
        for server in host_servers(found, addresses[service.target]):
            servers.setdefault(server.origin, server)
    return list(servers.values())


def _is_valid(service: Service) -> bool:
    try:
        Server(scheme="http", host=service.target, port=service.port)
    except BadValue:
        return False
    return True
