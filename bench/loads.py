"""The loads, the files that the upstream serves for them, and checks of a first response."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from pathlib import Path
from typing import Final

import attrs

from bench.processes import LeftOut

ORIGIN: Final = "http://localhost:4200"
"""The origin of all requests, which every proxy allows."""

KIB, MIB = 1024, 1024**2
NUMBER: Final = "{n}"
"""A placeholder for the request's number, in a path or a field's value."""

_TIMEOUT_S: Final = 10.0
_FIELDS: Final = {
    "Origin": ORIGIN,
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en-GB,en;q=0.5",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
}
_JSON: Final = {"Content-Type": "application/json"}
_BYTES: Final = {"Content-Type": "application/octet-stream"}


@attrs.frozen(kw_only=True)
class Load:
    """One request, sent repeatedly on kept connections.

    Attributes:
        name: The name for ``--only``.
        title: The name in the report.
        connections: The number of connections.
        streams: How many concurrent requests each has over HTTP/2; over HTTP/1.1 it is one.
        path: The path, which may contain `NUMBER`.
        length: The length of the response's body, in bytes.
        chunked: Whether the upstream sends the body in chunks, without Content-Length.
        method: The request's method.
        upload: The length of the request's body, in bytes.
        tls: Whether the proxy's listener has a certificate.
        http2: Whether the requests use HTTP/2 over TLS.
        fields: The request's fields, whose values may contain `NUMBER`.
        numbers: The value of `NUMBER` counts from 0 up to this, then starts again; 0 for no limit.
        beside: The load to compare it with, right after which it is measured, if it is only for
            the gate.
        access_log: Whether the gate's configuration has an access log.
    """

    name: str
    title: str
    connections: int = 64
    streams: int = 1
    path: str = "/1k.json"
    length: int = KIB
    chunked: bool = False
    method: str = "GET"
    upload: int = 0
    tls: bool = False
    http2: bool = False
    fields: dict[str, str] = _FIELDS
    numbers: int = 0
    beside: str | None = None
    access_log: bool = True

    @property
    def numbered(self) -> bool:
        """Whether each request differs from the previous one."""
        return any(NUMBER in text for text in (self.path, *self.fields.values()))

    @property
    def described(self) -> str:
        """The title, with the connections and streams."""
        streams = f" of {self.streams} streams" if self.http2 else ""
        return f"{self.title}, {self.connections} connections{streams}"

    def at(self, number: int) -> Load:
        """Return the load with `NUMBER` replaced by a number."""
        put = str(number)
        return attrs.evolve(
            self,
            path=self.path.replace(NUMBER, put),
            fields={name: value.replace(NUMBER, put) for name, value in self.fields.items()},
        )


LOADS: Final = (
    Load(name="1k", title="1 KB, same fields"),
    Load(name="unlogged", title="1 KB, no access_log", beside="1k", access_log=False),
    Load(
        name="varying",
        title="1 KB, one field differs",
        fields={**_FIELDS, "If-None-Match": f'"{NUMBER}"'},
    ),
    Load(
        name="put",
        title="PUT of 200 bytes, 1 KB back",
        path="/put",
        method="PUT",
        upload=200,
        fields=_FIELDS | _JSON,
    ),
    Load(name="chunked", title="2 KB, chunked", path="/2k.json", length=2 * KIB, chunked=True),
    Load(name="1m", title="1 MiB down", connections=16, path="/1m.bin", length=MIB),
    Load(
        name="upload",
        title="1 MiB up",
        connections=16,
        path="/put",
        method="PUT",
        upload=MIB,
        fields=_FIELDS | _BYTES,
    ),
    Load(name="tls", title="1 KB over TLS", tls=True),
    Load(
        name="preflight",
        title="Preflights",
        length=0,
        method="OPTIONS",
        fields={
            **_FIELDS,
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "content-type",
        },
    ),
    Load(name="http2", title="1 KB over HTTP/2", connections=16, streams=4, tls=True, http2=True),
)


def write_files(directory: Path) -> None:
    """Write the files that the upstream serves."""
    directory.mkdir()
    text = json.dumps({"documents": ["/v1/documents/0123456789"]}).encode()
    (directory / "1k.json").write_bytes(text.ljust(KIB))
    (directory / "2k.json").write_bytes(text.ljust(2 * KIB))
    # Not zeros, which could be cheaper to process.
    (directory / "1m.bin").write_bytes(bytes(index * index % 251 for index in range(MIB)))


def check(load: Load, port: int, target: str) -> None:
    """Send a load's request once, and check the response.

    Args:
        load: The load, with a number in it if it is numbered.
        port: The proxy's port on 127.0.0.1.
        target: The request's target.

    Raises:
        LeftOut: A browser could not use the response, or the proxy doesn't support HTTP/2.
    """
    if load.http2:
        _check_http2(port)
    response = _first_response(load, port, target, load.fields)
    allowed = response.headers.get_all("Access-Control-Allow-Origin")
    if allowed not in ([load.fields["Origin"]], ["*"]):
        raise LeftOut(f"a first request gets Access-Control-Allow-Origin {allowed}")


def check_upstream(load: Load, port: int, authorization: str) -> None:
    """Send a load's request directly to the upstream, and check that it responds as the load needs.

    Args:
        load: The load, with a number in it if it is numbered.
        port: The upstream's port on 127.0.0.1.
        authorization: The Authorization that the upstream requires.

    Raises:
        LeftOut: It responds differently.
    """
    plain = attrs.evolve(load, tls=False)
    fields = {**load.fields, "Authorization": authorization}
    coding = _first_response(plain, port, load.path, fields).headers.get("Transfer-Encoding")
    if (coding == "chunked") != load.chunked:
        raise LeftOut(f"the upstream sends {load.path} with Transfer-Encoding {coding}")


def _first_response(
    load: Load, port: int, target: str, fields: dict[str, str]
) -> http.client.HTTPResponse:
    client: http.client.HTTPConnection
    if load.tls:
        client = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=_TIMEOUT_S, context=_context()
        )
    else:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    body = bytes(load.upload) if load.upload else None
    try:
        client.request(load.method, target, body=body, headers=fields)
        response = client.getresponse()
        length = len(response.read())
    except (OSError, http.client.HTTPException) as error:
        raise LeftOut(f"a first request fails: {error!r}") from error
    finally:
        client.close()
    if response.status not in (200, 204) or length != load.length:
        raise LeftOut(f"a first request gets status {response.status} and {length} bytes")
    return response


def _check_http2(port: int) -> None:
    """Check that a proxy agrees to HTTP/2."""
    context = _context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as connection,
            context.wrap_socket(connection) as secured,
        ):
            agreed = secured.selected_alpn_protocol()
    except OSError as error:
        raise LeftOut(f"a first handshake fails: {error!r}") from error
    if agreed != "h2":
        raise LeftOut("it does not support HTTP/2")


def _context() -> ssl.SSLContext:
    # The benchmark has just made the certificate itself.
    return ssl._create_unverified_context()  # noqa: S323
