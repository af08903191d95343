"""Mounted servers, for tests of what maps addresses."""

from __future__ import annotations

import attrs

from corsgate.config.model.values import Server
from corsgate.message.uri_mapping import AddressMap, Mount

GATE = b"http://localhost:5555"
BOX = Server(scheme="http", host="box", port=8000)


@attrs.frozen(kw_only=True)
class Mounted:
    """A server and how it is mounted, with defaults for most tests."""

    server: Server = BOX
    sent_host: bytes = b"box:8000"
    mount: Mount = Mount()  # noqa: RUF009 a frozen value
    gate_origin: bytes = GATE

    @property
    def addresses(self) -> AddressMap:
        """What maps the addresses of a response."""
        return AddressMap(
            self.mount,
            self.server,
            sent_host=self.sent_host,
            gate_origin=self.gate_origin,
            authority=self.gate_origin.partition(b"://")[2],
        )

    def location(self, value: bytes) -> bytes:
        """Map a Location."""
        return self.addresses.to_gate(value)


PLAIN = Mounted()
NAMELESS = Mounted(gate_origin=b"")
BASED = Mounted(server=attrs.evolve(BOX, base_path="/api"))
STRIPPED = Mounted(mount=Mount(prefix=b"/v1"))
BOTH = attrs.evolve(BASED, mount=STRIPPED.mount)
