"""Measure only the CORS decision, compared with other libraries: `make bench-cors`."""

from __future__ import annotations

import argparse
import gc
import platform
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import thread_time_ns
from typing import Any, Final

import attrs

from bench.install import python_packages
from bench.processes import LeftOut
from bench.report import put
from corsgate.config.model.values import Cors
from corsgate.cors.decide import decide
from corsgate.cors.policy import compile_policy
from corsgate.message.headers import index_headers

COUNTS: Final = (1, 100, 10_000)
"""How many origins the policy allows."""

PEERS: Final = ("starlette", "flask-cors")

GATE: Final = "corsgate"

BAR: Final = 5.0
"""How many times as fast as either peer the decision must be with 100 origins."""

FLAT: Final = 1.5
"""How many times as long it may take with the largest number of origins as with one."""

START, END = "<!-- decision: start -->", "<!-- decision: end -->"

_KINDS = ("preflight", "actual request")
_SAMPLED = 256
_METHODS = ("GET", "PUT", "POST", "DELETE")
_NAMES = ("Content-Type", "If-Match", "X-Requested-With")
_RESPONSE = ((b"content-type", b"application/json"), (b"content-length", b"1024"))

Raw = Sequence[tuple[bytes, bytes]]
Call = Callable[[Any], object]


@attrs.frozen(kw_only=True)
class Decider:
    """One implementation with one policy, ready to be measured.

    Attributes:
        name: Its name in the tables.
        view: Converts a request's fields into its input; not measured.
        calls: The functions that decide, by kind of request.
    """

    name: str
    view: Callable[[Raw], object]
    calls: dict[str, Call]


def corsgate(origins: Sequence[str]) -> Decider:
    """Return the gate's own, whose input is the index of fields that its parser always makes."""
    policy = compile_policy(
        Cors(
            allow_origins=tuple(origins),
            allow_methods=_METHODS,
            allow_headers=_NAMES,
            expose_headers=("X-Total",),
            allow_credentials=True,
            max_age_s=600,
        )
    )

    def preflight(index: Any) -> object:
        return decide(policy, b"OPTIONS", index, b"http://gate", credentialed=False).headers

    def actual(index: Any) -> object:
        decision = decide(policy, b"PUT", index, b"http://gate", credentialed=False)
        return [*_RESPONSE, *decision.headers]

    calls: dict[str, Call] = {"preflight": preflight, "actual request": actual}
    return Decider(name=GATE, view=index_headers, calls=calls)


def corsgate_indexing(origins: Sequence[str]) -> Decider:
    """Return the gate's own, including the cost of that index, which other stages also use."""
    calls: dict[str, Call] = {
        kind: partial(_indexed, call) for kind, call in corsgate(origins).calls.items()
    }
    return Decider(name=f"{GATE}, index included", view=list, calls=calls)


def _indexed(call: Call, raw: Raw) -> object:
    return call(index_headers(raw))


def starlette(origins: Sequence[str]) -> Decider:
    """Return Starlette's, whose input is the fields as an ASGI server passes them."""
    from starlette.datastructures import Headers
    from starlette.middleware.cors import CORSMiddleware

    async def nothing(*_args: object) -> None:
        pass

    middleware = CORSMiddleware(
        nothing,
        allow_origins=origins,
        allow_methods=_METHODS,
        allow_headers=_NAMES,
        expose_headers=["X-Total"],
        allow_credentials=True,
    )

    def preflight(raw: Any) -> object:
        headers = Headers(raw=raw)
        if headers.get("origin") is not None and "access-control-request-method" in headers:
            return middleware.preflight_response(request_headers=headers).raw_headers
        return None

    def actual(raw: Any) -> object:
        message = {"type": "http.response.start", "status": 200, "headers": [*_RESPONSE]}
        sending = middleware.send(message, nothing, Headers(raw=raw))
        with suppress(StopIteration):
            sending.send(None)
        return message["headers"]

    def view(raw: Raw) -> object:
        return [(name.lower(), value) for name, value in raw]

    return Decider(
        name="Starlette", view=view, calls={"preflight": preflight, "actual request": actual}
    )


def flask_cors(origins: Sequence[str]) -> Decider:
    """Return flask-cors's, whose input is the environ as a WSGI server passes it.

    Adding the fields to Flask's response is not measured.
    """
    from flask_cors.core import DEFAULT_OPTIONS, get_cors_headers, serialize_options
    from werkzeug.datastructures import EnvironHeaders

    options = serialize_options(
        {
            **DEFAULT_OPTIONS,
            "origins": list(origins),
            "methods": list(_METHODS),
            "allow_headers": list(_NAMES),
            "expose_headers": ["X-Total"],
            "supports_credentials": True,
            "max_age": 600,
        }
    )

    def view(raw: Raw) -> object:
        return {
            "HTTP_" + name.decode().upper().replace("-", "_"): value.decode() for name, value in raw
        }

    def preflight(environ: Any) -> object:
        return get_cors_headers(options, EnvironHeaders(environ), "OPTIONS")

    def actual(environ: Any) -> object:
        return get_cors_headers(options, EnvironHeaders(environ), "PUT")

    return Decider(
        name="flask-cors", view=view, calls={"preflight": preflight, "actual request": actual}
    )


