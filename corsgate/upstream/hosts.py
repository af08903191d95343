"""Names that resolve without DNS: localhost, and the names in the hosts file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from corsgate.message.host import is_localhost
from corsgate.transport.files import read_file

SYSTEM_HOSTS = "/etc/hosts"

LOOPBACK = ("::1", "127.0.0.1")


class Hosts:
    """The addresses of names as in hosts(5). The file is read again when it has changed.

    Args:
        path: The file; if it can't be read, it has no names.
    """

    def __init__(self, path: str = SYSTEM_HOSTS) -> None:
        self._path = path
        self._seen: object = None
        self._names: Mapping[str, Sequence[str]] = {}

    def addresses(self, name: str) -> Sequence[str]:
        """Return the addresses of a name, in the order of the file; empty if it has none.

        ``localhost`` and any name below it are always loopback (RFC 6761 6.3), even if the file or
        DNS differ. A container may have no hosts file, and DNS must not decide about such names.

        Args:
            name: A host name in lower case.
        """
        if is_localhost(name.encode("utf-8")):
            return LOOPBACK
        self._read()
        return self._names.get(name, ())

    def _read(self) -> None:
        try:
            status = os.stat(self._path)
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                self._names = parse_hosts(read_file(self._path).decode("utf-8", "replace"))
                self._seen = seen
        except OSError:
            self._names, self._seen = {}, None


def parse_hosts(text: str) -> Mapping[str, Sequence[str]]:
    """Return the addresses of each name in a hosts file.

    Args:
        text: Lines of an address and its names; ``#`` starts a comment. Other lines are skipped,
            as by the system's resolver.

    Returns:
        The addresses of each lower-cased name, in the order of the lines.
    """
    found: dict[str, dict[str, None]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            shown = str(ip_address(address))
        except ValueError:
            continue
        if "%" in shown:
            continue  # A link-local address, which is useless without its interface.
        for name in names:
            found.setdefault(name.lower().rstrip("."), {})[shown] = None
    return {name: tuple(addresses) for name, addresses in found.items()}
