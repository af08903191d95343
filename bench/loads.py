"""The loads, and wrk, which makes them and tells what came of it."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from bench.processes import LeftOut

ORIGIN: Final = "http://localhost:4200"
"""The page that all requests come from; every proxy allows it."""

KIB, MIB = 1024, 1024**2
_SCRIPTS: Final = Path(__file__).resolve().parent
_GRACE_S: Final = 30.0
_FIELDS: Final = {
    "Origin": ORIGIN,
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en-GB,en;q=0.5",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
}


@attrs.frozen(kw_only=True)
class Load:
    """One request, sent over and over on connections that are kept.

    Attributes:
        name: What ``--only`` calls it.
        title: What the report calls it.
        connections: How many there are, each with one request at a time.
        path: The file that is asked for.
        length: Of the response's body, in bytes.
        method: Of the request.
        tls: Whether the proxy's listener has a certificate.
        fields: The request's header.
        script: What tells wrk what to send.
    """

    name: str
    title: str
    connections: int
    path: str
    length: int
    method: str = "GET"
    tls: bool = False
    fields: dict[str, str] = _FIELDS
    script: str = "wrk.lua"


LOADS: Final = (
    Load(name="1k", title="1 KB of JSON", connections=64, path="/1k.json", length=KIB),
    Load(
        name="varying",
        title="1 KB of JSON, other fields in each request",
        connections=64,
        path="/1k.json",
        length=KIB,
        script="wrk_varying.lua",
    ),
    Load(name="1m", title="1 MiB bodies", connections=16, path="/1m.bin", length=MIB),
    Load(name="tls", title="1 KB over TLS", connections=64, path="/1k.json", length=KIB, tls=True),
    Load(
        name="preflight",
        title="Preflights",
        connections=64,
        path="/1k.json",
        length=0,
        method="OPTIONS",
        fields={
            **_FIELDS,
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "content-type",
        },
    ),
)


@attrs.frozen(kw_only=True)
class Outcome:
    """What wrk saw.

    Attributes:
        requests: How many ended.
        bytes: How many came, heads and all.
        duration_us: How long that took.
        failed: How many got an error status, or none.
        p50_us: The median of the latencies.
        p99_us: What one of a hundred exceeds.
    """

    requests: int
    bytes: int
    duration_us: int
    failed: int
    p50_us: int
    p99_us: int


def write_files(directory: Path) -> None:
    """Write the files that the upstream serves."""
    directory.mkdir()
    text = json.dumps({"documents": ["/v1/documents/0123456789"]}).encode()
    (directory / "1k.json").write_bytes(text.ljust(KIB))
    # Not zeros: nothing on the way is to find them easy.
    (directory / "1m.bin").write_bytes(bytes(index * index % 251 for index in range(MIB)))


def check(load: Load, port: int, target: str) -> None:
    """Send a load's request once and look at the response.

    Args:
        load: The load.
        port: The proxy's on 127.0.0.1.
        target: The request's target.

    Raises:
        LeftOut: The response isn't what a browser needs.
    """
    client: http.client.HTTPConnection
    if load.tls:
        # The certificate is the benchmark's own, made a moment ago.
        context = ssl._create_unverified_context()  # noqa: S323
        client = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    else:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        client.request(load.method, target, headers=load.fields)
        response = client.getresponse()
        length = len(response.read())
    except (OSError, http.client.HTTPException) as error:
        raise LeftOut(f"a first request fails: {error!r}") from error
    finally:
        client.close()
    allowed = response.headers.get_all("Access-Control-Allow-Origin")
    if response.status not in (200, 204) or length != load.length:
        raise LeftOut(f"a first request gets status {response.status} and {length} bytes")
    if allowed not in ([ORIGIN], ["*"]):
        raise LeftOut(f"a first request gets Access-Control-Allow-Origin {allowed}")


def drive(
    wrk: str,
    load: Load,
    port: int,
    target: str,
    *,
    core: int,
    seconds: int,
    environ: Mapping[str, str],
) -> Outcome:
    """Put a proxy under load.

    Args:
        wrk: The program's path.
        load: The load.
        port: The proxy's on 127.0.0.1.
        target: The requests' target.
        core: Where wrk runs.
        seconds: How long.
        environ: wrk's environment.

    Raises:
        LeftOut: wrk has failed, or the proxy has failed requests.
    """
    url = f"{'https' if load.tls else 'http'}://127.0.0.1:{port}{target}"
    command = ["taskset", "-c", str(core), wrk, "--threads", "1", "--timeout", "10s"]
    command += ["--connections", str(load.connections), "--duration", f"{seconds}s"]
    command += ["--script", str(_SCRIPTS / load.script), url, "--", load.method]
    for field in load.fields.items():
        command += field
    try:
        done = subprocess.run(  # noqa: S603 - the command is our own
            command,
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + _GRACE_S,
            env=environ,
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise LeftOut(f"wrk failed: {error}") from error
    outcome = Outcome(**json.loads(done.stdout.splitlines()[-1]))
    if outcome.failed or not outcome.requests:
        raise LeftOut(f"{outcome.failed} requests failed beside {outcome.requests}")
    if outcome.bytes < outcome.requests * load.length:
        raise LeftOut(f"{outcome.requests} responses have {outcome.bytes} bytes in all")
    return outcome