def request(kind: str, origin: str) -> Raw:
    """Return the fields that a browser sends."""
    asked = (
        (b"Access-Control-Request-Method", b"PUT"),
        (b"Access-Control-Request-Headers", b"content-type,if-match"),
    )
    return (
        (b"Host", b"gate.example.com"),
        (b"Accept", b"*/*"),
        *(asked if kind == "preflight" else ((b"Content-Type", b"application/json"),)),
        (b"Origin", origin.encode()),
        (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        (b"Sec-Fetch-Mode", b"cors"),
        (b"Sec-Fetch-Site", b"cross-site"),
        (b"Accept-Encoding", b"gzip, deflate, br"),
        (b"Accept-Language", b"en-US,en;q=0.9"),
    )


def time_us(call: Call, inputs: Sequence[object], seconds: float) -> float:
    """Return how long one call takes in microseconds, over all inputs in turn."""
    calls, took_ns = 0, 0
    while took_ns < seconds * 1e9:
        start = thread_time_ns()
        for each in inputs:
            call(each)
        took_ns += thread_time_ns() - start
        calls += len(inputs)
    return took_ns / calls / 1000


def peak_bytes(call: Call, inputs: Sequence[object]) -> float:
    """Return the median of the peak number of bytes that one call allocates."""
    found = []
    tracemalloc.start()
    try:
        for each in inputs:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            call(each)
            found.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return median(found)


@attrs.frozen
class Figure:
    """The cost of one implementation for one kind of request and number of origins."""

    name: str
    kind: str
    count: int
    us: float
    bytes: float


def measure(seconds: float, rounds: int) -> list[Figure]:
    """Measure all in turn, in several rounds.

    Raises:
        LeftOut: A peer is not available.
    """
    sys.path.append(str(python_packages(*PEERS)))
    figures = []
    for count in COUNTS:
        origins = [f"https://app{number}.example.com" for number in range(count)]
        step = max(1, count // _SAMPLED)
        sampled = (origins[::step][:_SAMPLED] * _SAMPLED)[:_SAMPLED]
        deciders = [make(origins) for make in (corsgate, corsgate_indexing, starlette, flask_cors)]
        for kind in _KINDS:
            raw = [request(kind, origin) for origin in sampled]
            inputs = {each.name: [each.view(one) for one in raw] for each in deciders}
            times: dict[str, list[float]] = {each.name: [] for each in deciders}
            for _ in range(rounds):
                for each in deciders:
                    print(f"{count:,} origins, {kind}, {each.name}", file=sys.stderr)
                    gc.collect()
                    times[each.name].append(time_us(each.calls[kind], inputs[each.name], seconds))
            figures += [
                Figure(
                    each.name,
                    kind,
                    count,
                    median(times[each.name]),
                    peak_bytes(each.calls[kind], inputs[each.name]),
                )
                for each in deciders
            ]
    return figures


def bars(figures: Sequence[Figure]) -> list[tuple[str, float, bool]]:
    """Return each bar in words, its ratio, and whether it is met."""
    us = {(each.name, each.kind, each.count): each.us for each in figures}
    found = []
    for kind in _KINDS:
        for peer in ("Starlette", "flask-cors"):
            ratio = us[peer, kind, 100] / us[GATE, kind, 100]
            words = f"{kind}: at least {BAR:g} times as fast as {peer} at 100 origins"
            found.append((words, ratio, ratio >= BAR))
        ratio = us[GATE, kind, COUNTS[-1]] / us[GATE, kind, 1]
        words = f"{kind}: at most {FLAT:g} times as long with {COUNTS[-1]:,} origins as with 1"
        found.append((words, ratio, ratio <= FLAT))
    return found


def markdown(figures: Sequence[Figure]) -> str:
    """Return the figures as tables."""
    peers = ", ".join(f"{name} {version(name)}" for name in PEERS)
    lines = [f"{peers}, Python {platform.python_version()}.", ""]
    for kind in _KINDS:
        lines += [
            f"| {kind} | " + " | ".join(_origins(count) for count in COUNTS) + " | bytes |",
            "| --- |" + " ---: |" * (len(COUNTS) + 1),
        ]
        for name in dict.fromkeys(each.name for each in figures):
            own = [each for each in figures if (each.name, each.kind) == (name, kind)]
            row = [f"{each.us:,.2f} µs" for each in own]
            row.append(f"{own[COUNTS.index(100)].bytes:,.0f}")
            lines.append(f"| {name} | " + " | ".join(row) + " |")
        lines.append("")
    lines += ["| bar | ratio |  |", "| --- | ---: | --- |"]
    lines += [
        f"| {words} | {ratio:.1f} | {'held' if held else 'missed'} |"
        for words, ratio, held in bars(figures)
    ]
    return "\n".join(lines) + "\n"


def _origins(count: int) -> str:
    return "1 origin" if count == 1 else f"{count:,} origins"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark.

    Args:
        arguments: The command line's arguments.

    Returns:
        The exit status: 1 if it can't be run, or if `--check` was given and a bar was missed.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.decision", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="length of each measurement (0.5)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how many of each (5)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the report there")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a bar is missed")
    options = parser.parse_args(arguments)
    try:
        figures = measure(options.seconds, options.rounds)
    except LeftOut as error:
        print(f"The benchmark can't be run: {error}.", file=sys.stderr)
        return 1
    report = markdown(figures)
    print(report)
    if options.output is not None:
        put(report, options.output, START, END)
    return int(options.check and not all(held for _, _, held in bars(figures)))


if __name__ == "__main__":
    sys.exit(main())
