"""The servers that DNS records stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from corsgate.config.model.values import MAX_WEIGHT, Server
from corsgate.errors import BadValue


@attrs.frozen(kw_only=True)
class Service:
    """One SRV record (RFC 2782).

    Attributes:
        priority: Targets of the lowest one are used first.
        weight: The target's share among those of its priority.
        port: Where the service is there.
        target: The host's name.
    """

    priority: int
    weight: int
    port: int
    target: str


def is_within(target: str, service: str) -> bool:
    """Return whether a service's target belongs to the domain that the service is asked for in.

    Args:
        target: A host's name, such as ``a.internal.example``.
        service: The service's, such as ``_api._tcp.internal.example``.
    """
    domain = service.split(".", 2)[-1]
    return target == domain or target.endswith(f".{domain}")


def host_servers(template: Server, addresses: Iterable[str]) -> list[Server]:
    """Return the servers of a host, one for each of its addresses.

    Args:
        template: What each is like; its host is the name.
        addresses: The name's.
    """
    return [attrs.evolve(template, host=each, name=template.host) for each in addresses]


def service_servers(
    template: Server, services: Sequence[Service], addresses: Mapping[str, Sequence[str]]
) -> list[Server]:
    """Return the servers of a service: those of the lowest priority, all others as backups.

    A target that has no addresses is left out, and so is a record that no server can be made of.
    A weight of 0, which says "hardly ever", is the least there is (RFC 2782).

    Args:
        template: What each is like, except for host, port and weight.
        services: The records.
        addresses: Those of each target's name.
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
