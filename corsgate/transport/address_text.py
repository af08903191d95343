"""Addresses of sockets as people write them."""

from __future__ import annotations

from typing import Any


def address_text(address: Any) -> str:
    """Return an address as ``host:port``, or as ``unix:`` and a path.

    Args:
        address: An IAddress, or what `socket.getsockname` returns. A name in Linux's abstract
            namespace begins with ``@``.
    """
    if isinstance(address, tuple):
        host, port = address[:2]
    else:
        host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is not None:
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    name = getattr(address, "name", address)
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace")
    if not isinstance(name, str):
        return str(address)
    return "unix:" + name.replace("\0", "@")
